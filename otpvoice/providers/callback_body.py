"""Decode the body of a message by its look: JSON, ``multipart/form-data``, or a form.

The Content-Type is not consulted, because operators compose callbacks in a portal and vendors send
JSON as ``text/plain`` or as a form.
"""

import json
import re
from io import BytesIO
from typing import Any, Final
from urllib.parse import parse_qsl

from werkzeug.exceptions import HTTPException
from werkzeug.formparser import FormDataParser

_MAX_MEMBERS: Final = 100
"""Of a form."""
_BOM: Final = b"\xef\xbb\xbf"
_BOUNDARY: Final = re.compile(rb"--([0-9A-Za-z'()+_,./:=?-]{1,70})[ \t]*\r?\n")
"""The first line of a multipart body (RFC 2046, section 5.1.1)."""
_STRING_OR_TRAILING_COMMA: Final = re.compile(
    r'("[^"\\]*(?:\\.[^"\\]*)*"?)|,(?=\s*[}\]])', re.DOTALL
)


def decode_body(body: bytes) -> Any:
    """Return the JSON value, or the members of the form; ``{}`` for an empty body.

    Numbers come out as text, and of a repeated member the last counts. Files are ignored.

    Raises:
        ValueError: neither JSON nor a form, not UTF-8, too many members, or nested too deeply.
    """
    text = body.removeprefix(_BOM).lstrip()
    if not text:
        return {}
    if text[:1] in b"{[":
        return decode_json(text)
    if boundary := _BOUNDARY.match(text):
        return _decode_multipart(text, boundary[1].decode())
    if b"=" not in text:
        raise ValueError("neither JSON nor a form")
    if text.count(b"&") >= _MAX_MEMBERS:
        raise ValueError(f"a form of more than {_MAX_MEMBERS} members")
    return dict(parse_qsl(text.decode(), keep_blank_values=True))


def decode_json(text: bytes) -> Any:
    """Return a JSON value that may have trailing commas, with its numbers as text.

    Raises:
        ValueError: not JSON, not UTF-8, or nested too deeply.
    """
    decoded = text.decode("utf-8-sig")
    try:
        return _loads(decoded)
    except json.JSONDecodeError:
        return _loads(_STRING_OR_TRAILING_COMMA.sub(r"\1", decoded))


def decode_object(body: bytes) -> dict[str, Any]:
    """Return a JSON object as :func:`decode_json` reads it: 1 and "1" are one.

    Raises:
        ValueError: as there, or not an object.
    """
    value = decode_json(body)
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004 - to the caller one kind of bad text
    return value


def _decode_multipart(body: bytes, boundary: str) -> dict[str, str]:
    parser = FormDataParser(
        stream_factory=_discard_file,
        max_form_memory_size=len(body),
        max_form_parts=_MAX_MEMBERS,
        silent=False,
    )
    try:
        _, form, _ = parser.parse(
            BytesIO(body), "multipart/form-data", len(body), {"boundary": boundary}
        )
    except (HTTPException, LookupError, ValueError):
        raise ValueError("its multipart/form-data is broken or has too many parts") from None
    return {name: values[-1] for name, values in form.lists() if isinstance(name, str)}


def _discard_file(*_: object, **__: object) -> BytesIO:
    """Hold a file that nobody reads; nothing is written to disk."""
    return BytesIO()


def _loads(text: str) -> Any:
    try:
        return json.loads(text, parse_int=str, parse_float=str)
    except RecursionError:
        raise ValueError("nested too deeply") from None
