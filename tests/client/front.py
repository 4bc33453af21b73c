"""A network that misbehaves, between a client and the API."""

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from email.message import Message
from email.parser import BytesHeaderParser
from typing import Any

from api.wire import Line


@dataclass(frozen=True)
class Exchange:
    """One request that has come in, and the connection that waits for the reply."""

    request: bytes
    api_port: int
    is_over: threading.Event
    """Set when nobody waits any more."""
    _connection: socket.socket

    def forwards(self) -> bytes:
        """The API's reply; the request has taken effect."""
        with Line(self.api_port) as line:
            line.says(self.request.replace(b"Connection: keep-alive", b"Connection: close", 1))
            return line.hears_all()

    def replies(self, reply: bytes) -> None:
        """Hands these bytes to the client."""
        self._connection.sendall(reply)

    @property
    def line(self) -> str:
        """The request line."""
        return self.request.partition(b"\r\n")[0].decode()

    @property
    def headers(self) -> Message:
        """The headers."""
        return BytesHeaderParser().parsebytes(self.request.partition(b"\r\n")[2])

    @property
    def body(self) -> Any:
        """The JSON."""
        return json.loads(self.request.partition(b"\r\n\r\n")[2])


Fate = Callable[[Exchange], None]
"""What becomes of a request; when it returns, the connection is closed."""


def passes(exchange: Exchange) -> None:
    """Nothing bad."""
    exchange.replies(exchange.forwards())


def swallows(_: Exchange) -> None:
    """The request is lost."""


def loses(exchange: Exchange) -> None:
    """The reply is lost."""
    exchange.forwards()


def halves(exchange: Exchange) -> None:
    """Half of the reply is lost."""
    reply = exchange.forwards()
    exchange.replies(reply[: len(reply) // 2])


def waits(exchange: Exchange) -> None:
    """The request is lost, and nothing is said, for as long as anybody listens."""
    exchange.is_over.wait(20)


def trickles(exchange: Exchange) -> None:
    """The reply comes, a byte every twentieth of a second."""
    reply = exchange.forwards()
    for at in range(len(reply)):
        exchange.replies(reply[at : at + 1])
        if exchange.is_over.wait(0.05):
            return


def says(status: int, document: Any, content_type: str = "application/json", **more: str) -> Fate:
    """The request is lost, and somebody answers this; headers as in ``retry_after="1"``."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    headers = {"content_type": content_type, "content_length": str(len(body)), **more}
    told = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    head = "\r\n".join([f"HTTP/1.1 {status} so", *told, "", ""]).encode()
    return lambda exchange: exchange.replies(head + body)


def refuses(status: int, code: str, **evidence: Any) -> Fate:
    """The request is lost, and the answer is a problem document."""
    document = {"status": status, "code": code, "title": "No", "detail": "No.", **evidence}
    wait = evidence.get("retry_after")
    headers = {} if wait is None else {"retry_after": str(wait)}
    return says(status, document, "application/problem+json", request_id="r-1", **headers)


def takes_effect_and(fate: Fate) -> Fate:
    """``fate``, after the API has done what was asked."""

    def both(exchange: Exchange) -> None:
        exchange.forwards()
        fate(exchange)

    return both


hangs = takes_effect_and(waits)


@dataclass
class Front:
    """Where the client believes the API to be."""

    url: str
    heard: list[Exchange] = field(default_factory=list)
    """What came, in this order."""


@contextmanager
def fronting(api_port: int, *fates: Fate, tls: ssl.SSLContext | None = None) -> Iterator[Front]:
    """Each request in turn meets its fate; what comes after the last one passes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        origin = "https://localhost" if tls else "http://127.0.0.1"
        front = Front(f"{origin}:{listener.getsockname()[1]}")
        is_over = threading.Event()

        def serve() -> None:
            with suppress(OSError):  # the listener is closed
                while True:
                    connection, _ = listener.accept()
                    threading.Thread(target=meet, args=[connection]).start()

        def meet(connection: socket.socket) -> None:
            with ExitStack() as stack, suppress(OSError):  # the client has gone
                connection.settimeout(10)
                stack.enter_context(connection)
                if tls:
                    connection = stack.enter_context(tls.wrap_socket(connection, server_side=True))
                exchange = Exchange(_request(connection), api_port, is_over, connection)
                front.heard.append(exchange)
                nth = len(front.heard) - 1
                (fates[nth] if nth < len(fates) else passes)(exchange)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield front
        finally:
            is_over.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _request(connection: socket.socket) -> bytes:
    raw = b""
    while b"\r\n\r\n" not in raw:
        raw += _some(connection)
    head, _, body = raw.partition(b"\r\n\r\n")
    length = int(BytesHeaderParser().parsebytes(head.partition(b"\r\n")[2])["Content-Length"] or 0)
    while len(body) < length:
        body += _some(connection)
    return head + b"\r\n\r\n" + body


def _some(connection: socket.socket) -> bytes:
    some = connection.recv(65_536)
    if not some:
        raise ConnectionError
    return some
