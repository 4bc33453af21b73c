"""HTTP client that always knows whether a byte of a request was sent.

A second request for the same call may ring a phone twice, so it is allowed only if the first one
provably never left. :mod:`otpvoice.http_client.connection` decides what is written and when.

``requests`` is used below its ``Session``. The adapter alone follows no redirect (a 307 would post
the code to another address), reads no netrc (it would replace the token), takes no proxy from the
environment, keeps no cookies and reads no body unasked.
"""

import email.utils
import logging
import os
import re
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Final

import msgspec
from requests import PreparedRequest, Request
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from otpvoice import tracing
from otpvoice.http_client.connection import CURRENT_EXCHANGE, Adapter, ResponseTooLargeError
from otpvoice.http_client.exchange import Deadlines, Exchange, Proxy, ProxyError, parse_proxy

# In addition to what this module defines.
__all__ = ["Deadlines", "Exchange", "Proxy", "ProxyError", "parse_proxy"]

_MAX_BODY_BYTES: Final = 64 * 1024
"""Of a decoded body; no provider's response to one request is longer."""
_MAX_RETRY_AFTER_S: Final = 3600.0
CA_BUNDLE_VARIABLES: Final = (
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
)
"""Environment variables of requests and OpenSSL that name a file or directory of certificate
authorities. The first one set counts.
"""


class InvalidCaBundleError(Exception):
    """An environment variable names certificate authorities that cannot be loaded."""

    def __init__(self, variable: str, detail: str) -> None:
        super().__init__(f"{variable} {detail}")
        self.variable = variable
        self.detail = detail


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A complete response, whatever its status."""

    status: int
    body: bytes
    retry_after_s: float | None = None
    """Between 0 and 3600."""


@dataclass(frozen=True, slots=True)
class RequestFailed:
    """No response, or an incomplete one."""

    sent: bool
    """False: not one byte of the request was written."""
    reason: str
    """The name of the root cause, or the proxy's error, for operators."""
    status: int | None = None
    """The status, if that much arrived."""


class CapturedResponse(msgspec.Struct, frozen=True, tag="response"):
    """One request and its response, for the diagnostics. Its repr shows nothing of them."""

    method: str
    url: str
    status: int | None
    """None: no response."""
    body: bytes
    error: str
    """The reason for the failure; empty for a complete response."""
    duration_s: float

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"


_CAPTURE: Final[ContextVar[list[CapturedResponse] | None]] = ContextVar("capture", default=None)


@contextmanager
def capture_exchanges() -> Iterator[list[CapturedResponse]]:
    """Collect the responses to the requests that this thread sends inside the block."""
    responses: list[CapturedResponse] = []
    token = _CAPTURE.set(responses)
    try:
        yield responses
    finally:
        _CAPTURE.reset(token)


