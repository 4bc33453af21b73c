"""Errors of the HTTP layer, and the table that maps every error to its problem document (RFC 9457).

docs/errors.md and the page ``/docs/errors`` present the same table.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import UNSET
from werkzeug.exceptions import (
    HTTPException,
    MethodNotAllowed,
    PreconditionFailed,
    RequestEntityTooLarge,
)
from werkzeug.exceptions import NotFound as NoSuchPath

from otpvoice.api import schemas
from otpvoice.core import errors
from otpvoice.core.errors import OtpvoiceError


class Unauthorized(OtpvoiceError):
    """The request has no credential, or an unknown one."""


class Forbidden(OtpvoiceError):
    """The caller is authenticated, but may not use this endpoint."""


class UnreadableBody(OtpvoiceError):
    """The body is not the JSON object that the endpoint requires."""


class UnsupportedMediaType(OtpvoiceError):
    """The body has a type or an encoding that the API does not accept."""


class InvalidWebhookSecret(OtpvoiceError):
    """A callback has no secret, or an unknown one."""


@dataclass(frozen=True, slots=True)
class ProblemType:
    """Status, code and title that all problem documents of one error share."""

    status: int
    code: str
    title: str


_INVALID: Final = "The request is not valid"
_NOT_FOUND: Final = "Not found"

_PROBLEMS: Final = (
    (UnreadableBody, 400, "invalid_request", "The body is not a JSON object"),
    (Unauthorized, 401, "unauthorized", "A valid API key is required"),
    (errors.TokenInvalid, 401, "unauthorized", "A valid client token is required"),
    (errors.TokenExpired, 401, "token_expired", "The client token has expired"),
    (InvalidWebhookSecret, 401, "unauthorized", "A valid webhook secret is required"),
    (Forbidden, 403, "forbidden", "This endpoint requires an API key"),
    (errors.NotFound, 404, "not_found", _NOT_FOUND),
    (NoSuchPath, 404, "not_found", _NOT_FOUND),
    (MethodNotAllowed, 405, "method_not_allowed", "This path does not accept the method"),
    (errors.VerificationClosed, 409, "verification_closed", "The verification has ended"),
    (errors.NoCallYet, 409, "no_call_yet", "No call has been sent yet"),
    (errors.TooLate, 409, "too_late", "It is too late for another call"),
    (PreconditionFailed, 412, "invalid_request", "The content is not the wanted one"),
    (RequestEntityTooLarge, 413, "body_too_large", "The body is too large"),
    (UnsupportedMediaType, 415, "unsupported_media_type", "The body must be plain JSON"),
    (errors.InvalidRequest, 422, "invalid_request", _INVALID),
    (
        errors.IdempotencyMismatch,
        422,
        "idempotency_mismatch",
        "The idempotency key belongs to another request",
    ),
    (errors.InvalidNumber, 422, "invalid_number", "This is not a phone number"),
    (errors.NumberNotAllowed, 422, "number_not_allowed", "Calls to it are not allowed"),
    (errors.RateLimited, 429, "rate_limited", "A limit is reached"),
    (errors.TooManyWrongCodes, 429, "too_many_wrong_codes", "Too many wrong codes for this number"),
    (errors.StoreUnavailable, 503, "store_unavailable", "The store is not available"),
    (errors.OverCapacity, 503, "over_capacity", "Too many calls are waiting"),
    (errors.CallsUnavailable, 503, "calls_unavailable", "Calls cannot be placed"),
)
PROBLEM_TYPES: Final[Mapping[type[Exception], ProblemType]] = {
    error: ProblemType(status, code, title) for error, status, code, title in _PROBLEMS
}
"""Every error that has a response of its own."""

BAD_REQUEST: Final = ProblemType(400, "invalid_request", _INVALID)
"""For an HTTP error without an entry in PROBLEM_TYPES."""
INTERNAL_ERROR: Final = ProblemType(500, "internal_error", "Internal error")
INTERNAL_ERROR_DETAIL: Final = (
    "An unexpected error occurred. The log has it under this request's id."
)


@dataclass(frozen=True, slots=True)
class ErrorHelp:
    """What a status and code mean, and what to do. Words of the API are in backquotes."""

    meaning: str
    resolution: str


ERROR_CATALOG: Final[Mapping[tuple[int, str], ErrorHelp]] = {
    (each.pop("status"), each.pop("code")): ErrorHelp(**each)
    for each in tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))["help"]
}
"""Help for every problem document, by status and code."""

NO_SUCH_PATH: Final = "This path does not exist."
SEE_ALL_PATHS: Final = "See /docs for all paths."
_UNREADABLE_REQUEST: Final = "The request is malformed. Check its path, headers and body."
_HTTP_DETAILS: Final[Mapping[type[HTTPException], str]] = {
    NoSuchPath: f"{NO_SUCH_PATH} {SEE_ALL_PATHS}",
    MethodNotAllowed: "This path does not accept the method. Use one that Allow lists.",
    PreconditionFailed: "The content does not match If-Match. Send the request without it.",
    RequestEntityTooLarge: "The body is larger than 16 KiB, the maximum. Send a smaller one.",
}


def problem_for(
    error: OtpvoiceError,
    request_id: str,
    public_url: str,
    verification: schemas.Verification | None = None,
) -> schemas.ProblemDocument:
    """Return the problem document of an error in ``PROBLEM_TYPES``, with all its evidence."""
    evidence: dict[str, Any] = {}
    if isinstance(error, errors.RequestRefused) and error.field_errors:
        evidence["errors"] = [*error.field_errors]
    if isinstance(error, errors.RateLimited):
        evidence["limit"] = error.limit
    if isinstance(error, errors.RateLimited | errors.Unavailable):
        evidence["retry_after"] = error.retry_after
    if verification is not None:
        evidence["verification"] = verification
    problem_type = PROBLEM_TYPES[type(error)]
    return build_problem(problem_type, str(error), request_id, public_url, **evidence)


def problem_for_http(
    error: HTTPException, request_id: str, public_url: str, detail: str = ""
) -> schemas.ProblemDocument:
    """Return the problem document of an error that Flask or Werkzeug raised."""
    problem_type = PROBLEM_TYPES.get(type(error), BAD_REQUEST)
    detail = detail or _HTTP_DETAILS.get(type(error), _UNREADABLE_REQUEST)
    return build_problem(problem_type, detail, request_id, public_url)


def internal_problem(request_id: str, public_url: str) -> schemas.ProblemDocument:
    """Return the problem document of an unexpected error; it reveals nothing about the cause."""
    return build_problem(INTERNAL_ERROR, INTERNAL_ERROR_DETAIL, request_id, public_url)


def without_limit(problem: schemas.ProblemDocument) -> schemas.ProblemDocument:
    """Remove the limit's name from a document for an app, which could use it to probe limits."""
    if problem.limit is UNSET:
        return problem
    return msgspec.structs.replace(problem, detail=f"{problem.title}.", limit=UNSET)


def build_problem(
    problem_type: ProblemType, detail: str, request_id: str, public_url: str, **evidence: Any
) -> schemas.ProblemDocument:
    """Build the problem document of a request.

    Its ``type`` is absolute, as RFC 9457, section 3.1.1, recommends: it leads to the explanation
    from a stored or forwarded document, too.
    """
    return schemas.ProblemDocument(
        type=f"{public_url}/docs/errors#{problem_type.code}",
        title=problem_type.title,
        status=problem_type.status,
        detail=detail,
        instance=f"urn:request:{request_id}",
        code=problem_type.code,
        **evidence,
    )
