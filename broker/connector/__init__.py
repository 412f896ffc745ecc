"""The contract between the broker and a connector: what a connector is given, and what it returns.

Owns the values that cross that line and the tools a connector may use. It knows no upstream, no
client app, no store; a connector imports this module and nothing else of the broker.

A connector is a module with three names:

    Settings    a frozen pydantic model, the keys an operator writes in YAML
    Connector   a class made as ``Connector(settings, tools)`` with ``begin``, ``finish``, ``ping``
    CLAIMS      the text of the claims map that holds when the operator names none

What only some upstreams can do is a separate small protocol, found with ``isinstance``:

    CanRefresh    asks the upstream again when a client app refreshes its tokens
    CanLogOut     says where the browser ends its session at the upstream
    HearsLogout   is told by the upstream that a session there is over
    CanProbe      says what works and what does not, for the operator
    Asks          has no page elsewhere: the person answers on a login page of ours
    Publishes     has a document of its own for the upstream to read, such as SAML metadata
    HandsOff      has its people signed in by another program of the operator's
    KeepsPeople   has them in the pool of ours
    Unsolicited   may be sent an answer that nobody asked for
"""

from __future__ import annotations

from broker.connector.abilities import (
    Asks,
    CanLogOut,
    CanProbe,
    CanRefresh,
    Connector,
    Finding,
    HandsOff,
    HearsLogout,
    KeepsPeople,
    Published,
    Publishes,
    Question,
    Unsolicited,
)
from broker.connector.errors import (
    UpstreamDetour,
    UpstreamError,
    UpstreamInvalid,
    UpstreamRefused,
    UpstreamStale,
    UpstreamUnavailable,
    UpstreamUnmet,
)
from broker.connector.settings import (
    ConnectorSettings,
    Duration,
    LocalFile,
    Secret,
)
from broker.connector.tools import (
    Answer,
    Assert,
    HandOffs,
    Here,
    Once,
    People,
    Person,
    Tools,
    UpstreamHTTP,
    Verify,
)
from broker.connector.values import (
    Departure,
    Freshness,
    Json,
    LoggedOut,
    Login,
    SignedClaims,
    UpstreamIdentity,
    UpstreamToken,
)
from broker.protocol.id_token import Expected, IssuerRule
from broker.protocol.logout import ExpectedLogout

__all__ = [
    "Answer",
    "Asks",
    "Assert",
    "CanLogOut",
    "CanProbe",
    "CanRefresh",
    "Connector",
    "ConnectorSettings",
    "Departure",
    "Duration",
    "Expected",
    "ExpectedLogout",
    "Finding",
    "Freshness",
    "HandOffs",
    "HandsOff",
    "HearsLogout",
    "Here",
    "IssuerRule",
    "Json",
    "KeepsPeople",
    "LocalFile",
    "LoggedOut",
    "Login",
    "Once",
    "People",
    "Person",
    "Published",
    "Publishes",
    "Question",
    "Secret",
    "SignedClaims",
    "Tools",
    "Unsolicited",
    "UpstreamDetour",
    "UpstreamError",
    "UpstreamHTTP",
    "UpstreamIdentity",
    "UpstreamInvalid",
    "UpstreamRefused",
    "UpstreamStale",
    "UpstreamToken",
    "UpstreamUnavailable",
    "UpstreamUnmet",
    "Verify",
]
