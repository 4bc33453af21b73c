"""Reading a request's body: strict JSON (RFC 8259, I-JSON's rules of RFC 7493), then the types."""

import json
import re
from typing import Any, Final, NoReturn, TypeVar

import msgspec
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from otpvoice.api.errors import UnreadableBody, UnsupportedMediaType
from otpvoice.api.request import current_request
from otpvoice.api.validation import type_errors, unknown_members
from otpvoice.core.errors import FieldError, InvalidRequest
from otpvoice.core.requests import RequestBody

MAX_BODY_BYTES: Final = 16 * 1024
"""Bytes."""

_Body = TypeVar("_Body", bound=RequestBody)
IDEMPOTENCY_KEY: Final = re.compile(r"[!-~]{1,255}")


def read_bytes() -> bytes:
    """The request's body as it came.

    Raises:
        RequestEntityTooLarge: more than 16 KiB, told or found.
        UnreadableBody: it ends too early, or its chunks make no sense.
    """
    about = current_request()
    # At its bound werkzeug stops reading and says nothing: one byte more tells a longer body.
    about.max_content_length = MAX_BODY_BYTES + 1
    try:
        raw = about.get_data()
    except HTTPException:
        raise
    except Exception as error:  # each server has its own for broken chunks
        raise UnreadableBody("The body's chunks can not be read.") from error
    if len(raw) > MAX_BODY_BYTES:
        raise RequestEntityTooLarge
    if len(raw) < (about.content_length or 0):
        raise UnreadableBody("The body is shorter than its Content-Length.")
    return raw


def parse_body(body_type: type[_Body]) -> _Body:
    """The request's body as ``kind``; an empty one is an empty object.

    Raises:
        RequestEntityTooLarge: more than 16 KiB, told or found.
        UnsupportedMediaType: there is a body, and it is not plain JSON.
        UnreadableBody: not one JSON object in UTF-8 with each member once.
        InvalidRequest: a member is unknown, missing or wrong.
    """
    raw = read_bytes()
    if not raw:
        return _convert({}, body_type)
    about = current_request()
    if (about.content_encoding or "identity").lower() != "identity":
        raise UnsupportedMediaType("Send the body without Content-Encoding.")
    if about.mimetype != "application/json":
        raise UnsupportedMediaType("Send the body as Content-Type: application/json.")
    return _convert(parse_object(raw), body_type)


def parse_idempotency_key() -> str | None:
    """The request's Idempotency-Key; None without one.

    Raises:
        InvalidRequest: not 1 to 255 visible ASCII characters.
    """
    key = current_request().headers.get("Idempotency-Key")
    if key is None or IDEMPOTENCY_KEY.fullmatch(key):
        return key
    raise InvalidRequest("Idempotency-Key must be 1 to 255 visible ASCII characters.")


def parse_object(raw: bytes) -> dict[str, Any]:
    """One JSON object.

    Raises:
        UnreadableBody: it is none.
    """
    try:
        value = _JSON_DECODER.decode(raw.decode("utf-8"))
    except UnicodeError as error:
        raise UnreadableBody("The body is not UTF-8.") from error
    except RecursionError as error:
        raise UnreadableBody("The body is nested too deep.") from error
    except json.JSONDecodeError as error:
        raise UnreadableBody(
            f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}."
        ) from error
    except ValueError as error:  # a number of thousands of digits
        raise UnreadableBody("The body holds a number that is too large.") from error
    if not isinstance(value, dict):
        raise UnreadableBody("The body must be a JSON object.")
    return value


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise UnreadableBody("The body has the same member twice.")
    for name, value in pairs:
        name.encode()  # a lone surrogate is valid JSON and no text
        if isinstance(value, str):
            value.encode()
    return members


def _reject_constant(word: str) -> NoReturn:
    raise UnreadableBody(f"The body is not JSON: {word} is no JSON value.")


_JSON_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_unique_members, parse_constant=_reject_constant
)


def _convert(members: dict[str, Any], body_type: type[_Body]) -> _Body:
    if unknown := unknown_members(members, body_type):
        raise _invalid(unknown)
    try:
        body = msgspec.convert(members, body_type)
    except msgspec.ValidationError as error:
        raise _invalid([*type_errors(members, body_type)]) from error
    faults = body.field_errors()
    if faults:
        raise _invalid(faults)
    return body


def _invalid(faults: list[FieldError]) -> InvalidRequest:
    return InvalidRequest("; ".join(f"{f.pointer} {f.detail}" for f in faults) + ".", faults)
