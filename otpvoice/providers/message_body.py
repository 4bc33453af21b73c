"""Decode a message's body, and describe or quote it without revealing numbers or codes.

A body is recognised by its first characters as JSON, ``multipart/form-data`` or a form. The
Content-Type is ignored, because operators compose callbacks in a portal, and providers send JSON as
``text/plain`` or as a form.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from typing import Any, Final
from urllib.parse import parse_qsl

from werkzeug.exceptions import HTTPException
from werkzeug.formparser import FormDataParser

from otpvoice.http_client import HttpResponse, RequestFailed

_MAX_FORM_MEMBERS: Final = 100
_BOM: Final = b"\xef\xbb\xbf"
_BOUNDARY: Final = re.compile(rb"--([0-9A-Za-z'()+_,./:=?-]{1,70})[ \t]*\r?\n")
"""The first line of a multipart body (RFC 2046, section 5.1.1)."""
_STRING_OR_TRAILING_COMMA: Final = re.compile(
    r'("[^"\\]*(?:\\.[^"\\]*)*"?)|,(?=\s*[}\]])', re.DOTALL
)
_SAFE_MEMBERS: Final = frozenset(
    {
        *("status", "status1", "status2", "source", "service", "channel"),
        *("hangup_by", "hangup_cause", "start_at", "end_at", "created_at", "submitted_at", "date"),
        *("duration", "billing", "charges", "credits", "billsec"),
        *("CallStatus", "CallDuration", "SipResponseCode", "AnsweredBy", "Event", "Direction"),
        *("Duration", "BillDuration", "AnswerTime", "StartTime", "EndTime"),
        *("HangupCause", "HangupCauseName", "HangupSource"),
    }
)
"""Members whose values may be shown, if they match :data:`_SAFE_VALUE`."""
_SAFE_VALUE: Final = re.compile(
    r"""
      [A-Za-z][A-Za-z_ -]{0,29} [0-9]? [A-Za-z]?
    | [0-9]{1,3} (?: \.[0-9]{1,6} )?
    | [0-9]{1,2}:[0-9]{2}:[0-9]{2}
    | [0-9]{4}-[0-9]{2}-[0-9]{2} [T ] [0-9]{2}:[0-9]{2}:[0-9]{2} (?: \.[0-9]{1,9} )? Z?
    """,
    re.VERBOSE,
)
_SAFE_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z_\[\] -]{0,38}[0-9]?\]?")
_LONG_NUMBER: Final = re.compile(r"\d(?:[\W_]{0,4}\d){3,}")
"""Four or more digits, with at most a few characters between them, as a spelled code has."""
_MAX_STATUS_LENGTH: Final = 40
_MAX_DEPTH: Final = 4
_MAX_LINES: Final = 60
_MAX_LOGGED_LINES: Final = 20


def decode_body(body: bytes) -> Any:
    """Return the JSON value or the members of the form; ``{}`` for an empty body.

    Numbers become text. The last of repeated members counts. Files are ignored.

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
    return dict(parse_form(text))


def parse_form(body: bytes) -> list[tuple[str, str]]:
    """Return the names and values of a form, in its order; none for an empty body.

    Raises:
        ValueError: not UTF-8, or too many members.
    """
    if body.count(b"&") >= _MAX_FORM_MEMBERS:
        raise ValueError(f"a form of more than {_MAX_FORM_MEMBERS} members")
    return parse_qsl(body.decode(), keep_blank_values=True)


def decode_json(text: bytes) -> Any:
    """Return a JSON value, which may have trailing commas, with its numbers as text.

    Raises:
        ValueError: not JSON, not UTF-8, or nested too deeply.
    """
    decoded = text.decode("utf-8-sig")
    try:
        return _loads(decoded)
    except json.JSONDecodeError:
        return _loads(_STRING_OR_TRAILING_COMMA.sub(r"\1", decoded))


