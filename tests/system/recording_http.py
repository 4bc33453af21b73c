"""All that a caller may say to the API in bytes, and a book of all that it answers."""

import html
import json
from typing import Any

from support.raw_http import RawConnection, RawResponse, head
from support.service import LOGIN_KEY


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
