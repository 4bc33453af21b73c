"""The API's request class: caller, strict JSON body, and what the response reports about it."""

import json
import re
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn, TypeVar, cast

import msgspec
from flask import Request, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.utils import cached_property

from otpvoice.api.errors import UnreadableBody, UnsupportedMediaType
from otpvoice.api.validation import type_errors, unknown_members
from otpvoice.core.errors import FieldError, InvalidRequest
from otpvoice.core.phone import mask_number
from otpvoice.core.requests import RequestBody

MAX_BODY_BYTES: Final = 16 * 1024
IDEMPOTENCY_KEY: Final = re.compile(r"[!-~]{1,255}")
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)
_SCHEME_AND_AUTHORITY: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")
"""The start of a request target in absolute form (RFC 9112, section 3.2.2)."""

_Body = TypeVar("_Body", bound=RequestBody)


@dataclass(frozen=True, slots=True)
class Principal:
    """The authenticated caller: a client, or the app of one verification."""

    client: str
    verification_id: str | None = None
    """The only verification that an app can access; None for a client."""

    @property
    def is_app(self) -> bool:
        """Return whether the caller sent a client token instead of an API key."""
        return self.verification_id is not None

    def visible_number(self, number: str) -> str:
        """Return ``number`` as the caller may see it: masked for an app."""
        return number if self.verification_id is None else mask_number(number)


class ApiRequest(Request):
    """A Flask request with the API's authentication, body rules and log data."""

    principal: Principal | None = None
    """None until the credential has been verified."""
    log_event: str = "http"
    log_details: Mapping[str, Any] = {}
    outcome: str = ""
    """The result as one word, for metrics."""
    limit: str = ""
    """The setting that refused the request, for metrics."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.started = time.perf_counter()

    def record(
        self, event: str = "", *, outcome: str = "", limit: str = "", **details: Any
    ) -> None:
        """Record the result of this request for its log line and its metric.

        Args:
            event: log event; empty keeps the current one, ``http`` by default.
            outcome: the metric's label.
            limit: the setting that refused the request.
            details: further fields of the log line.
        """
        if event:
            self.log_event, self.log_details = event, details
        self.outcome, self.limit = outcome, limit

    @cached_property
    def id(self) -> str:
        """Return the Request-Id header if it is well-formed, otherwise a random id."""
        sent = self.headers.get("Request-Id", "")
        return sent if _REQUEST_ID.fullmatch(sent) else secrets.token_hex(16)

    @property
    def has_canonical_path(self) -> bool:
        """Return whether the path is spelled exactly as its route.

        ``//metrics`` and ``/%6detrics`` also match ``/metrics``, so they could bypass a proxy that
        blocks that path. Escapes are allowed in parameters only.
        """
        route = self.url_rule.rule if self.url_rule else ""
        before, _, parameter = route.partition("<")
        after = parameter.partition(">")[2]
        target = self.environ.get("RAW_URI", route)
        path = _SCHEME_AND_AUTHORITY.sub("", target).partition("?")[0].partition("#")[0] or "/"
        return (path.startswith(before) and path.endswith(after)) if parameter else path == route

    def read_bytes(self) -> bytes:
        """Read the whole body.

        Raises:
            RequestEntityTooLarge: it is longer than 16 KiB.
            UnreadableBody: it is shorter than declared, or its chunks are malformed.
        """
        # Werkzeug stops at the limit without an error, so one more byte reveals a longer body.
        self.max_content_length = MAX_BODY_BYTES + 1
        try:
            raw = self.get_data()
        except HTTPException:
            raise
        except Exception as error:  # each server raises its own error for malformed chunks
            raise UnreadableBody("The body's chunks cannot be decoded.") from error
        if len(raw) > MAX_BODY_BYTES:
            raise RequestEntityTooLarge
        if len(raw) < (self.content_length or 0):
            raise UnreadableBody("The body is shorter than its Content-Length.")
        return raw

    def parse_body(self, body_type: type[_Body]) -> _Body:
        """Parse the body as strict JSON (RFC 8259 and 7493); an empty body is an empty object.

        Raises:
            RequestEntityTooLarge: it is longer than 16 KiB.
            UnsupportedMediaType: it is not plain JSON.
            UnreadableBody: it is not one JSON object in UTF-8 with unique members.
            InvalidRequest: a member is unknown, missing or invalid.
        """
        raw = self.read_bytes()
        if not raw:
            return _convert({}, body_type)
        if (self.content_encoding or "identity").lower() != "identity":
            raise UnsupportedMediaType("Send the body without Content-Encoding.")
        if self.mimetype != "application/json":
            raise UnsupportedMediaType("Send the body as Content-Type: application/json.")
        return _convert(_parse_object(raw), body_type)


def current_request() -> ApiRequest:
    """Return the current request object itself.

    Flask's ``request`` is a proxy that looks the object up on each attribute access, which is slow.
    """
    return cast("ApiRequest", request._get_current_object())  # type: ignore[attr-defined] # noqa: SLF001 - werkzeug's documented way


def _parse_object(raw: bytes) -> dict[str, Any]:
    try:
        value = _JSON_DECODER.decode(raw.decode("utf-8"))
    except UnicodeError as error:
        raise UnreadableBody("The body is not UTF-8.") from error
    except RecursionError as error:
        raise UnreadableBody("The body is nested too deeply.") from error
    except json.JSONDecodeError as error:
        raise UnreadableBody(
            f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}."
        ) from error
    except ValueError as error:  # a number with thousands of digits
        raise UnreadableBody("The body contains a number that is too large.") from error
    if not isinstance(value, dict):
        raise UnreadableBody("The body must be a JSON object.")
    return value


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise UnreadableBody("The body contains the same member twice.")
    for name, value in pairs:
        name.encode()  # raises UnicodeError for a lone surrogate, which JSON permits
        if isinstance(value, str):
            value.encode()
    return members


def _reject_constant(word: str) -> NoReturn:
    raise UnreadableBody(f"The body is not JSON: {word} is not a JSON value.")


_JSON_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_unique_members, parse_constant=_reject_constant
)


def _convert(members: dict[str, Any], body_type: type[_Body]) -> _Body:
    try:
        body = msgspec.convert(members, body_type)
    except msgspec.ValidationError as error:
        found = unknown_members(members, body_type) or [*type_errors(members, body_type)]
        raise _invalid(found) from error
    if found := body.field_errors():
        raise _invalid(found)
    return body


def _invalid(found: Sequence[FieldError]) -> InvalidRequest:
    return InvalidRequest("; ".join(f"{e.pointer} {e.detail}" for e in found) + ".", found)
