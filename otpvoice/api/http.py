"""The API's requests and responses: caller, strict JSON, and what the log says about a request.

A client sends its API key and can access all of its verifications. An app sends the client token of
one verification: it can read, check, call and cancel that one. The app sees the number masked and
does not see which limit refused a request. Both are Bearer credentials (RFC 6750, section 2.1).
"""

import json
import os
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from io import BytesIO
from typing import Any, Final, NoReturn, TypeVar
from urllib.parse import quote
from wsgiref.types import WSGIEnvironment

import msgspec
from werkzeug.wrappers import Request
from werkzeug.wsgi import get_content_length

from otpvoice.api.errors import Forbidden, Unauthorized, UnreadableBody, UnsupportedMediaType
from otpvoice.api.member_errors import type_errors
from otpvoice.api.streamed_body import MAX_BODY_BYTES, read_stream
from otpvoice.core.errors import InvalidRequest, NotFound, TokenInvalid
from otpvoice.core.keys import ClientTokens, KeyHashes
from otpvoice.core.requests import RequestBody
from otpvoice.logs.context import bind_fields
from otpvoice.logs.redaction import is_kept_whole

IDEMPOTENCY_KEY: Final = re.compile(r"[!-~]{1,255}")
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)
_SCHEME_AND_AUTHORITY: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")
"""The start of a request target in absolute form (RFC 9112, section 3.2.2)."""

JSON: Final = "application/json"

_Body = TypeVar("_Body", bound=RequestBody)


class Principal(msgspec.Struct, frozen=True):
    """The authenticated caller: a client, or the app of one verification."""

    client: str
    verification_id: str | None = None
    """The only verification that an app can access; None for a client."""

    @property
    def is_app(self) -> bool:
        """Return whether the caller sent a client token instead of an API key."""
        return self.verification_id is not None


class ApiRequest:
    """A request with the API's authentication, body rules and log data.

    It reads the WSGI environment itself, because most requests need only a few of its variables.
    :attr:`wsgi` interprets the rest.
    """

    __slots__ = (
        "__dict__",
        "_body",
        "environ",
        "id",
        "limit",
        "log_details",
        "log_event",
        "method",
        "outcome",
        "path",
        "principal",
        "started",
    )

    def __init__(self, environ: WSGIEnvironment) -> None:
        self.started = time.perf_counter()
        self.environ = environ
        self.method: str = environ["REQUEST_METHOD"]
        self.path: str = environ["PATH_INFO"]
        sent = self.header("Request-Id") or self.header("X-Request-Id")
        is_usable = _REQUEST_ID.fullmatch(sent) and is_kept_whole(sent)
        self.id = sent if is_usable else os.urandom(16).hex()
        """The header Request-Id or X-Request-Id if it is well-formed and the log keeps it whole,
        so that it can be found there; otherwise a random id."""
        self.principal: Principal | None = None
        """None until the credential has been verified."""
        self.log_event = "http"
        self.log_details: Mapping[str, Any] = {}
        self.outcome = ""
        """The result as one word, for metrics."""
        self.limit = ""
        """The setting that refused the request, for metrics."""
        self._body: bytes | None = None

    def record(
        self, event: str = "", *, outcome: str = "", limit: str = "", **details: Any
    ) -> None:
        """Record the result for the log line and the metric; an empty event changes no log line."""
        if event:
            self.log_event, self.log_details = event, details
        self.outcome, self.limit = outcome, limit

    @cached_property
    def wsgi(self) -> Request:
        """The request as werkzeug interprets it."""
        return Request(self.environ)

    @property
    def is_spelled_plainly(self) -> bool:
        """Return whether the request target is the path: no query, no escapes, no authority."""
        target = self.environ.get("RAW_URI", self.path)
        return bool(target == self.path) and self.path.isascii()

    @property
    def target(self) -> str:
        """The path and the query string, escaped as they were sent."""
        sent: str | None = self.environ.get("RAW_URI")
        if sent is None:  # under a server that does not keep it
            query = self.environ.get("QUERY_STRING", "")
            return quote(self.path.encode("latin-1")) + (f"?{query}" if query else "")
        return _SCHEME_AND_AUTHORITY.sub("", sent)

    def has_header(self, name: str) -> bool:
        """Return whether a header field was sent."""
        return _environ_name(name) in self.environ

    def header(self, name: str) -> str:
        """Return a header field, empty if it was not sent."""
        value: str = self.environ.get(_environ_name(name), "")
        return value

    @property
    def body(self) -> bytes:
        """The whole body.

        Raises:
            RequestEntityTooLarge: it is longer than 16 KiB.
            UnreadableBody: it is shorter than declared, or its chunks are malformed.
        """
        # Not a cached_property: before Python 3.12 its lock is that of all requests.
        if self._body is None:
            self._body = self._read_body()
        return self._body

    def _read_body(self) -> bytes:
        length, stream = get_content_length(self.environ), self.environ["wsgi.input"]
        if length is not None and length <= MAX_BODY_BYTES and isinstance(stream, BytesIO):
            raw = stream.read(length)  # of a plain request, which has arrived as a whole
        else:
            raw = read_stream(self.environ)
        if len(raw) < (length or 0):
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
        raw = self.body
        if not raw:
            return parse_members({}, body_type)
        if (self.header("Content-Encoding") or "identity").lower() != "identity":
            raise UnsupportedMediaType("Send the body without Content-Encoding.")
        if self.header("Content-Type") != JSON and self.wsgi.mimetype != JSON:
            raise UnsupportedMediaType("Send the body as Content-Type: application/json.")
        return parse_members(parse_object(raw), body_type)


