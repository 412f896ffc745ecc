"""An e-mail address decides where a person is sent, so it is read strictly and compared exactly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.domains import DomainIndex, belongs, domain_of, read_pattern
from tests.costs import least_cpu

REFUSED = [
    "a@evil.com@corp.com",
    "a@@corp.com",
    "a@corp.com\n",
    "a@corp.com\r\n",
    "a@corp.com ",
    " a@corp.com",
    '"a@corp.com"@evil.com',
    '"a"@corp.com',
    "corp.com <a@evil>",
    "Ada <a@corp.com>",
    "a(comment)@corp.com",
    "a@corp.com(comment)",
    "a,b@corp.com",
    "a@[127.0.0.1]",
    "a@[IPv6:::1]",
    "a@127.0.0.1",
    "a@2130706433",
    "a\uff20corp.com",  # full-width @
    "a@evil.com\uff20corp.com",
    "a@corp\u3002com",  # ideographic full stop
    "a@corp\uff0ecom",
    "a@\u212aorp.com",  # the Kelvin sign
    "a@\uff43orp.com",  # full-width c
    "a@B\u00dcCHER.example",  # no case mapping beyond ASCII
    "a@xn--corp-.com",  # what nobody would encode
    "a@xn--a.com",
    "a@ab--cd.com",
    "a@corp.com.",
    "a@.corp.com",
    "a@corp..com",
    "a@-corp.com",
    "a@corp-.com",
    "a@co_rp.com",
    "a@corp",
    "a@corp.com%40",
    "a%40corp.com@evil.com",
    "evil.com!a@corp.com",
    "a\0@corp.com",
    "a@corp.com\0",
    "a@co\0rp.com",
    "a@\u200bcorp.com",
    "a@corp\u00ad.com",
    "a@\u202ecorp.com",
    "a@corp.com/",
    "a@corp.com?x",
    "a@corp.com#x",
    "a@corp.com:443",
    ".a@corp.com",
    "a.@corp.com",
    "a..b@corp.com",
    "@corp.com",
    "a@",
    "@",
    "",
    "a" * 400 + "@corp.com",
    "a" * 65 + "@corp.com",
    "a@" + "b" * 64 + ".com",
    "a@" + "b." * 130 + "com",
]


@pytest.mark.row("UI-08")
@pytest.mark.parametrize("address", REFUSED)
def test_what_is_not_an_address_beyond_doubt_is_none(address):
    assert domain_of(address) is None


@pytest.mark.row("UI-08")
@pytest.mark.parametrize(
    ("address", "domain"),
    [
        ("a@corp.com", "corp.com"),
        ("A.B+tag@CORP.Com", "corp.com"),
        ("o'brien@corp.com", "corp.com"),
        ("a@b\u00fccher.example", "xn--bcher-kva.example"),
        ("a@xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("a@XN--BCHER-KVA.example", "xn--bcher-kva.example"),
        ("a@fa\u00df.example", "xn--fa-hia.example"),  # IDNA 2008: not fass
        ("a@\u0131.example", "xn--cfa.example"),  # a dotless i is not an i
    ],
)
def test_a_domain_is_compared_as_the_a_label_it_is(address, domain):
    assert domain_of(address) == domain


@pytest.mark.row("UI-08")
@pytest.mark.parametrize(
    "address",
    [
        "a@corp.com.evil.com",
        "a@evilcorp.com",
        "a@corp.com.evil",
        "a@c\u043erp.com",  # Cyrillic o
        "a@\u03f2orp.com",  # Greek lunate sigma
        "a@xn--crp-sed.com",  # the same, as its punycode twin
        "a@sub.corp.com",
        "a@com",
    ],
)
def test_what_only_looks_like_a_domain_belongs_to_nobody(address):
    index = DomainIndex({"corp": ["corp.com"]})
    domain = domain_of(address)
    assert domain is None or list(index.nearest(domain)) == []


def test_a_wildcard_is_all_below_and_not_the_domain_itself():
    patterns = {"*.acme.example"}
    assert belongs("hr.acme.example", patterns)
    assert belongs("a.b.c.acme.example", patterns)
    assert not belongs("acme.example", patterns)
    assert not belongs("evilacme.example", patterns)


def test_the_nearest_pattern_comes_first_and_all_that_say_the_same_are_offered():
    index = DomainIndex(
        {
            "all": ["*.acme.example"],
            "hr": ["hr.acme.example"],
            "hr2": ["hr.acme.example"],
            "eu": ["*.eu.acme.example"],
        }
    )
    assert list(index.nearest("hr.acme.example")) == [("hr", "hr2"), ("all",)]
    assert list(index.nearest("x.eu.acme.example")) == [("eu",), ("all",)]
    assert list(index.nearest("acme.example")) == []
    assert index
    assert not DomainIndex()


@pytest.mark.parametrize(
    "text",
    ["", "*", "*.com", "*.", "@acme.example", "a@acme.example", "*.*.acme.example", "a.*.example", "acme",
     "acme.example.", "https://acme.example", "a b.example", "ACM\u00c9.example"],
)  # fmt: skip
def test_what_is_no_domain_cannot_be_configured(text):
    with pytest.raises(ValueError, match="expected a domain"):
        read_pattern(text)


def test_a_pattern_is_kept_in_one_spelling():
    assert read_pattern("ACME.example") == "acme.example"
    assert read_pattern("*.B\u00fccher.example".replace("B", "b")) == "*.xn--bcher-kva.example"


@given(st.text(max_size=60))
def test_whatever_is_given_either_has_one_domain_or_none(text):
    domain = domain_of(text)
    if domain is not None:
        assert text.count("@") == 1
        assert domain == domain.lower()
        assert domain.isascii()
        assert read_pattern(domain) == domain


@pytest.mark.row("DS-11")
@pytest.mark.parametrize("evil", ["a@" + "a." * 50_000, "." * 100_000, "a" * 100_000, "a@" + "-" * 100_000])
def test_a_hundred_kilobytes_are_refused_within_a_millisecond(evil):
    assert domain_of(evil) is None
    assert least_cpu(lambda: domain_of(evil)) < 0.001


def test_ten_thousand_domains_are_looked_up_not_scanned():
    index = DomainIndex({f"c{n}": [f"c{n}.example", f"*.c{n}.example"] for n in range(10_000)})
    few = DomainIndex({"c9999": ["c9999.example", "*.c9999.example"]})

    def look(one: DomainIndex) -> None:
        for _ in range(2_000):
            list(one.nearest("a.b.c9999.example"))

    assert least_cpu(lambda: look(index)) < 3 * least_cpu(lambda: look(few))
