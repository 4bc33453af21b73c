"""The networks of end users, as limits count them."""

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
"""RFC 3986, section 3.2.2: IPv6 addresses with a port are in brackets."""
_OBFUSCATED: Final = re.compile(r"unknown|_[A-Za-z0-9._-]+", re.ASCII | re.IGNORECASE)
"""RFC 7239, section 6: a proxy that does not name its client."""


def client_network(text: str) -> str | None:
    """Return the network that limits count a request's ``ip`` as; None if none is public.

    Args:
        text: an address, or a list as in ``X-Forwarded-For``, whose first public address counts.
            Ports, brackets, quotes and spaces are ignored.

    Raises:
        ValueError: a part of it is not an address, or the whole is too long.
    """
    if len(text) > MAX_ADDRESSES:
        raise ValueError("too long")
    entries = [entry for part in text.split(",") if (entry := part.strip(' \t"'))]
    if not entries:
        raise ValueError("no address")
    named = [entry for entry in entries if not _OBFUSCATED.fullmatch(entry)]
    networks = [public_network(_without_port(entry)) for entry in named]
    return next((network for network in networks if network), None)


def _without_port(entry: str) -> str:
    match = _WITH_PORT.fullmatch(entry)
    return (match["v4"] or match["v6"]) if match else entry


def public_network(address: str) -> str | None:
    """Return the network that limits count an address as; None if it is not public.

    An IPv4 address counts by itself. An IPv6 address counts as its /64, which one line usually
    has (RFC 6177), or as the IPv4 address that is embedded in it.

    Raises:
        ValueError: the text is not an address.
    """
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        parsed = _embedded_ipv4(parsed) or parsed
    if not parsed.is_global or parsed.is_multicast:
        return None
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    return str(ipaddress.ip_network((parsed, 64), strict=False))


def _embedded_ipv4(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped
