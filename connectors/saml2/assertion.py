"""The assertion, step by step: who issued it, for whom, for which request, until when, and about whom.

Owns `read_assertion`. SAML Core §2, Profiles §4.1.4.2 and §4.1.4.3. It is handed what a signature covers and
nothing else, and takes the steps in their order; each has one stable reason.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from broker.connector import UpstreamInvalid
from connectors.oauth2 import printable
from connectors.saml2.attributes import read_attributes, read_qualifiers
from connectors.saml2.xml import SAML, Element, child, elements, instant, is_id, plain_text, q, text_of

BEARER = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
_CONDITIONS = frozenset(q(SAML, name) for name in ("AudienceRestriction", "OneTimeUse", "ProxyRestriction"))
_COUNT = re.compile(r"\+?0*[1-9][0-9]*")
"""An xs:nonNegativeInteger that is not zero."""
_MAX_NAME, _MAX_FACT = 1024, 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What an answer to our request must say."""

    idp: str
    entity_id: str
    acs: str
    request_id: str
    now: float
    skew: float
    merge_attributes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NameId:
    """The identifier of a subject (Core §2.2.3), as it was said."""

    value: str
    format: str
    name_qualifier: str
    sp_name_qualifier: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asserted:
    """What an assertion says, all of it checked."""

    id: str
    usable_until: float
    """After this nobody takes it any more."""
    name_id: NameId | None
    attributes: dict[str, list[str]]
    qualifiers: dict[str, list[str]]
    """Of attributes that are NameIDs, where others than the identity provider and we are meant."""
    authn_instant: int
    context: str | None
    session_index: str | None
    session_ends: int | None
    """When the session there is over, and so what we made of it (Profiles §4.1.4.3)."""


def read_assertion(assertion: Element, expected: Expected) -> Asserted:
    """What the assertion says.

    Raises:
        UpstreamInvalid: a step fails; ``reason`` names it.
    """
    _check_version(assertion, expected)
    _check_issuer(assertion, expected)
    subject = child(assertion, SAML, "Subject")
    if subject is None:
        raise UpstreamInvalid("subject_missing")
    usable_until = _check_confirmation(subject, expected)
    _check_conditions(assertion, expected)
    authn, session_ends = _statement(assertion, expected)
    authn_instant = instant(authn.get("AuthnInstant"))
    if authn_instant is None or authn_instant > expected.now + expected.skew:
        raise UpstreamInvalid("authn_instant_wrong", "absent, or still to come")
    context = child(authn, SAML, "AuthnContext")
    return Asserted(
        id=assertion.get("ID"),
        usable_until=usable_until,
        name_id=_name_id(subject, expected),
        attributes=read_attributes(assertion, merge=expected.merge_attributes),
        qualifiers=read_qualifiers(assertion, idp=expected.idp, us=expected.entity_id),
        authn_instant=int(authn_instant),
        context=_fact(None if context is None else child(context, SAML, "AuthnContextClassRef")),
        session_index=_checked_fact(authn.get("SessionIndex")),
        session_ends=session_ends,
    )


def _check_version(assertion: Element, expected: Expected) -> None:
    if assertion.get("Version") != "2.0" or not is_id(assertion.get("ID")):
        raise UpstreamInvalid("assertion_version", "no SAML 2.0, or no ID")
    issued = instant(assertion.get("IssueInstant"))
    if issued is None or issued > expected.now + expected.skew:
        raise UpstreamInvalid("assertion_not_yet", "its IssueInstant is absent, or still to come")


def _check_issuer(assertion: Element, expected: Expected) -> None:
    issuer = child(assertion, SAML, "Issuer")
    if issuer is None or text_of(issuer) != expected.idp:
        told = "none" if issuer is None else printable(text_of(issuer))
        raise UpstreamInvalid("assertion_issuer_mismatch", told)


def _check_confirmation(subject: Element, expected: Expected) -> float:
    """When the last bearer confirmation that is meant for us ends (Profiles §4.1.4.3)."""
    ends, failed = [], UpstreamInvalid("confirmation_missing", "no bearer confirmation")
    for confirmation in subject.findall(q(SAML, "SubjectConfirmation")):
        if confirmation.get("Method") != BEARER:
            continue
        try:
            ends.append(_confirmed_until(confirmation, expected))
        except UpstreamInvalid as error:
            failed = error
    if not ends:
        raise failed
    return max(ends) + expected.skew


