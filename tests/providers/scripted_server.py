"""A server on a real socket that answers byte by byte as a test scripts it, and posts to it."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Queue

from otpvoice.http_client import Deadlines, HttpClient, HttpResponse, RequestFailed

ScriptedResponse = bytes | Callable[[socket.socket], None]
"""Bytes to send, after which the connection stays open; or what to do, after which it is closed."""


@dataclass(frozen=True)
class Request:
    """One request as it came."""

    head: str
    body: bytes
    connection: int
    """1 for the first connection, and so on."""


class ScriptedServer:
    """A server on a real socket: it records what comes and answers what a test scripts."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._responses: Queue[ScriptedResponse] = Queue()
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()
        self.requests: list[Request] = []
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://localhost:{self.port}/api/v2/voice/c2c"

    def respond(self, *answers: ScriptedResponse) -> None:
        """Answer the next requests so, in this order."""
        for answer in answers:
            self._responses.put(answer)

    def disconnect(self) -> None:
        """Close every connection; on return the other sides know it."""
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
                length = int(head.partition("Content-Length: ")[2].partition("\r")[0])
                self.requests.append(Request(head, stream.read(length), number))
                answer = self._responses.get()
                if not isinstance(answer, bytes):
                    answer(conn)
                    break
                conn.sendall(answer)


def http_response(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    """Write a whole reply."""
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


def deadlines_in(seconds: float) -> Deadlines:
    """Give deadlines, both so far from now."""
    moment = time.monotonic() + seconds
    return Deadlines(send_by=moment, finish_by=moment)


def post(client: HttpClient, url: str, seconds: float = 5.0) -> HttpResponse | RequestFailed:
    """Post the usual request."""
    return client.post(
        url, {"Authorization": "Bearer t0k3n"}, b'{"to": "91"}', deadlines_in(seconds)
    )


@contextmanager
def serve_connections(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """Serve every connection to a port of this machine with this function; gives the port."""

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


def read_request(conn: socket.socket) -> bytes:
    """Read one of the usual requests; empty when there is none."""
    request = b""
    while not request.endswith(b'"91"}') and (more := conn.recv(4096)):
        request += more
    return request


@contextmanager
def serve_tls(certificate: Path, answer: bytes, accepted: list[int]) -> Iterator[str]:
    """Answer each of the usual requests over TLS; gives the address.

    Args:
        certificate: of ``localhost``, with its key.
        answer: to every request.
        accepted: gets a member for each connection.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)

    def serve(conn: socket.socket) -> None:
        accepted.append(1)
        with context.wrap_socket(conn, server_side=True) as secure:
            while read_request(secure):
                secure.sendall(answer)

    with serve_connections(serve) as port:
        yield f"https://localhost:{port}/"
