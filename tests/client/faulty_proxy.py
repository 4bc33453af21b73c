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

from support.raw_http import RawConnection


@dataclass(frozen=True)
class ProxiedRequest:
    """One request that has come in, and the connection that waits for the reply."""

    request: bytes
    api_port: int
    closed: threading.Event
    """Set when nobody waits any more."""
    _connection: socket.socket

    def forward(self) -> bytes:
        """The API's reply; the request has taken effect."""
        with RawConnection(self.api_port) as line:
            line.send(self.request.replace(b"Connection: keep-alive", b"Connection: close", 1))
            return line.read_all()

    def reply(self, reply: bytes) -> None:
        """Hands these bytes to the client."""
        self._connection.sendall(reply)

    @property
    def request_line(self) -> str:
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


Fault = Callable[[ProxiedRequest], None]
"""What becomes of a request; when it returns, the connection is closed."""


def pass_through(proxied: ProxiedRequest) -> None:
    """Nothing bad."""
    proxied.reply(proxied.forward())


def drop_request(_: ProxiedRequest) -> None:
    """The request is lost."""


def drop_reply(proxied: ProxiedRequest) -> None:
    """The reply is lost."""
    proxied.forward()


def cut_reply(proxied: ProxiedRequest) -> None:
    """Half of the reply is lost."""
    reply = proxied.forward()
    proxied.reply(reply[: len(reply) // 2])


def never_reply(proxied: ProxiedRequest) -> None:
    """The request is lost, and nothing is said, for as long as anybody listens."""
    proxied.closed.wait(20)


def trickle_reply(proxied: ProxiedRequest) -> None:
    """The reply comes, a byte every twentieth of a second."""
    reply = proxied.forward()
    for at in range(len(reply)):
        proxied.reply(reply[at : at + 1])
        if proxied.closed.wait(0.05):
            return


def reply_with(
    status: int, document: Any, content_type: str = "application/json", **more: str
) -> Fault:
    """The request is lost, and somebody answers this; headers as in ``retry_after="1"``."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    headers = {"content_type": content_type, "content_length": str(len(body)), **more}
    told = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    head = "\r\n".join([f"HTTP/1.1 {status} so", *told, "", ""]).encode()
    return lambda proxied: proxied.reply(head + body)


def reply_problem(status: int, code: str, **evidence: Any) -> Fault:
    """The request is lost, and the answer is a problem document."""
    document = {"status": status, "code": code, "title": "No", "detail": "No.", **evidence}
    wait = evidence.get("retry_after")
    headers = {} if wait is None else {"retry_after": str(wait)}
    return reply_with(status, document, "application/problem+json", request_id="r-1", **headers)


def forward_then(fate: Fault) -> Fault:
    """``fate``, after the API has done what was asked."""

    def both(proxied: ProxiedRequest) -> None:
        proxied.forward()
        fate(proxied)

    return both


forward_and_hang = forward_then(never_reply)


@dataclass
class FaultyProxy:
    """Where the client believes the API to be."""

    url: str
    requests: list[ProxiedRequest] = field(default_factory=list)
    """What came, in this order."""


@contextmanager
def running_proxy(
    api_port: int, *fates: Fault, tls: ssl.SSLContext | None = None
) -> Iterator[FaultyProxy]:
    """Each request in turn meets its fate; what comes after the last one passes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        origin = "https://localhost" if tls else "http://127.0.0.1"
        front = FaultyProxy(f"{origin}:{listener.getsockname()[1]}")
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
                proxied = ProxiedRequest(_read_request(connection), api_port, is_over, connection)
                front.requests.append(proxied)
                nth = len(front.requests) - 1
                (fates[nth] if nth < len(fates) else pass_through)(proxied)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield front
        finally:
            is_over.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _read_request(connection: socket.socket) -> bytes:
    raw = b""
    while b"\r\n\r\n" not in raw:
        raw += _receive(connection)
    head, _, body = raw.partition(b"\r\n\r\n")
    length = int(BytesHeaderParser().parsebytes(head.partition(b"\r\n")[2])["Content-Length"] or 0)
    while len(body) < length:
        body += _receive(connection)
    return head + b"\r\n\r\n" + body


def _receive(connection: socket.socket) -> bytes:
    some = connection.recv(65_536)
    if not some:
        raise ConnectionError
    return some
