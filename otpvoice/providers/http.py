"""One HTTP client for all vendors, which always knows whether a byte was sent.

A second request for the same call may ring a phone twice, so it is allowed only if the first one
provably never left. Exceptions do not tell: a reset can come before or after. Here the connection
itself keeps the book: between connecting and writing stands a gate, and what fails before the gate
opens is unsent, whatever it was. The gate also tests the clock, so that a request which a slow
network or a paused process held up is not sent too late.

``requests`` is used below its ``Session``: the adapter alone follows no redirect (a 307 would post
the code elsewhere), reads no netrc (it would replace our token), knows no proxy from the
environment, keeps no cookies and reads no body that it was not asked for.
"""

import email.utils
import logging
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextvars import ContextVar
from dataclasses import dataclass
from http.client import HTTPResponse
from io import BufferedReader, RawIOBase
from typing import Any, Final

from requests import Request
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NewConnectionError

from otpvoice.providers.authorities import trusted_authorities
from otpvoice.providers.base import Deadlines
from otpvoice.providers.overheard import OverheardReply, note

CONNECT_TIMEOUT: Final = 2.0
"""Seconds for the name lookup and the connection; TLS has the time that is left to ``send_by``."""
MAX_IDLE: Final = 10.0
"""Seconds after which a kept connection is not used again: the other side may be closing it."""
MAX_REPLY: Final = 64 * 1024
"""Bytes; no vendor's answer to one request is longer."""
MAX_WAIT: Final = 3600.0
"""Seconds; a longer Retry-After is cut to this."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole reply, whatever its status."""

    status: int
    body: bytes
    retry_after: float | None = None
    """Seconds, between 0 and ``MAX_WAIT``."""


@dataclass(frozen=True, slots=True)
class NoReply:
    """No reply, or not a whole one."""

    sent: bool
    """False: not one byte of the request was written."""
    why: str
    """The name of the error at the bottom of it, for operators."""
    status: int | None = None
    """What it began with, if so much came."""


class TooLateError(TimeoutError):
    """A deadline had passed."""


class TooLargeError(Exception):
    """The reply is longer than ``MAX_REPLY``."""


class HttpClient:
    """Sends requests, each within its deadlines. Threads may share it, and its connections.

    Args:
        connections: how many are kept alive at most; one for each thread that uses the client.
        tls: whom to trust; by default what :func:`trusted_authorities` returns.
        clock: seconds, in the same time as the deadlines.
    """

    def __init__(
        self,
        *,
        connections: int = 64,
        tls: ssl.SSLContext | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        # Its lines hold whole addresses, and their query strings hold numbers.
        logging.getLogger("urllib3").setLevel(logging.CRITICAL)
        tls = tls or trusted_authorities()
        self._adapter = _Adapter(connections, tls)
        self._clock = clock

    def post(
        self, url: str, headers: Mapping[str, str], body: bytes, deadlines: Deadlines
    ) -> Reply | NoReply:
        """Send one request, at most once, and tell what came of it; raises nothing."""
        return self._send(Request("POST", url, dict(headers), data=body), deadlines)

    def get(self, url: str, headers: Mapping[str, str], deadlines: Deadlines) -> Reply | NoReply:
        """Ask, with the same care as ``post``; raises nothing."""
        return self._send(Request("GET", url, dict(headers)), deadlines)

    def _send(self, request: Request, deadlines: Deadlines) -> Reply | NoReply:
        exchange = _Exchange(deadlines, self._clock)
        token = _EXCHANGE.set(exchange)
        began = self._clock()
        answer: Reply | NoReply
        try:
            answer = self._exchange(exchange, request)
        except Exception as error:  # noqa: BLE001 - whatever broke: what counts is whether it was sent
            answer = NoReply(exchange.sent, type(_root(error)).__name__, exchange.status)
        finally:
            _EXCHANGE.reset(token)
        note(_heard(request, answer, self._clock() - began))
        return answer

    def _exchange(self, exchange: "_Exchange", request: Request) -> Reply:
        request.headers = {"User-Agent": "otpvoice", **request.headers}
        timeout = exchange.seconds_to(exchange.deadlines.over_by)
        response = self._adapter.send(request.prepare(), stream=True, timeout=timeout)
        exchange.status = response.status_code
        try:
            # Decoded, because some servers compress whatever they are asked.
            content = response.raw.read(MAX_REPLY + 1, decode_content=True)
        finally:
            response.close()  # a connection with unread bytes on it is not kept
        if len(content) > MAX_REPLY:
            raise TooLargeError
        wait = _retry_after(response.headers.get("Retry-After", ""))
        return Reply(response.status_code, content, wait)


@dataclass(slots=True)
class _Exchange:
    """One request under way."""

    deadlines: Deadlines
    clock: Callable[[], float]
    sent: bool = False
    status: int | None = None

    def seconds_to(self, moment: float) -> float:
        left = moment - self.clock()
        if left <= 0:
            raise TooLateError
        return left

    def open_gate(self) -> None:
        """From here on something may have been sent; refused when it is too late for that."""
        self.seconds_to(self.deadlines.send_by)
        self.sent = True

    def connect(self, host: str, port: int) -> socket.socket:
        """Connect to one of the host's addresses, each getting its share of the time."""
        limit = min(self.deadlines.send_by, self.clock() + CONNECT_TIMEOUT)
        addresses = _look_up(host, port, self.seconds_to(limit))
        for untried in range(len(addresses), 0, -1):
            try:
                sock = _connect(addresses[-untried], self.seconds_to(limit) / untried)
            except OSError:
                if untried == 1:
                    raise
            else:
                # A bound for the TLS handshake; whether it is too late, the gate decides.
                sock.settimeout(max(self.deadlines.send_by - self.clock(), 0.001))
                return sock
        raise OSError("the name has no address")


_EXCHANGE: Final[ContextVar[_Exchange]] = ContextVar("exchange")
"""This thread's request under way: a pooled connection serves many, one after the other."""

_Address = tuple[Any, ...]
"""As ``socket.getaddrinfo`` gives it."""


def _look_up(host: str, port: int, timeout: float) -> list[_Address]:
    """Look a name up, but wait only so long: a dead resolver is waited for half a minute."""
    answer: Future[list[_Address]] = Future()

    def ask() -> None:
        try:
            answer.set_result([*socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)])
        except (OSError, UnicodeError) as error:
            answer.set_exception(error)

    threading.Thread(target=ask, name="name lookup", daemon=True).start()
    return answer.result(timeout)


