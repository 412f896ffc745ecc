"""Rich authorization requests: what is asked in detail, held against its type, narrowed, and said in words.

Owns `DetailType` and everything about ``authorization_details`` (RFC 9396). A type says every field there may
be; what it does not know is refused (§5). Details are granted whole or not at all, for one grant, and are
never remembered: who pays once has not allowed every payment.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from broker.protocol.client import Client
from broker.protocol.errors import InvalidAuthorizationDetails
from broker.strictjson import StrictJSONError, parse

Detail = Mapping[str, Any]
Kind = Literal["string", "number", "integer", "boolean", "list", "object"]

TYPE = "type"
_MAX_BYTES = 8 * 1024  # what is granted is said again in every access token, which goes in a header
_MAX_DETAILS = 20
_MAX_TEXT = 500
"""Characters of one value: more than that nobody reads before agreeing to it."""
_MAX_DEPTH = 8
# Nothing that changes how the words around it are read, or cannot be seen: controls, marks of direction,
# fillers and tags (CS-14).
_UNREADABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb\U000e0000-\U000e0fff]"
)
_SAYABLE = re.compile(r"[A-Za-z0-9_.-]{1,50}")
_PLACE = re.compile(r"\{([A-Za-z0-9_.-]+)\}")
_CUTS = frozenset({"actions", "locations", "datatypes", "privileges"})
"""Lists of RFC 9396 §2.2 that a token may be given less of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DetailField:
    """What one field of a type may be."""

    kind: Kind
    required: bool = False
    values: tuple[str, ...] = ()
    """The only texts there may be, or the only entries of a list; empty where any may."""
    fields: Mapping[str, DetailField] = field(default_factory=dict)
    """Of an object, or of the objects in a list: what is in it. Empty where anything may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DetailType:
    """One type of authorization details, as the operator declares it."""

    name: str
    description: str
    """What it is in words, such as ``Make a payment``."""
    display: str = ""
    """The sentence of the consent page; ``{a.b}`` stands for the value of a field."""
    fields: Mapping[str, DetailField] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class InWords:
    """One detail as a person reads it: nothing that is granted is left out."""

    title: str
    sentence: str
    facts: tuple[tuple[str, str], ...]
    """What the sentence does not say: each field by its name."""

    @property
    def lines(self) -> tuple[str, ...]:
        """The sentence and the facts, a line each."""
        sentence = (self.sentence,) if self.sentence else ()
        return (*sentence, *(f"{name}: {text}" for name, text in self.facts))


def read(text: str | None, client: Client, types: Mapping[str, DetailType]) -> tuple[Detail, ...]:
    """What the parameter asks for; nothing when it is absent.

    Raises:
        InvalidAuthorizationDetails: it is not what a type that this client may use says (§5).
    """
    if text is None:
        return ()
    try:
        document = parse(text.encode(), max_bytes=_MAX_BYTES)
    except (StrictJSONError, UnicodeEncodeError) as error:
        raise _wrong("not JSON, or too large", str(error)) from error
    if not isinstance(document, list) or not document or len(document) > _MAX_DETAILS:
        raise _wrong("expected a list with entries", "not a list, empty, or far too many")
    return tuple(_checked(entry, client, types) for entry in document)


def none_asked(text: str | None) -> None:
    """That nothing is asked for in detail where nobody could allow it: it is refused, not left out (§5).

    Raises:
        InvalidAuthorizationDetails: something is.
    """
    if text is not None:
        raise _wrong("this grant type gives none", "not given by this grant type")


def narrowed(granted: Sequence[Detail], asked: Sequence[Detail]) -> tuple[Detail, ...]:
    """Those of the details that a token is asked for; all of them where none are named (§6).

    Raises:
        InvalidAuthorizationDetails: more is asked than was granted.
    """
    if not _each_has_its_own(asked, granted):
        raise _wrong("more is asked than was granted", "widened")
    return tuple(asked or granted)


def still_allowed(
    granted: Sequence[Detail], client: Client, types: Mapping[str, DetailType]
) -> tuple[Detail, ...]:
    """Those of granted details whose type is there now, and the client's."""
    allowed = client.authorization_details_types
    return tuple(one for one in granted if one[TYPE] in types and one[TYPE] in allowed)


def in_words(detail: Detail, types: Mapping[str, DetailType]) -> InWords:
    """What the consent page says of one detail."""
    kind = types.get(detail[TYPE])
    leaves = tuple(_leaves({name: value for name, value in detail.items() if name != TYPE}))
    if kind is None:
        return InWords(title=str(detail[TYPE]), sentence="", facts=leaves)
    # A dot may be part of a name, so two values may be called the same: none of them is hidden by another.
    often = Counter(name for name, _ in leaves)
    alone = {name: value for name, value in leaves if often[name] == 1}
    told = set(places(kind.display))
    # A sentence with a hole in it says nothing: then the fields speak for themselves.
    if not told <= alone.keys():
        return InWords(title=kind.description, sentence="", facts=leaves)
    sentence = _PLACE.sub(lambda found: alone[found[1]], kind.display)
    rest = tuple((name, value) for name, value in leaves if name not in told)
    return InWords(title=kind.description, sentence=sentence, facts=rest)


