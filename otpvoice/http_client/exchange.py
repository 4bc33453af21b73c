"""One request in progress: its deadlines, whether it was sent, and the socket that it goes to.

A proxy opens a tunnel, by CONNECT, for http targets, too. A proxy that forwards requests accepts a
request before it connects to the target, so the client could not know whether a byte reached it.
"""

import base64
import re
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Final, Self
from urllib.parse import unquote, urlsplit

_CONNECT_TIMEOUT_S: Final = 2.0
"""For resolving the name and connecting; TLS and a proxy have the time left until ``send_by``."""
_MAX_TUNNEL_HEAD_BYTES: Final = 16 * 1024
"""Of all the proxy's responses to one CONNECT."""
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2})(?: |\r?\n)")
_Address = tuple[Any, ...]
"""As ``socket.getaddrinfo`` returns it."""


class DeadlineExceededError(TimeoutError):
    """A deadline had passed."""


class ProxyError(OSError):
    """No tunnel was opened, so nothing was sent to the target. The text holds no secret."""


@dataclass(frozen=True, slots=True)
class Deadlines:
    """By when a request must be sent and finished, as moments of ``time.monotonic()``."""

    send_by: float
    """The first byte is written before this moment, or never."""
    finish_by: float
    """The result is returned by then, whatever the server does."""

    @classmethod
    def within(cls, seconds: float) -> Self:
        """Return deadlines that both end so many seconds from now."""
        moment = time.monotonic() + seconds
        return cls(moment, moment)


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy that opens tunnels."""

    host: str
    port: int
    authorization: str = field(default="", repr=False)
    """The value of ``Proxy-Authorization``; empty without a user."""


def parse_proxy(url: str) -> Proxy | None:
    """Parse ``http://[user:password@]host:port``; return None for an empty text."""
    if not url:
        return None
    parts = urlsplit(url)
    authorization = ""
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = f"Basic {base64.b64encode(pair.encode()).decode()}"
    return Proxy(parts.hostname or "", parts.port or 80, authorization)


@dataclass(slots=True)
class Exchange:
    """One request in progress, or a connection without one."""

    deadlines: Deadlines
    proxy: Proxy | None = None
    clock: Callable[[], float] = time.monotonic
    sent: bool = False
    status: int | None = None
    has_unread: bool = False
    """Bytes arrived after the end of the response, so the connection has to be closed."""

    def seconds_to(self, moment: float) -> float:
        """Return the seconds to a moment.

        Raises:
            DeadlineExceededError: it has passed.
        """
        left = moment - self.clock()
        if left <= 0:
            raise DeadlineExceededError
        return left

    def begin_send(self) -> None:
        """Mark the request as possibly sent, unless ``send_by`` has passed."""
        self.seconds_to(self.deadlines.send_by)
        self.sent = True

    def connect(self, host: str, port: int) -> socket.socket:
        """Connect to the host, through the proxy if there is one. Sends nothing to the host.

        Raises:
            ProxyError: the proxy is unreachable or refuses the tunnel.
            OSError: the host is unreachable; ``TimeoutError`` if there was no time left.
        """
        if self.proxy is None:
            return self._connect(host, port)
        sock: socket.socket | None = None
        try:
            sock = self._connect(self.proxy.host, self.proxy.port)
            self._open_tunnel(sock, host, port, self.proxy.authorization)
        except OSError as error:
            if sock is not None:
                sock.close()
            if isinstance(error, ProxyError):
                raise
            raise ProxyError(f"proxy: {type(error).__name__}") from error
        return sock

    def _connect(self, host: str, port: int) -> socket.socket:
        """Connect to one of the host's addresses; each gets an equal share of the time."""
        limit = min(self.deadlines.send_by, self.clock() + _CONNECT_TIMEOUT_S)
        addresses = _resolve(host, port, self.seconds_to(limit))
        for untried in range(len(addresses), 0, -1):
            try:
                sock = _open_socket(addresses[-untried], self.seconds_to(limit) / untried)
            except OSError:
                if untried == 1:
                    raise
            else:
                # Bounds the TLS handshake; begin_send() decides whether it is too late to send.
                sock.settimeout(max(self.deadlines.send_by - self.clock(), 0.001))
                return sock
        raise OSError("the name has no address")

    def _open_tunnel(self, sock: socket.socket, host: str, port: int, authorization: str) -> None:
        """Request the tunnel; any 2xx opens it (RFC 9110, section 9.3.6)."""
        target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}", "User-Agent: otpvoice"]
        if authorization:
            lines.append(f"Proxy-Authorization: {authorization}")
        sock.settimeout(self.seconds_to(self.deadlines.send_by))
        sock.sendall("\r\n".join([*lines, "", ""]).encode())
        status, budget = 100, _MAX_TUNNEL_HEAD_BYTES
        while 100 <= status < 200:
            head = self._read_head(sock, budget)
            budget -= len(head)
            match = _STATUS_LINE.match(head)
            if match is None:
                raise ProxyError("proxy: the response to CONNECT is not HTTP")
            status = int(match[1])
        if not 200 <= status < 300:
            raise ProxyError(f"proxy: CONNECT returned {status}")

    def _read_head(self, sock: socket.socket, max_bytes: int) -> bytearray:
        """Read status line and headers byte by byte, so that no byte of the tunnel is consumed."""
        head = bytearray()
        while not head.endswith((b"\r\n\r\n", b"\n\n")):
            sock.settimeout(self.seconds_to(self.deadlines.send_by))
            byte = sock.recv(1)
            if not byte or len(head) >= max_bytes:
                raise ProxyError("proxy: the response to CONNECT is cut off or too long")
            head += byte
        return head


def _resolve(host: str, port: int, timeout_s: float) -> list[_Address]:
    """Resolve a name in a thread, because a dead resolver blocks for half a minute."""
    addresses: Future[list[_Address]] = Future()

    def look_up() -> None:
        try:
            addresses.set_result([*socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)])
        except (OSError, UnicodeError) as error:
            addresses.set_exception(error)

    threading.Thread(target=look_up, name="resolve", daemon=True).start()
    return addresses.result(timeout_s)


def _open_socket(address: _Address, timeout_s: float) -> socket.socket:
    family, kind, protocol, _, where = address
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(timeout_s)
        sock.connect(where)
    except OSError:
        sock.close()
        raise
    return sock
