"""Whose request it is, where proxies stand between: nobody but a trusted proxy has a say in it."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from broker.protocol.forwarded import client_address

PROXIES = (ip_network("10.0.0.0/24"), ip_network("2001:db8:f::/64"))


@pytest.mark.row("WB-09")
@pytest.mark.parametrize(
    ("peer", "header", "whose"),
    [
        ("10.0.0.1", ["192.0.2.1"], "192.0.2.1"),
        ("10.0.0.1", ["198.51.100.1, 192.0.2.1"], "192.0.2.1"),
        ("10.0.0.1", ["198.51.100.1", "192.0.2.1, 10.0.0.2"], "192.0.2.1"),
        ("192.0.2.9", ["198.51.100.1"], "192.0.2.9"),
        ("::ffff:10.0.0.1", ["192.0.2.1"], "192.0.2.1"),
        # With a port: else everybody behind such a proxy would be one address, and share its limits.
        ("10.0.0.1", ["192.0.2.1:50123"], "192.0.2.1"),
        ("10.0.0.1", ["[2001:db8::1]:50123"], "2001:db8::1"),
        ("10.0.0.1", ["[2001:db8::1]"], "2001:db8::1"),
        ("10.0.0.1", ["2001:db8::1"], "2001:db8::1"),
        ("10.0.0.1", ["198.51.100.1, 192.0.2.1:50123, 10.0.0.2:443"], "192.0.2.1"),
        # What is no address stands for nobody.
        ("10.0.0.1", ["198.51.100.1, unknown"], "10.0.0.1"),
        ("10.0.0.1", ["192.0.2.1:"], "10.0.0.1"),
        ("10.0.0.1", ["192.0.2.1:80:80"], "10.0.0.1"),
        ("10.0.0.1", ["[192.0.2.1"], "10.0.0.1"),
        ("10.0.0.1", ["\u0661.2.3.4"], "10.0.0.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        (None, ["192.0.2.1"], "192.0.2.1"),
        (None, [], ""),
    ],
)
def test_the_address_is_the_nearest_that_no_proxy_of_ours_stands_for(peer, header, whose):
    assert client_address(peer, header, kind="x-forwarded", trusted=PROXIES) == whose


@pytest.mark.row("WB-09")
@pytest.mark.parametrize(
    ("header", "whose"),
    [
        (["for=192.0.2.1;proto=https"], "192.0.2.1"),
        (['for="[2001:db8::1]:4711"'], "2001:db8::1"),
        (['for="192.0.2.1:4711"'], "192.0.2.1"),
        (['for="198.51.100.1, ', "for=192.0.2.1"], "192.0.2.1"),
        (["for=_hidden"], "10.0.0.1"),
    ],
)
def test_forwarded_is_read_from_its_end_too(header, whose):
    assert client_address("10.0.0.1", header, kind="forwarded", trusted=PROXIES) == whose
