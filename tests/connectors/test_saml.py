"""The SAML connector around a Response: requests, metadata, subjects, attributes, settings."""

from __future__ import annotations

import zlib
from base64 import b64decode
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from hypothesis import given
from hypothesis import settings as property_settings
from hypothesis import strategies as st
from lxml import etree
from pydantic import ValidationError

from broker.connector import (
    CanProbe,
    Publishes,
    Unsolicited,
    UpstreamDetour,
    UpstreamError,
    UpstreamInvalid,
)
from broker.mapping import Documents, apply, compile_map
from connectors import saml
from connectors.saml2.credentials import Certificate, Credentials
from connectors.saml2.provider import from_metadata
from connectors.saml2.xml import REDIRECT
from tests.connectors.saml_desk import ACS, LOGIN, SP, answered, opened, settings, signed_in
from tests.fakes.saml import NS, PERSISTENT, FakeIdp, pair, q, redirect_query

proves = pytest.mark.proves
row = pytest.mark.row
KEY = {"private_key": pair("sp").private_pem}


def asked_in(url: str) -> etree._Element:
    """The AuthnRequest of a redirect, unverified."""
    packed = parse_qs(urlsplit(url).query)["SAMLRequest"][0]
    return etree.fromstring(zlib.decompress(b64decode(packed), -15))


async def invalid(connector: saml.Connector) -> str:
    """Why nobody can sign in there."""
    with pytest.raises(UpstreamInvalid) as caught:
        await connector.begin(LOGIN)
    return caught.value.reason


# ── The request ───────────────────────────────────────────────────────────────────────────────


@proves("saml", "requests by HTTP-Redirect")
async def test_an_unsigned_request_goes_by_redirect():
    connector, desk = opened()
    departure = await connector.begin(LOGIN)
    request, state = desk.idp.read_redirect(redirect_query(departure.url))
    assert state == LOGIN.state
    assert request.get("ID") == departure.memory["request"]
    assert request.get("ForceAuthn") is None
    assert request.find("samlp:NameIDPolicy", NS).get("Format") == PERSISTENT
    assert request.find("samlp:RequestedAuthnContext", NS) is None
    assert departure.form is None


@proves("saml", "signed requests by HTTP-Redirect, RSA-SHA256 and RSA-SHA512")
@pytest.mark.parametrize("algorithm", [None, "RSA-SHA256", "RSA-SHA512"])
async def test_a_signed_redirect_is_signed_over_its_very_octets(algorithm):
    idp = FakeIdp(wants_signed_requests=pair("sp"))
    connector, _ = opened(idp, **KEY, certificate=pair("sp").pem, request_signature_algorithm=algorithm)
    departure = await connector.begin(LOGIN)
    idp.read_redirect(redirect_query(departure.url))
    assert parse_qs(urlsplit(departure.url).query)["SigAlg"][0].endswith((algorithm or "256")[-3:])
    with pytest.raises(Exception):  # noqa: B017, PT011 - the library's own word for a wrong signature
        idp.read_redirect(redirect_query(departure.url).replace("RelayState=st", "RelayState=ts"))


@proves("saml", "signed requests by HTTP-POST, RSA and ECDSA")
@pytest.mark.parametrize("kind", ["rsa", "ec"])
async def test_a_signed_request_by_post_verifies(kind):
    ours = pair("sp" if kind == "rsa" else "sp-ec", kind)
    idp = FakeIdp(wants_signed_requests=ours)
    connector, desk = opened(
        idp,
        private_key=ours.private_pem,
        certificate=ours.pem,
        request_binding="post" if kind == "rsa" else None,
    )
    departure = await connector.begin(LOGIN)
    assert departure.url == f"{idp.base}/sso"
    assert departure.form is not None
    request, state = idp.read_post(dict(departure.form))
    assert (request.get("ID"), state) == (departure.memory["request"], LOGIN.state)
    order = [etree.QName(one).localname for one in etree.fromstring(b64decode(departure.form["SAMLRequest"]))]
    assert order == ["Issuer", "Signature", "NameIDPolicy"]  # the schema's order
    assert await answered(connector, desk, departure)


