"""What a stranger with a form can do to the SAML connector: make it work, or make it believe."""

from __future__ import annotations

import string
from collections.abc import Mapping
from itertools import islice, product
from types import MappingProxyType

import pytest
from lxml import etree
from pydantic import ValidationError
from signxml.verifier import XMLVerifier

from broker.connector import UpstreamInvalid
from tests.connectors.saml_desk import LOGIN, SP, answered, opened, settings, signed_in
from tests.fakes.saml import NS, PERSISTENT, FakeIdp, pair, q

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
        for name in prefixes(40):
            info.set(name, "")
    return root


def many_things_to_say_of_the_key(root):
    for info in root.findall(".//ds:KeyInfo", NS):
        info.extend(etree.Element("a") for _ in range(3000))
    return root


BOMBS = [
    many_things_to_say_of_the_key,
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
@proves("saml", "a forged signature costs the same however large the Response is")
async def test_who_did_not_sign_is_found_out_by_the_signature_alone(monkeypatch):
    sizes = []

    class Weighing(XMLVerifier):
        def verify(self, data, **rules):
            sizes.append(len(data))
            return super().verify(data, **rules)

    monkeypatch.setattr("connectors.saml2.signatures.XMLVerifier", Weighing)
    pins = [pair(f"pin-{number}").pem for number in range(7)]
    connector, desk = opened(idp_certificates=[*pins, pair("idp").pem])
    desk.idp.attributes["groups"] = [f"group-{number:04}" for number in range(2000)]
    with pytest.raises(UpstreamInvalid):
        await signed_in(connector, desk, key="foreign")
    assert len(sizes) == 8
    assert max(sizes) < 8_000
    sizes.clear()
    assert await signed_in(connector, desk, sign="assertion")
    assert len([size for size in sizes if size > 100_000]) == 1  # by the one key that made it


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


@row("DS-13")
@row("SM-06")
@proves("saml", "documents of nothing but tags or attributes")
@pytest.mark.parametrize(
    ("filling", "reason"),
    [
        (lambda: "<x " + " ".join(f'a{number}=""' for number in range(12_000)) + "/>", "xml_attributes"),
        (lambda: "<a/>" * 40_000, "xml_too_large"),
        (lambda: "<a><b/></a>" * 14_000, "xml_too_large"),
    ],
    ids=["attributes", "tags", "pairs"],
)
async def test_a_document_that_is_made_to_be_looked_at_is_not_looked_at(filling, reason):
    """170 kB that were 12,000 attributes of one element held up everybody for a second."""

    def filled(root):
        return etree.tostring(root).replace(b"</saml:Assertion>", filling().encode() + b"</saml:Assertion>")

    assert await refused(mangle=filled) == reason


async def test_one_prefix_may_be_declared_at_each_value():
    """As identity providers do that say a type of each."""

    def typed(root):
        values = b'<saml:AttributeValue xmlns:xs="http://www.w3.org/2001/XMLSchema">'
        return etree.tostring(root).replace(b"<saml:AttributeValue>", values)

    connector, desk = opened()
    desk.idp.attributes["groups"] = [f"group-{number}" for number in range(800)]
    # The declarations are not used, so that exclusive canonicalization does not see them.
    assert len((await signed_in(connector, desk, mangle=typed)).api["groups"]) == 800


# ── Who it is ─────────────────────────────────────────────────────────────────────────────────

TARGETED = "urn:oid:1.3.6.1.4.1.5923.1.1.1.10"


class Hub(FakeIdp):
    """An identity provider that passes on the names of others, each with who gave it."""

    qualifiers: Mapping[str, str] = MappingProxyType({})

    def _attributes(self, root):
        statement = etree.SubElement(root, q("saml", "AttributeStatement"))
        attribute = etree.SubElement(statement, q("saml", "Attribute"), Name=TARGETED)
        value = etree.SubElement(attribute, q("saml", "AttributeValue"))
        etree.SubElement(value, q("saml", "NameID"), Format=PERSISTENT, **self.qualifiers).text = "0001"


@row("SM-13")
@row("UI-05")
@proves("saml", "one name given by two organisations is two people, also inside an attribute")
async def test_a_name_in_an_attribute_is_a_name_among_those_of_who_gave_it():
    hub = Hub()
    connector, desk = opened(hub, subject_attribute=TARGETED)
    plain = (await signed_in(connector, desk)).subject
    hub.qualifiers = {"NameQualifier": hub.issuer, "SPNameQualifier": SP}
    assert (await signed_in(connector, desk)).subject == plain  # what absence means
    subjects = {plain}
    for qualifiers in (
        {"NameQualifier": "https://a.example"},
        {"NameQualifier": "https://b.example"},
        {"SPNameQualifier": "https://a.example"},
        {"NameQualifier": "https://a.example", "SPNameQualifier": "https://b.example"},
    ):
        hub.qualifiers = qualifiers
        subjects.add((await signed_in(connector, desk)).subject)
    assert len(subjects) == 5


@row("SM-03")
@proves("saml", "of several subject confirmations one must hold by itself")
async def test_of_several_confirmations_one_must_hold_wholly():
    def confirmed_by(*changes):
        class Idp(FakeIdp):
            def _subject(self, root, request_id):
                super()._subject(root, request_id)
                first = root.find(".//saml:SubjectConfirmation", NS)
                for change in changes:
                    another = etree.fromstring(etree.tostring(first))
                    for name, value in change.items():
                        another[0].set(name, value)
                    first.addprevious(another)
                first.getparent().remove(first)

        return opened(Idp())

    elsewhere = {"Recipient": "https://somebody.else.example/"}
    assert await signed_in(*confirmed_by(elsewhere, {}))
    assert await signed_in(*confirmed_by({"NotOnOrAfter": "2020-01-01T00:00:00Z"}, {}))
    with pytest.raises(UpstreamInvalid):
        await signed_in(*confirmed_by(elsewhere, {"InResponseTo": "_another"}))


def said_by(change):
    """A connector whose identity provider signs what ``change`` made of its assertion."""

    class Idp(FakeIdp):
        def assertion(self, request_id):
            root = super().assertion(request_id)
            change(root)
            return root

    return opened(Idp())


@row("SM-07")
@row("SM-13")
async def test_a_name_with_elements_in_it_is_no_name():
    """Some read the first text of it, others all of them together."""

    def split(root):
        name = root.find(".//saml:NameID", NS)
        name.text = "the-admin"
        etree.SubElement(name, "b").text = "istrator"

    with pytest.raises(UpstreamInvalid) as caught:
        await signed_in(*said_by(split))
    assert caught.value.reason == "name_id_malformed"


@row("SM-07")
async def test_of_a_value_that_is_half_text_and_half_a_name_neither_is_read():
    def mixed(before, after):
        def change(root):
            value = root.find(".//saml:AttributeValue", NS)
            value.text = before
            name = etree.SubElement(value, q("saml", "NameID"))
            name.text, name.tail = "root@people.example", after

        return change

    for before, after in (("ann@people.example", ""), ("", "ann@people.example")):
        assert "email" not in (await signed_in(*said_by(mixed(before, after)))).api
    spaced = await signed_in(*said_by(mixed("\n  ", "\n")))
    assert spaced.api["email"] == "root@people.example"


@row("SM-03")
@pytest.mark.parametrize("count", ["0", "00", " 0 ", "+0", "-0", "none", ""])
async def test_however_it_writes_zero_nobody_may_be_told(count):
    assert await refused(proxy_count=count) == "proxying_forbidden"


# ── Their metadata ────────────────────────────────────────────────────────────────────────────


@row("UP-02")
@proves("saml", "metadata is believed no longer than it says, also where it is cached")
async def test_metadata_that_was_read_in_time_ends_in_time():
    idp = FakeIdp(metadata_changes={"valid_until": 600})
    connector, desk = opened(idp, idp_certificates=None, trust_metadata_keys=True)
    departure = await connector.begin(LOGIN)
    desk.time += 601
    idp.metadata_changes["valid_until"] = -1  # nothing newer is to be had
    for ask in (connector.begin(LOGIN), answered(connector, desk, departure), connector.ping()):
        with pytest.raises(UpstreamInvalid) as caught:
            await ask
        assert caught.value.reason == "metadata_expired"
    idp.metadata_changes["valid_until"] = 600
    assert await signed_in(connector, desk)


def listed(*entities: bytes, attributes: str = "") -> str:
    """A federation's list."""
    return (
        f"<md:EntitiesDescriptor xmlns:md='{NS['md']}' {attributes}>"
        + b"".join(entities).decode()
        + "</md:EntitiesDescriptor>"
    )


@row("UP-01")
@proves("saml", "what a member of a federation writes inside its own entry is nobody else's entry")
async def test_an_entity_inside_another_ones_extensions_is_not_that_entity():
    idp, member = FakeIdp(), FakeIdp(base="https://member.example", signing=pair("member"))
    forged = FakeIdp(signing=pair("member")).metadata().replace(b' ID="_metadata"', b"")
    inside = b"<md:Extensions>" + forged + b"</md:Extensions>"
    nested = member.metadata().replace(b' ID="_metadata">', b' ID="_metadata">' + inside, 1)
    keys = {"metadata_url": None, "idp_certificates": None, "idp_entity_id": idp.issuer}
    connector, _ = opened(idp, **keys, metadata=listed(nested))
    with pytest.raises(UpstreamInvalid) as caught:
        await connector.begin(LOGIN)
    assert caught.value.reason == "metadata_issuer_mismatch"
    connector, desk = opened(idp, **keys, metadata=listed(nested, listed(idp.metadata()).encode()))
    assert await signed_in(connector, desk)


async def test_a_pinned_certificate_is_found_behind_many_others():
    idp = FakeIdp(listed=[pair("idp")], signing=pair("idp"))
    others = "".join(
        '<md:KeyDescriptor use="signing"><ds:KeyInfo><ds:X509Data><ds:X509Certificate>'
        f"{pair(f'other-{number}', 'ec').base64}"
        "</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>"
        for number in range(20)
    )
    crowded = idp.metadata().decode().replace("<md:KeyDescriptor", f"{others}<md:KeyDescriptor", 1)
    prints = [f"sha256:{pair('idp').fingerprint}"]
    assert await signed_in(*opened(idp, metadata_url=None, metadata=crowded, idp_certificates=prints))


@row("UP-02")
async def test_a_list_within_a_list_ends_when_it_says():
    idp = FakeIdp()

    class Federation(FakeIdp):
        def metadata(self):
            inner = listed(idp.metadata(), attributes='validUntil="2020-01-01T00:00:00Z"')
            return listed(inner.encode()).encode()

    connector, _ = opened(Federation())
    with pytest.raises(UpstreamInvalid) as caught:
        await connector.begin(LOGIN)
    assert caught.value.reason == "metadata_expired"


@row("UP-02")
@proves("saml", "pinned keys stay the only ones where the metadata is signed as well")
async def test_signed_metadata_brings_no_key_beside_those_that_are_pinned():
    federation = pair("federation")
    idp = FakeIdp(listed=[pair("idp-new")], metadata_changes={"sign_with": federation})
    connector, desk = opened(idp, metadata_certificates=[federation.pem])
    assert await signed_in(connector, desk)
    idp.signing, idp.listed = pair("idp-new"), [pair("idp")]
    with pytest.raises(UpstreamInvalid) as caught:
        await signed_in(connector, desk)
    assert caught.value.reason == "signature_wrong"


@row("UP-01")
@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"trust_metadata_keys": True}, "idp_certificates says that only those are believed"),
        (
            {"idp_certificates": None, "metadata_certificates": [pair("federation").pem]},
            "idp_entity_id: missing",
        ),
    ],
)
def test_settings_that_believe_more_than_they_seem_to_are_refused(keys, words):
    """A federation signs for many: without a name any member of it could stand at the address."""
    with pytest.raises(ValidationError, match=words):
        settings(FakeIdp(), **keys)
