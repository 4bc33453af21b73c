"""Connections that keep the book of whether a byte of a request was sent.

Exceptions do not say it: a reset can come before or after. Here a gate stands between connecting
and writing, and what fails before the gate opens is unsent, whatever it was. The gate also tests
the clock, so that a request which a slow network or a paused process held up is not sent too late.

A kept connection is used again only while it is quiet: what a server sends without being asked
would be taken for the response to the next request.
"""

import socket
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NewConnectionError

from otpvoice.http_client.proxy import Proxy
from otpvoice.http_client.response import BoundedResponse
from otpvoice.providers.base import Deadlines

CONNECT_TIMEOUT_S: Final = 2.0
"""Seconds for the name lookup and the connection; TLS and a proxy have the time that is left to
``send_by``."""
MAX_IDLE_S: Final = 10.0
"""Seconds after which a kept connection is not used again: the other side may be closing it."""


class DeadlineExceededError(TimeoutError):
    """A deadline had passed."""


class UnexpectedDataError(ConnectionError):
    """The server sent something before the request, or has closed the connection."""


@dataclass(slots=True)
class Exchange:
    """One request under way."""

    deadlines: Deadlines
    clock: Callable[[], float]
    proxy: Proxy | None = None
    sent: bool = False
    status: int | None = None
    has_unread: bool = False
    """Bytes came behind the end of the response."""

    def seconds_to(self, moment: float) -> float:
        """Return the seconds to a moment.

        Raises:
            DeadlineExceededError: it has passed.
        """
        left = moment - self.clock()
        if left <= 0:
            raise DeadlineExceededError
        return left

    def seconds_to_end(self) -> float:
        """Return the seconds that are left of the whole exchange."""
        return self.seconds_to(self.deadlines.finish_by)

    def report_unread(self) -> None:
        """Have the connection closed after this exchange."""
        self.has_unread = True

    def begin_send(self) -> None:
        """From here on something may have been sent; refused when it is too late for that."""
        self.seconds_to(self.deadlines.send_by)
        self.sent = True

    def connect(self, host: str, port: int) -> socket.socket:
        """Connect to the host, through the proxy if there is one. Nothing is sent to the host."""
        if self.proxy is None:
            return self._connect(host, port)
        return self.proxy.connect(
            self._connect, host, port, lambda: self.seconds_to(self.deadlines.send_by)
        )

    def _connect(self, host: str, port: int) -> socket.socket:
        """Connect to one of the host's addresses, each getting its share of the time."""
        limit = min(self.deadlines.send_by, self.clock() + CONNECT_TIMEOUT_S)
        addresses = _resolve(host, port, self.seconds_to(limit))
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


CURRENT_EXCHANGE: Final[ContextVar[Exchange]] = ContextVar("exchange")
"""This thread's request under way: a pooled connection serves many, one after the other."""

_Address = tuple[Any, ...]
"""As ``socket.getaddrinfo`` gives it."""


def _resolve(host: str, port: int, timeout: float) -> list[_Address]:
    """Look a name up, but wait only so long: a dead resolver is waited for half a minute."""
    addresses: Future[list[_Address]] = Future()

    def resolve() -> None:
        try:
            addresses.set_result([*socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)])
        except (OSError, UnicodeError) as error:
            addresses.set_exception(error)

    threading.Thread(target=resolve, name="name lookup", daemon=True).start()
    return addresses.result(timeout)


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


class _Response(BoundedResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, CURRENT_EXCHANGE.get(), *args, **kwargs)


class _Connection(HTTPConnection):
    """A connection with a gate in front of the first byte."""

    response_class = _Response
    _last_used_at = 0.0

    @property
    def is_connected(self) -> bool:
        """Asked by the pool before it uses a kept connection again."""
        if self.sock is None or CURRENT_EXCHANGE.get().clock() - self._last_used_at > MAX_IDLE_S:
            return False
        return _is_idle(self.sock)

    @property
    def is_clean(self) -> bool:
        """Whether the response that was just read was all that came."""
        return self.sock is None or (not CURRENT_EXCHANGE.get().has_unread and _is_idle(self.sock))

    def _new_conn(self) -> socket.socket:
        try:
            return CURRENT_EXCHANGE.get().connect(self._dns_host, self.port)
        except OSError as error:
            # As urllib3 has it: a bare reset at this point would be taken for one after sending.
            raise NewConnectionError(self, type(error).__name__) from error

    def send(self, data: Any) -> None:
        """Write to the socket; called by http.client for the head and again for the body."""
        exchange = CURRENT_EXCHANGE.get()
        if not exchange.sent:
            if self.sock is None:
                self.connect()
            if self.sock is None or not _is_idle(self.sock):
                raise UnexpectedDataError
            exchange.begin_send()
            self._last_used_at = exchange.clock()
        if self.sock is not None:
            self.sock.settimeout(exchange.seconds_to(exchange.deadlines.finish_by))
        super().send(data)


class _TlsConnection(_Connection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection

    def _put_conn(self, conn: Any) -> None:
        """Keep a connection, but never one on which more came than was read."""
        if conn is not None and not conn.is_clean:
            conn.close()
        super()._put_conn(conn)


class _TlsPool(_Pool, HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class Adapter(HTTPAdapter):
    """Pools of connections with a gate."""

    def __init__(self, connections: int, tls: ssl.SSLContext) -> None:
        self._tls = tls
        super().__init__(pool_maxsize=connections, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Use our pools, which all share one TLS context."""
        super().init_poolmanager(*args, ssl_context=self._tls, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Do nothing: the context knows whom to trust; loading it anew takes 20 ms each time."""


def _is_idle(sock: socket.socket) -> bool:
    """Whether the other side has neither sent a byte that was not read, nor closed.

    One read without waiting, because ``select`` neither sees what TLS holds decrypted, nor tells
    data from TLS's own messages.
    """
    sock.settimeout(0)
    try:
        sock.recv(1)
    except (BlockingIOError, ssl.SSLWantReadError):
        return True
    except OSError:
        return False
    return False