async def test_an_unsigned_request_can_go_by_post_too():
    connector, desk = opened(request_binding="post")
    departure = await connector.begin(LOGIN)
    assert departure.form is not None
    desk.idp.read_post(dict(departure.form))


async def test_a_service_with_a_query_of_its_own_keeps_it():
    idp = FakeIdp(metadata_changes={"sso": "https://idp.example/sso?tenant=7"})
    departure = await opened(idp)[0].begin(LOGIN)
    assert parse_qs(urlsplit(departure.url).query)["tenant"] == ["7"]


@pytest.mark.parametrize(
    ("changes", "forced"),
    [
        ({"prompt": ("login",)}, "true"),
        ({"prompt": ("select_account",)}, "true"),
        ({"max_age": 0}, "true"),
        ({"max_age": 3600}, None),
        ({"detour": saml.REAUTHENTICATE}, "true"),
        ({}, None),
    ],
)
@proves("saml", "ForceAuthn for prompt=login and max_age")
async def test_a_fresh_login_is_forced_and_none_is_ever_passive(changes, forced):
    request = asked_in((await opened()[0].begin(replace(LOGIN, **changes))).url)
    assert request.get("ForceAuthn") == forced
    assert request.get("IsPassive") is None


async def test_a_session_there_that_is_too_old_is_renewed_by_a_detour():
    connector, desk = opened()
    login = replace(LOGIN, max_age=600)
    assert (await signed_in(connector, desk, login=login, authn_instant=-600)).auth_time
    with pytest.raises(UpstreamDetour) as caught:
        await signed_in(connector, desk, login=login, authn_instant=-700)
    again = replace(login, detour=caught.value.detour)
    assert asked_in((await connector.begin(again)).url).get("ForceAuthn") == "true"
    stale = await signed_in(connector, desk, login=again, authn_instant=-700)
    assert stale.auth_time == int(desk.time - 700)  # the broker refuses it, and sends nobody in circles


@proves("saml", "requested authentication contexts, with a comparison")
@pytest.mark.parametrize("comparison", ["exact", "minimum", "better", "maximum"])
async def test_authentication_contexts_are_asked_for(comparison):
    connector, _ = opened(authn_context_comparison=comparison)
    asked = replace(LOGIN, acr_values=("urn:mfa", "urn:loa:3"))
    found = asked_in((await connector.begin(asked)).url).find("samlp:RequestedAuthnContext", NS)
    assert found.get("Comparison") == comparison
    assert [one.text for one in found] == ["urn:mfa", "urn:loa:3"]


@pytest.mark.parametrize("binding", ["redirect", "post"])
async def test_a_login_hint_goes_beside_the_request_where_it_is_read(binding):
    hinted = replace(LOGIN, login_hint="ann+x&y@acme.example")
    keys = {"request_binding": binding}
    url = (await opened(**keys, login_hint_parameter="login_hint")[0].begin(hinted)).url
    assert parse_qs(urlsplit(url).query)["login_hint"] == ["ann+x&y@acme.example"]
    assert "login_hint" not in (await opened(**keys)[0].begin(hinted)).url
    idp = FakeIdp(wants_signed_requests=pair("sp"))
    connector, _ = opened(idp, **KEY, login_hint_parameter="username")
    query = redirect_query((await connector.begin(hinted)).url)
    idp.read_redirect(query.partition("&")[2])  # the signature is about the rest


@row("SM-10")
async def test_the_relay_state_is_the_state_and_nothing_else():
    url = (await opened()[0].begin(LOGIN)).url
    assert parse_qs(urlsplit(url).query)["RelayState"] == [LOGIN.state]
    assert len(LOGIN.state) <= 80  # Bindings §3.4.3


async def test_a_key_that_cannot_sign_so_is_told():
    connector, _ = opened(**KEY, request_signature_algorithm="ECDSA-SHA256")
    assert await invalid(connector) == "private_key_unusable"


# ── Their metadata ────────────────────────────────────────────────────────────────────────────


@proves("saml", "a metadata refresh brings no key that was not pinned")
async def test_a_key_that_only_the_metadata_brings_is_not_believed():
    connector, desk = opened()
    await connector.begin(LOGIN)
    desk.idp.signing = pair("idp-taken-over")  # and its metadata says so
    with pytest.raises(UpstreamInvalid) as caught:
        await signed_in(connector, desk)
    assert caught.value.reason == "signature_wrong"
    assert desk.fetched == 2  # it looked, and believed nothing of it


