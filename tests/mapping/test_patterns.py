"""Which regular expressions an operator may write, and that none of them can stop a worker."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from broker.mapping.patterns import MAX_ENTRY, PatternError, compile_pattern
from tests.costs import least_cpu


@pytest.mark.parametrize(
    ("pattern", "matches", "not_"),
    [
        ("acme-.+", "acme-x", "acme-"),
        ("acme-.+|dev-.+|ops-.+|contractors", "ops-1", "ops"),
        ("[a-z]+-[0-9]{1,3}", "team-12", "team-1234"),
        (r"/staff/[^/]+", "/staff/eng", "/staff/eng/x"),
        (r"CN=(admins|users),OU=.+", "CN=users,OU=x", "CN=x,OU=x"),
        ("(?:ab)+", "abab", "aba"),
        ("[]a]+", "]a]", "b"),
        ("[^]a]+", "b", "]"),
        (r"a\.b\+", "a.b+", "axb+"),
        ("a{2}", "aa", "a"),
        ("a{x}", "a{x}", "ax"),
        ("{}", "{}", "{"),
        ("(a|b)?c", "bc", "b"),
        ("a.*?b", "axb", "ax"),
    ],
)
def test_what_operators_write_works(pattern, matches, not_):
    compiled = compile_pattern(pattern)
    assert compiled.fullmatch(matches)
    assert not compiled.fullmatch(not_)


@pytest.mark.row("UI-10")
@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+",
        "(a*)*b",
        "(a|a)*b",
        "(a|ab)+",
        "(?:(?:a+)b?)*",
        "([a-z]+)*",
        "(a+){10}",
        "(a?){30}a",
        "a?" * 30 + "a" * 30,
        ".*.*.*x",
        ".+a.+a.+a",
        "a{1,100}a{1,100}a{1,100}",
        "x{,}x{,}x{,}",
        r"(a)\1+",
        "(?P<x>a)(?P=x)",
        "(?=a+)b",
        "(?<!a)b",
        "(?i)a",
        "(?#x)a",
        "(?>a)",
        "^acme$",
        r"\Aacme\Z",
        r"\bacme",
        "[[:alpha:]]",
        "(",
        "a**",
        "[z-a]",
        "",
        "x" * 513,
        7,
        None,
        ["a"],
    ],
)
def test_what_could_take_for_ever_or_is_no_pattern_stops_the_start(pattern):
    with pytest.raises(PatternError):
        compile_pattern(pattern)


@pytest.mark.row("UI-10")
@settings(max_examples=200, deadline=None)
@given(
    st.text(alphabet="ab.*+?{}()|[]\\,12x-^:", min_size=1, max_size=24),
    st.sampled_from(["a", "ab", "b", "ba"]),
)
def test_a_pattern_that_is_accepted_answers_soon_whatever_it_is_asked(text, unit):
    try:
        pattern = compile_pattern(text)
    except PatternError:
        assume(False)
        raise
    entry = (unit * MAX_ENTRY)[: MAX_ENTRY - 1] + "!"
    assert least_cpu(lambda: pattern.fullmatch(entry), tries=2) < 0.1


def test_the_costliest_pattern_that_is_accepted_is_still_cheap():
    pattern = compile_pattern(".+a.+b")
    assert not pattern.fullmatch("a" * MAX_ENTRY)
    assert least_cpu(lambda: pattern.fullmatch("a" * MAX_ENTRY)) < 0.05
