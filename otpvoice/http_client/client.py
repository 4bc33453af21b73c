"""One HTTP client for all vendors, which always knows whether a byte was sent.

A second request for the same call may ring a phone twice, so it is allowed only if the first one
provably never left. What a connection writes and when is decided in
:mod:`otpvoice.http_client.connection`.

``requests`` is used below its ``Session``: the adapter alone follows no redirect (a 307 would post
the code elsewhere), reads no netrc (it would replace our token), knows no proxy from the
environment, keeps no cookies and reads no body that it was not asked for.
"""

import email.utils
import logging
import re
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from requests import Request

from otpvoice.http_client.certificates import create_tls_context
from otpvoice.http_client.connection import CURRENT_EXCHANGE, Adapter, Exchange
from otpvoice.http_client.proxy import Proxy, ProxyError
from otpvoice.http_client.response import ResponseTooLargeError
from otpvoice.providers.base import Deadlines
from otpvoice.providers.exchange_capture import CapturedResponse, record_exchange

MAX_BODY_BYTES: Final = 64 * 1024
"""Bytes of a decoded body; no vendor's answer to one request is longer."""
MAX_RETRY_AFTER_S: Final = 3600.0
"""Seconds; a longer Retry-After is cut to this."""


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A whole reply, whatever its status."""

    status: int
    body: bytes
    retry_after_s: float | None = None
    """Seconds, between 0 and ``MAX_RETRY_AFTER_S``."""


@dataclass(frozen=True, slots=True)
class RequestFailed:
    """No reply, or not a whole one."""

    sent: bool
    """False: not one byte of the request was written."""
    reason: str
    """The name of the error at the bottom of it, or what a proxy did, for operators."""
    status: int | None = None
    """What it began with, if so much came."""


class HttpClient:
    """Sends requests, each within its deadlines. Threads may share it, and its connections.

    Args:
        connections: how many are kept alive at most; one for each thread that uses the client.
        tls: whom to trust; by default what :func:`create_tls_context` returns.
        clock: seconds, in the same time as the deadlines.
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
        # Its lines hold whole addresses, and their query strings hold numbers.
        logging.getLogger("urllib3").setLevel(logging.CRITICAL)
        self._adapter = Adapter(connections, tls or create_tls_context())
        self._clock = clock
        self._proxy = proxy

    def post(
        self, url: str, headers: Mapping[str, str], body: bytes, deadlines: Deadlines
    ) -> HttpResponse | RequestFailed:
        """Send one request, at most once, and tell what came of it; raises nothing."""
        return self._send(Request("POST", url, dict(headers), data=body), deadlines)

    def get(
        self, url: str, headers: Mapping[str, str], deadlines: Deadlines
    ) -> HttpResponse | RequestFailed:
        """Ask, with the same care as ``post``; raises nothing."""
        return self._send(Request("GET", url, dict(headers)), deadlines)

    def close_idle(self) -> None:
        """Close every kept connection; requests under way end on theirs, which are then closed."""
        self._adapter.close()

    def _send(self, request: Request, deadlines: Deadlines) -> HttpResponse | RequestFailed:
        exchange = Exchange(deadlines, self._clock, self._proxy)
        token = CURRENT_EXCHANGE.set(exchange)
        started_at = self._clock()
        result: HttpResponse | RequestFailed
        try:
            result = self._exchange(exchange, request)
        except Exception as error:  # noqa: BLE001 - whatever broke: what counts is whether it was sent
            result = RequestFailed(exchange.sent, _failure_reason(error), exchange.status)
        finally:
            CURRENT_EXCHANGE.reset(token)
        record_exchange(_captured(request, result, self._clock() - started_at))
        return result

    def _exchange(self, exchange: Exchange, request: Request) -> HttpResponse:
        request.headers = {"User-Agent": "otpvoice", **request.headers}
        timeout = exchange.seconds_to(exchange.deadlines.finish_by)
        response = self._adapter.send(request.prepare(), stream=True, timeout=timeout)
        exchange.status = response.status_code
        try:
            # Decoded, because some servers compress whatever they are asked.
            content = response.raw.read(MAX_BODY_BYTES + 1, decode_content=True)
        finally:
            response.close()  # a connection with unread bytes on it is not kept
        if len(content) > MAX_BODY_BYTES:
            raise ResponseTooLargeError
        wait = _parse_retry_after(response.headers.get("Retry-After", ""))
        return HttpResponse(response.status_code, content, wait)


def _captured(
    request: Request, result: HttpResponse | RequestFailed, seconds: float
) -> CapturedResponse:
    body, reason = (result.body, "") if isinstance(result, HttpResponse) else (b"", result.reason)
    return CapturedResponse(request.method, request.url, result.status, body, reason, seconds)


def _failure_reason(error: BaseException) -> str:
    """Name the error at the bottom; what went wrong with a proxy is said in its own words."""
    chain = [*_causes(error)]
    by_proxy = (str(each) for each in chain if isinstance(each, ProxyError))
    return next(by_proxy, type(chain[-1]).__name__)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _parse_retry_after(header: str) -> float | None:
    """Seconds from a Retry-After header: a number or a date (RFC 9110, section 10.2.3)."""
    if re.fullmatch(r"[0-9]{1,9}", header):
        return min(float(header), MAX_RETRY_AFTER_S)
    try:
        moment = email.utils.parsedate_to_datetime(header)
    except (ValueError, OverflowError):
        return None
    return min(max(moment.timestamp() - time.time(), 0.0), MAX_RETRY_AFTER_S)
