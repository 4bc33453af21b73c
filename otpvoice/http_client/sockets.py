"""Sockets to an address, and tunnels through an HTTP proxy, opened by CONNECT.

A tunnel is used for http targets, too. A proxy that forwards requests accepts a request before it
connects to the target, so the client could not know whether a byte reached the target.
"""

import base64
import re
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote, urlsplit

_MAX_HEAD_BYTES: Final = 16 * 1024
"""Of all the proxy's responses to one CONNECT."""
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2})(?: |\r?\n)")


Address = tuple[Any, ...]
"""As ``socket.getaddrinfo`` returns it."""


def resolve(host: str, port: int, timeout_s: float) -> list[Address]:
    """Resolve a name in a thread, because a dead resolver blocks for half a minute."""
    addresses: Future[list[Address]] = Future()

    def look_up() -> None:
        try:
            addresses.set_result([*socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)])
        except (OSError, UnicodeError) as error:
            addresses.set_exception(error)

    threading.Thread(target=look_up, name="resolve", daemon=True).start()
    return addresses.result(timeout_s)


def open_socket(address: Address, timeout_s: float) -> socket.socket:
    """Connect to an address."""
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


class ProxyError(OSError):
    """No tunnel was opened, so nothing was sent to the target. The text holds no secret."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy that opens tunnels."""

    host: str
    port: int
    authorization: str = field(default="", repr=False)
    """The value of ``Proxy-Authorization``; empty without a user."""

    def connect(
        self,
        connect: Callable[[str, int], socket.socket],
        host: str,
        port: int,
        seconds_left: Callable[[], float],
    ) -> socket.socket:
        """Return a socket that leads to the target.

        Args:
            connect: connects to the proxy itself.
            host: of the target, resolved by the proxy.
            port: of the target.
            seconds_left: until the tunnel has to be open; raises ``TimeoutError`` when none are.

        Raises:
            ProxyError: the proxy is unreachable or refuses the tunnel.
        """
        sock: socket.socket | None = None
        try:
            sock = connect(self.host, self.port)
            self._open_tunnel(sock, host, port, seconds_left)
        except OSError as error:
            if sock is not None:
                sock.close()
            if isinstance(error, ProxyError):
                raise
            raise ProxyError(f"proxy: {type(error).__name__}") from error
        return sock

    def _open_tunnel(
        self, sock: socket.socket, host: str, port: int, seconds_left: Callable[[], float]
    ) -> None:
        """Request the tunnel; any 2xx opens it (RFC 9110, section 9.3.6)."""
        target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}", "User-Agent: otpvoice"]
        if self.authorization:
            lines.append(f"Proxy-Authorization: {self.authorization}")
        sock.settimeout(seconds_left())
        sock.sendall("\r\n".join([*lines, "", ""]).encode())
        status = _read_status(sock, seconds_left)
        if not 200 <= status < 300:
            raise ProxyError(f"proxy: CONNECT returned {status}")


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


def _read_status(sock: socket.socket, seconds_left: Callable[[], float]) -> int:
    """Return the final status; read byte by byte, so that no byte of the tunnel is consumed."""
    budget = _MAX_HEAD_BYTES
    while True:
        head = bytearray()
        while not head.endswith((b"\r\n\r\n", b"\n\n")):
            sock.settimeout(seconds_left())
            byte = sock.recv(1)
            budget -= 1
            if not byte or budget < 0:
                raise ProxyError("proxy: the response to CONNECT is cut off or too long")
            head += byte
        match = _STATUS_LINE.match(head)
        if match is None:
            raise ProxyError("proxy: the response to CONNECT is not HTTP")
        if not 100 <= int(match[1]) < 200:
            return int(match[1])
