"""The configuration: YAML → typed frozen settings, every mistake at once with file, line and column.

    problems.py      what an operator is told
    environment.py   ${NAME} and file:PATH
    tree.py          YAML → nodes that know where they stand
    pieces.py        include
    written*.py      what may be written, key by key; words.py has the kinds of values in it
    reading.py       nodes → typed values, and what is said when they are not
    partly.py        what can still be read of an entry of which something is wrong
    sections.py, context.py, connectors.py, maps.py, scopes.py, requests.py, clients.py (with proving.py,
    profiles.py, answers.py, ends.py), grants.py, registration.py, key_sets.py, images.py, theming.py,
    parts.py         the sections
    workspaces.py    the other issuers of the same file
    settings.py      what the rest of the house reads
    loading.py       all of it in order
    outline.py       which upstreams there are, told without the rest
    schema.py        the same models described for editors and people

Nothing here knows the store, the network or the endpoints.
"""

from broker.config.loading import load
from broker.config.parts import read_listen
from broker.config.problems import ConfigError, Place, Problem
from broker.config.registration import ClientDocumentsConfig, RegistrationConfig, StatementIssuer
from broker.config.settings import (
    EMBEDDED,
    Config,
    ConnectorConfig,
    Fixed,
    Image,
    KeysConfig,
    Lifetimes,
    Listen,
    OutboundConfig,
    PassThrough,
    RefreshTokenLifetimes,
    RoutingConfig,
    SessionLifetimes,
    StoreConfig,
    Theme,
    TlsConfig,
    TrustedProxies,
)

__all__ = [
    "EMBEDDED",
    "ClientDocumentsConfig",
    "Config",
    "ConfigError",
    "ConnectorConfig",
    "Fixed",
    "Image",
    "KeysConfig",
    "Lifetimes",
    "Listen",
    "OutboundConfig",
    "PassThrough",
    "Place",
    "Problem",
    "RefreshTokenLifetimes",
    "RegistrationConfig",
    "RoutingConfig",
    "SessionLifetimes",
    "StatementIssuer",
    "StoreConfig",
    "Theme",
    "TlsConfig",
    "TrustedProxies",
    "load",
    "read_listen",
]