@proves("saml", "keys of the metadata, where the operator trusts it")
async def test_unless_the_operator_trusts_the_metadata():
    connector, desk = opened(idp_certificates=None, trust_metadata_keys=True)
    first = await signed_in(connector, desk)
    desk.idp.signing = pair("idp-rotated")
    assert (await signed_in(connector, desk)).subject == first.subject
    assert desk.fetched == 2


@proves("saml", "certificates pinned by fingerprint")
async def test_a_certificate_can_be_pinned_by_its_fingerprint():
    prints = [f"sha256:{pair('idp').fingerprint}"]
    connector, desk = opened(idp_certificates=prints)
    assert await signed_in(connector, desk)
    desk.idp.signing = pair("idp-taken-over")
    with pytest.raises(UpstreamInvalid):
        await signed_in(connector, desk)
    connector, _ = opened(idp_certificates=["sha256:" + "0" * 64])
    assert await invalid(connector) == "metadata_no_pinned_key"


@proves("saml", "signed metadata")
async def test_signed_metadata_is_believed_for_its_signature():
    federation = pair("federation")
    keys: dict[str, Any] = {
        "idp_certificates": None,
        "metadata_certificates": [federation.pem],
        "idp_entity_id": FakeIdp().issuer,
    }
    assert await signed_in(*opened(FakeIdp(metadata_changes={"sign_with": federation}), **keys))
    connector, _ = opened(FakeIdp(), **keys)
    assert await invalid(connector) == "metadata_signature_malformed"
    connector, _ = opened(FakeIdp(metadata_changes={"sign_with": pair("stranger")}), **keys)
    assert await invalid(connector) == "metadata_signature_wrong"


@proves("saml", "metadata from a file")
async def test_metadata_may_be_in_the_configuration(tmp_path):
    idp = FakeIdp()
    path = tmp_path / "idp.xml"
    path.write_bytes(idp.metadata())
    context = {"directory": tmp_path}
    found = saml.Settings.model_validate({"metadata": "file:idp.xml"}, context=context)
    from tests.connectors.saml_desk import SamlDesk  # noqa: PLC0415

    desk = SamlDesk(idp)
    assert await signed_in(saml.Connector(found, desk.tools), desk)
    assert desk.fetched == 0
    with pytest.raises(ValidationError, match="cannot read"):
        saml.Settings.model_validate({"metadata": "file:gone.xml"}, context=context)


async def test_without_metadata_the_operator_says_what_it_would():
    idp = FakeIdp()
    connector, desk = opened(
        idp,
        metadata_url=None,
        idp_entity_id=idp.issuer,
        sso_url=f"{idp.base}/sso",
        idp_certificates=[idp.signing.pem],
    )
    assert await signed_in(connector, desk)


@row("UP-01")
async def test_the_metadata_of_somebody_else_is_nobodys():
    connector, _ = opened(idp_entity_id="https://idp.example/metadata/")
    assert await invalid(connector) == "metadata_issuer_mismatch"


async def test_of_a_federations_list_the_one_that_was_named_is_taken():
    idp, other = FakeIdp(), FakeIdp(base="https://other.example")
    both = (
        b"<md:EntitiesDescriptor xmlns:md='urn:oasis:names:tc:SAML:2.0:metadata'>%s%s</md:EntitiesDescriptor>"
    )
    aggregate = (both % (idp.metadata(), other.metadata())).decode()
    connector, _ = opened(idp, metadata_url=None, metadata=aggregate, idp_entity_id=idp.issuer)
    assert (await connector.begin(LOGIN)).url.startswith(f"{idp.base}/sso")
    connector, _ = opened(idp, metadata_url=None, metadata=aggregate)
    assert await invalid(connector) == "metadata_issuer_mismatch"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"valid_until": -1}, "metadata_expired"),
        ({"bindings": ()}, "metadata_no_endpoint"),
        ({"bindings": ("Artifact",)}, "metadata_no_endpoint"),
        ({"sso": "http://idp.example/sso"}, "metadata_endpoint_malformed"),
        ({"sso": "javascript:alert(1)"}, "metadata_endpoint_malformed"),
        ({"sso": "/sso"}, "metadata_endpoint_malformed"),
    ],
)
@row("UP-02")
async def test_metadata_that_cannot_be_used_is_told(changes, reason):
    assert await invalid(opened(FakeIdp(metadata_changes=changes))[0]) == reason


