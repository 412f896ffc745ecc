"""An identity provider's metadata: who it is, where people sign in, and which of its keys are believed.

Owns `Provider`. SAML Metadata §2.3 and §2.4, Metadata Interoperability 1.0 §2. Metadata that is fetched is
whoever's who can change it: a key in it counts only if the operator pinned it, or said that the metadata's
own signature, or the metadata as it comes, is enough.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from urllib.parse import urlsplit

from broker.connector import UpstreamInvalid
from connectors.oauth2 import printable
from connectors.oidc_settings import check_url
from connectors.saml2.credentials import Certificate
from connectors.saml2.settings import Binding, Settings
from connectors.saml2.signatures import verified
from connectors.saml2.xml import (
    DS,
    MD,
    POST,
    REDIRECT,
    SAMLP,
    Element,
    instant,
    parse,
    plain_text,
    q,
    written,
)

BINDINGS: Mapping[str, Binding] = {REDIRECT: "redirect", POST: "post"}
MAX_CERTIFICATES, MAX_LISTED = 16, 256
"""Those that are believed, and those that are looked through for the ones that were pinned."""
_FINGERPRINT = "sha256:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """What a login needs to know of the identity provider."""

    document: bytes | None
    """What it was read from."""
    entity_id: str
    sso: Mapping[Binding, str]
    """Where people sign in, by how the request is carried."""
    certificates: tuple[Certificate, ...]
    """The keys that are believed, however they came to be."""
    valid_until: float | None = None
    """After this nothing of it is believed (Metadata §2.3.2); None where it does not say."""
    wants_signed_requests: bool = False
    listed: int = 0
    """How many certificates the metadata has, believed or not."""

    @property
    def origins(self) -> frozenset[str]:
        """Where browsers are sent."""
        return frozenset("://".join(urlsplit(url)[:2]) for url in self.sso.values())

    def check_valid(self, now: float) -> None:
        """That it has not ended since it was read, which may be a day ago.

        Raises:
            UpstreamInvalid: it has.
        """
        if self.valid_until is not None and self.valid_until <= now:
            raise UpstreamInvalid("metadata_expired", f"good until {written(self.valid_until)}")


def from_settings(settings: Settings) -> Provider:
    """The identity provider that the operator wrote down, without metadata."""
    if settings.sso_url is None or settings.idp_entity_id is None:
        raise UpstreamInvalid("metadata_missing", "there is neither metadata nor sso_url")
    certificates = tuple(Certificate.read(text) for text in settings.idp_certificates)
    binding = settings.request_binding or "redirect"
    return Provider(
        document=None,
        entity_id=settings.idp_entity_id,
        sso={binding: settings.sso_url},
        certificates=certificates,
    )


def from_metadata(document: bytes, settings: Settings, *, now: float, known: Provider | None) -> Provider:
    """The identity provider in this metadata.

    Raises:
        UpstreamInvalid: it is nobody's, somebody else's, or has no key that is believed.
    """
    try:
        root = parse(document)
        if settings.metadata_certificates:
            root = verified(root, [Certificate.read(text) for text in settings.metadata_certificates])
        provider = _read(root, document, settings)
        provider.check_valid(now)
    except UpstreamInvalid as error:
        reason = error.reason if error.reason.startswith("metadata_") else f"metadata_{error.reason}"
        raise UpstreamInvalid(reason, error.detail) from error
    if known is not None and provider.entity_id != known.entity_id:  # it is a part of every person's subject
        raise UpstreamInvalid("metadata_issuer_mismatch", "its entityID has changed")
    if known is not None and not provider.origins <= known.origins:
        moved = ", ".join(sorted(provider.origins - known.origins))
        raise UpstreamInvalid("metadata_origin_changed", f"people would be sent to {moved}")
    return provider


def _read(root: Element, document: bytes, settings: Settings) -> Provider:
    entity = _entity(root, settings.idp_entity_id)
    role = _role(entity)
    sso = _endpoints(role)
    listed = _certificates(role)
    certificates = _believed(listed, settings)
    if not sso:
        raise UpstreamInvalid("no_endpoint", "no SingleSignOnService by redirect or post")
    if not certificates:
        raise UpstreamInvalid(
            "no_pinned_key", f"none of its {len(listed)} certificates is one that was pinned"
        )
    return Provider(
        document=document,
        entity_id=entity.get("entityID", ""),
        sso=sso,
        certificates=certificates,
        # A file is as old as the operator lets it be.
        valid_until=None if settings.metadata_url is None else _valid_until(role),
        wants_signed_requests=role.get("WantAuthnRequestsSigned") in ("true", "1"),
        listed=len(listed),
    )


def _entity(root: Element, wanted: str | None) -> Element:
    """The one entity that is meant, alone or in a federation's list."""
    if root.tag not in (q(MD, "EntityDescriptor"), q(MD, "EntitiesDescriptor")):
        raise UpstreamInvalid("not_saml", "no EntityDescriptor")
    found = [one for one in _listed(root) if one.find(q(MD, "IDPSSODescriptor")) is not None]
    named = [one for one in found if wanted is None or one.get("entityID") == wanted]
    if len(named) != 1 or not named[0].get("entityID"):
        told = ", ".join(printable(one.get("entityID") or "") for one in found[:3]) or "none"
        raise UpstreamInvalid("issuer_mismatch", f"identity providers in it: {told}")
    return named[0]


