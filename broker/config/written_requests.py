"""What an operator writes about what client apps may ask for beyond scopes: APIs, and details of a request.

Owns the models of ``resources`` (RFC 8707) and ``authorization_details_types`` (RFC 9396); their docstrings
are the explanations in `broker schema` and in the reference page.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from broker.config.words import Line, SpaceSeparated, Switch, Written
from broker.config.written_theme import SaidInWords
from broker.protocol.authorization_details import Kind
from broker.protocol.client import SigningAlg

Word = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class ResourceEntry(Written):
    """An API that client apps may ask tokens for by its URI (RFC 8707)."""

    name: SaidInWords
    """What people know it as; the consent page says it."""
    scope: SpaceSeparated | None = None
    """The scopes that it understands, with a space between them. A token for it has no others, but for those
    of OpenID Connect. Without it every scope that the client app has."""
    access_token_format: Literal["jwt", "opaque"] | None = None
    """How a token for this API alone is made; without it as the client's entry says."""
    access_token_signing_alg: SigningAlg | None = None
    """What a token for this API alone is signed with; without it as the client's entry says. A client under a
    profile that does not have it gets its own."""


class DetailPartEntry(Written):
    """A field within a field."""

    type: Kind
    """What its value is."""
    required: Switch = False
    """Whether it must be there."""
    values: tuple[Word, ...] = ()
    """The only texts that there may be; for a list, its only entries."""


class DetailFieldEntry(DetailPartEntry):
    """A field of a type of authorization details."""

    fields: dict[str, DetailPartEntry] = Field(default_factory=dict)
    """What is in it, where it is an object or a list of objects. Without it anything may be."""


class DetailTypeEntry(Written):
    """A type of authorization details: what a client app may ask for in particular (RFC 9396)."""

    description: SaidInWords
    """What it is in words, such as `Make a payment`; the heading on the consent page."""
    display: Line | None = None
    """The sentence on the consent page; `{amount.value}` stands for the value of a field. Whatever it does
    not name is shown below it."""
    fields: dict[str, DetailFieldEntry] = Field(default_factory=dict)
    """Every field that there may be beside `type`; a request with another is refused."""