def decode_object(body: bytes) -> dict[str, Any]:
    """Return the members of a JSON object as :func:`decode_json`; ``{}`` for anything else."""
    try:
        value = decode_json(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def members_of(response: HttpResponse | RequestFailed) -> dict[str, Any]:
    """Return the members of a response with HTTP 200; ``{}`` for any other."""
    if isinstance(response, RequestFailed) or response.status != 200:
        return {}
    return decode_object(response.body)


def _decode_multipart(body: bytes, boundary: str) -> dict[str, str]:
    parser = FormDataParser(
        stream_factory=lambda *_, **__: BytesIO(),  # files are ignored, and none is written to disk
        max_form_memory_size=len(body),
        max_form_parts=_MAX_FORM_MEMBERS,
        silent=False,
    )
    try:
        _, form, _ = parser.parse(
            BytesIO(body), "multipart/form-data", len(body), {"boundary": boundary}
        )
    except (HTTPException, LookupError, ValueError):
        raise ValueError("its multipart/form-data is broken or has too many parts") from None
    return {name: values[-1] for name, values in form.lists() if isinstance(name, str)}


def _loads(text: str) -> Any:
    try:
        return json.loads(text, parse_int=str, parse_float=str)
    except RecursionError:
        raise ValueError("nested too deeply") from None


_Describe = Callable[[str, object], str]
"""Maps a member's path and value to the text that is shown for the value."""


def describe_values(body: bytes) -> list[str]:
    """Return one line for each member, such as ``data[0].mobile: text of 12 digits``.

    Values are shown only in members known to hold words, times or small numbers.
    """
    return _describe_body(body, _describe_value, _MAX_LINES)


def describe_types(body: bytes) -> list[str]:
    """Return one line for each member with the type of its value, at most 20, for the log."""
    return _describe_body(body, lambda _, value: type_name(value), _MAX_LOGGED_LINES)


def redact_text(text: str, secrets: Iterable[str]) -> str:
    """Remove the secrets, and every word with a digit: a code, a number or a token."""
    for secret in filter(None, secrets):
        text = re.sub(re.escape(secret), "…", text, flags=re.IGNORECASE)
    words = ("…" if any(map(str.isdigit, word)) else word for word in text.split())
    return "".join(filter(str.isprintable, " ".join(words)))


def redact_status(word: str) -> str | None:
    """Return a provider's word for a status as it may be stored and logged; None if it is empty."""
    printable = "".join(filter(str.isprintable, _LONG_NUMBER.sub("…", word)))
    return printable[:_MAX_STATUS_LENGTH] or None


def iterate_texts(value: Any) -> Iterator[str]:
    """Yield every text in a value; iterative, because the nesting may be deep."""
    rest = [value]
    while rest:
        each = rest.pop()
        if isinstance(each, str):
            yield each
        elif isinstance(each, dict | list):
            rest.extend(each.values() if isinstance(each, dict) else each)


def safe_name(name: str) -> str:
    """Return a member's name if it may be shown, otherwise its type."""
    return name if _SAFE_NAME.fullmatch(name) else f"[{type_name(name)}]"


def type_name(value: object) -> str:
    """Return the type and size of a value, such as ``text of 12 digits``."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = value if isinstance(value, str) else str(value)
    sign, digits = ("a + and ", text[1:]) if text.startswith("+") else ("", text)
    if digits.isascii() and digits.isdigit():
        size = f"{sign}{len(digits)} digits"
    else:
        size = f"{len(text)} characters" if text else "nothing"
    return f"{'text' if isinstance(value, str) else 'number'} of {size}"


def _describe_body(body: bytes, describe: _Describe, max_lines: int) -> list[str]:
    if not body:
        return ["no body"]
    try:
        value = _decode_with_types(body)
    except ValueError:
        return [f"neither JSON nor a form, {len(body)} bytes"]
    lines = [*_lines("", value, _MAX_DEPTH, describe)]
    return lines if len(lines) <= max_lines else [*lines[:max_lines], "and more"]


def _decode_with_types(body: bytes) -> Any:
    """Decode a body; strict JSON keeps its numbers as numbers."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return decode_body(body)


def _lines(path: str, value: Any, depth: int, describe: _Describe) -> Iterator[str]:
    if isinstance(value, dict) and value and depth:
        for name, member in value.items():
            shown = safe_name(name)
            yield from _lines(f"{path}.{shown}" if path else shown, member, depth - 1, describe)
    elif isinstance(value, list) and value and depth:
        yield from _lines(f"{path}[0]", value[0], depth - 1, describe)
        if len(value) > 1:
            yield f"{path}: {len(value)} members in total"
    elif isinstance(value, dict | list):
        container = "an object" if isinstance(value, dict) else "a list"
        yield f"{path or 'the body'}: {container} of {len(value)}"
    else:
        yield f"{path or 'the body'}: {describe(path, value)}"


def _describe_value(path: str, value: object) -> str:
    described = type_name(value)
    is_safe = path.rpartition(".")[2] in _SAFE_MEMBERS and _SAFE_VALUE.fullmatch(str(value))
    return f"{described.partition(' ')[0]} {value}" if is_safe and value is not None else described
