"""Which of the end users' addresses count as one."""

import ipaddress
from typing import Final

_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
"""RFC 6052, section 2.1."""


def public_network(address: str) -> str | None:
    """What limits count an address as; None for one that says nothing of who asks.

    An IPv4 address is one by itself, an IPv6 address by its /64, which one line commonly holds
    (RFC 6177); an IPv4 address within an IPv6 address is itself.

    Raises:
        ValueError: no address.
    """
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        parsed = _inner(parsed)
    if not parsed.is_global or parsed.is_multicast:
        return None
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    return str(ipaddress.ip_network((parsed, 64), strict=False))


def _inner(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The IPv4 address that it stands for, if it stands for one."""
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address
