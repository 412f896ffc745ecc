"""The Response, down to the one assertion that is believed.

Owns `read_response`. SAML Core §3.2.2 and §3.3.3, Bindings §3.5, Profiles §4.1.4.2. The steps, in order:

    octets      size, base64, UTF-8, no document type            xml.parse
    shape       one Response, one assertion in it, no ID twice   _check_shape
    envelope    Destination, InResponseTo, Issuer                _check_envelope
    status      Success, or an error that is told                _check_status
    signature   of Response or assertion; each that is there     signatures.verified
    encryption  opened, and looked at again                      encryption.decrypted
    assertion   issuer, subject, conditions, statement           assertion.read_assertion

The envelope is looked at before the signatures, because that costs nothing and may spare their price, and
once more in what was signed. An error status may come without a signature: all that it does is end this one
login. Of an unsigned Response nothing is kept but the assertion, and of that only what its signature covers.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import rsa

from broker.connector import UpstreamInvalid, UpstreamRefused
from connectors.oauth2 import printable
from connectors.saml2.assertion import Asserted, Expected, read_assertion
from connectors.saml2.credentials import Certificate
from connectors.saml2.encryption import decrypted
from connectors.saml2.signatures import is_signed, verified
from connectors.saml2.xml import (
    DS,
    MAX_RESPONSE,
    SAML,
    SAMLP,
    Element,
    child,
    is_id,
    parse,
    plain_text,
    q,
    repeated_id,
    text_of,
)

_STATUS = "urn:oasis:names:tc:SAML:2.0:status:"
_REFUSALS = {
    "NoPassive": "login_required",
    "AuthnFailed": "access_denied",
    "RequestDenied": "access_denied",
    "UnknownPrincipal": "access_denied",
    "NoAuthnContext": "unmet_authentication_requirements",
}
"""What a second-level status means to a client app; anything else is a mistake between the two of us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """What signatures are checked with, and what is opened with."""

    certificates: Sequence[Certificate]
    decryption: Sequence[rsa.RSAPrivateKey] = ()
    encryption_wanted: bool = False


def read_response(encoded: str, expected: Expected, keys: Keys) -> Asserted:
    """What the Response says of the person.

    Raises:
        UpstreamRefused: it says that there is nobody.
        UpstreamInvalid: a step fails; ``reason`` names it.
    """
    response = _document(encoded)
    _check_shape(response)
    _check_envelope(response, expected)
    _check_status(response)
    return read_assertion(_believed(response, expected, keys), expected)


def is_unsolicited(encoded: str) -> bool:
    """Whether this looks like a Response that answers no request. Nothing of it is believed."""
    try:
        response = _document(encoded)
    except UpstreamInvalid:
        return False
    return response.tag == q(SAMLP, "Response") and response.get("InResponseTo") is None


def _document(encoded: str) -> Element:
    if len(encoded) > MAX_RESPONSE * 3 // 2:
        raise UpstreamInvalid("response_too_large")
    try:  # some break the lines of their base64 (RFC 2045)
        octets = b64decode("".join(encoded.split()), validate=True)
    except (ValueError, binascii.Error):
        raise UpstreamInvalid("response_not_base64") from None
    return parse(octets, most=MAX_RESPONSE)


def _check_shape(response: Element) -> None:
    """That every reader finds the same Response and the same assertion (signature wrapping)."""
    if response.tag != q(SAMLP, "Response"):
        raise UpstreamInvalid("not_a_response", printable(str(response.tag)))
    if response.get("Version") != "2.0" or not is_id(response.get("ID")):
        raise UpstreamInvalid("response_version", "no SAML 2.0, or no ID")
    if repeated_id(response):
        raise UpstreamInvalid("id_repeated")
    if len(list(response.iter(q(SAMLP, "Response")))) != 1:
        raise UpstreamInvalid("response_repeated")
    kinds = (q(SAML, "Assertion"), q(SAML, "EncryptedAssertion"))
    assertions = list(response.iter(*kinds))
    if len(assertions) > 1 or any(one.getparent() is not response for one in assertions):
        raise UpstreamInvalid("assertion_repeated", f"{len(assertions)} of them, or not where one belongs")
    signed_here = (response, *assertions)
    if any(one.getparent() not in signed_here for one in response.iter(q(DS, "Signature"))):
        raise UpstreamInvalid("signature_misplaced")


