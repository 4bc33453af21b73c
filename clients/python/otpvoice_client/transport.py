"""Sends requests over ``requests``: one attempt with a deadline, and retries.

Only requests that have the same effect when sent again are retried: they have an
``Idempotency-Key``, or are idempotent by nature.

The timeouts of ``requests`` bound each wait for bytes, so a server that sends one byte a second
could delay a response forever. Here all reads of a response share one deadline.
"""

import random
import re
import socket
import threading
import time
from collections.abc import Callable
from http.client import HTTPResponse
from io import BufferedReader, RawIOBase
from typing import Any, Final, TypeVar

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from otpvoice_client.errors import (
    ApiError,
    ConnectionFailed,
    OtpvoiceError,
    UnexpectedResponse,
    error_for,
)
from otpvoice_client.models import JsonObject, parse_problem

T = TypeVar("T")

_MAX_CONNECTIONS: Final = 64
"""Idle connections to keep; a thread beyond that number connects anew."""
_CONNECT_SHARE: Final = 0.4
"""Share of an attempt's timeout for connecting; the rest is for the response."""
_PROXY_STATUSES: Final = frozenset({502, 503, 504})
"""Statuses of a proxy that has no response from the service."""
_VISIBLE: Final = re.compile(r"[\x21-\x7e]+")
_MAX_DELAYS: Final = (0.25, 1.0)
"""Maximum seconds before the second and third attempt; random, so that clients do not align."""
_MIN_ATTEMPT_TIMEOUT: Final = 0.01


class Transport:
    """Connections to a service with one credential. Threads may share it.

    Proxies and certificate authorities come from the environment, as in ``requests``. The
    credential does not (``.netrc`` is ignored), and is never sent after a redirect.

    Args:
        url: address of the service.
        credential: an API key or a client token.
        attempt_timeout: seconds for one attempt.

    Raises:
        ValueError: an invalid address, or a credential that no header can carry.
    """

    def __init__(self, url: str, credential: str, attempt_timeout: float) -> None:
        if not url.startswith(("http://", "https://")):
            raise ValueError("the url must begin with http:// or https://")
        if not _VISIBLE.fullmatch(credential):
            raise ValueError("the credential must be visible ASCII characters without spaces")
        self._base = f"{url.rstrip('/')}/v1"
        self._credential = credential
        self._attempt_timeout = attempt_timeout
        self._adapter = _DeadlineAdapter(pool_maxsize=_MAX_CONNECTIONS)
        self._thread_local = threading.local()

    def send(
        self,
        method: str,
        path: str,
        parse: Callable[[JsonObject], T],
        *,
        timeout: float,
        body: JsonObject | None = None,
        idempotency_key: str | None = None,
    ) -> T:
        """Send a request in at most three attempts, and return the parsed response.

        Args:
            method: the HTTP method.
            path: the path under ``/v1``.
            parse: turns the JSON of a 2xx response into the result.
            timeout: seconds for all attempts with the delays between them. If a ``Retry-After``
                does not fit into it, the error is raised at once.
            body: the JSON body.
            idempotency_key: the key that all attempts send.

        Raises:
            OtpvoiceError: the error of the last attempt.
        """
        deadline = time.monotonic() + timeout
        headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
        request = requests.Request(method, f"{self._base}{path}", headers, json=body)

        def attempt() -> T:
            left = min(self._attempt_timeout, deadline - time.monotonic())
            return _parse_response(self._attempt(request, max(_MIN_ATTEMPT_TIMEOUT, left)), parse)

        for max_delay in _MAX_DELAYS:
            try:
                return attempt()
            except OtpvoiceError as error:
                delay = (error.retry_after or 0) + random.uniform(0, max_delay)
                if not error.is_retryable or time.monotonic() + delay >= deadline:
                    raise
            time.sleep(delay)
        return attempt()

    def close(self) -> None:
        """Close the idle connections."""
        self._adapter.close()

    def _attempt(self, request: requests.Request, timeout: float) -> requests.Response:
        try:
            return self._session().request(
                request.method,
                request.url,
                headers=request.headers,
                json=request.json,
                timeout=(timeout * _CONNECT_SHARE, timeout * (1 - _CONNECT_SHARE)),
                allow_redirects=False,  # a code must not reach another address
            )
        except requests.RequestException as error:
            # Not chained: the cause holds the request, with credential and code.
            raise ConnectionFailed(f"no response ({type(error).__name__})") from None

    def _session(self) -> requests.Session:
        """Return the session of this thread; sessions are not thread-safe, the adapter is."""
        session: requests.Session | None = getattr(self._thread_local, "session", None)
        if session is None:
            session = self._thread_local.session = requests.Session()
            session.mount("https://", self._adapter)
            session.mount("http://", self._adapter)
            session.auth = self._authorize  # ~/.netrc would override a plain header
        return session

    def _authorize(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._credential}"
        return request


def _parse_response(response: requests.Response, parse: Callable[[JsonObject], T]) -> T:
    status = response.status_code
    is_problem = response.headers.get("Content-Type", "").startswith("application/problem+json")
    error: ApiError | None = None
    try:
        document = response.json()
        if is_problem:
            error = error_for(parse_problem(document, status, response.headers.get("Request-Id")))
        elif 200 <= status < 300:
            return parse(document)
    except (AttributeError, KeyError, TypeError, ValueError):
        pass
    if error:
        raise error
    if status in _PROXY_STATUSES:
        text = f"no response (HTTP {status} of a proxy)"
        raise ConnectionFailed(text, _retry_after(response))
    raise UnexpectedResponse(f"HTTP {status} is not a response of otpvoice: check the url")


def _retry_after(response: requests.Response) -> int | None:
    """Return the seconds of ``Retry-After``; no known proxy sends a date."""
    header = response.headers.get("Retry-After", "")
    return int(header) if re.fullmatch("[0-9]{1,9}", header) else None


class _DeadlineReader(RawIOBase):
    """Reads a socket until the timeout that it has at the beginning is over."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._deadline = time.monotonic() + (sock.gettimeout() or 0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the response took too long")
        self._sock.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self.fp = BufferedReader(_DeadlineReader(sock))


class _Connection(HTTPConnection):
    response_class = _Response


class _TlsConnection(HTTPSConnection):
    response_class = _Response


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


_POOLS: Final = {"http": _Pool, "https": _TlsPool}


class _DeadlineAdapter(HTTPAdapter):
    """Applies the read timeout to the whole response. Threads may share it."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager
