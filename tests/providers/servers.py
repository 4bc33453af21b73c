"""Servers and a proxy on real sockets, and the request that tests send to them."""

import base64
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from queue import Queue

from otpvoice.http_client import Deadlines, HttpClient, HttpResponse, RequestFailed

ScriptedResponse = bytes | Callable[[socket.socket], None]
"""Bytes to send, after which the connection stays open; or a function, after which it closes."""


@dataclass(frozen=True)
class Request:
    """One request as received."""

    head: str
    body: bytes
    connection: int
    """1 for the first connection, and so on."""


class ScriptedServer:
    """A server that records requests and sends scripted responses."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._responses: Queue[ScriptedResponse] = Queue()
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()
        self.requests: list[Request] = []
        self.port: int = self._listener.getsockname()[1]
        self.api_url = f"http://localhost:{self.port}/api/v2/"
        self.url = f"{self.api_url}voice/c2c"

    @property
    def connections(self) -> list[int]:
        """The connection of each request."""
        return [request.connection for request in self.requests]

    def respond(self, *responses: ScriptedResponse) -> None:
        """Send these responses to the next requests, in this order."""
        for response in responses:
            self._responses.put(response)

    def disconnect(self) -> None:
        """Close every connection; on return the clients have been notified."""
        for conn in self._open:
            with suppress(OSError):
                conn.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End all threads."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.disconnect()
        self.respond(*[b""] * len(self._threads))
        for thread in self._threads:
            thread.join(timeout=5)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                conn, _ = self._listener.accept()
                self._open.append(conn)
                serving = threading.Thread(
                    target=self._serve, args=(conn, len(self._open)), daemon=True
                )
                self._threads.append(serving)
                serving.start()

    def _serve(self, conn: socket.socket, number: int) -> None:
        with suppress(OSError), conn, conn.makefile("rb") as stream:
            while line := stream.readline():
                head = (line + b"".join(iter(stream.readline, b"\r\n"))).decode("latin-1")
                length = int(head.partition("Content-Length: ")[2].partition("\r")[0] or 0)
                self.requests.append(Request(head, stream.read(length), number))
                response = self._responses.get()
                if not isinstance(response, bytes):
                    response(conn)
                    break
                conn.sendall(response)


def http_response(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    """Return the bytes of a complete response."""
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


def post(client: HttpClient, url: str, seconds: float = 5.0) -> HttpResponse | RequestFailed:
    """Send the request of these tests."""
    headers = {"Authorization": "Bearer t0k3n"}
    return client.post(url, headers, b'{"to": "91"}', Deadlines.within(seconds))


def read_request(conn: socket.socket) -> bytes:
    """Return the request of these tests; empty if the client closes the connection."""
    request = b""
    while not request.endswith(b'"91"}') and (more := conn.recv(4096)):
        request += more
    return request


@contextmanager
def serve_connections(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """Serve every connection to a local port with this function; yields the port."""

    def run(conn: socket.socket) -> None:
        with suppress(OSError), conn:
            serve(conn)

    def accept() -> None:
        with suppress(OSError):
            while True:
                conn, _ = listener.accept()
                threading.Thread(target=run, args=(conn,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)


@contextmanager
def serve_tls(
    context: ssl.SSLContext, response: bytes, accepted: list[int] | None = None
) -> Iterator[str]:
    """Send this response to each request over TLS; yields the address.

    Args:
        context: of the server.
        response: to every request.
        accepted: gets a member for each connection.
    """

    def serve(conn: socket.socket) -> None:
        if accepted is not None:
            accepted.append(1)
        with context.wrap_socket(conn, server_side=True) as secure:
            while read_request(secure):
                secure.sendall(response)

    with serve_connections(serve) as port:
        yield f"https://localhost:{port}/"


def server_context(certificate: object) -> ssl.SSLContext:
    """Return a server's context with this certificate and its key."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(str(certificate))
    return context


def send_in_parts(*parts: bytes, interval_s: float = 0.0) -> ScriptedResponse:
    """Send the parts with a pause after each, then close the connection."""

    def respond(conn: socket.socket) -> None:
        for part in parts:
            conn.sendall(part)
            time.sleep(interval_s)

    return respond


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
