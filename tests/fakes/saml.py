"""A strict SAML 2.0 identity provider, with a switch for everything that can go wrong.

    idp = FakeIdp(acs=…, sp_entity_id=…)
    idp.switch(audience="https://somebody.else.example")
    encoded = idp.respond(request_id)          # the SAMLResponse of a form

Left alone it does everything right: it signs Response and assertion, with exclusive canonicalization and
SHA-256. Served (`running`) it demands the same of requests. The switches:

    sign            "both", "response", "assertion", "none"
    algorithm       a name of signxml's, such as "RSA_SHA1"        digest       the same, "SHA1"
    key             "old", "foreign", "ec", "weak"
    destination recipient audience issuer assertion_issuer in_response_to confirmed_in_response_to
    not_on_or_after confirmation_not_before conditions_from conditions_until session_until authn_instant
    issued version name_id name_id_format sp_name_qualifier session_index context
                    "missing", or the value to say; a number for times: seconds from now
    conditions confirmation statement subject          "missing"
    status          the second-level code, without its URN
    condition       an unknown condition     one_time_use  a known one     proxy_count  of ProxyRestriction
    repeated        every attribute twice, each with its own value
    encrypt         an algorithm, such as "aes256-gcm" or "aes128-cbc"
    transport       how the key travels: "rsa-oaep-mgf1p", "rsa-oaep", "rsa-1_5"
    prolog          text before the root, such as a document type     inner_prolog  before the encrypted one
    relay_state     "missing", or another one
    mangle          a function: what becomes of the signed Response
"""

from __future__ import annotations

import secrets
import time
import zlib
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from html import escape
from typing import Any
from urllib.parse import quote, unquote

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from lxml import etree
from signxml.algorithms import CanonicalizationMethod, DigestAlgorithm, SignatureMethod
from signxml.signer import XMLSigner
from signxml.verifier import SignatureConfiguration, XMLVerifier

SAML = "urn:oasis:names:tc:SAML:2.0:assertion"
SAMLP = "urn:oasis:names:tc:SAML:2.0:protocol"
MD = "urn:oasis:names:tc:SAML:2.0:metadata"
DS = "http://www.w3.org/2000/09/xmldsig#"
XENC = "http://www.w3.org/2001/04/xmlenc#"
XENC11 = "http://www.w3.org/2009/xmlenc11#"
NS = {"saml": SAML, "samlp": SAMLP, "md": MD, "ds": DS, "xenc": XENC}
PERSISTENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
PASSWORD = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"
STATUS = "urn:oasis:names:tc:SAML:2.0:status:"
BINDING = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-"


@dataclass(frozen=True)
class Pair:
    """A key and its certificate."""

    key: Any
    certificate: x509.Certificate

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def base64(self) -> str:
        return b64encode(self.certificate.public_bytes(Encoding.DER)).decode()

    @property
    def fingerprint(self) -> str:
        return self.certificate.fingerprint(hashes.SHA256()).hex(":").upper()

    @property
    def private_pem(self) -> str:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@cache
def pair(name: str, kind: str = "rsa", *, days: int = 3650) -> Pair:
    """A key pair of this name, the same within one run. ``days`` below zero: its certificate has ended."""
    sizes = {"rsa": 2048, "weak": 1024}
    key: Any = (
        ec.generate_private_key(ec.SECP256R1())
        if kind == "ec"
        else rsa.generate_private_key(65537, sizes[kind])
    )
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    began = datetime.now(UTC) - timedelta(days=4000)
    builder = x509.CertificateBuilder(
        subject_name=who,
        issuer_name=who,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=began,
        not_valid_after=datetime.now(UTC) + timedelta(days=days),
    )
    return Pair(key, builder.sign(key, hashes.SHA256()))


class _Signer(XMLSigner):
    def check_deprecated_methods(self):
        """This one may sign with anything."""


def q(prefix: str, name: str) -> str:
    return f"{{{NS[prefix]}}}{name}"