def _confirmed_until(confirmation: Element, expected: Expected) -> float:
    data = child(confirmation, SAML, "SubjectConfirmationData")
    if data is None:
        raise UpstreamInvalid("confirmation_missing", "without SubjectConfirmationData")
    if data.get("Recipient") != expected.acs:
        raise UpstreamInvalid("recipient_mismatch", printable(data.get("Recipient") or "none"))
    if data.get("InResponseTo") != expected.request_id:
        raise UpstreamInvalid("in_response_to_mismatch", "the assertion answers another request, or none")
    if data.get("NotBefore") is not None:
        raise UpstreamInvalid("confirmation_not_before", "a bearer confirmation must not have one")
    ends = instant(data.get("NotOnOrAfter"))
    if ends is None or ends + expected.skew <= expected.now:
        raise UpstreamInvalid("confirmation_expired", "NotOnOrAfter is past, or absent")
    return ends


def _check_conditions(assertion: Element, expected: Expected) -> None:
    conditions = child(assertion, SAML, "Conditions")
    if conditions is None:
        raise UpstreamInvalid("conditions_missing")
    begins, ends = instant(conditions.get("NotBefore")), instant(conditions.get("NotOnOrAfter"))
    if begins is not None and begins - expected.skew > expected.now:
        raise UpstreamInvalid("assertion_not_yet")
    if ends is not None and ends + expected.skew <= expected.now:
        raise UpstreamInvalid("assertion_expired")
    if any(one.tag not in _CONDITIONS for one in elements(conditions)):  # Core §2.5.1.1: then it is not valid
        raise UpstreamInvalid("condition_unknown")
    for proxying in conditions.findall(q(SAML, "ProxyRestriction")):
        # Telling client apps on its strength is what it speaks of; who may hear, it names in SAML's terms.
        if _COUNT.fullmatch(proxying.get("Count", "1").strip(" \t\r\n")) is None or elements(proxying):
            raise UpstreamInvalid("proxying_forbidden", "its ProxyRestriction allows none, or others")
    restrictions = conditions.findall(q(SAML, "AudienceRestriction"))
    for restriction in restrictions:
        if expected.entity_id not in map(text_of, restriction.findall(q(SAML, "Audience"))):
            raise UpstreamInvalid("audience_mismatch", "meant for somebody else")
    if not restrictions:
        raise UpstreamInvalid("audience_missing")


def _statement(assertion: Element, expected: Expected) -> tuple[Element, int | None]:
    """The one authentication statement, and when its session ends."""
    authn = assertion.findall(q(SAML, "AuthnStatement"))
    if len(authn) != 1:
        raise UpstreamInvalid("authn_statement_missing", f"{len(authn)} of them")
    ends = instant(authn[0].get("SessionNotOnOrAfter"))
    if ends is not None and ends + expected.skew <= expected.now:
        raise UpstreamInvalid("session_expired")
    return authn[0], None if ends is None else int(ends)


def _name_id(subject: Element, expected: Expected) -> NameId | None:
    for unread in ("EncryptedID", "BaseID"):
        if subject.find(q(SAML, unread)) is not None:
            raise UpstreamInvalid("name_id_unsupported", unread)
    found = child(subject, SAML, "NameID")
    if found is None:
        return None
    value = text_of(found)
    plain = value.isprintable() and value == value.strip() and not elements(found)
    if not value or len(value) > _MAX_NAME or not plain:
        raise UpstreamInvalid("name_id_malformed", "empty, too long, or not plain text")
    to_us = found.get("SPNameQualifier") or expected.entity_id
    if to_us != expected.entity_id:  # the name that somebody else knows them by
        raise UpstreamInvalid("name_id_qualifier_mismatch", printable(to_us))
    return NameId(
        value=value,
        format=found.get("Format") or "",
        name_qualifier=found.get("NameQualifier") or expected.idp,  # what absence means: Core §8.3.7
        sp_name_qualifier=to_us,
    )


def _fact(element: Element | None) -> str | None:
    return _checked_fact(None if element is None else plain_text(element))


def _checked_fact(text: str | None) -> str | None:
    if text is None or text == "":
        return None
    if len(text) > _MAX_FACT or not text.isprintable():
        raise UpstreamInvalid("authn_statement_malformed", "a SessionIndex or context that is not plain text")
    return text
