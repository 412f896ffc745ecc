"""Where the broker may connect to: the public internet, and what the operator names."""

from ipaddress import ip_network

import pytest

from broker.outbound.addresses import is_allowed, read

FORBIDDEN = [
    "127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "172.16.0.1",
    "172.31.255.255", "192.168.0.1", "169.254.169.254", "169.254.0.1", "100.64.0.1", "100.100.100.200",
    "100.127.255.255", "168.63.129.16", "192.0.0.192", "192.0.2.1", "198.18.0.1", "198.19.255.255",
    "198.51.100.7", "203.0.113.9", "192.88.99.1", "224.0.0.1", "239.255.255.250", "240.0.0.1",
    "255.255.255.255", "::1", "::", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
    "::ffff:169.254.169.254", "::ffff:0:0", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1",
    "2002:7f00:1::", "2002:a00:1::", "2001::1", "2001:db8::1", "100::1", "fc00::1", "fd00:ec2::254",
    "fdff::1", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "ff0e::1", "3fff::1", "5f00::1",
    "::ffff:0:7f00:1", "64:ff9b:2::1", "1fff::1", "4000::1", "8000::1", "fe00::1",
]  # fmt: skip

PUBLIC = [
    "1.1.1.1", "8.8.8.8", "172.15.0.1", "172.32.0.1", "192.0.1.1", "100.63.0.1", "100.128.0.1",
    "11.0.0.1", "2606:4700::1111", "2a00:1450::1",
]  # fmt: skip


@pytest.mark.row("UP-03")
@pytest.mark.parametrize("text", FORBIDDEN)
def test_what_is_not_public_is_not_reached(text):
    assert not is_allowed(read(text), (), loopback_only=False)
    assert not is_allowed(read(text), (), loopback_only=True)


@pytest.mark.parametrize("text", PUBLIC)
def test_what_is_public_is_reached_over_tls_only(text):
    assert is_allowed(read(text), (), loopback_only=False)
    assert not is_allowed(read(text), (), loopback_only=True)
    assert not is_allowed(read(text), (ip_network("0.0.0.0/0"), ip_network("::/0")), loopback_only=True)


@pytest.mark.parametrize(
    ("network", "address", "allowed"),
    [
        ("10.1.0.0/16", "10.1.2.3", True),
        ("10.1.0.0/16", "::ffff:10.1.2.3", True),
        ("10.1.0.0/16", "10.2.0.1", False),
        ("127.0.0.0/8", "127.0.0.1", True),
        ("127.0.0.0/8", "::1", False),
        ("fd00::/8", "fd12::1", True),
        ("fe80::/10", "fe80::1%eth0", True),
    ],
)
def test_an_operator_opens_a_network_and_no_other(network, address, allowed):
    assert is_allowed(read(address), (ip_network(network),), loopback_only=False) is allowed


def test_plain_http_goes_to_a_loopback_that_is_named_and_nowhere_else():
    everything = (ip_network("0.0.0.0/0"), ip_network("::/0"))
    assert is_allowed(read("127.0.0.1"), everything, loopback_only=True)
    assert is_allowed(read("::1"), everything, loopback_only=True)
    assert not is_allowed(read("10.0.0.1"), everything, loopback_only=True)
