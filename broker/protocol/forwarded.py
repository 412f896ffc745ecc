"""Who is really calling, when proxies stand between. RFC 7239; the X-Forwarded-For habit.

A forwarding header is believed only as far as proxies that the operator named wrote it: from the
right, each trusted hop vouches for the address to its left. Scheme and host are never taken from a
request; our own are in the configuration.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Literal

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_FOR = re.compile(r'for="?(\[[0-9a-f:.]+\]|[0-9.]+)(?::[0-9]+)?"?', re.IGNORECASE)
# Some proxies write the port too, as RFC 7239 §6 has it.
_WITH_PORT = re.compile(r"\[([0-9a-f:.]+)\](?::[0-9]{1,5})?|([0-9.]+):[0-9]{1,5}", re.IGNORECASE)
_MAX_HOPS = 32


def client_address(
    peer: str | None,
    header: Sequence[str],
    *,
    kind: Literal["x-forwarded", "forwarded"],
    trusted: Sequence[Network],
) -> str:
    """The address nearest to us that no trusted proxy stands for; empty when it is not known.

    Args:
        peer: the other end of the connection; None on a Unix socket, whose proxy is one of ours.
        header: every value of the header that the proxies write, in order.
        kind: which header that is.
        trusted: the proxies' networks; empty believes nobody.
    """
    if not trusted:
        return peer or ""
    hops = [part.strip() for line in header for part in line.split(",")][-_MAX_HOPS:]
    address = peer or ""
    while (peer is None and address == "") or _is_trusted(address, trusted):
        written = _read(hops.pop(), kind) if hops else None
        if written is None:
            break
        address = written
    return address


def is_proxy(peer: str | None, trusted: Sequence[Network]) -> bool:
    """Whether this end of a connection is one of the proxies; None is a Unix socket, whose is one of ours."""
    return bool(trusted) and (peer is None or _is_trusted(peer, trusted))


def _is_trusted(address: str, trusted: Sequence[Network]) -> bool:
    parsed = _parse(address)
    return parsed is not None and any(parsed in network for network in trusted)


def _read(hop: str, kind: Literal["x-forwarded", "forwarded"]) -> str | None:
    if kind == "forwarded":
        match = _FOR.search(hop)
        hop = match[1] if match else ""
    with_port = _WITH_PORT.fullmatch(hop)
    parsed = _parse(with_port[1] or with_port[2] if with_port else hop)
    return str(parsed) if parsed is not None else None


def _parse(text: str) -> Address | None:
    try:
        parsed = ip_address(text)
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return mapped or parsed
