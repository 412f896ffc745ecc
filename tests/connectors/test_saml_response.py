"""What the SAML connector believes of a Response: every check, one broken at a time."""

from __future__ import annotations

import asyncio
from base64 import b64decode, b64encode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from broker.connector import UpstreamError, UpstreamInvalid, UpstreamRefused
from connectors.saml2.assertion import Expected
from connectors.saml2.credentials import Certificate
from connectors.saml2.response import Keys, read_response
from tests.connectors.saml_desk import ACS, LOGIN, SP, brought, opened, signed_in
from tests.fakes.saml import NS, FakeIdp, pair, q, wrapped

proves = pytest.mark.proves
row = pytest.mark.row


async def refused(**switches) -> str:
    """Why an answer that these switches spoil is not believed."""
    connector, desk = opened(**switches.pop("keys", {}))
    with pytest.raises(UpstreamInvalid) as caught:
        await signed_in(connector, desk, **switches)
    return caught.value.reason


# ── What is right is taken ────────────────────────────────────────────────────────────────────


@proves("saml", "signed assertions, signed responses, or both")
@pytest.mark.parametrize("sign", ["both", "response", "assertion"])
async def test_a_login_is_read_from_what_is_signed(sign):
    connector, desk = opened()
    who = await signed_in(connector, desk, sign=sign)
    assert who.issuer == desk.idp.issuer
    assert "f7c2-ann" in who.subject
    assert who.api["email"] == "ann@people.example"
    assert who.api["name"] == "Ann Example"
    assert who.api["groups"] == ["Staff", "Admins, all"]
    assert who.api["attributes"]["mail"] == ["ann@people.example"]
    assert who.acr == "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"
    assert who.sid == "s-1"
    assert who.auth_time == int(desk.time - 5)


@proves("saml", "RSA and ECDSA signatures with SHA-256, SHA-384 and SHA-512")
@pytest.mark.parametrize("algorithm", ["RSA_SHA256", "RSA_SHA384", "RSA_SHA512"])
async def test_signatures_with_sha_2_are_believed(algorithm):
    connector, desk = opened()
    assert await signed_in(connector, desk, algorithm=algorithm, digest=algorithm.partition("_")[2])


async def test_an_identity_provider_may_sign_with_ecdsa():
    idp = FakeIdp(signing=pair("idp-ec", "ec"))
    connector, desk = opened(idp)
    assert await signed_in(connector, desk)
    assert await signed_in(connector, desk, algorithm="ECDSA_SHA512", digest="SHA512")


@proves("saml", "a pinned certificate that has expired")
async def test_a_pinned_certificate_that_has_ended_goes_on_working():
    ended = pair("idp-ended", days=-30)
    assert (await signed_in(*opened(FakeIdp(signing=ended)))).subject


@proves("saml", "two certificates during a rollover")
async def test_while_certificates_change_both_are_believed():
    new = pair("idp-new")
    connector, desk = opened(idp_certificates=[pair("idp").pem, new.pem])
    before = await signed_in(connector, desk)
    desk.idp.signing = new
    after = await signed_in(connector, desk)
    assert before.subject == after.subject


@proves("saml", "encrypted assertions (AES-GCM, and AES-CBC in a signed Response)")
@pytest.mark.parametrize("transport", ["rsa-oaep-mgf1p", "rsa-oaep"])
@pytest.mark.parametrize("algorithm", ["aes128-gcm", "aes192-gcm", "aes256-gcm", "aes128-cbc", "aes256-cbc"])
async def test_an_encrypted_assertion_is_opened(algorithm, transport):
    connector, desk = opened(private_key=pair("sp").private_pem)
    who = await signed_in(connector, desk, encrypt=algorithm, transport=transport)
    assert who.api["email"] == "ann@people.example"
    gcm_alone = algorithm.endswith("gcm")
    if gcm_alone:
        assert await signed_in(connector, desk, encrypt=algorithm, transport=transport, sign="assertion")


async def test_of_two_decryption_keys_either_opens():
    keys = [pair("sp-new").private_pem, pair("sp").private_pem]
    assert await signed_in(*opened(decryption_keys=keys), encrypt="aes256-gcm")


async def test_clocks_may_differ_by_half_a_minute():
    connector, desk = opened()
    assert await signed_in(connector, desk, issued=25, authn_instant=25, conditions_from=25)
    assert await signed_in(connector, desk, not_on_or_after=-25, conditions_until=-25)