@row("UP-19")
async def test_an_endpoint_that_moves_to_another_site_is_not_followed():
    connector, desk = opened()
    await connector.begin(LOGIN)
    desk.idp.metadata_changes["sso"] = "https://evil.example/sso"
    await desk.newer_file("")
    assert await invalid(connector) == "metadata_origin_changed"


async def test_metadata_that_suddenly_is_somebody_elses_is_not_followed():
    connector, desk = opened()
    await connector.begin(LOGIN)
    desk.idp.metadata_changes["entity_id"] = "https://other.example/"
    await desk.newer_file("")
    assert await invalid(connector) == "metadata_issuer_mismatch"


@pytest.mark.parametrize("document", [b"<a/>", b"no xml", b"<!DOCTYPE a><a/>", b"", b"\xff", b"<a>" * 999])
async def test_what_is_no_metadata_is_told(document):
    class Idp(FakeIdp):
        def metadata(self):
            return document

    assert (await invalid(opened(Idp())[0])).startswith("metadata_")


async def test_a_binding_that_is_not_there_is_told():
    connector, _ = opened(FakeIdp(metadata_changes={"bindings": ("Redirect",)}), request_binding="post")
    assert await invalid(connector) == "metadata_no_endpoint"


async def test_where_there_is_only_post_the_request_goes_by_post():
    connector, _ = opened(FakeIdp(metadata_changes={"bindings": ("POST",)}))
    assert (await connector.begin(LOGIN)).form is not None


async def test_a_weak_key_is_not_pinned_and_one_in_the_metadata_is_not_believed():
    weak = FakeIdp(signing=pair("idp-weak", "weak"))
    with pytest.raises(ValidationError, match="RSA with 1024 bits"):
        settings(weak)
    connector, _ = opened(weak, idp_certificates=None, trust_metadata_keys=True)
    assert await invalid(connector) == "metadata_no_pinned_key"


@given(st.lists(st.tuples(st.integers(0, 10_000), st.binary(max_size=8)), min_size=1, max_size=4))
@property_settings(max_examples=200, deadline=None)
def test_whatever_the_metadata_is_only_an_error_of_the_upstreams_comes_of_it(changes):
    idp = FakeIdp(listed=[pair("idp-new")])
    octets = bytearray(idp.metadata())
    for at, new in changes:
        octets[at % len(octets) : at % len(octets) + len(new)] = new
    try:
        found = from_metadata(bytes(octets), settings(idp), now=idp.now(), known=None)
    except UpstreamError:
        return
    assert found.certificates[0].fingerprint == Certificate.read(idp.signing.pem).fingerprint
    assert len(found.certificates) == 1


# ── Our metadata ──────────────────────────────────────────────────────────────────────────────


@proves("saml", "metadata of its own at a URL")
def test_our_metadata_says_who_we_are_and_where_we_are_answered():
    connector, _ = opened(**KEY, want_assertions_encrypted=True)
    assert isinstance(connector, Publishes)
    published = connector.published()
    assert published.content_type == "application/samlmetadata+xml"
    root = etree.fromstring(published.body)
    role = root.find("md:SPSSODescriptor", NS)
    service = role.find("md:AssertionConsumerService", NS)
    assert root.get("entityID") == SP
    assert (role.get("WantAssertionsSigned"), role.get("AuthnRequestsSigned")) == ("true", "true")
    assert service.get("Location") == ACS
    assert service.get("Binding").endswith("HTTP-POST")
    assert [key.get("use") for key in role.findall("md:KeyDescriptor", NS)] == ["signing", "encryption"]
    certificate = Certificate.read(role.findtext(".//ds:X509Certificate", namespaces=NS))
    assert certificate.x509.public_key() == pair("sp").key.public_key()


