"""XML from strangers, read with a parser that fetches nothing and expands nothing; and the names of SAML.

Owns `parse`, the one way from bytes to elements. UTF-8 only, no document type, no entities, no processing
instructions: whatever two parsers could read in two ways is refused. Core §1.3.3 (times), §1.3.4 (IDs).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from lxml import etree

from broker.connector import UpstreamInvalid

Element = Any
"""An element of lxml's, which brings no types."""

SAML = "urn:oasis:names:tc:SAML:2.0:assertion"
SAMLP = "urn:oasis:names:tc:SAML:2.0:protocol"
MD = "urn:oasis:names:tc:SAML:2.0:metadata"
DS = "http://www.w3.org/2000/09/xmldsig#"
XENC = "http://www.w3.org/2001/04/xmlenc#"
XENC11 = "http://www.w3.org/2009/xmlenc11#"
XSI = "http://www.w3.org/2001/XMLSchema-instance"

REDIRECT = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
POST = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"

PERSISTENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"

MAX_DOCUMENT = 1 << 20
"""Bytes of any document that is read here."""
MAX_RESPONSE = 192 * 1024
"""Octets of a Response; a form of 256 kB carries one of these in base64."""

_MAX_PREFIXES = 256
"""Of namespaces in one document: libxml2 looks through them all whenever it copies an element by itself."""

_MAX_ATTRIBUTES = 64
"""Of one element: lxml goes through all of them for the value of each."""
_SHORTEST_TAG = 16
"""Bytes, on average, of the tags of a document that is as large as it may be: those of SAML are longer, and
what is made of nothing but tags costs many times as much to look at."""

_DECLARED = re.compile(r"\s*<\?xml[^>]*?\sencoding\s*=\s*[\"']([^\"']*)[\"']")
_ENCODINGS = {"utf-8", "us-ascii", "ascii"}
_INSTANT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d{1,9})?(?:Z|\+00:00)", re.ASCII)
_PREFIX = re.compile(r"xmlns:([^\s=]+)")
_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,255}", re.ASCII)


def parse(data: bytes, *, most: int = MAX_DOCUMENT) -> Element:
    """The root of a document.

    Raises:
        UpstreamInvalid: it is too large, is not well-formed, or has what we do not read.
    """
    if len(data) > most:
        raise UpstreamInvalid("xml_too_large", f"more than {most} bytes")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise UpstreamInvalid("xml_not_utf8") from None
    declared = _DECLARED.match(text)
    if declared is not None and declared[1].lower() not in _ENCODINGS:
        raise UpstreamInvalid("xml_not_utf8", "another encoding is declared")
    if "<!DOCTYPE" in text or "<!ENTITY" in text:  # before a parser sees it: it needs no expanding to cost
        raise UpstreamInvalid("xml_dtd")
    if text.count("<") > most // _SHORTEST_TAG:
        raise UpstreamInvalid("xml_too_large", "more tags than text")
    if text.count("xmlns:") > _MAX_PREFIXES and len(set(_PREFIX.findall(text))) > _MAX_PREFIXES:
        raise UpstreamInvalid("xml_namespaces", f"more than {_MAX_PREFIXES} prefixes")
    try:
        root = etree.fromstring(data, _parser())
    except (etree.XMLSyntaxError, ValueError):
        raise UpstreamInvalid("xml_malformed") from None
    if next(root.iter(etree.ProcessingInstruction, etree.Entity), None) is not None:
        raise UpstreamInvalid("xml_processing_instruction")
    if root.xpath(f"boolean(//*[count(@*) > {_MAX_ATTRIBUTES}])"):
        raise UpstreamInvalid("xml_attributes", f"more than {_MAX_ATTRIBUTES} of one element")
    return root


def _parser() -> Any:
    return etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        no_network=True,
        huge_tree=False,  # and so no more than 256 levels
        recover=False,
    )


def q(namespace: str, name: str) -> str:
    """The name of an element as lxml writes it."""
    return f"{{{namespace}}}{name}"


def child(element: Element, namespace: str, name: str) -> Element | None:
    """The one child of this name, or None.

    Raises:
        UpstreamInvalid: there are several, and each reader would take another one.
    """
    found = element.findall(q(namespace, name))
    if len(found) > 1:
        raise UpstreamInvalid("element_repeated", f"more than one {name}")
    return found[0] if found else None


def text_of(element: Element) -> str:
    """The whole text of an element, whatever stands in between."""
    return "".join(element.itertext())


def plain_text(element: Element | None) -> str:
    """The text of an element that holds one word: without the space that printing it nicely leaves around."""
    return "" if element is None else text_of(element).strip(" \t\r\n")


def is_id(text: str | None) -> bool:
    """Whether this is an ID that may be referred to (xs:ID)."""
    return text is not None and _ID.fullmatch(text) is not None


def repeated_id(root: Element) -> bool:
    """Whether two elements share an ID, in any spelling of the attribute that some reader knows."""
    found = root.xpath("//@*[translate(local-name(), 'ID', 'id') = 'id']", smart_strings=False)
    return len(set(found)) < len(found)


def instant(text: str | None) -> float | None:
    """Seconds since the epoch; None for an absent one.

    Raises:
        UpstreamInvalid: it is no instant in UTC.
    """
    if text is None:
        return None
    match = _INSTANT.fullmatch(text)
    try:
        return datetime.fromisoformat(match[1]).replace(tzinfo=UTC).timestamp() if match else _no_instant()
    except ValueError:
        return _no_instant()


def _no_instant() -> float:
    raise UpstreamInvalid("instant_malformed", "a time that is no instant in UTC")


def written(seconds: float) -> str:
    """An instant as SAML writes it."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def elements(found: Iterable[Element]) -> list[Element]:
    """Only the elements, without the comments between them."""
    return [one for one in found if isinstance(one.tag, str)]


def serialized(element: Element) -> bytes:
    """An element by itself, with the namespaces it stands in."""
    return bytes(etree.tostring(element, with_tail=False))