async def test_conditions_that_allow_what_we_do_stop_nothing():
    assert await signed_in(*opened(), one_time_use="OneTimeUse", proxy_count="2")


@pytest.mark.parametrize("bad", [31, 61])
async def test_and_by_no_more(bad):
    assert await refused(conditions_from=bad) == "assertion_not_yet"


# ── Every step, broken ────────────────────────────────────────────────────────────────────────

OTHER = "https://somebody.else.example/"
STEPS = [
    ({"version": "1.1"}, "response_version"),
    ({"destination": OTHER}, "destination_mismatch"),
    ({"destination": "missing"}, "destination_mismatch"),
    ({"destination": ""}, "destination_mismatch"),
    ({"destination": ACS + "/"}, "destination_mismatch"),
    ({"in_response_to": "_another"}, "in_response_to_mismatch"),
    ({"in_response_to": "missing"}, "in_response_to_mismatch"),
    ({"issuer": OTHER}, "response_issuer_mismatch"),
    ({"issuer": "missing"}, "response_issuer_mismatch"),
    ({"assertion_issuer": OTHER}, "assertion_issuer_mismatch"),
    ({"assertion_issuer": "missing"}, "assertion_issuer_mismatch"),
    ({"assertion_issuer": "https://idp.example/metadata "}, "assertion_issuer_mismatch"),
    ({"issued": 45}, "assertion_not_yet"),
    ({"issued": "yesterday"}, "instant_malformed"),
    ({"issued": "2026-02-30T00:00:00Z"}, "instant_malformed"),
    ({"issued": "2026-02-20T00:00:00+05:00"}, "instant_malformed"),
    ({"subject": "missing"}, "subject_missing"),
    ({"confirmation": "missing"}, "confirmation_missing"),
    ({"method": "urn:oasis:names:tc:SAML:2.0:cm:sender-vouches"}, "confirmation_missing"),
    ({"recipient": OTHER}, "recipient_mismatch"),
    ({"recipient": "missing"}, "recipient_mismatch"),
    ({"confirmed_in_response_to": "_another"}, "in_response_to_mismatch"),
    ({"confirmed_in_response_to": "missing"}, "in_response_to_mismatch"),
    ({"confirmation_not_before": -5}, "confirmation_not_before"),
    ({"not_on_or_after": -31}, "confirmation_expired"),
    ({"not_on_or_after": "missing"}, "confirmation_expired"),
    ({"conditions": "missing"}, "conditions_missing"),
    ({"conditions_from": 45}, "assertion_not_yet"),
    ({"conditions_until": -45}, "assertion_expired"),
    ({"condition": "SomethingNew"}, "condition_unknown"),
    ({"proxy_count": "0"}, "proxying_forbidden"),
    ({"audience": OTHER}, "audience_mismatch"),
    ({"audience": [SP, OTHER]}, "audience_mismatch"),
    ({"audience": SP.upper()}, "audience_mismatch"),
    ({"audience": "missing"}, "audience_missing"),
    ({"statement": "missing"}, "authn_statement_missing"),
    ({"session_until": -45}, "session_expired"),
    ({"authn_instant": "missing"}, "authn_instant_wrong"),
    ({"authn_instant": 45}, "authn_instant_wrong"),
    ({"session_index": "x" * 300}, "authn_statement_malformed"),
    ({"name_id": "missing"}, "name_id_missing"),
    ({"name_id": ""}, "name_id_malformed"),
    ({"name_id": " ann"}, "name_id_malformed"),
    ({"name_id": "ann\u202ennA"}, "name_id_malformed"),
    ({"name_id": "a" * 1025}, "name_id_malformed"),
    ({"sp_name_qualifier": OTHER}, "name_id_qualifier_mismatch"),
    ({"repeated": True}, "attribute_repeated"),
    ({"sign": "none"}, "signature_missing"),
    ({"key": "foreign"}, "signature_wrong"),
    ({"key": "ec"}, "signature_wrong"),
    ({"key": "weak"}, "signature_wrong"),
    ({"algorithm": "RSA_SHA1"}, "signature_algorithm"),
    ({"digest": "SHA1"}, "signature_algorithm"),
    ({"algorithm": "SHA256_RSA_MGF1"}, "signature_algorithm"),
    ({"c14n": "CANONICAL_XML_1_0"}, "signature_transforms"),
    ({"c14n": "EXCLUSIVE_XML_CANONICALIZATION_1_0_WITH_COMMENTS"}, "signature_transforms"),
]


