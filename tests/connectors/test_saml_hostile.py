"""What a stranger with a form can do to the SAML connector: make it work, or make it believe."""

from __future__ import annotations

import string
from itertools import islice, product

import pytest
from lxml import etree

from broker.connector import UpstreamInvalid
from tests.connectors.saml_desk import opened, signed_in
from tests.fakes.saml import NS

proves = pytest.mark.proves
row = pytest.mark.row

EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"


async def refused(**switches) -> str:
    """Why an answer that these switches spoil is not believed."""
    connector, desk = opened(**switches.pop("keys", {}))
    with pytest.raises(UpstreamInvalid) as caught:
        await signed_in(connector, desk, **switches)
    return caught.value.reason


# ── What it costs ─────────────────────────────────────────────────────────────────────────────


def prefixes(count):
    """So many prefixes that XML allows."""
    named = ("".join(letters) for letters in product("abcdefg", *[string.ascii_lowercase] * 2))
    return list(islice(named, count))


def declared(names):
    return " ".join(f'xmlns:{name}="u:{name}"' for name in names)


def a_long_list_of_prefixes(root):
    names = prefixes(200)
    for method in root.findall(".//ds:CanonicalizationMethod", NS):
        etree.SubElement(method, f"{{{EXCLUSIVE}}}InclusiveNamespaces", PrefixList=" ".join(names))
    return root


def many_things_beside_the_reference(root):
    for info in root.findall(".//ds:SignedInfo", NS):
        info.extend(etree.Element("a") for _ in range(3000))
    return root


def many_things_inside_a_digest(root):
    for value in root.findall(".//ds:DigestMethod", NS):
        value.extend(etree.Element("a") for _ in range(3000))
    return root


def many_attributes(root):
    for info in root.findall(".//ds:SignedInfo", NS):
        for name in prefixes(200):
            info.set(name, "")
    return root


BOMBS = [
    a_long_list_of_prefixes,
    many_things_beside_the_reference,
    many_things_inside_a_digest,
    many_attributes,
]


@row("DS-13")
@row("SM-06")
@proves("saml", "a signature that would take long to look at, before anybody knows who made it")
@pytest.mark.parametrize("bomb", BOMBS)
async def test_a_signature_that_costs_more_than_a_signature_is_not_canonicalized(monkeypatch, bomb):
    """40 kB of prefixes, and of elements to look for them at, are ten seconds of libxml2's."""
    asked = []
    monkeypatch.setattr("connectors.saml2.signatures.XMLVerifier", lambda: asked.append("verified"))
    for sign in ("assertion", "response"):
        assert await refused(sign=sign, mangle=bomb) == "signature_malformed"
    assert asked == []


@row("DS-13")
async def test_a_signature_may_name_the_prefixes_that_its_text_uses():
    def named(root):
        for method in root.findall(".//ds:CanonicalizationMethod", NS):
            etree.SubElement(method, f"{{{EXCLUSIVE}}}InclusiveNamespaces", PrefixList="xs xsi saml ds")
        return root

    # It is another SignedInfo then, so the signature is wrong; its shape is not.
    assert await refused(mangle=named) == "signature_wrong"


@row("DS-13")
@row("SM-06")
async def test_a_document_with_thousands_of_prefixes_is_not_parsed():
    def crowded(root):
        start = b"<samlp:Response "
        return etree.tostring(root).replace(start, start + declared(prefixes(3000)).encode() + b" ", 1)

    assert await refused(mangle=crowded) == "xml_namespaces"


async def test_one_prefix_may_be_declared_at_each_value():
    """As identity providers do that say a type of each."""

    def typed(root):
        values = b'<saml:AttributeValue xmlns:xs="http://www.w3.org/2001/XMLSchema">'
        return etree.tostring(root).replace(b"<saml:AttributeValue>", values)

    connector, desk = opened()
    desk.idp.attributes["groups"] = [f"group-{number}" for number in range(800)]
    # The declarations are not used, so that exclusive canonicalization does not see them.
    assert len((await signed_in(connector, desk, mangle=typed)).api["groups"]) == 800