def places(display: str) -> tuple[str, ...]:
    """The fields that a sentence names."""
    return tuple(_PLACE.findall(display))


def _wrong(said: str, detail: str) -> InvalidAuthorizationDetails:
    return InvalidAuthorizationDetails(
        f"authorization_details: {said}.", reason="authorization_details", detail=detail
    )


def _checked(entry: object, client: Client, types: Mapping[str, DetailType]) -> Detail:
    name = entry.get(TYPE) if isinstance(entry, dict) else None
    if not isinstance(entry, dict) or not isinstance(name, str):
        raise _wrong("an entry has no type", "an entry is no object, or its type no string")
    if name not in types or name not in client.authorization_details_types:
        raise _wrong("a type is unknown, or not for this client", f"type {name[:100]!a}")
    members = {key: value for key, value in entry.items() if key != TYPE}
    _members(members, types[name].fields, name, 0)
    return entry


def _members(found: Mapping[str, Any], fields: Mapping[str, DetailField], where: str, depth: int) -> None:
    unknown = next((name for name in found if name not in fields), None)
    if unknown is not None:
        which = f": {unknown}" if _SAYABLE.fullmatch(unknown) else ""
        raise _wrong(f"{where} has a field that is unknown{which}", f"{where}.{unknown[:100]!a}")
    for name, rule in fields.items():
        if name in found:
            _value(found[name], rule, f"{where}.{name}", depth)
        elif rule.required:
            raise _wrong(f"{where}.{name} is missing", f"{where}.{name}")


def _value(value: object, rule: DetailField, where: str, depth: int) -> None:
    if not _is_a(value, rule.kind):
        raise _wrong(f"{where} is not a {rule.kind}", where)
    entries = value if isinstance(value, list) else [value]
    if rule.values and any(one not in rule.values for one in entries):
        raise _wrong(f"{where} has a value that is not known", where)
    for one in entries:
        if isinstance(one, dict) and rule.fields:
            _members(one, rule.fields, where, depth + 1)
        elif rule.fields:
            raise _wrong(f"{where} is not what its type says", where)
        else:
            _free(one, where, depth)


def _free(value: object, where: str, depth: int) -> None:
    """Whatever stands where the type says nothing more: it can be read and shown all the same."""
    if depth > _MAX_DEPTH:
        raise _wrong(f"{where} nests too deep", where)
    if isinstance(value, str) and (len(value) > _MAX_TEXT or _UNREADABLE.search(value)):
        raise _wrong(f"{where} is too long, or has characters that cannot be shown", where)
    if isinstance(value, dict):
        for name, below in value.items():
            _free(name, where, depth)
            _free(below, where, depth + 1)
    if isinstance(value, list):
        for below in value:
            _free(below, where, depth + 1)


def _is_a(value: object, kind: Kind) -> bool:
    """Whether a value of JSON is of this kind; ``true`` is no number."""
    if kind == "boolean" or isinstance(value, bool):
        return kind == "boolean" and isinstance(value, bool)
    kinds: Mapping[str, type | tuple[type, ...]] = {
        "string": str,
        "integer": int,
        "number": (int, float),
        "list": list,
        "object": dict,
    }
    return isinstance(value, kinds[kind])


def _each_has_its_own(asked: Sequence[Detail], granted: Sequence[Detail]) -> bool:
    """Whether each that is asked is part of one that was granted, and of one that no other is part of.

    Who allowed one payment has not allowed the same one twice.
    """
    holders: dict[int, int] = {}

    def finds(one: int, tried: set[int]) -> bool:
        for place, whole in enumerate(granted):
            if place in tried or not _is_part_of(asked[one], whole):
                continue
            tried.add(place)
            if place not in holders or finds(holders[place], tried):  # whose place it was may have another
                holders[place] = one
                return True
        return False

    return all(finds(one, set()) for one in range(len(asked)))


def _is_part_of(asked: Detail, whole: Detail) -> bool:
    """Whether ``asked`` is ``whole``, or less of one of the lists that may be cut."""
    if asked.keys() != whole.keys():
        return False
    return all(asked[name] == whole[name] or _is_cut(name, asked[name], whole[name]) for name in whole)


def _is_cut(name: str, asked: object, whole: object) -> bool:
    if name not in _CUTS or not isinstance(asked, list) or not isinstance(whole, list):
        return False
    return bool(asked) and _all_in(asked, whole)


def _all_in(some: Collection[object], whole: Collection[object]) -> bool:
    return all(one in whole for one in some)


def _leaves(value: object, path: str = "") -> Iterator[tuple[str, str]]:
    """Every value with its path, as text; what is empty is said too."""
    if isinstance(value, Mapping) and not value:
        if path:
            yield path, ""
    elif isinstance(value, Mapping):
        for name, below in value.items():
            yield from _leaves(below, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list | tuple) and any(isinstance(one, Mapping | list) for one in value):
        for index, below in enumerate(value, 1):
            yield from _leaves(below, f"{path}.{index}")
    elif isinstance(value, list | tuple):
        yield path, ", ".join(_text(one) for one in value)
    else:
        yield path, _text(value)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)