@row("SM-03")
@proves("saml", "issuer, audience, recipient, destination, request, times and subject, each checked")
@pytest.mark.parametrize(("switches", "reason"), STEPS, ids=lambda value: str(value)[:60])
async def test_each_step_has_its_reason(switches, reason):
    assert await refused(**switches) == reason


@pytest.mark.parametrize("sign", ["response", "assertion"])
@pytest.mark.parametrize("switch", ["recipient", "audience", "assertion_issuer"])
async def test_one_signature_or_two_make_no_difference_to_the_steps(sign, switch):
    assert (await refused(sign=sign, **{switch: OTHER})).endswith("_mismatch")


async def test_an_unsigned_envelope_is_compared_all_the_same():
    assert await refused(sign="assertion", destination=OTHER) == "destination_mismatch"
    assert await refused(sign="assertion", in_response_to="_another") == "in_response_to_mismatch"
    connector, desk = opened()
    assert await signed_in(connector, desk, sign="assertion", issuer="missing")


@proves("saml", "errors of the identity provider, told as what they are")
@pytest.mark.parametrize("sign", ["response", "none"])
@pytest.mark.parametrize(
    ("status", "error"),
    [
        ("NoPassive", "login_required"),
        ("AuthnFailed", "access_denied"),
        ("RequestDenied", "access_denied"),
        ("UnknownPrincipal", "access_denied"),
        ("NoAuthnContext", "unmet_authentication_requirements"),
        ("InvalidNameIDPolicy", "server_error"),
        ("NeverHeardOf", "server_error"),
    ],
)
async def test_an_error_status_is_told_as_what_it_means(status, error, sign):
    connector, desk = opened()
    with pytest.raises(UpstreamRefused) as caught:
        await signed_in(connector, desk, status=status, sign=sign)
    assert caught.value.error == error


async def test_an_error_of_another_request_ends_no_login():
    assert await refused(status="AuthnFailed", in_response_to="_another") == "in_response_to_mismatch"


# ── Replay ────────────────────────────────────────────────────────────────────────────────────


@row("SM-05")
@proves("saml", "an assertion is good once")
async def test_of_twenty_who_bring_one_assertion_one_is_signed_in():
    connector, desk = opened()
    departure = await connector.begin(LOGIN)
    response = desk.idp.respond(departure.memory["request"])
    bringing = [brought(connector, departure.memory, {"SAMLResponse": response}) for _ in range(20)]
    results = await asyncio.gather(*bringing, return_exceptions=True)
    reasons = [getattr(one, "reason", "signed in") for one in results]
    assert sorted(reasons) == ["assertion_replayed"] * 19 + ["signed in"]
    assert 300 <= max(desk.times.values()) <= 400  # as long as anybody would take it


@row("SM-05")
async def test_the_answer_to_one_login_is_none_to_another():
    connector, desk = opened()
    mine, theirs = await connector.begin(LOGIN), await connector.begin(LOGIN)
    response = desk.idp.respond(theirs.memory["request"])
    with pytest.raises(UpstreamInvalid, match="another request"):
        await brought(connector, mine.memory, {"SAMLResponse": response})


async def test_an_answer_that_is_refused_uses_nothing_up():
    connector, desk = opened()
    with pytest.raises(UpstreamInvalid):
        await signed_in(connector, desk, audience=OTHER)
    assert desk.used == set()


# ── Signature wrapping ────────────────────────────────────────────────────────────────────────


@row("SM-01")
@proves("saml", "signature wrapping, XSW 1 to 8")
@pytest.mark.parametrize(
    ("way", "sign"),
    [(way, sign) for way in range(1, 9) for sign in ("both", "response" if way < 3 else "assertion")],
)
async def test_a_signature_beside_a_lie_proves_nothing(way, sign):
    reason = await refused(sign=sign, mangle=lambda root: wrapped(root, way))
    assert reason in {"id_repeated", "response_repeated", "assertion_repeated", "signature_misplaced"}