class Refused(Exception):
    """A request that this identity provider does not take."""


@dataclass
class FakeIdp:
    """One identity provider, one service provider; see the module."""

    acs: str = "https://broker.example/callback/up"
    sp_entity_id: str = "https://broker.example/connectors/up/metadata"
    base: str = "https://idp.example"
    now: Callable[[], float] = time.time
    signing: Pair = field(default_factory=lambda: pair("idp"))
    wants_signed_requests: Pair | None = None
    """The service provider's certificate, where requests must be signed."""
    encrypts_for: x509.Certificate | None = None
    person: str = "f7c2-ann"
    attributes: dict[str, list[str]] = field(
        default_factory=lambda: {
            "mail": ["ann@people.example"],
            "displayName": ["Ann Example"],
            "groups": ["Staff", "Admins, all"],
        }
    )
    switches: dict[str, Any] = field(default_factory=dict)
    asked: list[etree._Element] = field(default_factory=list)
    listed: list[Pair] = field(default_factory=list)
    """Further certificates that the metadata has."""
    metadata_changes: dict[str, Any] = field(default_factory=dict)
    posted: list[dict[str, str]] = field(default_factory=list)

    @property
    def issuer(self) -> str:
        return f"{self.base}/metadata"

    def switch(self, **what: Any) -> None:
        self.switches |= what

    # ── What it publishes ─────────────────────────────────────────────────────────────────────

    def metadata(self) -> bytes:
        root = etree.Element(q("md", "EntityDescriptor"), nsmap={"md": MD, "ds": DS})
        root.set("entityID", self.metadata_changes.get("entity_id", self.issuer))
        root.set("ID", "_metadata")
        if "valid_until" in self.metadata_changes:
            root.set("validUntil", self._instant(self.metadata_changes["valid_until"]))
        role = etree.SubElement(root, q("md", "IDPSSODescriptor"), protocolSupportEnumeration=SAMLP)
        if self.wants_signed_requests is not None:
            role.set("WantAuthnRequestsSigned", "true")
        for one in (self.signing, *self.listed):
            descriptor = etree.SubElement(role, q("md", "KeyDescriptor"), use="signing")
            data = etree.SubElement(etree.SubElement(descriptor, q("ds", "KeyInfo")), q("ds", "X509Data"))
            etree.SubElement(data, q("ds", "X509Certificate")).text = one.base64
        sso = self.metadata_changes.get("sso", f"{self.base}/sso")
        for binding in self.metadata_changes.get("bindings", ("Redirect", "POST")):
            etree.SubElement(role, q("md", "SingleSignOnService"), Binding=BINDING + binding, Location=sso)
        if "sign_with" in self.metadata_changes:
            signer = _Signer(c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0)
            key = self.metadata_changes["sign_with"]
            root = signer.sign(
                root, key=key.key, cert=[key.certificate], reference_uri="_metadata", id_attribute="ID"
            )
        return etree.tostring(root)

    # ── What it answers ───────────────────────────────────────────────────────────────────────

    def respond(self, request_id: str | None, **switches: Any) -> str:
        """The SAMLResponse that answers this request."""
        return b64encode(self.response(request_id, **switches)).decode()

    def response(self, request_id: str | None, **switches: Any) -> bytes:
        kept, self.switches = self.switches, {**self.switches, **switches}
        try:
            return self._response(request_id)
        finally:
            self.switches = kept

    def _response(self, request_id: str | None) -> bytes:
        said = self.switches
        root = self._envelope(request_id)
        status = etree.SubElement(root, q("samlp", "Status"))
        code = etree.SubElement(status, q("samlp", "StatusCode"))
        if "status" in said:
            code.set("Value", STATUS + "Responder")
            etree.SubElement(code, q("samlp", "StatusCode"), Value=STATUS + said["status"])
            etree.SubElement(status, q("samlp", "StatusMessage")).text = "not today, Ann Example"
        else:
            code.set("Value", STATUS + "Success")
            self._add_assertion(root, request_id)
        how = said.get("sign", "both")
        if how in ("both", "response"):
            root = self.signed(root)
        if "mangle" in said:
            root = said["mangle"](root)
        return said.get("prolog", "").encode() + (root if isinstance(root, bytes) else etree.tostring(root))

    def _add_assertion(self, root: etree._Element, request_id: str | None) -> None:
        assertion = self.assertion(request_id)
        if self.switches.get("sign", "both") in ("both", "assertion"):
            assertion = self.signed(assertion)
        root.append(self.encrypted(assertion) if "encrypt" in self.switches else assertion)

    def _envelope(self, request_id: str | None) -> etree._Element:
        root = etree.Element(q("samlp", "Response"), nsmap={"samlp": SAMLP, "saml": SAML, "ds": DS})
        root.set("ID", f"_r{secrets.token_hex(16)}")
        self._say(root, "Version", "version", "2.0")
        self._say(root, "IssueInstant", "issued", self._instant(0))
        self._say(root, "Destination", "destination", self.acs)
        self._say(root, "InResponseTo", "in_response_to", request_id)
        self._child(root, "Issuer", "issuer", self.issuer)
        return root

    def assertion(self, request_id: str | None) -> etree._Element:
        said = self.switches
        root = etree.Element(q("saml", "Assertion"), nsmap={"saml": SAML, "ds": DS})
        root.set("ID", f"_a{secrets.token_hex(16)}")
        self._say(root, "Version", "version", "2.0")
        self._say(root, "IssueInstant", "issued", self._instant(0))
        self._child(root, "Issuer", "assertion_issuer", self.issuer)
        if said.get("subject") != "missing":
            self._subject(root, request_id)
        if said.get("conditions") != "missing":
            self._conditions(root)
        if said.get("statement") != "missing":
            self._statement(root)
        self._attributes(root)
        return root

    def _subject(self, root: etree._Element, request_id: str | None) -> None:
        subject = etree.SubElement(root, q("saml", "Subject"))
        name = self.switches.get("name_id", self.person)
        if name != "missing":
            element = (
                name if isinstance(name, etree._Element) else etree.SubElement(subject, q("saml", "NameID"))
            )
            if isinstance(name, etree._Element):
                subject.append(element)
            else:
                element.text = name
            self._say(element, "Format", "name_id_format", PERSISTENT)
            self._say(element, "NameQualifier", "name_qualifier", None)
            self._say(element, "SPNameQualifier", "sp_name_qualifier", self.sp_entity_id)
        if self.switches.get("confirmation") == "missing":
            return
        confirmation = etree.SubElement(subject, q("saml", "SubjectConfirmation"))
        confirmation.set("Method", self.switches.get("method", "urn:oasis:names:tc:SAML:2.0:cm:bearer"))
        data = etree.SubElement(confirmation, q("saml", "SubjectConfirmationData"))
        self._say(data, "Recipient", "recipient", self.acs)
        self._say(data, "InResponseTo", "confirmed_in_response_to", request_id)
        self._say(data, "NotOnOrAfter", "not_on_or_after", 300)
        self._say(data, "NotBefore", "confirmation_not_before", None)

    def _conditions(self, root: etree._Element) -> None:
        conditions = etree.SubElement(root, q("saml", "Conditions"))
        self._say(conditions, "NotBefore", "conditions_from", -300)
        self._say(conditions, "NotOnOrAfter", "conditions_until", 300)
        audience = self.switches.get("audience", self.sp_entity_id)
        for one in [] if audience == "missing" else [audience] if isinstance(audience, str) else audience:
            restriction = etree.SubElement(conditions, q("saml", "AudienceRestriction"))
            etree.SubElement(restriction, q("saml", "Audience")).text = one
        for switch in ("condition", "one_time_use"):
            if switch in self.switches:
                etree.SubElement(conditions, q("saml", self.switches[switch]))
        if "proxy_count" in self.switches:
            etree.SubElement(conditions, q("saml", "ProxyRestriction"), Count=self.switches["proxy_count"])

    def _statement(self, root: etree._Element) -> None:
        statement = etree.SubElement(root, q("saml", "AuthnStatement"))
        self._say(statement, "AuthnInstant", "authn_instant", -5)
        self._say(statement, "SessionIndex", "session_index", "s-1")
        self._say(statement, "SessionNotOnOrAfter", "session_until", 28800)
        context = etree.SubElement(statement, q("saml", "AuthnContext"))
        self._child(context, "AuthnContextClassRef", "context", PASSWORD)

    def _attributes(self, root: etree._Element) -> None:
        statement = etree.SubElement(root, q("saml", "AttributeStatement"))
        for name, values in self.attributes.items():
            for part in [[one] for one in (*values, "more")] if self.switches.get("repeated") else [values]:
                attribute = etree.SubElement(statement, q("saml", "Attribute"), Name=name)
                for value in part:
                    etree.SubElement(attribute, q("saml", "AttributeValue")).text = value

    def _say(self, element: etree._Element, name: str, switch: str, usual: Any) -> None:
        value = self.switches.get(switch, usual)
        if value is None or value == "missing":
            return
        element.set(name, self._instant(value) if isinstance(value, int | float) else value)

    def _child(self, element: etree._Element, name: str, switch: str, usual: str) -> None:
        value = self.switches.get(switch, usual)
        if value != "missing":
            etree.SubElement(element, q("saml", name)).text = value

    def _instant(self, seconds: float) -> str:
        return datetime.fromtimestamp(self.now() + seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    # ── Signing and encrypting ────────────────────────────────────────────────────────────────

    def signed(self, root: etree._Element) -> etree._Element:
        which = self.switches.get("key")
        kinds = {"ec": "ec", "weak": "weak"}
        key = self.signing if which is None else pair(f"idp-{which}", kinds.get(which, "rsa"))
        usual = "ECDSA_SHA256" if isinstance(key.key, ec.EllipticCurvePrivateKey) else "RSA_SHA256"
        signer = _Signer(
            signature_algorithm=SignatureMethod[self.switches.get("algorithm", usual)],
            digest_algorithm=DigestAlgorithm[self.switches.get("digest", "SHA256")],
            c14n_algorithm=CanonicalizationMethod[
                self.switches.get("c14n", "EXCLUSIVE_XML_CANONICALIZATION_1_0")
            ],
        )
        place = 0 if root.find(q("saml", "Issuer")) is None else 1
        root.insert(place, etree.Element(q("ds", "Signature"), Id="placeholder", nsmap={"ds": DS}))
        own, shown = root.get("ID"), [key.certificate]
        return signer.sign(root, key=key.key, cert=shown, reference_uri=own, id_attribute="ID")

    def encrypted(self, assertion: etree._Element) -> etree._Element:
        algorithm, transport = self.switches["encrypt"], self.switches.get("transport", "rsa-oaep-mgf1p")
        plain = self.switches.get("inner_prolog", "").encode() + etree.tostring(assertion)
        key = secrets.token_bytes(int(algorithm[3:6]) // 8)
        public: Any = (self.encrypts_for or pair("sp").certificate).public_key()
        oaep = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)
        if transport == "rsa-oaep":
            oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
        wrapped = public.encrypt(key, padding.PKCS1v15() if transport == "rsa-1_5" else oaep)
        root = etree.Element(q("saml", "EncryptedAssertion"), nsmap={"saml": SAML, "xenc": XENC, "ds": DS})
        data = etree.SubElement(root, q("xenc", "EncryptedData"), Type=XENC + "Element")
        space = XENC11 if algorithm.endswith("gcm") else XENC
        etree.SubElement(data, q("xenc", "EncryptionMethod"), Algorithm=space + algorithm)
        info = etree.SubElement(data, q("ds", "KeyInfo"))
        wrapping = etree.SubElement(info, q("xenc", "EncryptedKey"))
        method = etree.SubElement(wrapping, q("xenc", "EncryptionMethod"))
        method.set("Algorithm", (XENC11 if transport == "rsa-oaep" else XENC) + transport)
        if transport == "rsa-oaep":
            etree.SubElement(method, q("ds", "DigestMethod"), Algorithm=XENC + "sha256")
            etree.SubElement(method, f"{{{XENC11}}}MGF", Algorithm=XENC11 + "mgf1sha256")
        for element, value in ((wrapping, wrapped), (data, _sealed(algorithm, key, plain))):
            text = etree.SubElement(
                etree.SubElement(element, q("xenc", "CipherData")), q("xenc", "CipherValue")
            )
            text.text = b64encode(value).decode()
        return root

    # ── What it takes ─────────────────────────────────────────────────────────────────────────

    def read_redirect(self, query: str) -> tuple[etree._Element, str]:
        """The request of a redirect, and its RelayState; raises Refused."""
        pairs = [piece.partition("=")[::2] for piece in query.split("&")]
        said = {name: unquote(value) for name, value in pairs}
        request = etree.fromstring(zlib.decompress(b64decode(said["SAMLRequest"]), -15))
        if self.wants_signed_requests is not None:
            self._check_query(pairs, said)
        self._check_request(request)
        return request, said.get("RelayState", "")

    def _check_query(self, pairs: list[tuple[str, str]], said: dict[str, str]) -> None:
        if [name for name, _ in pairs] != ["SAMLRequest", "RelayState", "SigAlg", "Signature"]:
            raise Refused("not signed")
        octets = "&".join(f"{name}={value}" for name, value in pairs[:3]).encode()
        assert said["SigAlg"].endswith(("#rsa-sha256", "#rsa-sha512"))
        hashed = hashes.SHA512() if said["SigAlg"].endswith("512") else hashes.SHA256()
        assert self.wants_signed_requests is not None
        public: Any = self.wants_signed_requests.certificate.public_key()
        public.verify(b64decode(said["Signature"]), octets, padding.PKCS1v15(), hashed)

    def read_post(self, form: dict[str, str]) -> tuple[etree._Element, str]:
        """The request of a form; raises Refused."""
        request = etree.fromstring(b64decode(form["SAMLRequest"]))
        if self.wants_signed_requests is not None:
            rules = SignatureConfiguration(location="./")
            certificate = self.wants_signed_requests.certificate
            result: Any = XMLVerifier().verify(
                request, x509_cert=certificate, expect_config=rules, id_attribute="ID"
            )
            request = result.signed_xml
        self._check_request(request)
        return request, form.get("RelayState", "")

    def _check_request(self, request: etree._Element) -> None:
        rules = {
            "tag": request.tag == q("samlp", "AuthnRequest"),
            "version": request.get("Version") == "2.0",
            "id": (request.get("ID") or "").startswith("_"),
            "destination": request.get("Destination") == f"{self.base}/sso",
            "acs": request.get("AssertionConsumerServiceURL") == self.acs,
            "binding": request.get("ProtocolBinding") == BINDING + "POST",
            "issuer": request.findtext("saml:Issuer", namespaces=NS) == self.sp_entity_id,
            "passive": request.get("IsPassive") is None,
        }
        broken = [name for name, holds in rules.items() if not holds]
        if broken:
            raise Refused(", ".join(broken))
        self.asked.append(request)

    # ── Served ────────────────────────────────────────────────────────────────────────────────

    @classmethod
    @asynccontextmanager
    async def running(cls, **how: Any) -> AsyncIterator[FakeIdp]:
        """On a free port, with /metadata and /sso."""
        idp, app = cls(**how), web.Application()
        app.add_routes(
            [web.get("/metadata", idp._serve_metadata), web.get("/sso", idp._sso), web.post("/sso", idp._sso)]
        )
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        idp.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield idp
        finally:
            await runner.cleanup()

    async def _serve_metadata(self, _request: web.Request) -> web.Response:
        return web.Response(body=self.metadata(), content_type="application/samlmetadata+xml")

    async def _sso(self, request: web.Request) -> web.Response:
        """The person is signed in without a page: the answer is the form that goes back."""
        if request.method == "POST":
            asked, state = self.read_post({k: str(v) for k, v in (await request.post()).items()})
        else:
            asked, state = self.read_redirect(request.rel_url.raw_query_string)
        return web.Response(text=self.form(self.respond(asked.get("ID")), state), content_type="text/html")

    def form(self, response: str, relay_state: str) -> str:
        said = self.switches.get("relay_state", relay_state)
        fields = {"SAMLResponse": response} | ({} if said == "missing" else {"RelayState": said})
        inputs = "".join(
            f'<input type="hidden" name="{name}" value="{escape(value)}">' for name, value in fields.items()
        )
        return f'<form method="post" action="{escape(self.acs)}">{inputs}<button>Continue</button></form>'


def _sealed(algorithm: str, key: bytes, plain: bytes) -> bytes:
    if algorithm.endswith("gcm"):
        iv = secrets.token_bytes(12)
        return iv + AESGCM(key).encrypt(iv, plain, None)
    iv, added = secrets.token_bytes(16), 16 - len(plain) % 16
    encryptor = Cipher(AES(key), CBC(iv)).encryptor()
    return iv + encryptor.update(plain + bytes(added - 1) + bytes([added])) + encryptor.finalize()


# ── Signature wrapping (Somorovsky and others, 2012): eight ways to show a signature beside a lie ──────────


def _evil(element: etree._Element) -> etree._Element:
    """A copy that says another person, under another ID, and is not signed."""
    copy = etree.fromstring(etree.tostring(element))
    copy.set("ID", "_evil" + secrets.token_hex(8))
    for name in copy.iter(q("saml", "NameID")):
        name.text = "the-administrator"
    for signature in list(copy.iter(q("ds", "Signature"))):
        signature.getparent().remove(signature)
    return copy


def _unsigned(element: etree._Element) -> etree._Element:
    copy = etree.fromstring(etree.tostring(element))
    copy.remove(copy.find(q("ds", "Signature")))
    return copy


def wrapped(root: etree._Element, way: int) -> etree._Element:
    """The signed Response as that attack has it: 1 and 2 turn on its signature, others on the assertion's."""
    signature = root.find(q("ds", "Signature"))
    assertion = root.find(q("saml", "Assertion"))
    theirs = assertion.find(q("ds", "Signature"))
    if way in (1, 2):
        original = _unsigned(root)
        evil = _evil(root)
        evil.insert(1, signature)
        signature.append(original) if way == 1 else evil.insert(1, original)
        return evil
    evil = _evil(assertion)
    if way == 3:
        root.insert(list(root).index(assertion), evil)
    elif way == 4:
        root.replace(assertion, evil)
        evil.append(assertion)
    elif way == 5:
        original = _unsigned(assertion)
        evil.insert(1, theirs)
        root.replace(assertion, evil)
        root.append(original)
    elif way == 6:
        original = _unsigned(assertion)
        evil.insert(1, theirs)
        theirs.append(original)
        root.replace(assertion, evil)
    elif way == 7:
        extensions = etree.Element(q("samlp", "Extensions"))
        extensions.append(evil)
        root.insert(1, extensions)
    elif way == 8:
        original = _unsigned(assertion)
        evil.insert(1, theirs)
        etree.SubElement(theirs, q("ds", "Object")).append(original)
        root.replace(assertion, evil)
    return root


def redirect_query(url: str) -> str:
    return url.partition("?")[2]


def quoted(text: str) -> str:
    return quote(text, safe="")