def _connect(address: _Address, timeout: float) -> socket.socket:
    family, kind, protocol, _, where = address
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(timeout)
        sock.connect(where)
    except OSError:
        sock.close()
        raise
    return sock


class _BoundedReader(RawIOBase):
    """Reads a socket until the exchange must be over, however slowly the bytes trickle in."""

    def __init__(self, sock: socket.socket, exchange: _Exchange) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._exchange = exchange

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(self._exchange.seconds_to(self._exchange.deadlines.over_by))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _BoundedResponse(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self.fp = BufferedReader(_BoundedReader(sock, _EXCHANGE.get()))


class _Connection(HTTPConnection):
    """A connection with a gate in front of the first byte."""

    response_class = _BoundedResponse
    _used_at = 0.0

    @property
    def is_connected(self) -> bool:
        """Asked by the pool before it uses a kept connection again."""
        return super().is_connected and _EXCHANGE.get().clock() - self._used_at <= MAX_IDLE

    def _new_conn(self) -> socket.socket:
        try:
            return _EXCHANGE.get().connect(self._dns_host, self.port)
        except OSError as error:
            # As urllib3 has it: a bare reset at this point would be taken for one after sending.
            raise NewConnectionError(self, type(error).__name__) from error

    def send(self, data: Any) -> None:
        """Write to the socket; called by http.client for the head and again for the body."""
        exchange = _EXCHANGE.get()
        if not exchange.sent:
            if self.sock is None:
                self.connect()
            exchange.open_gate()
            self._used_at = exchange.clock()
        if self.sock is not None:
            self.sock.settimeout(exchange.seconds_to(exchange.deadlines.over_by))
        super().send(data)


class _TlsConnection(_Connection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class _Adapter(HTTPAdapter):
    def __init__(self, connections: int, tls: ssl.SSLContext) -> None:
        self._tls = tls
        super().__init__(pool_maxsize=connections, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._tls, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Do nothing: the context knows whom to trust; loading it anew takes 20 ms each time."""


def _heard(request: Request, answer: Reply | NoReply, seconds: float) -> OverheardReply:
    body, why = (answer.body, "") if isinstance(answer, Reply) else (b"", answer.why)
    return OverheardReply(request.method, request.url, answer.status, body, why, seconds)


def _root(error: BaseException) -> BaseException:
    while deeper := error.__cause__ or error.__context__:
        error = deeper
    return error


def _retry_after(header: str) -> float | None:
    """Seconds from a Retry-After header: a number or a date (RFC 9110, section 10.2.3)."""
    if re.fullmatch(r"[0-9]{1,9}", header):
        return min(float(header), MAX_WAIT)
    try:
        moment = email.utils.parsedate_to_datetime(header)
    except (ValueError, OverflowError):
        return None
    return min(max(moment.timestamp() - time.time(), 0.0), MAX_WAIT)
