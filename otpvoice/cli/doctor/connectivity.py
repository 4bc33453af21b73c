"""Connections and certificates of the addresses in the settings. Sends no request."""

import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from otpvoice.cli.doctor.findings import Finding, failure, ok, warning
from otpvoice.http_client import Deadlines, ProxyError, connect, parse_proxy
from otpvoice.settings import Settings

_TIMEOUT_S: Final = 5.0
"""For the name, the connection and TLS together."""
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_DAY_S: Final = 86_400
_EXPIRY_WARNING_S: Final = 14 * _DAY_S
"""Minimum remaining life of a certificate; for a short-lived one, a sixth of its life."""


def connectivity_finding(
    subject: str, url: str, trusted: ssl.SSLContext, todo: str, proxy: str = ""
) -> tuple[Finding, bool]:
    """Connect, and return the finding for an address and whether it was reached.

    Args:
        subject: of the finding.
        url: the address; of an https address, the certificate is checked.
        trusted: certificate authorities.
        todo: the remedy if the address is not reached.
        proxy: the address of a proxy to connect through; empty for none.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        plain = connect(host, port, Deadlines.within(_TIMEOUT_S), parse_proxy(proxy))
        with closing(plain):
            if parts.scheme != "https":
                return ok(subject, f"{host} responds"), True
            with trusted.wrap_socket(plain, server_hostname=host) as encrypted:
                certificate = encrypted.getpeercert() or {}
    except Exception as error:  # noqa: BLE001 - whatever failed, the address was not reached
        return failure(subject, _failure_reason(error, host, port), todo), False
    return _certificate_finding(subject, host, certificate), True


def _certificate_finding(subject: str, host: str, certificate: Mapping[str, object]) -> Finding:
    begins, ends = (
        ssl.cert_time_to_seconds(str(certificate[name])) for name in ("notBefore", "notAfter")
    )
    left = ends - time.time()
    day = time.strftime("%Y-%m-%d", time.gmtime(ends))
    found = f"{host} responds, its certificate expires on {day}, in {left / _DAY_S:.0f} days"
    if left < min(_EXPIRY_WARNING_S, (ends - begins) / 6):
        return warning(subject, found, "renew it")
    return ok(subject, found)


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


def event_findings(settings: Settings, trusted: ssl.SSLContext) -> Iterator[Finding]:
    """Yield whether each client's ``event_url`` can be reached; sends no event."""
    for name, client in settings.clients.items():
        if client.event_url:
            yield from event_url_findings(f"clients.{name}.event_url", client.event_url)
            todo = "have the client fix it, or correct event_url; its events are kept for a day"
            finding, _ = connectivity_finding(
                f"events of {name}", client.event_url, trusted, todo, settings.events.proxy
            )
            yield finding


def event_url_findings(name: str, url: str) -> Iterator[Finding]:
    """Yield a failure for an address that is meaningful only to this machine or its cloud."""
    kinds = {"is_link_local": "link-local", "is_multicast": "multicast", "is_reserved": "reserved"}
    try:
        found = socket.getaddrinfo(urlsplit(url).hostname or "", None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return  # connectivity_finding() reports it
    for *_, where in found:
        address = ip_address(str(where[0]).partition("%")[0])
        for kind, word in kinds.items():
            if getattr(address, kind):
                text = f"resolves to {address}, a {word} address, as cloud metadata services have"
                yield failure(name, text, "set the address of the client's own server")
                return
