"""Which URIs may be written: our issuer, and where client apps are answered.

RFC 8414 §2 (issuer); RFC 6749 §3.1.2, RFC 9700 §2.1 and §4.1 (redirect_uri); RFC 8252 §7 and §8.4
(native apps). Each check raises ValueError with a sentence that says what is wrong. What a stranger writes
when it registers is held against a little more than what an operator writes.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Literal
from urllib.parse import SplitResult, parse_qsl, urlsplit

ApplicationType = Literal["web", "native"]

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})
# What a browser runs, reads or shows by itself instead of asking a server (RFC 9700 §4.1.3).
_DANGEROUS = frozenset({"javascript", "data", "vbscript", "file", "blob", "about"})
# RFC 6749 §4.1.2 and §4.1.2.1, RFC 9207 §2; `response` is how JARM spells all of it.
_ANSWERS = frozenset({"code", "state", "iss", "error", "error_description", "response"})
_PLAIN = re.compile(r"[\x21-\x7e]+")
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\]")


def _split(text: str) -> SplitResult:
    if _PLAIN.fullmatch(text) is None or "\\" in text:
        raise ValueError("has a character that a URI may not have")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError("is not a URI") from None
    if not parts.scheme:
        raise ValueError("must be absolute, such as https://app.example/callback")
    if port == 0:
        raise ValueError("has a port that nobody can listen on")
    return parts


def _host(parts: SplitResult) -> None:
    """The host is there, is not a pattern, and is written as browsers write it."""
    if "@" in parts.netloc:
        raise ValueError("must not hold a user name or password")
    host = re.sub(r":[0-9]*$", "", parts.netloc)
    if "*" in host:
        raise ValueError("must not hold a wildcard; name each host")
    if _HOST.fullmatch(host) is None:
        raise ValueError("must have a host in lower case")
    if parts.netloc.endswith(":"):
        raise ValueError("has an empty port")


def check_issuer(text: str) -> str:
    """An issuer identifier that we can be (Discovery §3, RFC 8414 §2)."""
    if not text.startswith(("https://", "http://")):
        raise ValueError("must be an https:// URL")
    parts = _split(text)
    _host(parts)
    if parts.scheme == "http" and parts.hostname not in LOOPBACK_HOSTS:
        raise ValueError("must be https; http is only for 127.0.0.1, [::1] and localhost")
    if "?" in text or "#" in text:
        raise ValueError("must not have a query or fragment")
    if text.endswith("/"):
        raise ValueError("must not end with a slash")
    if parts.port == {"https": 443, "http": 80}[parts.scheme]:
        raise ValueError("must not name the port that its scheme has anyway")
    if not re.fullmatch(r"(/[A-Za-z0-9._~-]+)*", parts.path) or {".", ".."} & set(parts.path.split("/")):
        raise ValueError("has a path that is not plain")
    return text


def check_origin(text: str) -> str:
    """The scheme, host and port of an https URL, and nothing behind them."""
    parts = _split(text)
    if parts.scheme != "https" or parts.path or "?" in text or "#" in text:
        raise ValueError("must be https:// with a host, and perhaps a port")
    _host(parts)
    if parts.port == 443:  # noqa: PLR2004
        raise ValueError("must not name the port that its scheme has anyway")
    return text


def check_own_query(text: str, _application_type: ApplicationType) -> None:
    """The query of a redirect_uri stays (RFC 6749 §3.1.2), so it must not say what our answer says."""
    for name, _ in parse_qsl(urlsplit(text).query, keep_blank_values=True):
        if name in _ANSWERS:
            raise ValueError(f"must not hold {name} in its query; the answer says that itself")


def check_redirect_uri(text: str, application_type: ApplicationType) -> None:
    """A place where a client app may be answered, or where a person may land after signing out."""
    parts = _split(text)
    if parts.scheme in _DANGEROUS:
        raise ValueError(f"{parts.scheme}: must never be redirected to")
    if "#" in text:
        raise ValueError("must not have a fragment")
    if parts.scheme in {"https", "http"}:
        _host(parts)
        if parts.scheme == "http" and parts.hostname not in LOOPBACK_HOSTS:
            raise ValueError("must be https; http is only for 127.0.0.1, [::1] and localhost")
        if "*" in parts.path:
            raise ValueError("must not hold a wildcard; it is compared whole")
        return
    if application_type != "native":
        raise ValueError("must be https; a scheme of its own is only for application_type: native")
    if "." not in parts.scheme:  # RFC 8252 §7.1 and §8.4
        raise ValueError("needs a scheme that is a domain name backwards, such as com.example.app")
    if "@" in parts.netloc:
        raise ValueError("must not hold a user name or password")


def origin_of(text: str) -> tuple[str, str]:
    """The scheme, and the host with its port, of a URI that was checked."""
    parts = urlsplit(text)
    return parts.scheme, parts.netloc


def is_loopback(text: str) -> bool:
    """Whether an http URI stays on the machine of the browser (RFC 8252 §7.3)."""
    parts = urlsplit(text)
    return parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS


def check_stranger_redirect_uri(text: str, application_type: ApplicationType) -> None:
    """The same for an app that registers itself: beside that, no address of somebody's inner network."""
    check_redirect_uri(text, application_type)
    check_own_query(text, application_type)
    parts = urlsplit(text)
    if parts.scheme == "https" and not _is_public(parts.hostname or ""):
        raise ValueError("must not name an address that is not public")


def check_fetched(text: str) -> None:
    """What is fetched, or where something is sent, on somebody's word: https, or http on this machine.

    Where that leads is for the guard of `broker.outbound`, when the time has come.
    """
    if not is_loopback(text):
        check_stranger_page(text)
    if "#" in text:
        raise ValueError("must not have a fragment")


def check_stranger_page(text: str) -> None:
    """A page or a document of a stranger's: an https URL, with a host and without a password."""
    parts = _split(text)
    if parts.scheme != "https":
        raise ValueError("must be an https URL")
    _host(parts)


def _is_public(host: str) -> bool:
    """Whether an address written out is one of the whole Internet; a name is for DNS to tell."""
    try:
        address = ip_address(host)
    except ValueError:
        # The last label of a name is never a number: what looks so is an address in an odd spelling.
        return host != "localhost" and re.fullmatch(r"(.*\.)?([0-9]+|0x[0-9a-f]*)\.?", host) is None
    return address.is_global and not address.is_multicast
