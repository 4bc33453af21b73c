"""Checks of an address over the network: name, connection and certificate."""

import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import closing
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from otpvoice.diagnostics import Finding, failure, ok, warning
from otpvoice.http_client import Deadlines, Exchange, ProxyError, parse_proxy

TIMEOUT_S: Final = 5.0
"""For a request, or for the name, the connection and TLS together."""
_DAY_S: Final = 86_400
_EXPIRY_WARNING_S: Final = 14 * _DAY_S
"""Minimum remaining life of a certificate; for a short-lived one, a sixth of its life."""


def connectivity_finding(
    subject: str, url: str, trusted: ssl.SSLContext, todo: str, proxy: str = ""
) -> Finding:
    """Connect to an address, and check the certificate of an https address.

    Args:
        subject: of the finding, which is a failure only if the address is not reached.
        url: the address.
        trusted: certificate authorities.
        todo: the remedy if the address is not reached.
        proxy: the address of a proxy to connect through; empty for none.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        exchange = Exchange(Deadlines.within(TIMEOUT_S), parse_proxy(proxy))
        with closing(exchange.connect(host, port)) as plain:
            if parts.scheme != "https":
                return ok(subject, f"{host} responds")
            with trusted.wrap_socket(plain, server_hostname=host) as encrypted:
                certificate = encrypted.getpeercert() or {}
    except Exception as error:  # noqa: BLE001 - whatever failed, the address was not reached
        return failure(subject, _failure_reason(error, host, port), todo)
    return _certificate_finding(subject, host, certificate)


def _certificate_finding(subject: str, host: str, certificate: Mapping[str, object]) -> Finding:
    begins, ends = (
        ssl.cert_time_to_seconds(str(certificate[name])) for name in ("notBefore", "notAfter")
    )
    left = ends - time.time()
    day = time.strftime("%Y-%m-%d", time.gmtime(ends))
    found = f"{host} responds, its certificate expires on {day}, in {left / _DAY_S:.0f} days"
    is_late = left < min(_EXPIRY_WARNING_S, (ends - begins) / 6)
    return warning(subject, found, "renew it") if is_late else ok(subject, found)


def _failure_reason(error: Exception, host: str, port: int) -> str:
    """Return the reason, with no more of the address than host and port."""
    match error:
        case socket.gaierror():
            reason = f"the name {host} cannot be resolved"
        case ssl.SSLCertVerificationError():
            reason = f"the certificate of {host} is refused ({error.verify_message.rstrip('.')})"
        case ssl.SSLError():
            reason = f"{host}:{port} does not complete the TLS handshake ({error.reason})"
        case TimeoutError():
            reason = f"{host}:{port} did not respond in time"
        case ConnectionRefusedError():
            reason = f"{host}:{port} refuses the connection"
        case _:
            detail = str(error) if isinstance(error, ProxyError) else type(error).__name__
            reason = f"{host}:{port} cannot be reached ({detail})"
    return reason


def is_public(host: str) -> bool | None:
    """Return whether a host has only addresses that the internet routes; None without any."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return None
    addresses = {str(where[0]).partition("%")[0] for *_, where in found}
    return all(ip_address(each).is_global for each in addresses)


def is_address(host: str) -> bool:
    """Return whether a host is written as an IP address."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
