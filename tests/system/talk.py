"""All that a caller may say to the API in bytes, and a book of all that it answers."""

import html
import json
from typing import Any

from api.wire import Line, Reply, head
from world import LOGIN_KEY


class Talk:
    """Requests to one port of this machine, each on a connection of its own."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.answers: list[tuple[str, bytes]] = []
        """What was asked, and head and body of the answer, without what it repeats by contract."""

    def is_heard(self) -> bool:
        """Whether anybody listens."""
        try:
            with Line(self._port):
                return True
        except OSError:
            return False

    def says(self, request: bytes, echoes: str = "") -> Reply:
        """One request. ``echoes``: what its answer repeats of it, to the very one who sent it."""
        with Line(self._port) as line:
            line.says(request)
            reply = line.hears(request.partition(b" ")[0].decode())
        said = json.dumps(reply.headers).encode() + reply.body
        for echo in filter(None, (html.escape(echoes), echoes)):
            said = said.replace(echo.encode(), b"")
        self.answers.append((request[:60].decode(), said))
        return reply

    def asks(
        self,
        method: str,
        target: str,
        body: Any = None,
        *headers: str,
        key: str = LOGIN_KEY,
        echoes: str = "",
    ) -> Reply:
        """One request in good HTTP, with the key of a client or of somebody else."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode() if body else b""
        start = head(
            f"{method} {target} HTTP/1.1",
            f"Authorization: Bearer {key}",
            "Content-Type: application/json",
            f"Content-Length: {len(raw)}",
            *headers,
        )
        return self.says(start + raw, echoes)
