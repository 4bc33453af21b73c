"""Reads plain HTTP/1.1 requests from bytes that have arrived, without waiting for more.

A request is *plain* if every recipient reads it alike: one spelling of the request line and of each
header field, a body of declared length, no field that changes framing or protocol. Everything else
is ``UNUSUAL`` and left to gunicorn's own reader.
"""

import re
from collections.abc import Mapping
from enum import Enum
from functools import lru_cache
from io import BytesIO
from typing import Any, Final, NamedTuple
from urllib.parse import unquote_to_bytes

MAX_HEAD_BYTES: Final = 8190
"""Of request line and fields. Gunicorn judges longer ones by its limits for each line."""
MAX_TARGET_BYTES: Final = 4000
MAX_FIELDS: Final = 64
MAX_BODY_BYTES: Final = 64 * 1024

_HEAD: Final = re.compile(
    rb"(GET|POST|HEAD|OPTIONS) (/(?!/)[!-\"$-~]*+) HTTP/1\.1\r\n"
    rb"((?:[!#$%&'*+.^`|~0-9A-Za-z-]++:[\t -~]*+\r\n)*+)\r\n"
)
"""A fragment (``#``), ``//`` and ``_`` in a field's name are read in more than one way."""
_FIRST_LINE: Final = re.compile(rb"(?:GET|POST|HEAD|OPTIONS) /(?!/)[!-\"$-~]*+ HTTP/1\.1")
_PART_OF_FIRST_LINE: Final = re.compile(rb"[A-Z]*(?: [!-~]*(?: [!-~]*)?)?\r?")
_LENGTH: Final = re.compile(r"[0-9]{1,5}")

_UNUSUAL_FIELDS: Final = frozenset(
    {
        "HTTP_TRANSFER_ENCODING",
        "HTTP_EXPECT",
        "HTTP_UPGRADE",
        "HTTP_HTTP2_SETTINGS",
    }
)


class Reading(Enum):
    """Why there is no plain request."""

    INCOMPLETE = "more bytes must arrive"
    UNUSUAL = "gunicorn reads it"


class PlainRequest(NamedTuple):
    """A complete plain request."""

    method: str
    target: str
    fields: dict[str, str]
    """By their name in the WSGI environment."""
    body: bytes
    size: int
    """Bytes of head and body."""
    closes: bool
    """The client closes the connection after the response."""

    def environ(self, base: Mapping[str, Any]) -> dict[str, Any]:
        """Return the WSGI environment: ``base`` and the request's own variables."""
        path, _, query = self.target.partition("?")
        return {
            **base,
            **self.fields,
            "wsgi.input": BytesIO(self.body),
            "REQUEST_METHOD": self.method,
            "RAW_URI": self.target,
            "PATH_INFO": unquote_to_bytes(path).decode("latin-1") if "%" in path else path,
            "QUERY_STRING": query,
        }


def read_request(received: bytes) -> PlainRequest | Reading:
    """Read the request at the start of ``received``."""
    head = _HEAD.match(received)
    if head is None:
        return _judge_incomplete(received)
    fields = _read_fields(head[3])
    if fields is None or len(head[2]) > MAX_TARGET_BYTES:
        return Reading.UNUSUAL
    start = head.end()
    end = start + int(fields.get("CONTENT_LENGTH", "0"))
    if end - start > MAX_BODY_BYTES:
        return Reading.UNUSUAL
    if len(received) < end:
        return Reading.INCOMPLETE
    closes = fields.get("HTTP_CONNECTION", "").lower() == "close"
    method, target = head[1].decode(), head[2].decode()
    return PlainRequest(method, target, fields, received[start:end], end, closes)


def _read_fields(block: bytes) -> dict[str, str] | None:
    """Return the header fields; None if they are not those of a plain request."""
    lines = block.decode("ascii").split("\r\n")
    lines.pop()
    if len(block) > MAX_HEAD_BYTES or len(lines) > MAX_FIELDS:
        return None
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        fields[_environ_name(name)] = value.strip(" \t")
    is_plain = (
        len(fields) == len(lines)  # no field is repeated
        and _UNUSUAL_FIELDS.isdisjoint(fields)
        and fields.get("HTTP_CONNECTION", "close").lower() in {"keep-alive", "close"}
        and _LENGTH.fullmatch(fields.get("CONTENT_LENGTH", "0"))
    )
    return fields if is_plain else None


@lru_cache(maxsize=512)
def _environ_name(name: str) -> str:
    """Return the name of a header field in the WSGI environment."""
    upper = name.upper().replace("-", "_")
    return upper if upper in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{upper}"


def _judge_incomplete(received: bytes) -> Reading:
    """Decide whether a head without its end may still become plain."""
    if b"\r\n\r\n" in received or len(received) > MAX_HEAD_BYTES + MAX_TARGET_BYTES:
        return Reading.UNUSUAL
    line, end, _ = received.partition(b"\r\n")
    if end:
        return Reading.INCOMPLETE if _FIRST_LINE.fullmatch(line) else Reading.UNUSUAL
    if len(line) > MAX_TARGET_BYTES or not _PART_OF_FIRST_LINE.fullmatch(line):
        return Reading.UNUSUAL
    return Reading.INCOMPLETE