def test_without_a_key_there_is_none_in_it():
    root = etree.fromstring(opened(entity_id="urn:acme:broker")[0].published().body)
    assert root.get("entityID") == "urn:acme:broker"
    assert root.find(".//md:KeyDescriptor", NS) is None
    assert root.find("md:SPSSODescriptor", NS).get("AuthnRequestsSigned") == "false"


@pytest.mark.parametrize("kind", ["rsa", "ec"])
def test_the_certificate_of_our_own_making_is_the_same_in_every_process(kind):
    text = settings(FakeIdp(), private_key=pair(f"made-{kind}", kind).private_pem).private_key
    assert text is not None
    first, second = (Credentials(text, name="up").certificate.fingerprint for _ in range(2))
    assert first == second


async def test_a_certificate_of_another_key_is_told():
    connector, _ = opened(**KEY, certificate=pair("idp").pem, request_binding="post")
    assert await invalid(connector) == "certificate_unusable"


# ── Who it is ─────────────────────────────────────────────────────────────────────────────────


@row("SM-13")
@proves("saml", "only persistent identifiers, or an attribute, are who it is")
@pytest.mark.parametrize(
    "form",
    [
        "urn:oasis:names:tc:SAML:2.0:nameid-format:transient",
        "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress",
        "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified",
        "urn:oasis:names:tc:SAML:2.0:nameid-format:Persistent",
        "missing",
    ],
)
async def test_a_name_that_does_not_last_is_nobody(form):
    connector, desk = opened()
    with pytest.raises(UpstreamInvalid) as caught:
        await signed_in(connector, desk, name_id_format=form)
    assert caught.value.reason == "name_id_not_persistent"


@proves("saml", "an attribute as the subject")
async def test_an_attribute_may_say_who_it_is():
    idp = FakeIdp()
    idp.attributes["employeeNumber"] = ["4711"]
    connector, desk = opened(idp, subject_attribute="employeeNumber", name_id_format="transient")
    one = await signed_in(
        connector, desk, name_id_format="urn:oasis:names:tc:SAML:2.0:nameid-format:transient"
    )
    other = await signed_in(connector, desk, name_id="somebody-new")
    assert one.subject == other.subject
    assert await signed_in(connector, desk, name_id="missing")
    for values in ([], ["4711", "4712"], [""], [" 4711"], ["47\n11"]):
        idp.attributes["employeeNumber"] = values
        with pytest.raises(UpstreamInvalid) as caught:
            await signed_in(connector, desk)
        assert caught.value.reason == "subject_attribute_unusable"


@row("UI-05")
@row("UI-06")
@row("SM-13")
async def test_no_two_names_are_one_person():
    connector, desk = opened()
    names = ["ann", "Ann", "a\u0308nn", "änn", 'ann", "x', "ann|x"]
    subjects = {(await signed_in(connector, desk, name_id=name)).subject for name in names}
    qualified = [{"name_qualifier": "https://a.example"}, {"name_qualifier": "https://b.example"}]
    subjects |= {(await signed_in(connector, desk, name_id="ann", **one)).subject for one in qualified}
    assert len(subjects) == len(names) + len(qualified)


async def test_a_qualifier_that_is_left_out_means_what_it_says():
    connector, desk = opened()
    said = await signed_in(connector, desk, name_qualifier=desk.idp.issuer)
    silent = await signed_in(connector, desk, sp_name_qualifier="missing")
    assert said.subject == silent.subject


@given(st.text(), st.text())
def test_subject_keys_are_injective(one, other):
    def key(name, value):
        return saml.Connector(settings(FakeIdp(), subject_attribute=name), opened()[1].tools)._subject(
            type("Said", (), {"attributes": {name: [value]}, "qualifiers": {}, "name_id": None})()
        )

    for text in (one, other):
        if not text.isprintable() or text != text.strip() or not text:
            return
    assert (key("a", one) == key("a", other)) == (one == other)


# ── What it says of them ──────────────────────────────────────────────────────────────────────

