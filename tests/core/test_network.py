"""Networks that limits count addresses as."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis.strategies import integers, ip_addresses

from otpvoice.core.networks import MAX_ADDRESSES, client_network, public_network


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("8.8.8.8", "8.8.8.8"),
        ("49.36.0.1", "49.36.0.1"),
        ("::ffff:8.8.8.8", "8.8.8.8"),
        ("::ffff:808:808", "8.8.8.8"),
        ("2401:4900:1c2a:7f00::1", "2401:4900:1c2a:7f00::/64"),
        ("2401:4900:1C2A:7F00:FFFF:ffff:ffff:ffff", "2401:4900:1c2a:7f00::/64"),
        ("2401:4900:1c2a:7f01::1", "2401:4900:1c2a:7f01::/64"),
    ],
)
def test_public_network_of_public_address_is_address_or_64(address: str, network: str) -> None:
    """An IPv4 address, or the /64 of an IPv6 address, in any notation."""
    assert public_network(address) == network


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.8.8.8", "::1", "0.0.0.0", "::", "255.255.255.255"),
        *("10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "169.254.1.1"),
        *("192.0.2.1", "198.51.100.7", "203.0.113.9", "2001:db8::1", "198.18.0.1", "240.0.0.1"),
        *(
            "fe80::1",
            "fe80::1%eth0",
            "fc00::1",
            "fd12:3456::1",
            "::ffff:10.0.0.1",
            "::ffff:127.0.0.1",
        ),
    ],
)
def test_public_network_of_special_address_is_none(address: str) -> None:
    """Loopback, private, shared, link-local and documentation addresses."""
    assert public_network(address) is None


@pytest.mark.parametrize(
    "address", ["", "localhost", "8.8.8", "8.8.8.8/32", "8.8.8.8:80", "1::2::3"]
)
def test_public_network_of_other_text_raises(address: str) -> None:
    """The request with it is invalid."""
    with pytest.raises(ValueError, match="address"):
        public_network(address)


@given(ip_addresses(v=6, network="2401:4900::/32"), integers(0, 2**64 - 1))
def test_public_network_ignores_the_last_64_bits(address: IPv6Address, host: int) -> None:
    """One line has a /64."""
    other = IPv6Address(int(address) >> 64 << 64 | host)
    assert public_network(str(other)) == public_network(str(address))


@given(ip_addresses(v=4))
def test_public_network_of_embedded_ipv4_is_that_address(address: IPv4Address) -> None:
    """``::ffff:8.8.8.8`` is ``8.8.8.8``."""
    assert public_network(f"::ffff:{address}") == public_network(str(address))


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("8.8.8.8", "8.8.8.8"),
        (" 8.8.8.8 ", "8.8.8.8"),
        ("8.8.8.8:5678", "8.8.8.8"),
        ("[2401:4900:1c2a:7f00::1]:443", "2401:4900:1c2a:7f00::/64"),
        ("[2401:4900:1c2a:7f00::1]", "2401:4900:1c2a:7f00::/64"),
        ("::ffff:8.8.8.8", "8.8.8.8"),
        ("[::ffff:8.8.8.8]:80", "8.8.8.8"),
        ('"[2401:4900:1c2a:7f00::1]:443"', "2401:4900:1c2a:7f00::/64"),
        ("8.8.8.8, 10.0.0.1", "8.8.8.8"),
        ("10.0.0.1, 8.8.8.8", "8.8.8.8"),
        ("10.0.0.1,8.8.8.8:80,1.1.1.1", "8.8.8.8"),
        ("unknown, 8.8.8.8", "8.8.8.8"),
        ("_hidden, 8.8.8.8", "8.8.8.8"),
        (", 8.8.8.8", "8.8.8.8"),
        ("8.8.8.8, ", "8.8.8.8"),
        ("10.0.0.1, 192.168.1.1", None),
        ("10.0.0.1:80", None),
        ("fe80::1%eth0", None),
        ("unknown", None),
    ],
)
def test_client_network_of_forwarded_addresses_is_first_public_one(
    text: str, network: str | None
) -> None:
    """With ports, in lists and quoted, as proxies write them."""
    assert client_network(text) == network


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", ",", '""', "8.8.8.8 1.1.1.1", "8.8.8.8;1.1.1.1", "localhost"),
        *("8.8.8.8:", "8.8.8.8:port", "8.8.8.8:123456", "[8.8.8.8", "::1]:80", "[]:80", "[x]:80"),
        *("8.8.8", "08.8.8.8", "8.8.8.8, garbage", "8.8.8.8/32", "for=8.8.8.8", "\u0668.8.8.8"),
        "8.8.8.8," * (MAX_ADDRESSES // 8) + "8.8.8.8",
    ],
)
def test_client_network_with_a_malformed_part_raises(text: str) -> None:
    """The other parts are not trusted either."""
    with pytest.raises(ValueError, match=r"."):
        client_network(text)
