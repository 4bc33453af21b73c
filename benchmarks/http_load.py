"""A client that costs less CPU than the server that it measures.

It keeps some connections, each with one request at a time.
"""

import selectors
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

_HEAD_END: Final = b"\r\n\r\n"
_SUCCESS, _STORE_UNAVAILABLE = b"HTTP/1.1 2", b"HTTP/1.1 503 "


@dataclass(frozen=True)
class Responses:
    """The responses to a number of requests."""

    seconds: float
    """From the first request to the last response."""
    bodies: Sequence[bytes]
    """In the order of the requests."""
    latencies: Sequence[float]
    """Seconds, in no order."""


def request(method: str, path: str, body: bytes = b"", key: str = "") -> bytes:
    """Return the bytes of one request on a keep-alive connection."""
    head = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    head += [f"Authorization: Bearer {key}"] if key else []
    head += ["Content-Type: application/json", f"Content-Length: {len(body)}"] if body else []
    return "\r\n".join([*head, "", ""]).encode() + body


def send_all(port: int, requests: Sequence[bytes], connections: int = 8) -> Responses:
    """Send all requests, ``connections`` at a time, and repeat those that get 503.

    Raises:
        RuntimeError: a response has another status than these and 2xx.
    """
    left = iter(enumerate(requests))
    with selectors.DefaultSelector() as selector:
        connected = [_Connection(port, left) for _ in range(min(connections, len(requests)))]
        began = time.perf_counter()
        for line in connected:
            selector.register(line.socket, selectors.EVENT_READ, line)
            line.send_next()
        busy = len(connected)
        while busy:
            for event, _ in selector.select():
                if not event.data.receive():
                    selector.unregister(event.fileobj)
                    busy -= 1
        seconds = time.perf_counter() - began
    bodies = {number: body for line in connected for number, body in line.bodies}
    for line in connected:
        line.socket.close()
    latencies = [each for line in connected for each in line.latencies]
    return Responses(seconds, [bodies[number] for number in range(len(requests))], latencies)


class _Connection:
    """One connection that sends the next request after each response."""

    def __init__(self, port: int, left: Iterator[tuple[int, bytes]]) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.bodies: list[tuple[int, bytes]] = []
        self.latencies: list[float] = []
        self._left = left
        self._number, self._request = -1, b""
        self._received = b""
        self._sent_at = 0.0

    def send_next(self) -> bool:
        """Send the next request; return False if none is left."""
        following = next(self._left, None)
        if following is None:
            return False
        self._number, self._request = following
        self._sent_at = time.perf_counter()
        self.socket.sendall(self._request)
        return True

    def receive(self) -> bool:
        """Read what has arrived; return False after the last response."""
        received = self.socket.recv(65536)
        if not received:
            raise RuntimeError("the server closed the connection")
        self._received += received
        head, _, body = self._received.partition(_HEAD_END)
        if len(body) < _length(head):
            return True
        response, self._received = self._received, b""
        if response.startswith(_STORE_UNAVAILABLE):  # other load delayed the store
            self.socket.sendall(self._request)
            return True
        if not response.startswith(_SUCCESS):
            raise RuntimeError(response.decode(errors="replace"))
        self.bodies.append((self._number, body))
        self.latencies.append(time.perf_counter() - self._sent_at)
        return self.send_next()


def _length(head: bytes) -> int:
    """Return the length of the body; 1 while the header has not arrived."""
    at = head.lower().find(b"content-length:")
    return int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 1
