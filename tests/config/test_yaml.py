"""How YAML is read: as plain data, with marks, and nothing that hides, runs or explodes."""

import sys

import pytest

from tests.config.desk import SOUND, Desk
from tests.costs import least_cpu


@pytest.mark.row("CF-02")
@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "issuer: !!python/object/apply:os.system ['true']",
            "broker.yaml:1:9: issuer: a tag (!) is not read here; text is put in quotes",
        ),
        ("listen: !secret x", "broker.yaml:1:9: listen: a tag (!) is not read here; text is put in quotes"),
        (
            "scopes: &x {}\nclients: *x",
            "broker.yaml:2:10: clients: an alias (*) is not read here; write the value out, or use include",
        ),
        (
            "store:\n  <<: {prefix: x}",
            (
                'broker.yaml:2:3: store."<<": a merge key (<<) is not read here; write the values out, '
                "or use include"
            ),
        ),
        ("listen: a:1\nlisten: b:2", "broker.yaml:2:1: listen: said twice; the first is in line 1"),
        ("clients:\n  12: {}", "broker.yaml:2:3: clients.12: a key must be text; put it in quotes"),
        ("clients:\n  true: {}", "broker.yaml:2:3: clients.true: a key must be text; put it in quotes"),
        ("? [a, b]\n: c", "broker.yaml:1:3: a key must be text"),
        ("issuer: x\n---\nissuer: y", "broker.yaml:2:1: a second document in the same file"),
        ("issuer: [", "broker.yaml:2:1: not YAML: did not find expected node content"),
        ("issuer: 'x", "broker.yaml:1:11: not YAML: found unexpected end of stream"),
        ("a: b\n\tc: d", "broker.yaml:2:1: not YAML: found a tab character that violates indentation"),
        ("- issuer", "broker.yaml:1:1: expected keys with values"),
        ("just words", "broker.yaml:1:1: expected keys with values"),
    ],
)
def test_what_hides_runs_or_repeats_is_refused_where_it_stands(desk: Desk, text: str, line: str) -> None:
    assert line in desk.mistakes(text)


@pytest.mark.row("CF-02")
def test_a_billion_laughs_are_refused_at_the_first(desk: Desk) -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [f"{b}: &{b} [{', '.join(['*' + a] * 9)}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True)]
    text = "\n".join(lines)
    said = "broker.yaml:2:8: b[0]: an alias (*) is not read here; write the value out, or use include"
    assert said in desk.mistakes(text)
    assert least_cpu(lambda: desk.mistakes(text), tries=2) < 1


@pytest.mark.row("CF-02")
@pytest.mark.parametrize("depth", [33, sys.getrecursionlimit() * 2, 100_000])
def test_deep_nesting_is_refused_without_recursion(desk: Desk, depth: int) -> None:
    (line,) = [
        line for line in desk.mistakes("clients: " + "[" * depth) if "nested" in line or "YAML" in line
    ]
    assert line.startswith("broker.yaml:1:")


@pytest.mark.row("CF-02")
@pytest.mark.parametrize(
    "word", ["no", "off", "y", "012", "0o14", "22:22", "1e3", "0x1f", "1_000", ".5", "2026-01-01"]
)
def test_words_that_other_readers_turn_into_something_else_stay_as_they_are(desk: Desk, word: str) -> None:
    config = desk.load(SOUND.replace("client_name: Billing", f"client_name: {word}"))
    assert config.clients_by_id["billing"].client_name == word


@pytest.mark.row("CF-02")
@pytest.mark.parametrize("word", ["yes", "no", "on", "True", "1", "0", '"yes"', "[true]"])
def test_a_switch_is_true_or_false_and_no_other_word(desk: Desk, word: str) -> None:
    found = desk.mistakes(SOUND + f"    trusted: {word}\n")
    assert found == ["broker.yaml:13:14: clients.billing.trusted: expected true or false"]


def test_the_whole_number_that_stands_where_text_should_is_told_so(desk: Desk) -> None:
    found = desk.mistakes(SOUND.replace("something long", "12345"))
    assert found == ["broker.yaml:11:20: clients.billing.client_secret: expected text; put it in quotes"]


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"issuer: \xff", "broker.yaml:1:9: not UTF-8"),
        (b"a: b\nissuer: x\xc3\x28", "broker.yaml:2:10: not UTF-8"),
        (b"a: b\nissuer: \x00", "broker.yaml:2:9: not YAML: a control character"),
        ("issuer: \ufeffx".encode("utf-16"), "broker.yaml:1:1: not UTF-8"),
    ],
)
def test_bytes_that_are_no_text_are_found(desk: Desk, data: bytes, line: str) -> None:
    desk.write("broker.yaml", data)
    assert desk.mistakes() == [line]


def test_a_byte_order_mark_is_forgiven(desk: Desk) -> None:
    desk.write("broker.yaml", "\ufeff".encode() + SOUND.encode())
    assert desk.mistakes() == []


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "---\n", "connectors:\n"])
def test_an_empty_file_lacks_what_is_needed(desk: Desk, text: str) -> None:
    assert [line.partition(": ")[2] for line in desk.mistakes(text)] == [
        "issuer: missing",
        "state_dir: missing; the embedded store keeps its data there",
    ]


def test_columns_count_characters_not_bytes(desk: Desk) -> None:
    assert "broker.yaml:1:10: é: unknown key" not in desk.mistakes("é: x")
    assert 'broker.yaml:1:1: "é": unknown key' in desk.mistakes("é: x")
    assert 'broker.yaml:1:8: "ü": unknown key' in desk.mistakes('{"é": 1, ü: 2}'.replace('"é": 1', "é: 1"))


def test_a_file_that_is_not_there_is_one_line(desk: Desk) -> None:
    assert desk.mistakes() == ["broker.yaml:1:1: cannot read the file: No such file or directory"]
    (desk.folder / "broker.yaml").mkdir()
    assert desk.mistakes() == ["broker.yaml:1:1: this is a folder; name a file in it"]
