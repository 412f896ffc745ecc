"""What an assertion says of the person, as a claims map reads it.

Owns `read_attributes`, `read_qualifiers` and `told`. SAML Core §2.7.3. An attribute is a list of texts under
its name, however many values it has. Because the names are URNs and URLs (the X.500/LDAP profile, eduPerson,
the WS-Federation claims of ADFS and Entra), the usual ones have a plain name beside it.
"""

from __future__ import annotations

from collections.abc import Mapping

from broker.connector import Json, UpstreamInvalid
from connectors.saml2.xml import SAML, XSI, Element, elements, q, text_of

_ATTRIBUTES = f"{q(SAML, 'AttributeStatement')}/{q(SAML, 'Attribute')}"
MAX_ATTRIBUTES, MAX_VALUES, MAX_VALUE = 200, 5000, 8192

_WS = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/"
_MS = "http://schemas.microsoft.com/"
_LDAP, _EDU = "urn:oid:2.5.4.", "urn:oid:1.3.6.1.4.1.5923.1."

ONE: Mapping[str, tuple[str, ...]] = {
    "name": (
        "displayName",
        "urn:oid:2.16.840.1.113730.3.1.241",
        f"{_MS}identity/claims/displayname",
        "cn",
        f"{_LDAP}3",
        "name",
        f"{_WS}name",
    ),
    "given_name": ("givenName", f"{_LDAP}42", f"{_WS}givenname", "given_name", "firstName"),
    "family_name": ("sn", f"{_LDAP}4", f"{_WS}surname", "family_name", "lastName", "surname"),
    "nickname": ("nickname",),
    "preferred_username": (
        f"{_EDU}1.1.6",  # eduPersonPrincipalName
        "eduPersonPrincipalName",
        f"{_WS}upn",
        "uid",
        "urn:oid:0.9.2342.19200300.100.1.1",
        "username",
        "preferred_username",
    ),
    "email": ("mail", "urn:oid:0.9.2342.19200300.100.1.3", f"{_WS}emailaddress", "email", "emailAddress"),
    "phone_number": ("telephoneNumber", f"{_LDAP}20", f"{_WS}homephone"),
    "locale": ("preferredLanguage", "urn:oid:2.16.840.1.113730.3.1.39", "locale"),
    "tenant": (f"{_MS}identity/claims/tenantid", "schacHomeOrganization", "urn:oid:1.3.6.1.4.1.25178.1.2.9"),
}
"""Plain name → the attributes that it may come from, best first, each with one value."""
MANY: Mapping[str, tuple[str, ...]] = {
    "groups": (
        "groups",
        "isMemberOf",
        f"{_EDU}5.1.1",
        "memberOf",
        f"{_MS}ws/2008/06/identity/claims/groups",
        "http://schemas.xmlsoap.org/claims/Group",
    ),
    "roles": ("roles", "Role", f"{_MS}ws/2008/06/identity/claims/role"),
    "affiliations": (f"{_EDU}1.1.9", "eduPersonScopedAffiliation", f"{_EDU}1.1.1", "eduPersonAffiliation"),
    "entitlements": (f"{_EDU}1.1.7", "eduPersonEntitlement"),
    "assurance": (f"{_EDU}1.1.11", "eduPersonAssurance"),
}
"""The same for what is a list."""


def read_attributes(assertion: Element, *, merge: bool) -> dict[str, list[str]]:
    """The values of each attribute by its name.

    Raises:
        UpstreamInvalid: a name is missing, or repeats and ``merge`` is not wanted; or there are far too many.
    """
    found: dict[str, list[str]] = {}
    for attribute in assertion.iterfind(_ATTRIBUTES):
        name = attribute.get("Name")
        if not name or len(name) > MAX_VALUE:
            raise UpstreamInvalid("attribute_malformed", "an attribute without a name")
        if name in found and not merge:
            raise UpstreamInvalid("attribute_repeated", "two attributes of one name")
        found.setdefault(name, []).extend(_values(attribute))
    if assertion.find(f"{q(SAML, 'AttributeStatement')}/{q(SAML, 'EncryptedAttribute')}") is not None:
        raise UpstreamInvalid("attribute_unsupported", "EncryptedAttribute")
    if len(found) > MAX_ATTRIBUTES or sum(map(len, found.values())) > MAX_VALUES:
        raise UpstreamInvalid("attribute_malformed", "too many attributes or values")
    return found


def _values(attribute: Element) -> list[str]:
    values = []
    for value in attribute.findall(q(SAML, "AttributeValue")):
        if value.get(q(XSI, "nil")) in ("true", "1"):
            continue
        # eduPersonTargetedID carries a NameID in its value; any other structure is not text.
        inner = elements(value)
        if inner and not _is_one_name(value, inner):
            continue
        text = text_of(inner[0] if inner else value)
        if len(text) > MAX_VALUE:
            raise UpstreamInvalid("attribute_malformed", "a value that is too long")
        values.append(text)
    return values


def _is_one_name(value: Element, inner: list[Element]) -> bool:
    """Whether a NameID is all that is in it: beside one, text would be somebody else's name for it."""
    one = len(inner) == 1 and inner[0].tag == q(SAML, "NameID") and not elements(inner[0])
    return one and text_of(value).strip() == text_of(inner[0]).strip()


def read_qualifiers(assertion: Element, *, idp: str, us: str) -> dict[str, list[str]]:
    """Who gave the name that an attribute holds, and for whom, where that is not ``idp``, for ``us``.

    A NameID is unique only among those of its qualifiers (Core §8.3.7), as a value too (eduPersonTargetedID).
    """
    found: dict[str, list[str]] = {}
    for attribute in assertion.iterfind(_ATTRIBUTES):
        for name in attribute.iterfind(f"{q(SAML, 'AttributeValue')}/{q(SAML, 'NameID')}"):
            qualifiers = [name.get("NameQualifier") or idp, name.get("SPNameQualifier") or us]
            if qualifiers != [idp, us]:
                found.setdefault(attribute.get("Name", ""), []).extend(qualifiers)
    return found


def told(attributes: Mapping[str, list[str]], *, trust_email: bool) -> dict[str, Json]:
    """The attributes as a claims map finds them: all of them by name, and the usual ones by a plain name."""
    plain: dict[str, Json] = {}
    for word, names in ONE.items():
        values = next((attributes[name] for name in names if attributes.get(name)), [])
        if len(values) == 1:  # of several nobody knows which is meant
            plain[word] = values[0]
    for word, names in MANY.items():
        values = next((attributes[name] for name in names if attributes.get(name)), [])
        if values:
            plain[word] = list(values)
    if plain.get("email"):
        plain["email_verified"] = trust_email
    return {**plain, "attributes": {name: list(values) for name, values in attributes.items()}}