@cache
def _environ_name(name: str) -> str:
    key = name.upper().replace("-", "_")
    return key if key == "CONTENT_TYPE" else f"HTTP_{key}"


# JSON bodies --------------------------------------------------------------------------------------


def parse_object(raw: bytes) -> dict[str, Any]:
    """Parse a JSON object (RFC 8259) whose members are unique (RFC 7493).

    Raises:
        UnreadableBody: it is something else.
    """
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


def parse_members(members: dict[str, Any], body_type: type[_Body]) -> _Body:
    """Return the members as a body of this type.

    Raises:
        InvalidRequest: a member is unknown, missing or invalid.
    """
    try:
        body = msgspec.convert(members, body_type)
        errors = body.field_errors()
    except msgspec.ValidationError:
        errors = type_errors(members, body_type)
    if errors:
        detail = "; ".join(f"{each.pointer} {each.detail}" for each in errors) + "."
        raise InvalidRequest(detail, errors)
    return body


# Credentials --------------------------------------------------------------------------------------


class Authenticator:
    """Verifies the credential of a request: an API key of ``key_hashes``, or a client token."""

    def __init__(self, key_hashes: Mapping[str, Sequence[str]], tokens: ClientTokens) -> None:
        self._key_hashes = KeyHashes(key_hashes)
        self._clients = frozenset(key_hashes)
        self.tokens = tokens

    def authenticate(self, request: ApiRequest, verification_id: str | None = None) -> Principal:
        """Authenticate a client, or the app of ``verification_id``; None admits no app.

        Raises:
            Unauthorized, TokenRefused: the credential is missing or invalid.
            Forbidden: the credential is an app's, and no app is admitted.
            NotFound: the client token is for another verification.
        """
        scheme, _, credential = request.header("Authorization").partition(" ")
        credential = credential.strip()
        if scheme.lower() != "bearer" or not credential:
            raise Unauthorized("Send your API key as Authorization: Bearer <API key>.")
        if credential.startswith(ClientTokens.PREFIX):
            principal = self._authenticate_app(credential)
        elif client := self._key_hashes.holder_of(credential):
            principal = Principal(client)
        else:
            raise Unauthorized("This API key is not known. Check the key, or create a new one.")
        bind_fields(client=principal.client)
        request.principal = principal
        if principal.is_app and verification_id is None:
            raise Forbidden("Apps cannot call this endpoint: it requires the client's API key.")
        if principal.is_app and principal.verification_id != verification_id:
            raise NotFound
        return principal

    def _authenticate_app(self, credential: str) -> Principal:
        # This uses the local clock, unlike the store's checks: an expired token costs no round
        # trip, and tokens outlive their code by more than clocks differ.
        client, verification_id = self.tokens.verify(credential, time.time())
        if client not in self._clients:
            raise TokenInvalid("The client of this token no longer exists.")
        bind_fields(app=True)
        return Principal(client, verification_id)


# Responses ----------------------------------------------------------------------------------------


@dataclass(slots=True)
class ApiResponse:
    """A response of a view."""

    body: bytes = b""
    status: int = 200
    content_type: str = ""
    headers: dict[str, str] = field(default_factory=dict)


def json_response(body: Any, status: int = 200, content_type: str = JSON) -> ApiResponse:
    """Return a response with ``body`` encoded as JSON."""
    return ApiResponse(msgspec.json.encode(body), status, content_type)
