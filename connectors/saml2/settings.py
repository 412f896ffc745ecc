"""What an operator writes about a SAML identity provider. Its keys are read here and believed elsewhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StrictBool, StringConstraints, ValidationInfo, model_validator

from broker.connector import ConnectorSettings, Duration, Secret, UpstreamInvalid
from connectors.oidc_settings import Url
from connectors.saml2.credentials import Certificate
from connectors.saml2.xml import MAX_DOCUMENT, parse

EntityId = Annotated[str, StringConstraints(min_length=1, max_length=1024, pattern=r"^[!-~]+$")]
AttributeName = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
Binding = Literal["redirect", "post"]
NameIdFormat = Literal["persistent", "transient", "emailAddress", "unspecified"]
RequestAlgorithm = Literal[
    "RSA-SHA256", "RSA-SHA384", "RSA-SHA512", "ECDSA-SHA256", "ECDSA-SHA384", "ECDSA-SHA512"
]


def _opened(text: str, info: ValidationInfo) -> str:
    """The text, or what the file has that it names."""
    if not text.startswith("file:"):
        return text
    path = Path((info.context or {}).get("directory", "")) / text.removeprefix("file:")
    try:
        with path.open("rb") as file:
            data = file.read(MAX_DOCUMENT + 1)
        found = data.decode("utf-8")
    except (OSError, ValueError) as error:
        raise ValueError(f"cannot read {path}: {getattr(error, 'strerror', None) or 'not UTF-8'}") from error
    if len(data) > MAX_DOCUMENT:
        raise ValueError(f"{path} is larger than {MAX_DOCUMENT} bytes")
    return found


_FINGERPRINT = re.compile(r"sha256:(?:[0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}")
Document = Annotated[str, StringConstraints(min_length=1), AfterValidator(_opened)]


def _certificate(text: str) -> str:
    try:
        Certificate.read(text)
    except UpstreamInvalid as error:
        raise ValueError(error.detail) from error
    return text


def _pin(text: str) -> str:
    if not text.startswith("sha256:"):
        return _certificate(text)
    if not _FINGERPRINT.fullmatch(text):
        raise ValueError("a fingerprint is sha256: and 64 hexadecimal digits, with or without colons")
    return text


def _xml(text: str) -> str:
    try:
        parse(text.encode())
    except UpstreamInvalid as error:
        raise ValueError(f"that is no XML that is read here: {error.detail}") from error
    return text


Pin = Annotated[Document, AfterValidator(_pin)]
Pem = Annotated[Document, AfterValidator(_certificate)]
Xml = Annotated[Document, AfterValidator(_xml)]


class Settings(ConnectorSettings):
    """A SAML 2.0 identity provider."""

    metadata_url: Url | None = None
    """Where its metadata is, read again from time to time; `idp_certificates` says what that may change."""
    metadata: Xml | None = None
    """Its metadata instead, which never changes by itself: `file:PATH`, or the XML."""
    idp_entity_id: EntityId | None = None
    """Its entityID. Needed where the metadata has several identity providers, or there is none."""
    sso_url: Url | None = None
    """Where people sign in, where there is no metadata."""
    idp_certificates: tuple[Pin, ...] = Field(default=(), max_length=8)
    """The certificates that it signs with: `file:PATH`, PEM, or `sha256:` and the fingerprint of one that the
    metadata has. Several while it changes from one to the next. Only these are believed; one that has ended
    goes on working."""
    trust_metadata_keys: StrictBool = False
    """`true` believes every key that `metadata_url` lists, so that whoever can change that document can
    sign in as anybody."""
    metadata_certificates: tuple[Pem, ...] = Field(default=(), max_length=4)
    """The certificates that the metadata itself is signed with. With these its keys are believed, because
    the signature is; of them only the pinned ones where there are `idp_certificates` too."""

    entity_id: EntityId | None = None
    """Who the broker is there. Without it the address of its own metadata, `/connectors/<id>/metadata`."""
    private_key: Secret | None = None
    """A private key in PEM, RSA or ECDSA. Signs requests, and opens encrypted assertions if it is RSA."""
    certificate: Pem | None = None
    """The certificate for it that the broker's metadata shows: `file:PATH` or PEM. Without it the broker
    makes one."""
    decryption_keys: tuple[Secret, ...] = Field(default=(), max_length=2)
    """RSA private keys that open encrypted assertions, the first of them in the broker's metadata; instead
    of `private_key`."""
    want_assertions_encrypted: StrictBool = False
    """Refuses an assertion that is not encrypted."""

    sign_requests: StrictBool | None = None
    """Whether requests are signed. Without it they are if there is a `private_key`."""
    request_signature_algorithm: RequestAlgorithm | None = None
    """What requests are signed with; without it SHA-256 with the kind of key that there is."""
    request_binding: Binding | None = None
    """How the browser carries the request there. Without it `redirect`, where that is taken."""
    name_id_format: NameIdFormat | None = None
    """What kind of identifier is asked for. Without it `persistent`; with a `subject_attribute` none."""
    authn_context_comparison: Literal["exact", "minimum", "better", "maximum"] = "exact"
    """How the login compares to the authentication contexts that are asked for."""

    login_hint_parameter: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z_]{0,39}$")] | None = None
    """What it calls the parameter of its address that says who is meant: `login_hint` at Entra ID and Google,
    `username` at ADFS. What reaches it is `pass_through`'s to say."""

    subject_attribute: AttributeName | None = None
    """The attribute that says who it is, instead of a persistent NameID: one that is never given to somebody
    else. Part of every person's subject, so it never changes."""
    repeated_attributes: Literal["refuse", "merge"] = "refuse"
    """`merge` takes several attributes of one name as one with all their values, as Keycloak sends roles."""
    trust_email: StrictBool = False
    """`true` passes its e-mail addresses on as verified. SAML has no word for that: say so only of an
    identity provider that lets nobody choose an address."""
    clock_skew: Annotated[Duration, Field(le=60)] = 30
    """How much its clock may be wrong by; at most 1m."""
    idp_initiated: Url | None = None
    """Where people go who come from the identity provider unasked: the `initiate_login_uri` of an app, which
    begins a login of its own. Without it such answers get a page. They are never believed either way."""

    @model_validator(mode="after")
    def _one_provider(self) -> Self:
        given = [self.metadata_url, self.metadata, self.sso_url]
        if sum(source is not None for source in given) != 1:
            raise ValueError("metadata_url: give one of metadata_url, metadata and sso_url")
        if self.sso_url is not None and self.idp_entity_id is None:
            raise ValueError("idp_entity_id: missing, sso_url needs it")
        if self.metadata_url is None and self.trust_metadata_keys:
            raise ValueError("trust_metadata_keys: there is no metadata_url")
        if self.metadata_url is None and self.metadata_certificates:
            raise ValueError("metadata_certificates: there is no metadata_url")
        if self.sso_url is not None and any(one.startswith("sha256:") for one in self.idp_certificates):
            raise ValueError("idp_certificates: a fingerprint needs metadata that has the certificate")
        return self

    @model_validator(mode="after")
    def _believed_keys(self) -> Self:
        pinned, signed = bool(self.idp_certificates), bool(self.metadata_certificates)
        if not (pinned or signed or self.metadata is not None or self.trust_metadata_keys):
            raise ValueError("idp_certificates: missing (pin what the identity provider signs with)")
        if pinned and self.trust_metadata_keys:
            raise ValueError("trust_metadata_keys: idp_certificates says that only those are believed")
        if signed and not pinned and self.idp_entity_id is None:
            # A federation signs for many: any member of it could stand at the address.
            raise ValueError("idp_entity_id: missing, metadata_certificates needs it")
        return self

    @model_validator(mode="after")
    def _own_keys(self) -> Self:
        if self.private_key is None and (self.sign_requests or self.certificate is not None):
            raise ValueError("private_key: missing, signing needs it")
        if self.want_assertions_encrypted and self.private_key is None and not self.decryption_keys:
            raise ValueError("decryption_keys: missing, encrypted assertions need one")
        if self.name_id_format not in (None, "persistent") and self.subject_attribute is None:
            raise ValueError(f"subject_attribute: missing, a NameID that is {self.name_id_format} is no key")
        return self

    @property
    def signs_requests(self) -> bool:
        """Whether requests are signed."""
        return self.private_key is not None if self.sign_requests is None else self.sign_requests