KNOWN = [
    ("http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress", "email"),
    ("urn:oid:0.9.2342.19200300.100.1.3", "email"),
    ("http://schemas.xmlsoap.org/ws/2005/05/identity/claims/givenname", "given_name"),
    ("urn:oid:2.5.4.42", "given_name"),
    ("http://schemas.xmlsoap.org/ws/2005/05/identity/claims/surname", "family_name"),
    ("http://schemas.microsoft.com/identity/claims/displayname", "name"),
    ("http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn", "preferred_username"),
    ("urn:oid:1.3.6.1.4.1.5923.1.1.1.6", "preferred_username"),
    ("http://schemas.microsoft.com/identity/claims/tenantid", "tenant"),
]


@proves("saml", "attributes of ADFS, Entra ID, eduPerson and LDAP by plain names")
@pytest.mark.parametrize(("attribute", "word"), KNOWN)
async def test_the_usual_attributes_have_a_plain_name(attribute, word):
    idp = FakeIdp(attributes={attribute: ["said"]})
    who = await signed_in(*opened(idp))
    assert who.api[word] == "said"
    assert who.api["attributes"] == {attribute: ["said"]}


@pytest.mark.parametrize(
    ("attribute", "word"),
    [
        ("http://schemas.microsoft.com/ws/2008/06/identity/claims/groups", "groups"),
        ("urn:oid:1.3.6.1.4.1.5923.1.5.1.1", "groups"),
        ("http://schemas.microsoft.com/ws/2008/06/identity/claims/role", "roles"),
        ("urn:oid:1.3.6.1.4.1.5923.1.1.1.9", "affiliations"),
    ],
)
async def test_lists_stay_lists_however_few_are_in_them(attribute, word):
    assert (await signed_in(*opened(FakeIdp(attributes={attribute: ["one"]})))).api[word] == ["one"]


@row("SM-07")
async def test_of_several_values_none_is_the_one():
    who = await signed_in(*opened(FakeIdp(attributes={"mail": ["ann@a.example", "admin@a.example"]})))
    assert "email" not in who.api
    assert who.api["attributes"]["mail"] == ["ann@a.example", "admin@a.example"]


async def test_an_attribute_may_repeat_where_the_operator_says_so():
    connector, desk = opened(FakeIdp(attributes={"Role": ["a", "b"]}), repeated_attributes="merge")
    assert (await signed_in(connector, desk, repeated=True)).api["roles"] == ["a", "b", "more"]


@row("UI-01")
@proves("saml", "addresses are verified only if the operator says so")
@pytest.mark.parametrize("trusted", [False, True])
async def test_an_address_is_as_good_as_the_operator_says(trusted):
    who = await signed_in(*opened(trust_email=trusted))
    mapped = apply(compile_map(yaml.safe_load(saml.CLAIMS)), Documents({}, {}, who.api))
    assert mapped.claims.get("email") == ("ann@people.example" if trusted else None)
    assert mapped.claims["email_verified"] is trusted
    assert mapped.claims["name"] == "Ann Example"
    assert mapped.claims["groups"] == ["Staff", "Admins, all"]


async def test_a_name_inside_an_attribute_is_its_text():
    def targeted(idp):
        value = etree.Element(q("saml", "NameID"))
        value.text = "t-1"
        return value

    class Idp(FakeIdp):
        def _attributes(self, root):
            super()._attributes(root)
            for value in root.iter(q("saml", "AttributeValue")):
                value.text = None
                value.append(targeted(self))

    who = await signed_in(*opened(Idp(attributes={"urn:oid:1.3.6.1.4.1.5923.1.1.1.10": ["x"]})))
    assert who.api["attributes"]["urn:oid:1.3.6.1.4.1.5923.1.1.1.10"] == ["t-1"]


# ── Coming unasked ────────────────────────────────────────────────────────────────────────────

HOME = "https://billing.acme.example/login?from=portal"


@proves("saml", "unsolicited answers: off, or sent to an app that begins a login of its own")
def test_who_comes_unasked_is_sent_to_an_app_and_nothing_is_believed():
    connector, desk = opened(idp_initiated=HOME)
    assert isinstance(connector, Unsolicited)
    answer = {"SAMLResponse": desk.idp.respond(None), "RelayState": "https://evil.example/"}
    assert connector.onward(answer) == f"{HOME}&iss=https%3A%2F%2Fbroker.example"
    assert connector.onward({"SAMLResponse": desk.idp.respond("_r")}) is None
    assert connector.onward({"SAMLResponse": "PGE+"}) is None
    assert connector.onward({"code": "c"}) is None
    assert opened()[0].onward(answer) is None


