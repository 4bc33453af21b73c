"""Responses to plain requests, written in one piece with the same bytes as gunicorn's."""

import re
import time
from collections.abc import Callable, Iterable
from email.utils import formatdate
from functools import lru_cache
from typing import Any, Final

from gunicorn.http.wsgi import SERVER

_NAME: Final = re.compile(r"[!#$%&'*+.^`|~0-9A-Za-z-]+")
_VALUE: Final = re.compile(r"[\t -~\x80-\xff]*")
_HOP_BY_HOP: Final = frozenset({"connection", "keep-alive", "transfer-encoding", "upgrade"})
"""The server's own; those of the application are dropped."""


class PlainResponse:
    """Collects what a WSGI application responds.

    Args:
        method: of the request. The response to HEAD has no body.
        keeps: the connection stays open after it.
    """

    def __init__(self, method: str, *, keeps: bool) -> None:
        self._has_body = method != "HEAD"
        self._connection = "keep-alive" if keeps else "close"
        self._status = ""
        self._headers: list[tuple[str, str]] = []
        self._body = b""

    def run(self, application: Callable[..., Iterable[bytes]], environ: dict[str, Any]) -> None:
        """Call the application and keep its response."""
        parts = application(environ, self._start)
        try:
            self._body = b"".join(parts)
        finally:
            if hasattr(parts, "close"):
                parts.close()

    def _start(self, status: str, headers: list[tuple[str, str]], *_: object) -> None:
        self._status, self._headers = status, headers

    def to_bytes(self) -> bytes:
        """Return the whole response.

        Raises:
            ValueError: the application set a header that cannot be sent.
        """
        status, body = self._status, self._body
        lines = [
            f"HTTP/1.1 {status}\r\n",
            f"Server: {SERVER}\r\nDate: {_http_date(int(time.time()))}\r\n",
            f"Connection: {self._connection}\r\n",
        ]
        is_bodiless = status.startswith(("204", "304", "1"))
        declares_length = False
        for name, value in self._headers:
            line = _header_line(name, value)
            if line[:15].lower() == "content-length:":
                declares_length = True
                if status.startswith(("204", "1")):
                    continue
            lines.append(line)
        if not (declares_length or is_bodiless):
            lines.append(f"Content-Length: {len(body)}\r\n")
        lines.append("\r\n")
        head = "".join(lines).encode("latin-1")
        return head + body if self._has_body and not is_bodiless else head


@lru_cache(maxsize=512)
def _header_line(name: str, value: str) -> str:
    """Return a header line; empty for a field that only the server sets."""
    if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
        # The name only, because the value may hold personal data.
        raise ValueError(f"The header {name!r} cannot be sent")
    return "" if name.lower() in _HOP_BY_HOP else f"{name}: {value.strip()}\r\n"


@lru_cache(maxsize=1)
def _http_date(seconds: int) -> str:
    return formatdate(seconds, usegmt=True)