class HttpClient:
    """Sends requests, each within its deadlines. Threads may share it and its connections.

    Args:
        connections: how many connections stay open at most: one for each thread that sends.
        tls: trusted certificate authorities; by default those of :func:`create_tls_context`.
        clock: seconds, on the same clock as the deadlines.
        proxy: opens a tunnel for each connection; None connects directly.
    """

    def __init__(
        self,
        *,
        connections: int = 64,
        tls: ssl.SSLContext | None = None,
        clock: Callable[[], float] = time.monotonic,
        proxy: Proxy | None = None,
    ) -> None:
        # urllib3 logs whole addresses, and their query strings hold numbers.
        logging.getLogger("urllib3").setLevel(logging.CRITICAL)
        self._adapter = Adapter(connections, tls or create_tls_context())
        self._clock = clock
        self._proxy = proxy

    def post(
        self, url: str, headers: Mapping[str, str], body: bytes, deadlines: Deadlines
    ) -> HttpResponse | RequestFailed:
        """Send one request, at most once; raises nothing."""
        return self._send("POST", url, headers, body, deadlines)

    def get(
        self, url: str, headers: Mapping[str, str], deadlines: Deadlines
    ) -> HttpResponse | RequestFailed:
        """Send one GET, at most once; raises nothing."""
        return self._send("GET", url, headers, b"", deadlines)

    def delete(
        self, url: str, headers: Mapping[str, str], deadlines: Deadlines
    ) -> HttpResponse | RequestFailed:
        """Send one DELETE, at most once; raises nothing."""
        return self._send("DELETE", url, headers, b"", deadlines)

    def close_idle(self) -> None:
        """Close every idle connection; those in use close when their request ends."""
        self._adapter.close()

    def _send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, deadlines: Deadlines
    ) -> HttpResponse | RequestFailed:
        exchange = Exchange(deadlines, self._proxy, self._clock)
        token = CURRENT_EXCHANGE.set(exchange)
        started_at = self._clock()
        result: HttpResponse | RequestFailed
        with tracing.send_request(method, url):
            try:
                prepared = _prepare(method, url, tuple(headers.items()))
                result = self._exchange(exchange, prepared, body)
            except Exception as error:  # noqa: BLE001 - any failure only raises the question: was it sent?
                result = RequestFailed(exchange.sent, _failure_reason(error), exchange.status)
            finally:
                CURRENT_EXCHANGE.reset(token)
            tracing.finish_sending(
                result.status, result.reason if isinstance(result, RequestFailed) else ""
            )
        if (captured := _CAPTURE.get()) is not None:
            received = result.body if isinstance(result, HttpResponse) else b""
            error_name = result.reason if isinstance(result, RequestFailed) else ""
            duration_s = self._clock() - started_at
            captured.append(
                CapturedResponse(method, url, result.status, received, error_name, duration_s)
            )
        return result

    def _exchange(self, exchange: Exchange, prepared: PreparedRequest, body: bytes) -> HttpResponse:
        timeout = exchange.seconds_to(exchange.deadlines.finish_by)
        response = self._adapter.send_once(prepared, body, timeout)
        exchange.status = response.status
        try:
            # Decoded, because some servers compress although the request does not allow it.
            content = response.read(_MAX_BODY_BYTES + 1, decode_content=True)
        finally:
            response.close()  # a connection with unread bytes on it is not kept
            response.release_conn()
        if len(content) > _MAX_BODY_BYTES:
            raise ResponseTooLargeError
        retry_after_s = _parse_retry_after(response.headers.get("Retry-After", ""))
        return HttpResponse(response.status, content, retry_after_s)


@lru_cache(maxsize=64)
def _prepare(method: str, url: str, headers: tuple[tuple[str, str], ...]) -> PreparedRequest:
    """Prepare a request without its body, once: it takes requests longer than to send it."""
    return Request(method, url, {"User-Agent": "otpvoice", **dict(headers)}).prepare()


def create_tls_context(environ: Mapping[str, str] = os.environ) -> ssl.SSLContext:
    """Return a client context that verifies certificates and host names.

    It trusts certifi's bundle, unless one of :data:`CA_BUNDLE_VARIABLES` is set.

    Raises:
        InvalidCaBundleError: the named file or directory is missing or holds no certificate.
    """
    variable = next((name for name in CA_BUNDLE_VARIABLES if environ.get(name)), None)
    if variable is None:
        return _context_trusting(Path(DEFAULT_CA_BUNDLE_PATH))
    path = Path(environ[variable])
    try:
        return _context_trusting(path)
    except OSError as error:
        is_read = isinstance(error, ssl.SSLError)
        detail = "has no certificate" if is_read else f"cannot be read: {error.strerror}"
        raise InvalidCaBundleError(variable, f"names {path}, which {detail}") from None


@cache
def _context_trusting(path: Path) -> ssl.SSLContext:
    """Read the certificates of a file or directory, once: it takes more than 10 ms."""
    if path.is_dir():
        return ssl.create_default_context(capath=str(path))
    return ssl.create_default_context(cafile=str(path))


def _failure_reason(error: BaseException) -> str:
    """Return the text of a proxy's error, or the name of the root cause."""
    while not isinstance(error, ProxyError) and (cause := error.__cause__ or error.__context__):
        error = cause
    return str(error) if isinstance(error, ProxyError) else type(error).__name__


def _parse_retry_after(header: str) -> float | None:
    """Return the seconds of a Retry-After header: a number or a date (RFC 9110, 10.2.3)."""
    if re.fullmatch(r"[0-9]{1,9}", header):
        return min(float(header), _MAX_RETRY_AFTER_S)
    try:
        moment = email.utils.parsedate_to_datetime(header)
    except (ValueError, OverflowError):
        return None
    return min(max(moment.timestamp() - time.time(), 0.0), _MAX_RETRY_AFTER_S)