async def test_an_unsolicited_response_is_no_answer_to_a_login():
    connector, desk = opened(idp_initiated=HOME)
    with pytest.raises(UpstreamInvalid) as caught:
        await signed_in(connector, desk, in_response_to="missing", confirmed_in_response_to="missing")
    assert caught.value.reason == "in_response_to_mismatch"


# ── For the operator ──────────────────────────────────────────────────────────────────────────


async def test_a_probe_says_what_works():
    idp = FakeIdp(
        signing=pair("idp-ended", days=-30), listed=[pair("idp-new")], wants_signed_requests=pair("sp")
    )
    connector, _ = opened(idp)
    assert isinstance(connector, CanProbe)
    found = {one.what: one for one in await connector.probe()}
    assert found["metadata"].good is True
    assert idp.issuer in found["metadata"].detail
    assert "ended" in found["key"].detail
    assert found["pinned keys"].detail == "1 of the metadata's 2 certificates are believed"
    assert found["signed requests"].good is None
    assert SP in found["to register there"].detail


async def test_a_probe_says_what_does_not():
    connector, _ = opened(idp_certificates=["sha256:" + "0" * 64])
    (found,) = await connector.probe()
    assert found.good is False
    assert "pinned" in found.detail


WRONG = [
    ({"metadata_url": None}, "give one of"),
    ({"metadata": "<a/>"}, "give one of"),
    ({"metadata_url": None, "sso_url": "https://idp.example/sso"}, "idp_entity_id: missing"),
    ({"idp_certificates": None}, "idp_certificates: missing"),
    ({"metadata_url": None, "metadata": "<a/>", "trust_metadata_keys": True}, "there is no metadata_url"),
    ({"sign_requests": True}, "private_key: missing"),
    ({"want_assertions_encrypted": True}, "decryption_keys: missing"),
    ({"name_id_format": "emailAddress"}, "subject_attribute: missing"),
    ({"name_id_format": "transient"}, "subject_attribute: missing"),
    ({"clock_skew": "61s"}, "less than or equal to 60"),
    ({"metadata_url": "http://idp.example/metadata"}, "must be https"),
    ({"idp_certificates": ["sha256:12"]}, "a fingerprint is"),
    ({"idp_certificates": ["MIIB"]}, "that is no certificate"),
    ({"metadata_certificates": ["-----BEGIN CERTIFICATE-----"]}, "that is no certificate"),
    ({**KEY, "certificate": "mine"}, "that is no certificate"),
    ({"metadata_url": None, "metadata": "<a>"}, "that is no XML"),
    ({"idp_initiated": "javascript:alert(1)"}, "not an absolute https URL"),
]


@pytest.mark.parametrize(("keys", "words"), WRONG, ids=lambda value: str(value)[:50])
def test_settings_that_cannot_work_are_refused_at_the_start(keys, words):
    with pytest.raises(ValidationError, match=words):
        settings(FakeIdp(), **keys)


def test_the_secrets_do_not_print():
    assert "PRIVATE KEY" not in repr(settings(FakeIdp(), **KEY, decryption_keys=[pair("sp-new").private_pem]))


# ── The fake is as strict as it says ──────────────────────────────────────────────────────────


async def test_the_fake_takes_no_request_that_is_not_meant_for_it():
    idp = FakeIdp(wants_signed_requests=pair("sp"))
    connector, _ = opened(idp)
    departure = await connector.begin(LOGIN)
    with pytest.raises(Exception, match="not signed"):
        idp.read_redirect(redirect_query(departure.url))
    idp.wants_signed_requests, idp.sp_entity_id = None, "https://other.example"
    with pytest.raises(Exception, match="issuer"):
        idp.read_redirect(redirect_query(departure.url))


def test_the_fake_publishes_what_identity_providers_publish():
    root = etree.fromstring(FakeIdp(listed=[pair("idp-new")]).metadata())
    role = root.find("md:IDPSSODescriptor", NS)
    assert next(one.get("Binding") for one in role.findall("md:SingleSignOnService", NS)) == REDIRECT
    assert len(role.findall("md:KeyDescriptor", NS)) == 2