@row("SM-01")
@pytest.mark.parametrize("way", range(3, 9))
async def test_nor_does_it_beside_a_lie_under_other_names(way):
    """The same, where the hidden copy is no Assertion by name, so that counting them does not help."""

    def disguised(root):
        root = wrapped(root, way)
        for assertion in root.iter(q("saml", "Assertion")):
            if not (assertion.get("ID") or "").startswith("_evil"):
                assertion.tag = "{urn:somebody}Assertion"
        return root

    reason = await refused(sign="assertion", mangle=disguised)
    assert reason.startswith(("signature_", "assertion_"))


def other_id(root):
    """The signature's own element, moved away from under it."""
    root.find("saml:Assertion", NS).set("ID", "_other")
    return root


def emptied(root):
    for reference in root.iter(q("ds", "Reference")):
        reference.set("URI", "")
    return root


def doubled(root):
    reference = root.find("saml:Assertion/ds:Signature/ds:SignedInfo/ds:Reference", NS)
    reference.addnext(etree.fromstring(etree.tostring(reference)))
    return root


def two_signatures(root):
    signature = root.find("saml:Assertion/ds:Signature", NS)
    signature.addnext(etree.fromstring(etree.tostring(signature)))
    return root


def moved(root):
    subject = root.find("saml:Assertion/saml:Subject", NS)
    subject.append(root.find("saml:Assertion/ds:Signature", NS))
    return root


def same_id(root):
    root.set("ID", root.find("saml:Assertion", NS).get("ID"))
    return root


def shadow_id(root):
    root.find("saml:Assertion/saml:Subject", NS).set("Id", root.find("saml:Assertion", NS).get("ID"))
    return root


def with_object(root):
    etree.SubElement(root.find("saml:Assertion/ds:Signature", NS), q("ds", "Object"))
    return root


def with_xslt(root):
    transforms = root.find("saml:Assertion/ds:Signature//ds:Transforms", NS)
    etree.SubElement(
        transforms, q("ds", "Transform"), Algorithm="http://www.w3.org/TR/1999/REC-xslt-19991116"
    )
    return root


def with_many_transforms(root):
    transforms = root.find("saml:Assertion/ds:Signature//ds:Transforms", NS)
    for _ in range(500):
        transforms.append(etree.fromstring(etree.tostring(transforms[1])))
    return root


def own_key(root):
    """Signed by somebody else, who shows a certificate that is pinned."""
    shown = pair("idp").base64
    for certificate in root.iter(q("ds", "X509Certificate")):
        certificate.text = shown
    return root


def hmac(root):
    for method in root.iter(q("ds", "SignatureMethod")):
        method.set("Algorithm", "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256")
    return root


def two_assertions(root):
    second = etree.fromstring(etree.tostring(root.find("saml:Assertion", NS)))
    second.set("ID", "_second")
    root.insert(2, second)
    return root


def one_hidden_in_an_attribute(root):
    value = root.find(".//saml:AttributeValue", NS)
    value.append(etree.Element(q("saml", "Assertion"), ID="_hidden"))
    return root


def changed_text(root):
    root.find(".//saml:NameID", NS).text = "the-administrator"
    return root


def two_name_ids(root):
    name = root.find(".//saml:NameID", NS)
    name.addnext(etree.fromstring(etree.tostring(name)))
    return root


TRICKS = [
    (other_id, "signature_reference"),
    (emptied, "signature_reference"),
    (doubled, "signature_malformed"),
    (two_signatures, "signature_malformed"),
    (moved, "signature_misplaced"),
    (same_id, "id_repeated"),
    (shadow_id, "id_repeated"),
    (with_object, "signature_malformed"),
    (with_xslt, "signature_transforms"),
    (with_many_transforms, "signature_transforms"),
    (hmac, "signature_algorithm"),
    (two_assertions, "assertion_repeated"),
    (one_hidden_in_an_attribute, "assertion_repeated"),
    (changed_text, "signature_wrong"),
    (two_name_ids, "signature_wrong"),
]


@row("SM-02")
@proves("saml", "several assertions or signatures, repeated IDs, empty references, foreign transforms")
@pytest.mark.parametrize(("trick", "reason"), TRICKS, ids=lambda value: getattr(value, "__name__", value))
async def test_a_signature_covers_its_own_element_once_and_wholly(trick, reason):
    assert await refused(sign="assertion", mangle=trick) == reason


async def test_the_certificate_that_a_signature_shows_is_only_a_hint():
    assert await refused(key="foreign", mangle=own_key) == "signature_wrong"


