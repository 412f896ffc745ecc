"""What a connector returned, if it is what it promised to return.

A connector may be anybody's code: a wrong type or a value without measure is found here, before it is
believed, stored or sent anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping

from broker.connector import Departure, Question, UpstreamIdentity

_MAX_FACT, _MAX_METHODS = 255, 32
"""Characters of an `acr`, a `sid`, one `amr`; and how many of the last."""
_MAX_MEMORY = 4096
"""Characters that a connector may want to find again; it is kept for every login under way."""
_MAX_KEEP = 256 * 1024
"""Characters that a connector may keep of a login; an ID Token's claims are among them."""


def checked_departure(departure: object) -> Departure:
    """What ``begin`` returned, if it is what it promised to."""
    if not isinstance(departure, Departure) or not isinstance(departure.url, str):
        raise TypeError("begin returned no Departure")
    if not departure.url.startswith(("https://", "http://")) or not departure.url.isprintable():
        raise ValueError("begin sent the browser to something that is no URL")
    memory = _memory(departure.memory)
    return Departure(url=departure.url, memory=memory, form=departure.form)


def checked_identity(identity: object) -> UpstreamIdentity:
    """What ``finish`` returned, if it is what it promised to."""
    if not isinstance(identity, UpstreamIdentity):
        raise TypeError("finish returned no UpstreamIdentity")
    named = (identity.issuer, identity.subject)
    if not all(isinstance(text, str) and text for text in named):
        raise TypeError("finish names no issuer or no subject")
    optional = (identity.acr, identity.sid)
    if not all(text is None or isinstance(text, str) for text in (*optional, *identity.amr)):
        raise TypeError("finish says acr, amr or sid that is not text")
    if any(len(text) > _MAX_FACT or not text.isprintable() for text in optional if text is not None):
        raise ValueError("finish says an acr or sid that is too long, or not plain text")
    plain = all(len(method) <= _MAX_FACT and method.isprintable() for method in identity.amr)
    if len(identity.amr) > _MAX_METHODS or not plain:
        raise ValueError("finish says too many ways of signing in, or some that are not plain text")
    times = (identity.auth_time, identity.session_ends)
    if any(isinstance(time, bool) or not isinstance(time, int | None) for time in times):
        raise TypeError("finish says an auth_time or session_ends that is no whole number")
    if not all(isinstance(told, Mapping) for told in (identity.id_token, identity.userinfo, identity.api)):
        raise TypeError("finish returned claims that are no mapping")
    checked_keep(identity.keep)
    return identity


def checked_keep(keep: Mapping[str, str]) -> dict[str, str]:
    """What a connector keeps of a login, if it is text of some measure."""
    return _texts(keep, _MAX_KEEP)


def checked_question(question: Question) -> Question:
    """What ``question`` or ``answer`` returned, if it is what it promised to."""
    if question.kind not in ("password", "one_time_code"):
        raise ValueError("it asks what our page does not know")
    _memory(question.memory)
    return question


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