def _check_envelope(response: Element, expected: Expected) -> None:
    if response.get("Destination") != expected.acs:
        raise UpstreamInvalid("destination_mismatch", printable(response.get("Destination") or "none"))
    if response.get("InResponseTo") != expected.request_id:
        raise UpstreamInvalid("in_response_to_mismatch", "the Response answers another request, or none")
    issuer = child(response, SAML, "Issuer")
    if issuer is None and not is_signed(response):
        return  # a signed Response must say it (Profiles §4.1.4.2)
    if issuer is None or text_of(issuer) != expected.idp:
        raise UpstreamInvalid(
            "response_issuer_mismatch", printable("none" if issuer is None else text_of(issuer))
        )


def _check_status(response: Element) -> None:
    status = child(response, SAMLP, "Status")
    code = None if status is None else child(status, SAMLP, "StatusCode")
    if status is None or code is None:
        raise UpstreamInvalid("status_missing")
    if code.get("Value") == f"{_STATUS}Success":
        return
    inner = child(code, SAMLP, "StatusCode")
    second = "" if inner is None else (inner.get("Value") or "").removeprefix(_STATUS)
    first = (code.get("Value") or "").removeprefix(_STATUS)
    said = printable(plain_text(child(status, SAMLP, "StatusMessage")))
    raise UpstreamRefused(
        _REFUSALS.get(second, "server_error"), f"{printable(first)}, {printable(second)}: {said}"
    )


def _believed(response: Element, expected: Expected, keys: Keys) -> Element:
    """The assertion, as far as a signature covers it."""
    covered = None
    if is_signed(response):
        covered = verified(response, keys.certificates)
        _check_envelope_again(covered, expected)
    assertion = _assertion(response)
    if assertion.tag == q(SAML, "EncryptedAssertion"):
        return _opened(_assertion(response if covered is None else covered), covered is not None, keys)
    if keys.encryption_wanted:
        raise UpstreamInvalid("encryption_missing")
    if is_signed(assertion):
        return verified(assertion, keys.certificates)
    if covered is None:
        raise UpstreamInvalid("signature_missing", "neither the Response nor the assertion is signed")
    return _assertion(covered)


def _check_envelope_again(covered: Element, expected: Expected) -> None:
    """What was signed without its signature, so that an issuer is looked for in any case."""
    _check_envelope(covered, expected)
    if child(covered, SAML, "Issuer") is None:
        raise UpstreamInvalid("response_issuer_mismatch", "none")


def _assertion(response: Element) -> Element:
    found = child(response, SAML, "Assertion")
    found = child(response, SAML, "EncryptedAssertion") if found is None else found
    if found is None:
        raise UpstreamInvalid("assertion_missing")
    return found


def _opened(encrypted: Element, authentic: bool, keys: Keys) -> Element:
    assertion = decrypted(encrypted, keys.decryption, authentic=authentic)
    if repeated_id(assertion) or len(list(assertion.iter(q(SAML, "Assertion")))) != 1:
        raise UpstreamInvalid("assertion_repeated", "inside the encrypted one")
    if any(one.getparent() is not assertion for one in assertion.iter(q(DS, "Signature"))):
        raise UpstreamInvalid("signature_misplaced")
    if is_signed(assertion):
        return verified(assertion, keys.certificates)
    if not authentic:
        raise UpstreamInvalid("signature_missing", "neither the Response nor the assertion is signed")
    return assertion
