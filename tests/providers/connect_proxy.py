"""A real HTTP proxy that supports CONNECT only."""

import base64
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from providers.scripted_server import serve_connections

USER, PASSWORD = "otp voice", "p@ss:w/ord"
CREDENTIALS = "otp%20voice:p%40ss%3Aw%2Ford"
"""Both, encoded for a URL."""
AUTHORIZATION = f"Basic {base64.b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}"


@dataclass
class ConnectProxy:
    """A running proxy: its requests, and how it responds.

    Args:
        port: on 127.0.0.1.
        response: sent in place of a tunnel; empty opens one.
        interim: sent before the response that opens a tunnel.
        authorization: the required ``Proxy-Authorization``; empty requires none.
    """

    port: int = 0
    response: bytes = b""
    interim: bytes = b""
    authorization: str = ""
    request_heads: list[str] = field(default_factory=list)
    """Each request as received."""
    relayed: bytearray = field(default_factory=bytearray)
    """The bytes that went through its tunnels to the targets."""

    @property
    def url(self) -> str:
        """Return its address without credentials."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def targets(self) -> list[str]:
        """Return the targets of the requested tunnels."""
        return [head.split()[1] for head in self.request_heads]

    def serve(self, conn: socket.socket) -> None:
        """Serve one connection to its end."""
        with conn.makefile("rb", buffering=0) as stream:
            head = b"".join(iter(stream.readline, b"\r\n")).decode()
            self.request_heads.append(head)
            if self.response:
                conn.sendall(self.response)
            elif (
                self.authorization and f"Proxy-Authorization: {self.authorization}\r\n" not in head
            ):
                conn.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
            else:
                self._tunnel(conn, head.split()[1])

    def _tunnel(self, conn: socket.socket, target: str) -> None:
        host, _, port = target.rpartition(":")
        try:
            other = socket.create_connection((host.strip("[]"), int(port)), 5)
        except OSError:
            conn.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
            return
        with other:
            conn.sendall(self.interim + b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_pipe, args=(other, conn, bytearray()), daemon=True)
            back.start()
            _pipe(conn, other, self.relayed)
            back.join(5)


def _pipe(source: socket.socket, sink: socket.socket, record: bytearray) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            record += data
            sink.sendall(data)
    for each in (source, sink):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


@contextmanager
def connect_proxy() -> Iterator[ConnectProxy]:
    """Run a proxy on a local port."""
    proxy = ConnectProxy()
    with serve_connections(proxy.serve) as proxy.port:
        yield proxy
