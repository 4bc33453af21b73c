"""A proxy between a client and the API that injects network faults."""

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
    """One received request, and the connection that waits for the reply."""

    request: bytes
    api_port: int
    closed: threading.Event
    """Set when the test no longer needs the proxy."""
    _connection: socket.socket

    def forward(self) -> bytes:
        """Forward the request to the API, and return the reply."""
        with RawConnection(self.api_port) as line:
            line.send(self.request.replace(b"Connection: keep-alive", b"Connection: close", 1))
            return line.read_all()

    def reply(self, reply: bytes) -> None:
        """Send these bytes to the client."""
        self._connection.sendall(reply)

    @property
    def request_line(self) -> str:
        return self.request.partition(b"\r\n")[0].decode()

    @property
    def headers(self) -> Message:
        return BytesHeaderParser().parsebytes(self.request.partition(b"\r\n")[2])

    @property
    def body(self) -> Any:
        return json.loads(self.request.partition(b"\r\n\r\n")[2])


Fault = Callable[[ProxiedRequest], None]
"""Handles a request; the connection is closed when it returns."""


def pass_through(proxied: ProxiedRequest) -> None:
    """Forward the request and the reply."""
    proxied.reply(proxied.forward())


def drop_request(_: ProxiedRequest) -> None:
    """Close the connection without forwarding the request."""


def drop_reply(proxied: ProxiedRequest) -> None:
    """Forward the request, and drop the reply."""
    proxied.forward()


def cut_reply(proxied: ProxiedRequest) -> None:
    """Forward the request, and send the first half of the reply."""
    reply = proxied.forward()
    proxied.reply(reply[: len(reply) // 2])


def never_reply(proxied: ProxiedRequest) -> None:
    """Drop the request and keep the connection open without a reply."""
    proxied.closed.wait(60)


def trickle_reply(proxied: ProxiedRequest) -> None:
    """Forward the request, and send the reply at 20 bytes a second."""
    reply = proxied.forward()
    for at in range(len(reply)):
        proxied.reply(reply[at : at + 1])
        if proxied.closed.wait(0.05):
            return


def reply_with(
    status: int, document: Any, content_type: str = "application/json", **more: str
) -> Fault:
    """Drop the request and send this reply; headers as in ``retry_after="1"``."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    headers = {"content_type": content_type, "content_length": str(len(body)), **more}
    headers["connection"] = "close"
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    head = "\r\n".join([f"HTTP/1.1 {status} so", *lines, "", ""]).encode()
    return lambda proxied: proxied.reply(head + body)


def reply_problem(status: int, code: str, **evidence: Any) -> Fault:
    """Drop the request and send a problem document."""
    document = {"status": status, "code": code, "title": "No", "detail": "No.", **evidence}
    wait = evidence.get("retry_after")
    headers = {} if wait is None else {"retry_after": str(wait)}
    return reply_with(status, document, "application/problem+json", request_id="r-1", **headers)


def forward_then(fault: Fault) -> Fault:
    """Forward the request, drop the reply, and apply ``fault``."""

    def both(proxied: ProxiedRequest) -> None:
        proxied.forward()
        fault(proxied)

    return both


forward_and_hang = forward_then(never_reply)


@dataclass
class FaultyProxy:
    """The address of a running proxy and the requests that it received."""

    url: str
    requests: list[ProxiedRequest] = field(default_factory=list)
    """In the order of their arrival."""


@contextmanager
def running_proxy(
    api_port: int, *faults: Fault, tls: ssl.SSLContext | None = None
) -> Iterator[FaultyProxy]:
    """Run a proxy that applies one fault to each request, and then forwards all further ones."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        origin = "https://localhost" if tls else "http://127.0.0.1"
        proxy = FaultyProxy(f"{origin}:{listener.getsockname()[1]}")
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
                proxy.requests.append(proxied)
                nth = len(proxy.requests) - 1
                (faults[nth] if nth < len(faults) else pass_through)(proxied)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield proxy
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
