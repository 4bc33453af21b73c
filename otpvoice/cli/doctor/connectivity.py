"""Connections and certificates of the addresses in the settings. Sends no request."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from otpvoice.cli.doctor.findings import Finding, failure, ok, warning
from otpvoice.http_client import Proxy, ProxyError, parse_proxy
from otpvoice.settings import Settings

_TIMEOUT_S: Final = 5.0
"""For the name, the connection and TLS together."""
_DAY_S: Final = 86_400
_EXPIRY_WARNING_S: Final = 14 * _DAY_S
"""Minimum remaining life of a certificate; for a short-lived one, a sixth of its life."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """Validity of a certificate in seconds since 1970."""

    not_before: float
    not_after: float


class ConnectivityError(Exception):
    """The text has the reason, and no more of the address than host and port."""


def probe_connection(
    url: str, trusted: ssl.SSLContext, timeout_s: float = _TIMEOUT_S, proxy: Proxy | None = None
) -> Certificate | None:
    """Connect, through ``proxy`` if there is one, and return the certificate of an https address.

    Raises:
        ConnectivityError: no name, connection or TLS, or a certificate that ``trusted`` refuses.
    """
    result: Future[Certificate | None] = Future()

    def connect() -> None:
        try:
            result.set_result(_connect(url, trusted, timeout_s, proxy))
        except Exception as error:  # noqa: BLE001 - raised again in the waiting thread
            result.set_exception(error)

    # In a thread, because a dead resolver blocks for half a minute.
    threading.Thread(target=connect, name="probe connection", daemon=True).start()
    try:
        return result.result(timeout_s)
    except Exception as error:
        raise ConnectivityError(_failure_reason(error, url, timeout_s)) from error


def _connect(
    url: str, trusted: ssl.SSLContext, timeout_s: float, proxy: Proxy | None
) -> Certificate | None:
    def connect(host: str, port: int) -> socket.socket:
        return socket.create_connection((host, port), timeout_s)

    host, port = _host_and_port(url)
    plain = proxy.connect(connect, host, port, lambda: timeout_s) if proxy else connect(host, port)
    with closing(plain):
        if urlsplit(url).scheme != "https":
            return None
        with trusted.wrap_socket(plain, server_hostname=host) as encrypted:
            fields = encrypted.getpeercert() or {}
    names = ("notBefore", "notAfter")
    return Certificate(*(float(ssl.cert_time_to_seconds(str(fields[name]))) for name in names))


def _host_and_port(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def _failure_reason(error: Exception, url: str, timeout_s: float) -> str:
    host, port = _host_and_port(url)
    match error:
        case socket.gaierror():
            reason = f"the name {host} cannot be resolved"
        case ssl.SSLCertVerificationError():
            reason = f"the certificate of {host} is refused ({error.verify_message.rstrip('.')})"
        case ssl.SSLError():
            reason = f"{host}:{port} does not complete the TLS handshake ({error.reason})"
        case TimeoutError():
            reason = f"{host}:{port} did not respond within {timeout_s:g} s"
        case ConnectionRefusedError():
            reason = f"{host}:{port} refuses the connection"
        case _:
            detail = str(error) if isinstance(error, ProxyError) else type(error).__name__
            reason = f"{host}:{port} cannot be reached ({detail})"
    return reason


def connectivity_finding(
    subject: str, url: str, trusted: ssl.SSLContext, todo: str, proxy: str = ""
) -> tuple[Finding, bool]:
    """Return the finding for an address, and whether it was reached.

    Args:
        subject: of the finding.
        url: the address.
        trusted: certificate authorities.
        todo: the remedy if the address is not reached.
        proxy: the address of a proxy to connect through; empty for none.
    """
    try:
        certificate = probe_connection(url, trusted, proxy=parse_proxy(proxy))
    except ConnectivityError as error:
        return failure(subject, str(error), todo), False
    host, _ = _host_and_port(url)
    if certificate is None:
        return ok(subject, f"{host} responds"), True
    left = certificate.not_after - time.time()
    day = time.strftime("%Y-%m-%d", time.gmtime(certificate.not_after))
    found = f"{host} responds, its certificate expires on {day}, in {left / _DAY_S:.0f} days"
    life = certificate.not_after - certificate.not_before
    if left < min(_EXPIRY_WARNING_S, life / 6):
        return warning(subject, found, "renew it"), True
    return ok(subject, found), True


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
