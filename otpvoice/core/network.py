"""Which of the end users' addresses count as one."""

import ipaddress
import re
from typing import Final

MAX_ADDRESSES: Final = 512
"""Characters of a request's ``ip``: a list of a dozen addresses fits."""

_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
"""RFC 6052, section 2.1."""


_WITH_PORT: Final = re.compile(
    r"(?P<v4>[0-9.]+)(?::[0-9]{1,5})? | \[(?P<v6>[^\]]+)\](?::[0-9]{1,5})?", re.VERBOSE | re.ASCII
)
"""RFC 3986, section 3.2.2: brackets keep the colons of IPv6 and of the port apart."""
_OBFUSCATED: Final = re.compile(r"unknown|_[A-Za-z0-9._-]+", re.ASCII | re.IGNORECASE)
"""RFC 7239, section 6: a proxy that does not name its client."""


def client_network(text: str) -> str | None:
    """Return what limits count a request's ``ip`` as; None if it names nobody public.

    Args:
        text: one address, or a list as in ``X-Forwarded-For``, whose first public one counts.
            Ports, brackets, quotes and spaces are taken off.

    Raises:
        ValueError: a part of it is no address, or the whole is too long.
    """
    if len(text) > MAX_ADDRESSES:
        raise ValueError("too long")
    entries = [entry for part in text.split(",") if (entry := part.strip(' \t"'))]
    if not entries:
        raise ValueError("no address")
    networks = [
        public_network(_without_port(entry))
        for entry in entries
        if not _OBFUSCATED.fullmatch(entry)
    ]
    return next((network for network in networks if network), None)


def _without_port(entry: str) -> str:
    found = _WITH_PORT.fullmatch(entry)
    return (found["v4"] or found["v6"]) if found else entry


def public_network(address: str) -> str | None:
    """What limits count an address as; None for one that says nothing of who asks.

    An IPv4 address is one by itself, an IPv6 address by its /64, which one line commonly holds
    (RFC 6177); an IPv4 address within an IPv6 address is itself.

    Raises:
        ValueError: no address.
    """
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        parsed = _embedded_ipv4(parsed)
    if not parsed.is_global or parsed.is_multicast:
        return None
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    return str(ipaddress.ip_network((parsed, 64), strict=False))


def _embedded_ipv4(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The IPv4 address that it stands for, if it stands for one."""
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address
