"""What an operator writes about tokens that no person is asked for: assertions of others, and exchanges.

Owns the section ``assertion_issuers`` and the key ``token_exchange`` of a client; the docstrings are the
explanations in `broker schema` and in the reference page. RFC 7523, RFC 8693.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from broker.config.words import LocalPath, SpaceSeparated, Switch, Written
from broker.config.written_connector import ClaimsSource
from broker.connector import Duration
from broker.protocol.algorithms import ByKey
from broker.protocol.exchanging import Kind

Text = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
ClaimName = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class AssertionIssuerEntry(Written):
    """Somebody whose signed assertions are taken for a grant (RFC 7523): who brings one gets a token."""

    issuer: Text
    """Its name as its assertions say it in `iss`, byte for byte."""
    jwks: LocalPath | None = None
    """A file with its public keys, a JWK set. One of `jwks` and `jwks_uri` is needed."""
    jwks_uri: Text | None = None
    """Where its public keys are, fetched as `outbound` allows."""
    algorithms: tuple[ByKey, ...] = Field(
        default=("RS256", "PS256", "ES256", "EdDSA", "Ed25519"), min_length=1
    )
    """What its assertions may be signed with."""
    audience: Text | None = None
    """A name that it has for the broker: `aud` may say this or our issuer, and nothing beside it."""
    allow_token_endpoint_audience: Switch = False
    """`true` takes the URL of our token endpoint for `aud` too, as older software says it."""
    subject: ClaimName = "sub"
    """The claim that says whom an assertion is about: something that never changes, and is nobody else's."""
    claims: ClaimsSource | None = None
    """How its words become ours: the path of a claims map, or the map itself. Without it nobody has
    claims."""
    max_lifetime: Annotated[Duration, Field(le=86400)] = 300
    """How far off the end of an assertion may be; at most 1d."""
    allow_reuse: Switch = False
    """`true` takes the same assertion until its end, and not only once: for software that is given one for an
    hour, such as a workload in a cluster. Who copies it can then use it as long."""
    clients: tuple[Text, ...] = Field(min_length=1)
    """The apps that may bring one. Each needs the grant type too."""


class TokenExchangeEntry(Written):
    """What an app may exchange (RFC 8693). Whatever is not said here is refused."""

    subject_tokens: tuple[Kind, ...] = Field(default=("access_token",), min_length=1)
    """The tokens that it may bring: `access_token` and `id_token` of ours, and `jwt`, an assertion of one
    of the `assertion_issuers` that name it."""
    clients: tuple[Text, ...] = ()
    """The apps whose tokens it may bring, beside its own."""
    own_audiences: tuple[Text, ...] = ()
    """The APIs that it is: it may bring tokens that name one of them in `aud`, and introspect them."""
    audiences: tuple[Text, ...] = ()
    """The APIs that it may ask tokens for, by `audience` or `resource`."""
    scope: SpaceSeparated | None = None
    """The scopes that it gets at most, of those under `scope` of its entry; without it all of them. In any
    case never more than the token had that it brings."""
    may_impersonate: Switch = False
    """`true` leaves it out of the `act` claim: the API that gets the token then cannot tell it from the
    person's own app."""
    max_actors: Annotated[int, Field(ge=1, le=16)] = 4
    """How many may act for one another, itself included."""
    upstream_token: Switch = False
    """`true` lets it have the upstream's own access token, by `audience=connector:` and the connector's
    id, where that connector has `give_token` as well."""
