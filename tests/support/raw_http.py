"""HTTP in bytes, over one connection of the test's own."""

import html
import json
import socket
from dataclasses import dataclass
from http.client import HTTPResponse
from typing import Any, Final, Self

from support.processes import TIMEOUT_S
from support.service import LOGIN_KEY

VERIFICATIONS: Final = "/v1/verifications"
JSON: Final = "application/json"
CREATE: Final = b'{"to":"+919876543210"}'


@dataclass(frozen=True)
class RawResponse:
    """One answer as it came over the wire."""

    status: int
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes

    @property
    def document(self) -> dict[str, Any]:
        """The body as JSON."""
        found: dict[str, Any] = json.loads(self.body)
        return found

    def is_problem(self, status: int, code: str) -> bool:
        """Whether it is this problem document, with the id of its request."""
        assert (self.status, self.headers["content-type"]) == (status, "application/problem+json")
        assert self.document["instance"] == f"urn:request:{self.headers['request-id']}"
        return (self.document["status"], self.document["code"]) == (status, code)


class RawConnection:
    """One connection."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, *parts: bytes) -> None:
        """Send the bytes."""
        self._socket.sendall(b"".join(parts))

    def shutdown_write(self) -> None:
        """Close the sending side of the connection."""
        self._socket.shutdown(socket.SHUT_WR)

    def read_response(self, method: str = "POST") -> RawResponse:
        """Read the next response."""
        response = HTTPResponse(self._socket, method=method)
        response.begin()
        body = response.read()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return RawResponse(response.status, headers, body)

    def peek(self) -> bytes:
        """Wait for the next byte and return it without reading it."""
        return self._socket.recv(1, socket.MSG_PEEK)

    def read_all(self) -> bytes:
        """Every byte until the other side closes."""
        heard = b""
        while more := self._socket.recv(65_536):
            heard += more
        return heard

    def is_closed(self) -> bool:
        """Whether the other side closes; waits for it."""
        try:
            return self._socket.recv(1) == b""
        except ConnectionError:
            return True


def post(
    *headers: str, path: str = VERIFICATIONS, key: str = LOGIN_KEY, content_type: str = JSON
) -> bytes:
    """Return the head of a POST with further headers."""
    return head(
        f"POST {path} HTTP/1.1",
        f"Authorization: Bearer {key}",
        f"Content-Type: {content_type}",
        *headers,
    )


def head(request_line: str, *headers: str) -> bytes:
    """Return a request line and its headers."""
    return "\r\n".join([request_line, "Host: otp.example.com", *headers, "", ""]).encode("latin-1")


def chunked(body: bytes, size: int) -> bytes:
    """``body`` in chunks (RFC 9112, section 7.1)."""
    chunks = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in [*chunks, b""])


class RecordingHttpClient:
    """Requests to one port of this machine, each on a connection of its own."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.responses: list[tuple[str, bytes]] = []
        """What was asked, and head and body of the answer, without what it repeats by contract."""

    def is_listening(self) -> bool:
        """Whether anybody listens."""
        try:
            with RawConnection(self._port):
                return True
        except OSError:
            return False

    def send_raw(self, request: bytes, echoes: str = "") -> RawResponse:
        """One request. ``echoes``: what its answer repeats of it, to the very one who sent it."""
        with RawConnection(self._port) as line:
            line.send(request)
            reply = line.read_response(request.partition(b" ")[0].decode())
        said = json.dumps(reply.headers).encode() + reply.body
        for echo in filter(None, (html.escape(echoes), echoes)):
            said = said.replace(echo.encode(), b"")
        self.responses.append((request[:60].decode(), said))
        return reply

    def request(
        self,
        method: str,
        target: str,
        body: Any = None,
        *headers: str,
        key: str = LOGIN_KEY,
        echoes: str = "",
    ) -> RawResponse:
        """Send one well-formed request with an API key."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode() if body else b""
        start = head(
            f"{method} {target} HTTP/1.1",
            f"Authorization: Bearer {key}",
            "Content-Type: application/json",
            f"Content-Length: {len(raw)}",
            *headers,
        )
        return self.send_raw(start + raw, echoes)