def _listed(root: Element) -> list[Element]:
    """Those that stand where entities do: what a member writes into its own extensions is no entry."""
    found, ahead = [], [root]
    while ahead:
        one = ahead.pop()
        if one.tag == q(MD, "EntityDescriptor"):
            found.append(one)
        elif one.tag == q(MD, "EntitiesDescriptor"):
            ahead.extend(reversed(one))
    return found


def _role(entity: Element) -> Element:
    roles = [
        role
        for role in entity.findall(q(MD, "IDPSSODescriptor"))
        if SAMLP in role.get("protocolSupportEnumeration", "").split()
    ]
    if len(roles) != 1:
        raise UpstreamInvalid("not_saml", f"{len(roles)} roles that speak SAML 2.0")
    return roles[0]


def _valid_until(role: Element) -> float | None:
    """When the first of what it stands in ends."""
    stated = [instant(one.get("validUntil")) for one in (role, *role.iterancestors())]
    return min((until for until in stated if until is not None), default=None)


def _endpoints(role: Element) -> dict[Binding, str]:
    found: dict[Binding, str] = {}
    for service in role.findall(q(MD, "SingleSignOnService")):
        binding = BINDINGS.get(service.get("Binding", ""))
        if binding is None or binding in found:
            continue
        try:
            found[binding] = check_url(service.get("Location", ""))
        except ValueError as error:
            raise UpstreamInvalid("endpoint_malformed", f"SingleSignOnService {error}") from error
    return found


def _certificates(role: Element) -> list[Certificate]:
    """Those that it says it signs with, as far as they can be used; the first where one repeats."""
    listed: dict[str, Certificate] = {}
    for descriptor in role.findall(q(MD, "KeyDescriptor")):
        if descriptor.get("use", "signing") != "signing":
            continue
        for shown in islice(descriptor.iter(q(DS, "X509Certificate")), MAX_LISTED):
            try:
                found = Certificate.read(plain_text(shown))
            except UpstreamInvalid:
                continue  # a key that is too weak, or of a kind that nobody here uses, verifies nothing
            listed.setdefault(found.fingerprint, found)
    return list(listed.values())[:MAX_LISTED]


def _believed(listed: list[Certificate], settings: Settings) -> tuple[Certificate, ...]:
    """What was pinned whole; of the listed, what was pinned by its fingerprint, or all where nothing is."""
    prints, whole = _pins(settings)
    trusted = not settings.idp_certificates  # which the settings allow where something else vouches for them
    from_metadata = [one for one in listed if trusted or one.fingerprint in prints][:MAX_CERTIFICATES]
    return tuple({one.fingerprint: one for one in (*whole, *from_metadata)}.values())


def _pins(settings: Settings) -> tuple[frozenset[str], tuple[Certificate, ...]]:
    prints = frozenset(
        text.removeprefix(_FINGERPRINT).replace(":", "").strip().lower()
        for text in settings.idp_certificates
        if text.startswith(_FINGERPRINT)
    )
    whole = tuple(
        Certificate.read(text) for text in settings.idp_certificates if not text.startswith(_FINGERPRINT)
    )
    return prints, whole
