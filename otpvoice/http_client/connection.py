"""Connections that record whether a byte of a request was sent, and bounded responses.

Exceptions do not say whether something was sent: a reset can come before or after. So each request
passes :meth:`Exchange.begin_send` between connecting and writing, and what fails before that is
unsent. It also checks the deadline, so that a slow network or a paused process sends nothing late.

A kept connection is reused only if it has no unread byte: data that a server sends unasked would
be taken for the response to the next request.
"""

import socket
import ssl
import threading
from contextvars import ContextVar
from http.client import HTTPException, HTTPResponse, parse_headers
from io import BufferedReader, RawIOBase
from typing import Any, Final

from requests import PreparedRequest
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NewConnectionError
from urllib3.util import Timeout

from otpvoice.http_client.exchange import Exchange

_MAX_IDLE_S: Final = 10.0
"""A connection that was idle longer is not reused: the server may be closing it."""
_MAX_HEAD_BYTES: Final = 64 * 1024
"""Status line and headers, including those of interim responses."""
_MAX_ENCODED_BODY_BYTES: Final = 512 * 1024
"""After the head, as sent: enough for 64 KiB in chunks of one byte, and trailers."""
_SWITCHING_PROTOCOLS: Final = 101


class UnexpectedDataError(ConnectionError):
    """The server sent data before the request, or closed the connection."""


class ResponseTooLargeError(Exception):
    """The response exceeds its bounds."""


class IncompleteHeadError(HTTPException):
    """The connection ended within the headers, which ``http.client`` takes for their end."""


class UnexpectedUpgradeError(HTTPException):
    """The status is 101 although no upgrade was requested: what follows is not HTTP."""


CURRENT_EXCHANGE: Final[ContextVar[Exchange]] = ContextVar("exchange")
"""The request that this thread sends: a pooled connection serves many, one after the other."""


class _BoundedReader(RawIOBase):
    """Reads a socket within the exchange's deadline and the bounds of head and body."""

    def __init__(self, sock: socket.socket) -> None:
        self.exchange = CURRENT_EXCHANGE.get()
        self.bytes_left = _MAX_HEAD_BYTES
        self.has_ended = False
        """The server sends no more."""
        self.is_detached = False
        """No further byte is read from the socket."""
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self.is_detached:
            return 0
        if self.bytes_left <= 0:
            raise ResponseTooLargeError
        self._sock.settimeout(self.exchange.seconds_to(self.exchange.deadlines.finish_by))
        count = self._raw.readinto(memoryview(buffer)[: self.bytes_left])
        self.bytes_left -= count or 0
        self.has_ended = count == 0
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Stream(BufferedReader):
    """A buffer over the reader that reports bytes left in it when the response is over."""

    raw: _BoundedReader

    def close(self) -> None:
        if not self.closed:
            self.raw.is_detached = True
            if self.peek(1):
                self.raw.exchange.has_unread = True
        super().close()


class _Response(HTTPResponse):
    """A response within the bounds of its exchange; interim responses before it are skipped.

    ``http.client`` skips no interim response but 100, and bounds lines, not their sum.
    """

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self._reader = _BoundedReader(sock)
        self.fp = _Stream(self._reader)

    def begin(self) -> None:
        super().begin()
        if self._reader.has_ended:  # an end after the head has not been read yet
            raise IncompleteHeadError
        self._reader.bytes_left += _MAX_ENCODED_BODY_BYTES

    def _read_status(self) -> tuple[str, int, str]:
        """Read the final status line (RFC 9110, section 15.2)."""
        while True:
            line: tuple[str, int, str] = super()._read_status()  # type: ignore[misc] # not in the stubs
            _, status, _ = line
            if status == _SWITCHING_PROTOCOLS:
                raise UnexpectedUpgradeError
            if status >= 200:
                return line
            parse_headers(self.fp)


class _Connection(HTTPConnection):
    """A connection that calls :meth:`Exchange.begin_send` before the first byte."""

    response_class = _Response
    _last_used_at = 0.0

    @property
    def is_connected(self) -> bool:
        """Whether a kept connection can be reused; the pool reads this."""
        if self.sock is None or CURRENT_EXCHANGE.get().clock() - self._last_used_at > _MAX_IDLE_S:
            return False
        return _is_idle(self.sock)

    @property
    def is_clean(self) -> bool:
        """Whether no byte followed the response that was just read."""
        return self.sock is None or (not CURRENT_EXCHANGE.get().has_unread and _is_idle(self.sock))

    def _new_conn(self) -> socket.socket:
        try:
            return CURRENT_EXCHANGE.get().connect(self._dns_host, self.port)
        except OSError as error:
            # urllib3's own error: a bare reset here would be taken for one after sending.
            raise NewConnectionError(self, type(error).__name__) from error

    def send(self, data: Any) -> None:
        """Write to the socket; ``http.client`` calls this for the head and again for the body."""
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
        """Keep a connection, but never one with unread bytes."""
        if conn is not None and not conn.is_clean:
            conn.close()
        super()._put_conn(conn)


class _TlsPool(_Pool, HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class Adapter(HTTPAdapter):
    """Connection pools of :class:`HttpClient`, which share one TLS context."""

    def __init__(self, connections: int, tls: ssl.SSLContext) -> None:
        self._tls = tls
        self._pools: dict[str | None, Any] = {}
        self._pools_lock = threading.Lock()
        super().__init__(pool_maxsize=connections, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Install the pools above."""
        super().init_poolmanager(*args, ssl_context=self._tls, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}

    def close(self) -> None:
        """Close every idle connection."""
        with self._pools_lock:
            self._pools.clear()
            super().close()

    def send_once(self, prepared: PreparedRequest, body: bytes, timeout: float) -> Any:
        """Send a prepared request with this body and return urllib3's response.

        ``send`` would find the pool and build a response of its own each time, which takes longer
        than the rest.
        """
        pool: Any
        with self._pools_lock:  # no pool is kept that close() has dropped
            pool = self._pools.get(prepared.url)
            if pool is None:
                pool = self.get_connection_with_tls_context(prepared, verify=True)
                if prepared.method == "POST":  # the URL of a query names a call
                    self._pools[prepared.url] = pool
        headers = dict(prepared.headers)
        if prepared.method == "POST":
            headers["Content-Length"] = str(len(body))
        return pool.urlopen(
            prepared.method,
            prepared.path_url,
            body=body or None,
            headers=headers,
            redirect=False,
            retries=False,
            preload_content=False,
            decode_content=False,
            timeout=Timeout(connect=timeout, read=timeout),
        )

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Do nothing: the context has its authorities; loading them again takes 20 ms a request."""


def _is_idle(sock: socket.socket) -> bool:
    """Whether the server has neither sent an unread byte nor closed the connection.

    Reads once without blocking. ``select`` does not see what TLS has already decrypted, and does
    not distinguish data from TLS's own messages.
    """
    sock.settimeout(0)
    try:
        sock.recv(1)
    except OSError as error:
        return isinstance(error, BlockingIOError | ssl.SSLWantReadError)
    return False
