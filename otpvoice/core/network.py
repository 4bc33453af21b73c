"""Which of the end users' addresses count as one."""

import ipaddress


def public_network(address: str) -> str | None:
    """What limits count an address as; None for one that says nothing of who asks.

    An IPv4 address is one by itself, an IPv6 address by its /64, which one line commonly holds
    (RFC 6177); an IPv4 address mapped into IPv6 is the IPv4 address.

    Raises:
        ValueError: no address.
    """
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped:
        parsed = parsed.ipv4_mapped
    if not parsed.is_global:
        return None
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    return str(ipaddress.ip_network((parsed, 64), strict=False))
