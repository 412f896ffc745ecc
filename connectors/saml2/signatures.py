"""XML Signature, as far as SAML uses it: from an element to what its own signature covers.

Owns `verified` and `signed`. SAML Core §5.4, XML Signature 1.1 §3.2 and §8. The signature is a child of the
element, has one reference, to that element by its ID, with the two transforms that SAML allows, and no key of
its own counts. What is returned is parsed anew from the octets that were signed, so that nothing else can be
read. SHA-1, HMAC and DSA do not exist here.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import islice
from typing import Any

from signxml.algorithms import (
    CanonicalizationMethod,
    DigestAlgorithm,
    SignatureConstructionMethod,
    SignatureMethod,
)
from signxml.exceptions import InvalidSignature
from signxml.signer import XMLSigner
from signxml.verifier import SignatureConfiguration, VerifyResult, XMLVerifier

from broker.connector import UpstreamInvalid
from connectors.saml2.credentials import Certificate, Credentials
from connectors.saml2.xml import DS, Element, elements, is_id, parse, plain_text, q, serialized

# At DEBUG the library writes down every octet that was signed, and so who people are.
logging.getLogger("signxml").setLevel(logging.INFO)

EXCLUSIVE = CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0
ENVELOPED = SignatureConstructionMethod.enveloped
METHODS = frozenset(
    {
        SignatureMethod.RSA_SHA256,
        SignatureMethod.RSA_SHA384,
        SignatureMethod.RSA_SHA512,
        SignatureMethod.ECDSA_SHA256,
        SignatureMethod.ECDSA_SHA384,
        SignatureMethod.ECDSA_SHA512,
    }
)
DIGESTS = frozenset({DigestAlgorithm.SHA256, DigestAlgorithm.SHA384, DigestAlgorithm.SHA512})

_SIGNATURE = q(DS, "Signature")
_TRANSFORMS = [ENVELOPED.value, EXCLUSIVE.value]
_INCLUSIVE = "{http://www.w3.org/2001/10/xml-exc-c14n#}InclusiveNamespaces"


def is_signed(element: Element) -> bool:
    """Whether the element has a signature of its own."""
    return element.find(_SIGNATURE) is not None


def verified(element: Element, certificates: Sequence[Certificate]) -> Element:
    """The element as it was signed by one of these certificates' keys.

    Raises:
        UpstreamInvalid: it was not, or the signature is of a kind that is not believed.
    """
    shown = _check_shape(element)
    alone, data = serialized(_only(element, "Signature")), serialized(element)
    # The certificate that the signature shows is only a hint which of ours to try first.
    for certificate in sorted(certificates, key=lambda one: one.base64 != shown):
        covered = _octets(data, certificate) if _may_have_made(alone, certificate) else None
        if covered is None:
            continue
        root = parse(covered)
        if root.tag != element.tag or root.get("ID") != element.get("ID"):
            raise UpstreamInvalid("signature_reference", "it covers another element")
        return root
    raise UpstreamInvalid("signature_wrong", "no pinned certificate verifies it")


def _may_have_made(signature: bytes, certificate: Certificate) -> bool:
    """Whether its key may have made the signature, which says so alone, however large the rest is."""
    try:
        _verified(signature, certificate)
    except InvalidSignature:
        return False
    except Exception:  # noqa: BLE001 - what it refers to is not there; more is for the whole of it to say
        return True
    return True


def _octets(data: bytes, certificate: Certificate) -> bytes | None:
    """What the signature covers, if this certificate's key made it."""
    try:
        result = _verified(data, certificate)
    except Exception:  # noqa: BLE001 - whatever a library trips over in a stranger's signature, it is wrong
        return None
    return None if isinstance(result, list) else bytes(result.signed_data)


def _verified(data: bytes, certificate: Certificate) -> VerifyResult | list[VerifyResult]:
    # That the certificate was pinned is all that counts of it, so it is looked at while it was good.
    rules = SignatureConfiguration(
        location="./",
        expect_references=1,
        signature_methods=METHODS,
        digest_algorithms=DIGESTS,
        ignore_ambiguous_key_info=True,
        verification_time=certificate.ends,
    )
    return XMLVerifier().verify(
        data, x509_cert=certificate.x509, expect_config=rules, id_attribute="ID", validate_schema=False
    )


