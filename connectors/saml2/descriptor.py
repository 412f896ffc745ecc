"""Our own metadata, as identity providers read it: SAML Metadata §2.4.4."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lxml import etree
from lxml.builder import ElementMaker

from connectors.saml2.credentials import Certificate
from connectors.saml2.xml import DS, MD, POST, SAMLP, Element, q

_SIZES = ("aes256-gcm", "aes128-gcm")
_XENC11 = "http://www.w3.org/2009/xmlenc11#"
CONTENT_TYPE = "application/samlmetadata+xml"


def descriptor(
    *,
    entity_id: str,
    acs: str,
    name_id_format: str | None,
    signs_requests: bool,
    signing: Sequence[Certificate],
    encryption: Sequence[Certificate],
) -> bytes:
    """The EntityDescriptor of a service provider with one assertion consumer service."""
    make: Any = ElementMaker(namespace=MD, nsmap={"md": MD, "ds": DS})
    role = make.SPSSODescriptor(
        AuthnRequestsSigned=_boolean(signs_requests),
        WantAssertionsSigned="true",
        protocolSupportEnumeration=SAMLP,
    )
    role.extend(_key(make, "signing", certificate) for certificate in signing)
    role.extend(_key(make, "encryption", certificate) for certificate in encryption)
    if name_id_format is not None:
        role.append(make.NameIDFormat(name_id_format))
    role.append(make.AssertionConsumerService(Binding=POST, Location=acs, index="0", isDefault="true"))
    root = make.EntityDescriptor(role, entityID=entity_id)
    return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True))


def _key(make: Any, use: str, certificate: Certificate) -> Element:
    element = make.KeyDescriptor(use=use)
    info = etree.SubElement(element, q(DS, "KeyInfo"))
    data = etree.SubElement(info, q(DS, "X509Data"))
    etree.SubElement(data, q(DS, "X509Certificate")).text = certificate.base64
    if use == "encryption":
        element.extend(make.EncryptionMethod(Algorithm=_XENC11 + size) for size in _SIZES)
    return element


def _boolean(value: bool) -> str:
    return "true" if value else "false"
