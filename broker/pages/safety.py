"""What stands between a value that anybody may have chosen and the page it is shown on.

Owns the last check of every address at the moment it is written into a page (WB-03 and WB-06 of the attack
catalogue), the headers of a page, and what becomes of a name before it is shown (CS-14). Escaping is the
template engine's; this is about what escaping does not stop.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from markupsafe import Markup, escape

NAME_LIMIT: Final = 80
PERSON_LIMIT: Final = 160
"""An address is not cut before its end, which tells whose it is."""

# Schemes that run or read something in the browser itself, whatever was registered.
_NEVER: Final = frozenset(
    {"about", "blob", "chrome", "chrome-extension", "data", "file", "filesystem", "ftp", "intent"}
    | {"javascript", "jar", "resource", "vbscript", "view-source", "ws", "wss"}
)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)", re.ASCII | re.DOTALL)
_HOST = re.compile(r"[A-Za-z0-9._-]+", re.ASCII)
_FORBIDDEN_IN_URL = re.compile(r"[\x00-\x20\x7f-\x9f\\]")
# A path of ours or a query on it; two slashes at the start would be another host.
_OURS = re.compile(r"(?:/(?!/)|\?).*", re.DOTALL)
# What a browser takes out of a path, and the segment before it (URL Standard §4.4).
_DOTS = re.compile(r"[^?#]*/(?:\.|%2e){1,2}(?:[/?#]|$)", re.IGNORECASE)


class UnsafeAddressError(ValueError):
    """An address that must not stand in a page. It is a mistake of the caller, never of the person."""


def own_address(url: str) -> str:
    """``url`` if it stays on our own site: a path that is what it says, or a query on the same path."""
    if _FORBIDDEN_IN_URL.search(url) or not _OURS.fullmatch(url) or _DOTS.match(url):
        raise UnsafeAddressError("not a path of our own")
    return url


def app_address(url: str, *, custom_scheme: str | None = None) -> str:
    """``url`` if a browser may be sent there: http or https, or the one scheme that was registered.

    A private-use scheme with a dot in it (RFC 8252 §7.1) needs no naming.
    """
    found = _SCHEME.fullmatch(url)
    if found is None or _FORBIDDEN_IN_URL.search(url):
        raise UnsafeAddressError("not an absolute address")
    scheme = found[1].lower()
    if scheme in {"http", "https"}:
        if not found[2].startswith("//") or not _hostname(url):
            raise UnsafeAddressError("no host in it")
        return url
    named = "." in scheme or (custom_scheme is not None and scheme == custom_scheme.lower())
    if scheme in _NEVER or not named:
        raise UnsafeAddressError(f"the scheme {scheme} is not one that was registered")
    return url


def web_address(url: str) -> str:
    """``url`` if it is http or https."""
    if not url.lower().startswith(("http://", "https://")):
        raise UnsafeAddressError("not a web address")
    return app_address(url)


def _hostname(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:  # an unclosed bracket
        return ""


def sources(*addresses: str) -> str:
    """The CSP sources for a form or a frame at these addresses: their exact origins (CSP 3 §6.7.2.7)."""
    return " ".join(dict.fromkeys(_source(address) for address in addresses))


def _source(address: str) -> str:
    parts = urlsplit(web_address(address))
    host = parts.hostname or ""
    if not _HOST.fullmatch(host):
        return f"{parts.scheme}:"  # an IPv6 literal cannot be written as a host source
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "")


def page_headers(form_action: str = "'self'", *, frames: str = "", alone: bool = False) -> Mapping[str, str]:
    """The headers of a page, with what it may load, where its form may go, and whom it may frame.

    ``alone`` cuts it off from whoever opened its window.
    """
    framed = f"frame-src {frames}; " if frames else ""
    return {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": (
            "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
            f"{framed}form-action {form_action}; base-uri 'none'; frame-ancestors 'none'"
        ),
        "Cache-Control": "no-store",
        "Pragma": "no-cache",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        # Anything stricter cuts a sign-in in a pop-up window off from the app that opened it, for good:
        # the window's opener is gone even after it has left us. Against clicks that another window has
        # prepared, the consent page's button waits instead.
        "Cross-Origin-Opener-Policy": "same-origin" if alone else "unsafe-none",
        "Cross-Origin-Resource-Policy": "same-origin",
    }


@lru_cache(maxsize=2048)
def plain(text: str, limit: int = NAME_LIMIT) -> str:
    """``text`` as one short line, without characters that are not seen or that turn the line around."""
    kept = text[: limit * 4]
    if not (kept.isascii() and kept.isprintable()):
        kept = "".join(
            c if unicodedata.category(c) not in _UNSEEN else " " if c.isspace() else "" for c in kept
        )
        kept = unicodedata.normalize("NFC", kept)
    kept = " ".join(kept.split())
    return kept if len(kept) <= limit else kept[: limit - 1].rstrip() + "…"


# Controls, formats (direction overrides, zero-width, tags), surrogates, private use, line separators.
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


@lru_cache(maxsize=2048)
def isolated(text: str, limit: int = NAME_LIMIT) -> Markup:
    """A name that cannot reorder the sentence around it (HTML ``bdi``)."""
    return Markup("<bdi>{}</bdi>").format(plain(text, limit) or "—")


@lru_cache(maxsize=512)
def host_text(host: str) -> Markup:
    """A host in the form that cannot look like another: ASCII, with a place to break after each dot."""
    if not host.isascii():
        try:
            host = host.encode("idna").decode()
        except UnicodeError:
            host = host.encode("ascii", "replace").decode()
    return Markup("<wbr>").join(escape(part) for part in re.split(r"(?<=\.)", plain(host, 255)))
