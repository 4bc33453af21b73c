"""The one table from refusals to answers, as problem documents (RFC 9457)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any, Final

import msgspec
import structlog
from flask import Flask, Response
from msgspec import UNSET
from structlog.contextvars import bind_contextvars
from werkzeug.exceptions import (
    HTTPException,
    InternalServerError,
    MethodNotAllowed,
    RequestEntityTooLarge,
)
from werkzeug.exceptions import NotFound as NoSuchPage

from otpvoice import logs
from otpvoice.api import schemas
from otpvoice.api.auth import Forbidden, Unauthorized, has_api_key
from otpvoice.api.hints import RouteIndex
from otpvoice.api.instrumentation import record_outcome
from otpvoice.api.request import current_request
from otpvoice.api.responses import json_response
from otpvoice.core import errors
from otpvoice.core.limits import setting_name
from otpvoice.core.verification import Verification

_LOG = structlog.get_logger(__name__)

Serializer = Callable[[Verification, str], schemas.Verification]
"""How a verification is shown to whoever asks."""


class UnreadableBody(errors.OtpvoiceError):
    """The body is not the JSON object it should be."""


class UnsupportedMediaType(errors.OtpvoiceError):
    """The body is of a type, or in an encoding, that is not read."""


class InvalidWebhookSecret(errors.OtpvoiceError):
    """A callback without a secret that we know."""


@dataclass(frozen=True, slots=True)
class ProblemType:
    """How one kind of refusal is answered."""

    status: int
    code: str
    title: str


_INVALID_TITLE: Final = "The request is not valid"

PROBLEM_TYPES: Final[Mapping[type[Exception], ProblemType]] = MappingProxyType(
    {
        UnreadableBody: ProblemType(400, "invalid_request", "The body is not a JSON object"),
        Unauthorized: ProblemType(401, "unauthorized", "A valid API key is needed"),
        errors.TokenInvalid: ProblemType(401, "unauthorized", "A valid client token is needed"),
        errors.TokenExpired: ProblemType(401, "token_expired", "The client token has expired"),
        InvalidWebhookSecret: ProblemType(401, "unauthorized", "A valid webhook secret is needed"),
        Forbidden: ProblemType(403, "forbidden", "This needs an API key"),
        errors.NotFound: ProblemType(404, "not_found", "There is no such thing here"),
        NoSuchPage: ProblemType(404, "not_found", "There is no such thing here"),
        MethodNotAllowed: ProblemType(405, "method_not_allowed", "This address has no such method"),
        errors.VerificationClosed: ProblemType(
            409, "verification_closed", "The verification has ended"
        ),
        errors.NoCallYet: ProblemType(409, "no_call_yet", "No call was sent yet"),
        errors.TooLate: ProblemType(409, "too_late", "It is too late for a call"),
        RequestEntityTooLarge: ProblemType(413, "body_too_large", "The body is too large"),
        UnsupportedMediaType: ProblemType(
            415, "unsupported_media_type", "The body must be plain JSON"
        ),
        errors.InvalidRequest: ProblemType(422, "invalid_request", _INVALID_TITLE),
        errors.IdempotencyMismatch: ProblemType(
            422, "idempotency_mismatch", "The key was used for another request"
        ),
        errors.InvalidNumber: ProblemType(422, "invalid_number", "This is not a phone number"),
        errors.NumberNotAllowed: ProblemType(
            422, "number_not_allowed", "This number is not called"
        ),
        errors.RateLimited: ProblemType(429, "rate_limited", "A limit is reached"),
        errors.TooManyWrongCodes: ProblemType(
            429, "too_many_wrong_codes", "Too many codes of this number were wrong"
        ),
        errors.StoreUnavailable: ProblemType(503, "store_unavailable", "The store does not answer"),
        errors.OverCapacity: ProblemType(503, "over_capacity", "Too many calls wait"),
        errors.CallsUnavailable: ProblemType(503, "calls_unavailable", "No call can be placed"),
    }
)
"""Each refusal that has an answer of its own; the documentation of errors is this table."""

BAD_REQUEST: Final = ProblemType(400, "invalid_request", _INVALID_TITLE)
_NO_SUCH_PATH: Final = "There is nothing at this address."
_MALFORMED_REQUEST: Final = "The request cannot be understood. Check its address, headers and form."
_HTTP_DETAILS: Final[Mapping[type[HTTPException], str]] = MappingProxyType(
    {
        NoSuchPage: f"{_NO_SUCH_PATH} All addresses are listed at /docs.",
        MethodNotAllowed: "This address does not take this method. Use one that Allow lists.",
        RequestEntityTooLarge: "The body is larger than this address takes, 16 KiB at most.",
    }
)
INTERNAL_ERROR: Final = ProblemType(500, "internal_error", "Something went wrong here")
INTERNAL_ERROR_DETAIL: Final = "It has been logged under this request's id."


def register(app: Flask, serialize: Serializer) -> None:
    """Makes ``app`` answer every refusal with its problem document.

    ``serialize``: for the refusals that are about a verification.
    """

    @cache
    def route_index() -> RouteIndex:
        return RouteIndex(app.url_map.iter_rules())

    def handle_domain_error(error: errors.OtpvoiceError) -> Response:
        if error.verification is not None:
            bind_contextvars(verification=error.verification.id)
        told = problem_for(error, current_request().id, serialize)
        record_outcome(
            told.code, setting_name(error.limit) if isinstance(error, errors.RateLimited) else ""
        )
        return _problem_response(told if has_api_key() else problem_for_app(told))

    def handle_http_error(error: HTTPException) -> Response:
        told = problem_for_http(error, current_request().id, _http_detail(route_index, error))
        record_outcome(told.code)
        response = _problem_response(told)
        if isinstance(error, MethodNotAllowed):
            response.headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
        return response

    def handle_unexpected(error: BaseException) -> Response:
        # The message may quote what was handled, so the place is logged and the text is not.
        _LOG.error("request.failed", **logs.describe(error))
        record_outcome(INTERNAL_ERROR.code)
        return _problem_response(internal_problem(current_request().id))

    def handle_failed_handler(error: InternalServerError) -> Response:
        return handle_unexpected(error.original_exception or error)

    @app.before_request
    def reject_other_spellings() -> None:
        if current_request().url_rule and not current_request().has_canonical_path:
            raise NoSuchPage

    app.url_map.merge_slashes = False  # another address is no such page, not a redirect
    app.register_error_handler(errors.OtpvoiceError, handle_domain_error)
    app.register_error_handler(HTTPException, handle_http_error)
    app.register_error_handler(Exception, handle_unexpected)
    # What goes wrong in the handlers above: Flask would log it too, with path and message.
    app.register_error_handler(InternalServerError, handle_failed_handler)
    app.logger.disabled = True


def problem_for(
    error: errors.OtpvoiceError, request_id: str, serialize: Serializer
) -> schemas.ProblemDocument:
    """The problem document of a refusal, with all its evidence.

    ``asked_as``: the id of the request.
    """
    evidence: dict[str, Any] = {}
    if isinstance(error, errors.RequestRefused) and error.field_errors:
        evidence["errors"] = [schemas.FieldError(f.pointer, f.detail) for f in error.field_errors]
    if isinstance(error, errors.RateLimited):
        evidence["limit"] = error.limit
    if isinstance(error, errors.RateLimited | errors.Unavailable):
        evidence["retry_after"] = error.retry_after
    if error.verification is not None:
        evidence["verification"] = serialize(error.verification, error.number or "")
    return build_problem(PROBLEM_TYPES[type(error)], str(error), request_id, **evidence)


def problem_for_http(
    error: HTTPException, request_id: str, detail: str = ""
) -> schemas.ProblemDocument:
    """The problem document of what is no request to any of our addresses."""
    problem = PROBLEM_TYPES.get(type(error), BAD_REQUEST)
    return build_problem(
        problem, detail or _HTTP_DETAILS.get(type(error), _MALFORMED_REQUEST), request_id
    )


def _http_detail(route_index: Callable[[], RouteIndex], error: HTTPException) -> str:
    """Say what to do instead, as far as the application's addresses show it."""
    if isinstance(error, NoSuchPage):
        hint = route_index().suggest(current_request().path)
        return f"{_NO_SUCH_PATH} {hint}" if hint else ""
    if isinstance(error, MethodNotAllowed):
        methods = sorted({*(error.valid_methods or ())} - {"HEAD", "OPTIONS"})
        return f"This address does not take this method. Use {' or '.join(methods)}."
    return ""


