"""The AuthnRequest, and two ways in which a browser carries it: SAML Core §3.4.1, Bindings §3.4, §3.5."""

from __future__ import annotations

import zlib
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from lxml import etree
from lxml.builder import ElementMaker
from signxml.algorithms import SignatureMethod

from broker.connector import UpstreamInvalid
from connectors.saml2.credentials import Credentials
from connectors.saml2.settings import RequestAlgorithm
from connectors.saml2.signatures import signed
from connectors.saml2.xml import DS, POST, SAML, SAMLP, Element, q, written

_HASHES: Mapping[str, type[hashes.HashAlgorithm]] = {
    "SHA256": hashes.SHA256,
    "SHA384": hashes.SHA384,
    "SHA512": hashes.SHA512,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request for a login."""

    id: str
    issued_at: float
    destination: str
    acs: str
    entity_id: str
    force_authn: bool = False
    name_id_format: str | None = None
    contexts: tuple[str, ...] = ()
    comparison: str = "exact"


def algorithm_for(ours: Credentials, wanted: RequestAlgorithm | None) -> SignatureMethod:
    """How this key signs.

    Raises:
        UpstreamInvalid: the operator wants what the key cannot do.
    """
    kind = "RSA" if ours.type == "RSA" else "ECDSA"
    name = wanted or f"{kind}-SHA256"
    if not name.startswith(f"{kind}-"):
        raise UpstreamInvalid("private_key_unusable", f"{name} with another kind of key")
    return SignatureMethod[name.replace("-", "_")]


def by_redirect(
    request: Request, relay_state: str, ours: Credentials | None, algorithm: RequestAlgorithm | None
) -> str:
    """The query that carries it: deflated, with a signature over the very octets of the query (§3.4.4.1)."""
    packed = zlib.compressobj(9, zlib.DEFLATED, -15)
    deflated = packed.compress(etree.tostring(element(request))) + packed.flush()
    query = f"SAMLRequest={_quoted(deflated)}&RelayState={quote(relay_state, safe='')}"
    if ours is not None:
        method = algorithm_for(ours, algorithm)
        query += f"&SigAlg={quote(method.value, safe='')}"
        query += f"&Signature={_quoted(_signature(query.encode('ascii'), ours, method))}"
    return query


def by_post(
    request: Request, relay_state: str, ours: Credentials | None, algorithm: RequestAlgorithm | None
) -> dict[str, str]:
    """The fields of the form that carries it (§3.5.4)."""
    root = element(request, placeholder=ours is not None)
    if ours is not None:
        root = signed(root, ours, algorithm_for(ours, algorithm))
    return {"SAMLRequest": b64encode(etree.tostring(root)).decode("ascii"), "RelayState": relay_state}


def element(request: Request, *, placeholder: bool = False) -> Element:
    """The AuthnRequest. IsPassive is never asked for: who may not be asked never leaves the broker."""
    protocol: Any = ElementMaker(namespace=SAMLP, nsmap={"samlp": SAMLP, "saml": SAML})
    assertion: Any = ElementMaker(namespace=SAML, nsmap={"saml": SAML})
    root = protocol.AuthnRequest(
        ID=request.id,
        Version="2.0",
        IssueInstant=written(request.issued_at),
        Destination=request.destination,
        AssertionConsumerServiceURL=request.acs,
        ProtocolBinding=POST,
    )
    if request.force_authn:
        root.set("ForceAuthn", "true")
    root.append(assertion.Issuer(request.entity_id))
    if placeholder:  # the signature's place is after the issuer (Core §3.2.1)
        etree.SubElement(root, q(DS, "Signature"), Id="placeholder", nsmap={"ds": DS})
    if request.name_id_format is not None:
        root.append(protocol.NameIDPolicy(Format=request.name_id_format, AllowCreate="true"))
    if request.contexts:
        named = [assertion.AuthnContextClassRef(context) for context in request.contexts]
        root.append(protocol.RequestedAuthnContext(*named, Comparison=request.comparison))
    return root


def _signature(octets: bytes, ours: Credentials, method: SignatureMethod) -> bytes:
    hashed = _HASHES[method.name.rpartition("_")[2]]()
    if isinstance(ours.key, rsa.RSAPrivateKey):
        return ours.key.sign(octets, padding.PKCS1v15(), hashed)
    return _fixed_width(ours.key.sign(octets, ec.ECDSA(hashed)), ours.key.key_size)


def _fixed_width(der: bytes, bits: int) -> bytes:
    """An ECDSA signature as XML Signature writes it: the two numbers beside each other (§6.4.3 there)."""
    width = (bits + 7) // 8
    return b"".join(number.to_bytes(width) for number in decode_dss_signature(der))


def _quoted(octets: bytes) -> str:
    return quote(b64encode(octets).decode("ascii"), safe="")
