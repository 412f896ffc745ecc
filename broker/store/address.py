"""Where Redis is: a store URL, read once, and refused by name where it cannot work.

Owns the URL schemes of ``store.url``. Host, TLS, user, password and database number are redis-py's
own reading of the URL; what would break our way of using a connection is not left to the URL.
"""

from __future__ import annotations

import inspect
import socket
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from redis.asyncio.connection import AbstractConnection, Connection, parse_url

from broker.store.errors import StoreMisconfigured

SCHEMES = ("redis", "rediss", "unix")
_LATER = {"redis+sentinel": "Sentinel", "redis+cluster": "Cluster", "rediss+sentinel": "Sentinel"}

# Ours, whatever the URL says: binary answers, no retry (a repeated GETDEL finds nothing), no timeout
# but our own (`broker.store.link`), nothing sent of which an ACL might not approve.
_FIXED: dict[str, Any] = {
    "decode_responses": False,
    "driver_info": None,
    "health_check_interval": 0,
    "protocol": 2,
    "retry_on_error": None,
    "retry_on_timeout": False,
    "socket_connect_timeout": None,
    "socket_timeout": None,
}
# A peer that vanished without a word is noticed within half a minute even when nothing is asked.
_KEEPALIVE = {"TCP_KEEPIDLE": 15, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}


def dialler(url: str) -> Callable[[], AbstractConnection]:
    """A function that makes a connection to ``url``, not yet opened.

    Raises:
        StoreMisconfigured: the URL is of a kind we do not speak, or says what nobody understands.
    """
    scheme = urlsplit(url).scheme
    if scheme in _LATER:
        raise _refused(
            f"{scheme}:// ({_LATER[scheme]}) is not supported yet; use redis://, rediss:// or unix://"
        )
    if scheme not in SCHEMES:
        raise _refused(
            f"{scheme or 'a URL without scheme'} is not supported; use redis://, rediss:// or unix://"
        )
    try:
        options: dict[str, Any] = dict(parse_url(url))
    except ValueError as error:
        raise _refused(str(error)) from None
    if scheme != "unix":
        _check_path(urlsplit(url).path)
    return _prepare(options)


def _prepare(options: dict[str, Any]) -> Callable[[], AbstractConnection]:
    kind: type[AbstractConnection] = options.pop("connection_class", Connection)
    options.update(_FIXED)
    if issubclass(kind, Connection):
        options["socket_keepalive"] = True
        options["socket_keepalive_options"] = {
            getattr(socket, name): seconds for name, seconds in _KEEPALIVE.items() if hasattr(socket, name)
        }
    known = _parameters(kind)
    unknown = sorted(set(options) - known)
    if unknown:
        raise _refused(f"unknown option {', '.join(unknown)}")

    def dial() -> AbstractConnection:
        return kind(**options)

    return dial


def _parameters(kind: type[AbstractConnection]) -> set[str]:
    """The options that a kind of connection takes, its parents' included."""
    return {name for parent in kind.__mro__ for name in inspect.signature(parent).parameters}


def _check_path(path: str) -> None:
    if path.strip("/") and not path.strip("/").isdecimal():
        raise _refused("the path of the URL is the number of a database, such as /0")


def _refused(why: str) -> StoreMisconfigured:
    return StoreMisconfigured("bad_url", f"store.url: {why}")