def _check_shape(element: Element) -> str:
    """That the signature is one that SAML allows here; the certificate that it shows."""
    if not is_id(element.get("ID")):
        raise UpstreamInvalid("signature_reference", "the signed element has no ID")
    signature = _only(element, "Signature")
    if any(one.tag not in _PARTS for one in elements(signature)):
        raise UpstreamInvalid("signature_malformed", "a signature with more in it than a signature")
    info = _only(signature, "SignedInfo")
    _only(signature, "SignatureValue")
    reference = _only(info, "Reference")
    if reference.get("URI") != f"#{element.get('ID')}":
        raise UpstreamInvalid("signature_reference", "it refers to another element")
    _check_transforms(reference)
    _check_algorithms(info, reference)
    _check_measure(signature, info)
    return "".join(plain_text(signature.find(f".//{q(DS, 'X509Certificate')}")).split())


_PARTS = frozenset({q(DS, "SignedInfo"), q(DS, "SignatureValue"), q(DS, "KeyInfo")})
_MOST_OF_ALL = 128
"""Elements of a signature, with a chain of certificates."""
_MOST_PARTS, _MOST_ATTRIBUTES, _LONGEST_PREFIXES = 16, 32, 256
"""Of its SignedInfo. It is canonicalized before anybody knows who made it, and libxml2 then looks for each
prefix of a PrefixList at each element: 40 kB that are all of these take it ten seconds."""


def _check_measure(signature: Element, info: Element) -> None:
    """That looking at it costs next to nothing, whoever wrote it."""
    everything = list(islice(signature.iter("*"), _MOST_OF_ALL + 1))
    parts = list(islice(info.iter("*"), _MOST_PARTS + 1))
    attributes = sum(len(one.attrib) for one in parts)
    prefixes = sum(len(one.get("PrefixList", "")) for one in parts)
    large = len(everything) > _MOST_OF_ALL or len(parts) > _MOST_PARTS
    if large or attributes > _MOST_ATTRIBUTES or prefixes > _LONGEST_PREFIXES:
        raise UpstreamInvalid("signature_malformed", "a signature with more in it than a signature")


def _check_transforms(reference: Element) -> None:
    transforms = elements(_only(reference, "Transforms"))
    inside = [inner for one in transforms for inner in elements(one)]
    if [one.get("Algorithm") for one in transforms] != _TRANSFORMS or any(
        inner.tag != _INCLUSIVE for inner in inside
    ):
        raise UpstreamInvalid("signature_transforms", "other transforms than SAML allows")


def _check_algorithms(info: Element, reference: Element) -> None:
    method, digest = _only(info, "SignatureMethod"), _only(reference, "DigestMethod")
    if _only(info, "CanonicalizationMethod").get("Algorithm") != EXCLUSIVE.value:
        raise UpstreamInvalid("signature_algorithm", "a canonicalization that is not exclusive")
    if elements(method) or method.get("Algorithm") not in {one.value for one in METHODS}:
        raise UpstreamInvalid("signature_algorithm", "a signature method that is not believed")
    if digest.get("Algorithm") not in {one.value for one in DIGESTS}:
        raise UpstreamInvalid("signature_algorithm", "a digest that is not believed")


def _only(element: Element, name: str) -> Element:
    found = element.findall(q(DS, name))
    if len(found) != 1:
        raise UpstreamInvalid("signature_malformed", f"{len(found)} {name}")
    return found[0]


def signed(element: Element, ours: Credentials, algorithm: SignatureMethod) -> Element:
    """The element with our signature, at the place that was kept for it by `placeholder`."""
    digest = DigestAlgorithm[algorithm.name.rpartition("_")[2]]
    signer: Any = XMLSigner(
        method=ENVELOPED, signature_algorithm=algorithm, digest_algorithm=digest, c14n_algorithm=EXCLUSIVE
    )
    shown, own_id = [ours.certificate.x509], element.get("ID")
    return signer.sign(element, key=ours.key, cert=shown, reference_uri=own_id, id_attribute="ID")