async def test_of_two_signatures_both_must_hold():
    def spoiled(root):
        value = root.find("ds:Signature/ds:SignatureValue", NS)
        value.text = root.find("saml:Assertion/ds:Signature/ds:SignatureValue", NS).text
        return root

    assert await refused(sign="both", mangle=spoiled) == "signature_wrong"


# ── XML ───────────────────────────────────────────────────────────────────────────────────────

BOMB = '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'


@row("SM-06")
@proves("saml", "document types, entities, processing instructions")
@pytest.mark.parametrize(
    ("prolog", "reason"),
    [
        ("<!DOCTYPE r>", "xml_dtd"),
        ('<!DOCTYPE r SYSTEM "http://127.0.0.1:9/evil.dtd">', "xml_dtd"),
        ('<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>', "xml_dtd"),
        (BOMB, "xml_dtd"),
        ("<?php evil?>", None),
        ('<?xml version="1.0" encoding="UTF-16"?>', "xml_not_utf8"),
        ('<?xml version="1.0" encoding="utf-7"?>', "xml_not_utf8"),
        ('<?xml version="1.0" encoding="ISO-8859-1"?>', "xml_not_utf8"),
        ("junk", "xml_malformed"),
    ],
)
async def test_nothing_but_plain_xml_is_parsed(prolog, reason):
    if reason is None:  # before the root it is nobody's
        assert await signed_in(*opened(), prolog=prolog)
        return
    assert await refused(prolog=prolog) == reason


@row("SM-06")
async def test_a_processing_instruction_inside_is_refused():
    def instructed(root):
        root.find("saml:Assertion/saml:Subject", NS).append(etree.ProcessingInstruction("x", "y"))
        return root

    assert await refused(mangle=instructed) == "xml_processing_instruction"


@row("SM-06")
async def test_an_xinclude_is_nothing_but_an_element():
    def including(root):
        name = root.find(".//saml:NameID", NS)
        etree.SubElement(name, "{http://www.w3.org/2001/XInclude}include", href="file:///etc/hostname")
        return root

    assert await refused(mangle=including) == "signature_wrong"


@row("SM-07")
@proves("saml", "comments inside a NameID: the text is taken whole")
@pytest.mark.parametrize("sign", ["both", "response", "assertion"])
async def test_a_comment_in_a_name_hides_nothing(sign):
    def commented(root):
        name = root.find(".//saml:NameID", NS)
        whole = name.text
        name.text, comment = whole[:4], etree.Comment("x")
        comment.tail = whole[4:]
        name.append(comment)
        for value in root.iter(q("saml", "AttributeValue")):
            rest, value.text = value.text, ""
            inner = etree.Comment("y")
            inner.tail = rest
            value.append(inner)
        return root

    plain = await signed_in(*opened())
    who = await signed_in(*opened(), sign=sign, mangle=commented)
    assert who.subject == plain.subject
    assert who.api == plain.api


@row("SM-07")
async def test_cdata_is_text_like_any_other():
    def cdata(root):
        octets = etree.tostring(root)
        return octets.replace(b">f7c2-ann<", b"><![CDATA[f7c2]]>-ann<")

    assert (await signed_in(*opened(), mangle=cdata)).subject == (await signed_in(*opened())).subject


@row("SM-07")
async def test_the_names_of_saml_in_another_namespace_are_not_saml():
    def renamed(root):
        return etree.tostring(root).replace(b"urn:oasis:names:tc:SAML:2.0:assertion", b"urn:evil:assertion")

    assert (await refused(mangle=renamed)) == "signature_misplaced"
    assert (await refused(sign="response", mangle=renamed)) == "response_issuer_mismatch"


@row("SM-09")
@proves("saml", "a Response without measure")
@pytest.mark.parametrize("size", [200_000, 300_000, 2_000_000])
async def test_a_response_without_measure_is_not_parsed(size):
    connector, _desk = opened()
    departure = await connector.begin(LOGIN)
    large = b64encode(b"<a>" + b"x" * size + b"</a>").decode()
    with pytest.raises(UpstreamInvalid) as caught:
        await brought(connector, departure.memory, {"SAMLResponse": large})
    assert caught.value.reason in {"response_too_large", "xml_too_large"}