def internal_problem(request_id: str) -> schemas.ProblemDocument:
    """The problem document of a fault of ours: it tells nothing but where to look."""
    return build_problem(INTERNAL_ERROR, INTERNAL_ERROR_DETAIL, request_id)


def problem_for_app(problem: schemas.ProblemDocument) -> schemas.ProblemDocument:
    """The document as an app may see it: which limit holds is not told, it could be tried out."""
    if problem.limit is UNSET:
        return problem
    return msgspec.structs.replace(problem, detail=f"{problem.title}.", limit=UNSET)


def build_problem(
    problem_type: ProblemType, detail: str, request_id: str, **evidence: Any
) -> schemas.ProblemDocument:
    """The problem document (RFC 9457).

    ``asked_as``: the id of the request.
    """
    return schemas.ProblemDocument(
        type=f"/docs/errors#{problem_type.code}",
        title=problem_type.title,
        status=problem_type.status,
        detail=detail,
        instance=f"urn:request:{request_id}",
        code=problem_type.code,
        **evidence,
    )


def _problem_response(problem: schemas.ProblemDocument) -> Response:
    response = json_response(problem, problem.status, "application/problem+json")
    if problem.retry_after is not UNSET:
        response.headers["Retry-After"] = str(problem.retry_after)
    if problem.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response
