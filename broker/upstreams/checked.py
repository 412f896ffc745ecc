"""What a connector returned, if it is what it promised to return.

A connector may be anybody's code: a wrong type or a value without measure is found here, before it is
believed, stored or sent anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from broker.connector import Departure, Question, UpstreamIdentity, UpstreamToken

_MAX_FACT, _MAX_METHODS = 255, 32
"""Characters of an `acr`, a `sid`, one `amr`; and how many of the last."""
_MAX_MEMORY = 4096
"""Characters that a connector may want to find again; it is kept for every login under way."""
_MAX_LOGOUT = 8192
"""Characters of what a logout wants to know again; it goes into a URL, and is kept with every session."""
_MAX_TOKEN = 16 * 1024
"""Characters of an access token that is given on."""
_MAX_KEEP = 256 * 1024
"""Characters that a connector may keep of a login; an ID Token's claims are among them."""


def departure(begun: object) -> Departure:
    """What ``begin`` returned, if it is what it promised to."""
    if not isinstance(begun, Departure) or not isinstance(begun.url, str):
        raise TypeError("begin returned no Departure")
    if not begun.url.startswith(("https://", "http://")) or not begun.url.isprintable():
        raise ValueError("begin sent the browser to something that is no URL")
    memory = _memory(begun.memory)
    return Departure(url=begun.url, memory=memory, form=begun.form)


def identity(found: object) -> UpstreamIdentity:
    """What ``finish`` returned, if it is what it promised to."""
    if not isinstance(found, UpstreamIdentity):
        raise TypeError("finish returned no UpstreamIdentity")
    named = (found.issuer, found.subject)
    if not all(isinstance(text, str) and text for text in named):
        raise TypeError("finish names no issuer or no subject")
    optional = (found.acr, found.sid)
    if not all(text is None or isinstance(text, str) for text in (*optional, *found.amr)):
        raise TypeError("finish says acr, amr or sid that is not text")
    if any(len(text) > _MAX_FACT or not text.isprintable() for text in optional if text is not None):
        raise ValueError("finish says an acr or sid that is too long, or not plain text")
    plain = all(len(method) <= _MAX_FACT and method.isprintable() for method in found.amr)
    if len(found.amr) > _MAX_METHODS or not plain:
        raise ValueError("finish says too many ways of signing in, or some that are not plain text")
    times = (found.auth_time, found.session_ends)
    if any(isinstance(time, bool) or not isinstance(time, int | None) for time in times):
        raise TypeError("finish says an auth_time or session_ends that is no whole number")
    if not all(isinstance(told, Mapping) for told in (found.id_token, found.userinfo, found.api)):
        raise TypeError("finish returned claims that are no mapping")
    keep(found.keep)
    _texts(found.logout_by, _MAX_LOGOUT)
    return found if _may_be_given(found.token) else replace(found, token=None)


def _may_be_given(token: object) -> bool:
    """Whether a client app could use its own access token as one (RFC 6750 §2.1). No login hangs on that."""
    if token is None:
        return True
    if not isinstance(token, UpstreamToken) or not isinstance(token.scope, str | None):
        return False
    if isinstance(token.expires_at, bool) or not isinstance(token.expires_at, int | None):
        return False
    text = token.access_token
    fits = isinstance(text, str) and 0 < len(text) <= _MAX_TOKEN
    return fits and text.isascii() and text.isprintable()


def keep(kept: Mapping[str, str]) -> dict[str, str]:
    """What a connector keeps of a login, if it is text of some measure."""
    return _texts(kept, _MAX_KEEP)


def logout(url: object) -> str | None:
    """What ``logout_url`` returned, if a link may lead there."""
    if url is None:
        return None
    if not isinstance(url, str) or not url.startswith(("https://", "http://")) or not url.isprintable():
        raise ValueError("logout_url returned something that is no URL")
    return url


def question(asked: Question) -> Question:
    """What ``question`` or ``answer`` returned, if it is what it promised to."""
    if asked.kind not in ("password", "one_time_code"):
        raise ValueError("it asks what our page does not know")
    _memory(asked.memory)
    return asked


def _memory(wanted: Mapping[str, str]) -> dict[str, str]:
    """What a connector wants to find again, if it is text of some measure."""
    return _texts(wanted, _MAX_MEMORY)


def _texts(wanted: Mapping[str, str], most: int) -> dict[str, str]:
    texts = dict(wanted)
    if not all(isinstance(text, str) for pair in texts.items() for text in pair):
        raise TypeError("it wants to remember what is not text")
    if sum(len(key) + len(value) for key, value in texts.items()) > most:
        raise ValueError("it wants to remember too much")
    return texts
