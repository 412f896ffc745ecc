"""Which addresses the broker may connect to. Pure; asked of the very address that a socket is opened for.

A name can resolve to anything, and an address can be spelled in many ways, so neither the URL nor the name
is judged, but the address after all of that (RFC 9700 §4.15 names server-side request forgery). What is not
public is reached only where the operator's ``outbound.allow_networks`` says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

_NOT_PUBLIC = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",  # this host, this network
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT, and a cloud's metadata
        "127.0.0.0/8",
        "168.63.129.16/32",  # a public address that a cloud answers its own guests on
        "169.254.0.0/16",  # link-local, and most clouds' metadata
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
        # All of IPv6 but 2000::/3, which alone is given out (RFC 4291 §2.4): loopback, link-local, multicast,
        # unique local, a cloud's metadata, and IPv4 in most disguises, NAT64's (64:ff9b::/96) among them.
        "::/3",
        "4000::/2",
        "8000::/1",
        "2001::/23",  # Teredo and other experiments
        "2001:db8::/32",
        "2002::/16",  # IPv4 behind 6to4
        "3fff::/20",
    )
)


def read(text: str) -> Address:
    """The address that a socket address names; IPv4 in IPv6 is the IPv4 that it is."""
    address = ip_address(text)
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def is_allowed(address: Address, allowed: Sequence[Network], *, loopback_only: bool) -> bool:
    """Whether a connection may go there.

    ``loopback_only`` is for plain http, which never leaves this machine.
    """
    named = any(address in network for network in allowed if network.version == address.version)
    if loopback_only:
        return named and address.is_loopback
    return named or not any(
        address in network for network in _NOT_PUBLIC if network.version == address.version
    )
