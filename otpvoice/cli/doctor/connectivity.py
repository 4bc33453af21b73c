"""Whether an address can be reached, and until when its certificate holds. Sends nothing."""

import socket
import ssl
import threading
import time
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from otpvoice.cli.doctor.findings import Finding, failure, ok, warning
from otpvoice.http_client.proxy import Proxy, ProxyError, parse_proxy

_TIMEOUT_S: Final = 5.0
"""Seconds, for the name, the connection and TLS together."""
_DAY_S: Final = 86_400
_EXPIRY_WARNING_S: Final = 14 * _DAY_S
"""Seconds that a certificate should have left; one of short life a sixth of it."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """Seconds since 1970."""

    not_before: float
    not_after: float


class ConnectivityError(Exception):
    """The text says why, and holds no more of the address than host and port."""


def probe_connection(
    url: str, trusted: ssl.SSLContext, timeout_s: float = _TIMEOUT_S, proxy: Proxy | None = None
) -> Certificate | None:
    """Connects and says nothing; the certificate of an https address.

    ``proxy``: opens a tunnel for the connection; without one it is direct.

    Raises:
        ConnectivityError: no name, connection or TLS, or a certificate that ``trusted`` refuses.
    """
    result: Future[Certificate | None] = Future()

    def connect() -> None:
        try:
            result.set_result(_connect(url, trusted, timeout_s, proxy))
        except Exception as error:  # noqa: BLE001 - it is raised again, in the thread that waits
            result.set_exception(error)

    # A dead resolver is waited for half a minute; nobody can hurry it, and nobody has to wait.
    threading.Thread(target=connect, name="reach", daemon=True).start()
    try:
        return result.result(timeout_s)
    except ProxyError as error:
        host, port = _host_and_port(url)
        raise ConnectivityError(f"{host}:{port} is not reached ({error})") from error
    except Exception as error:
        raise ConnectivityError(_failure_reason(error, url, timeout_s)) from error


def _connect(
    url: str, trusted: ssl.SSLContext, timeout_s: float, proxy: Proxy | None
) -> Certificate | None:
    host, port = _host_and_port(url)
    with closing(_open(host, port, timeout_s, proxy)) as plain:
        if urlsplit(url).scheme != "https":
            return None
        with trusted.wrap_socket(plain, server_hostname=host) as encrypted:
            certificate = encrypted.getpeercert() or {}
    begins, ends = (
        ssl.cert_time_to_seconds(str(certificate[name])) for name in ("notBefore", "notAfter")
    )
    return Certificate(begins, ends)


def _open(host: str, port: int, timeout_s: float, proxy: Proxy | None) -> socket.socket:
    def connect(host: str, port: int) -> socket.socket:
        return socket.create_connection((host, port), timeout_s)

    return proxy.connect(connect, host, port, lambda: timeout_s) if proxy else connect(host, port)


def _host_and_port(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def _failure_reason(error: Exception, url: str, timeout_s: float) -> str:
    host, port = _host_and_port(url)
    match error:
        case socket.gaierror():
            return f"the name {host} is not known"
        case ssl.SSLCertVerificationError():
            return f"the certificate of {host} is refused ({error.verify_message.rstrip('.')})"
        case ssl.SSLError():
            return f"{host}:{port} does not speak TLS as it should ({error.reason})"
        case TimeoutError():
            return f"{host}:{port} did not answer within {timeout_s:g} s"
        case ConnectionRefusedError():
            return f"nobody listens at {host}:{port}"
        case _:
            return f"{host}:{port} can not be reached ({type(error).__name__})"


def connectivity_finding(
    subject: str, url: str, trusted: ssl.SSLContext, todo: str, proxy: str = ""
) -> tuple[Finding, bool]:
    """What is found of an address, and whether it was reached. ``todo``: if it was not.

    ``proxy``: the address of a proxy to go through; empty for none.
    """
    try:
        certificate = probe_connection(url, trusted, proxy=parse_proxy(proxy))
    except ConnectivityError as error:
        return failure(subject, str(error), todo), False
    return _reachable_finding(subject, url, certificate, time.time()), True


def _reachable_finding(
    subject: str, url: str, certificate: Certificate | None, now: float
) -> Finding:
    host, _ = _host_and_port(url)
    if certificate is None:
        return ok(subject, f"{host} answers")
    left = certificate.not_after - now
    day = time.strftime("%Y-%m-%d", time.gmtime(certificate.not_after))
    found = f"{host} answers, its certificate ends {day}, in {left / _DAY_S:.0f} days"
    if left < min(_EXPIRY_WARNING_S, (certificate.not_after - certificate.not_before) / 6):
        return warning(subject, found, "have it renewed")
    return ok(subject, found)