@pytest.mark.parametrize("text", ["", "%%%", "AAAA", "PGE+", "PHg6YS8+", "\x00", "é"])
async def test_what_is_no_response_is_refused(text):
    connector, _desk = opened()
    departure = await connector.begin(LOGIN)
    with pytest.raises(UpstreamInvalid):
        await brought(connector, departure.memory, {"SAMLResponse": text})


async def test_a_deep_document_is_refused():
    connector, _desk = opened()
    departure = await connector.begin(LOGIN)
    deep = b64encode(b"<a>" * 5000 + b"</a>" * 5000).decode()
    with pytest.raises(UpstreamInvalid, match="xml_malformed"):
        await brought(connector, departure.memory, {"SAMLResponse": deep})


@row("SM-11")
@proves("saml", "a LogoutRequest is not taken for an answer")
@pytest.mark.parametrize(
    "answer", [{"SAMLRequest": "PGE+"}, {}, {"SAMLRequest": "PGE+", "SAMLResponse": "PGE+"}, {"code": "c"}]
)
async def test_a_logout_request_is_not_an_answer(answer):
    connector, _desk = opened()
    departure = await connector.begin(LOGIN)
    with pytest.raises(UpstreamInvalid) as caught:
        await brought(connector, departure.memory, answer)
    assert caught.value.reason == "not_a_response"


# ── Encryption ────────────────────────────────────────────────────────────────────────────────

SP_KEY = {"private_key": pair("sp").private_pem}


@proves("saml", "AES-CBC is not opened without a signature around it; no RSA 1.5")
@pytest.mark.parametrize(
    ("keys", "switches", "reason"),
    [
        (SP_KEY, {"encrypt": "aes128-cbc", "sign": "assertion"}, "encryption_algorithm"),
        (SP_KEY, {"encrypt": "aes256-gcm", "transport": "rsa-1_5"}, "encryption_algorithm"),
        (SP_KEY, {"encrypt": "aes256-gcm", "sign": "none"}, "signature_missing"),
        (SP_KEY, {"encrypt": "aes256-gcm", "key": "foreign", "sign": "assertion"}, "signature_wrong"),
        ({}, {"encrypt": "aes256-gcm"}, "encryption_unexpected"),
        (
            {"private_key": pair("sp-ec", "ec").private_pem},
            {"encrypt": "aes256-gcm"},
            "encryption_unexpected",
        ),
        ({"private_key": pair("sp-other").private_pem}, {"encrypt": "aes256-gcm"}, "decryption_failed"),
        (SP_KEY | {"want_assertions_encrypted": True}, {}, "encryption_missing"),
    ],
)
async def test_what_is_encrypted_in_a_way_that_is_not_safe_is_refused(keys, switches, reason):
    assert await refused(keys=keys, **switches) == reason


@pytest.mark.parametrize("where", ["key", "data"])
@pytest.mark.parametrize("at", [0, 5, -1])
async def test_whatever_does_not_open_is_one_and_the_same_error(where, at):
    def flipped(root):
        values = list(root.iter(q("xenc", "CipherValue")))
        value = values[0 if where == "key" else 1]
        octets = bytearray(b64decode(value.text))
        octets[at] ^= 1
        value.text = b64encode(octets).decode()
        return root

    assert (
        await refused(keys=SP_KEY, encrypt="aes256-gcm", sign="assertion", mangle=flipped)
        == "decryption_failed"
    )


async def test_the_ciphertext_of_a_signed_response_cannot_be_changed_at_all():
    def flipped(root):
        value = list(root.iter(q("xenc", "CipherValue")))[1]
        octets = bytearray(b64decode(value.text))
        octets[20] ^= 1
        value.text = b64encode(octets).decode()
        return root

    for algorithm in ("aes128-cbc", "aes256-gcm"):
        assert await refused(keys=SP_KEY, encrypt=algorithm, mangle=flipped) == "signature_wrong"


@row("SM-06")
@pytest.mark.parametrize("prolog", ["<!DOCTYPE r>", BOMB, "junk", "<a/>"])
async def test_what_is_inside_is_no_more_believed_than_what_is_outside(prolog):
    reason = await refused(keys=SP_KEY, encrypt="aes256-gcm", sign="assertion", inner_prolog=prolog)
    assert reason == "decryption_failed"


@row("SM-02")
async def test_an_encrypted_assertion_beside_a_plain_one_is_refused():
    def beside(root):
        root.append(_IDP.assertion("_r"))
        return root

    assert (
        await refused(keys=SP_KEY, encrypt="aes256-gcm", sign="assertion", mangle=beside)
        == "assertion_repeated"
    )


async def test_an_unsigned_assertion_encrypted_for_us_by_anybody_is_nobodys():
    """Our encryption key is public, so that something opens says nothing about who made it."""
    reason = await refused(keys=SP_KEY, encrypt="aes256-gcm", sign="none")
    assert reason == "signature_missing"


# ── What it costs ─────────────────────────────────────────────────────────────────────────────


@row("DS-13")
@pytest.mark.parametrize(
    "switches", [{"in_response_to": "_x"}, {"destination": OTHER}, {"issuer": OTHER}, {"status": "NoPassive"}]
)
async def test_what_can_be_seen_at_once_costs_no_signature(monkeypatch, switches):
    asked: list[str] = []
    monkeypatch.setattr("connectors.saml2.response.verified", lambda *_: asked.append("verified"))
    monkeypatch.setattr("connectors.saml2.response.decrypted", lambda *_, **__: asked.append("decrypted"))
    with pytest.raises(UpstreamError):
        await signed_in(*opened(**SP_KEY), encrypt="aes256-gcm", **switches)
    assert asked == []


# ── Whatever comes ────────────────────────────────────────────────────────────────────────────

_IDP = FakeIdp()
_GOOD = [
    _IDP.response("_r", encrypt=encrypt, sign=sign) if encrypt else _IDP.response("_r", sign=sign)
    for encrypt in (None, "aes256-gcm")
    for sign in ("both", "assertion")
]
_KEYS = Keys(certificates=[Certificate.read(_IDP.signing.pem)], decryption=[pair("sp").key])


def _read(octets: bytes) -> None:
    expected = Expected(
        idp=_IDP.issuer, entity_id=_IDP.sp_entity_id, acs=_IDP.acs, request_id="_r", now=_IDP.now(), skew=30
    )
    try:
        said = read_response(b64encode(octets).decode(), expected, _KEYS)
    except UpstreamError:
        return
    assert said.name_id is not None
    assert said.name_id.value == "f7c2-ann"


@given(st.sampled_from(_GOOD), st.lists(st.tuples(st.integers(0, 10_000), st.binary(max_size=8)), max_size=4))
@settings(max_examples=400, deadline=None)
@proves("saml", "whatever octets come, only an error of the upstream's comes of them")
def test_a_response_with_other_octets_in_it_is_the_same_person_or_nobody(good, changes):
    octets = bytearray(good)
    for at, new in changes:
        octets[at % len(octets) : at % len(octets) + len(new)] = new
    _read(bytes(octets))


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_a_response_whose_tree_was_changed_is_the_same_person_or_nobody(data):
    root = etree.fromstring(data.draw(st.sampled_from(_GOOD)))
    elements = list(root.iter(etree.Element))
    for _ in range(data.draw(st.integers(1, 3))):
        element = data.draw(st.sampled_from(elements))
        what = data.draw(st.sampled_from(["text", "attribute", "drop", "copy", "move", "rename"]))
        if what == "text":
            element.text = data.draw(st.sampled_from(["", "x", "2026-01-01T00:00:00Z", "-----", "9" * 400]))
        elif what == "attribute":
            name = data.draw(st.sampled_from(["ID", "Id", "Version", "URI", "Algorithm", "Format", "Value"]))
            element.set(name, data.draw(st.sampled_from(["", "#x", "_r", "2.0", "http://x/"])))
        elif element.getparent() is None:
            continue
        elif what == "drop":
            element.getparent().remove(element)
        elif what == "copy":
            data.draw(st.sampled_from(elements)).append(
                etree.fromstring(etree.tostring(element, with_tail=False))
            )
        elif what == "move":
            target = data.draw(st.sampled_from(elements))
            if element not in (target, *target.iterancestors()):
                target.append(element)
        else:
            element.tag = data.draw(st.sampled_from(elements)).tag
    _read(etree.tostring(root))


async def test_nothing_of_a_person_is_logged_at_any_level(caplog):
    with caplog.at_level("DEBUG"):
        await signed_in(*opened())
    assert "f7c2-ann" not in caplog.text
    assert "people.example" not in caplog.text
