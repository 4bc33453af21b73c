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
from otpvoice.api.auth import Forbidden, Unauthorized, is_client
from otpvoice.api.hints import Addresses
from otpvoice.api.instrumentation import note
from otpvoice.api.request import asked
from otpvoice.api.responses import json_answer
from otpvoice.core import errors
from otpvoice.core.limits import setting_name
from otpvoice.core.verification import Verification

_LOG = structlog.get_logger(__name__)

Show = Callable[[Verification], schemas.Verification]
"""How a verification is shown to whoever asks."""


class UnreadableBody(errors.OtpvoiceError):
    """The body is not the JSON object it should be."""


class UnsupportedMediaType(errors.OtpvoiceError):
    """The body is of a type, or in an encoding, that is not read."""


class Untrusted(errors.OtpvoiceError):
    """A callback without a secret that we know."""


@dataclass(frozen=True, slots=True)
class Problem:
    """How one kind of refusal is answered."""

    status: int
    code: str
    title: str


_INVALID: Final = "The request is not valid"

PROBLEMS: Final[Mapping[type[Exception], Problem]] = MappingProxyType(
    {
        UnreadableBody: Problem(400, "invalid_request", "The body is not a JSON object"),
        Unauthorized: Problem(401, "unauthorized", "A valid API key is needed"),
        errors.TokenInvalid: Problem(401, "unauthorized", "A valid client token is needed"),
        errors.TokenExpired: Problem(401, "token_expired", "The client token has expired"),
        Untrusted: Problem(401, "unauthorized", "A valid webhook secret is needed"),
        Forbidden: Problem(403, "forbidden", "This needs an API key"),
        errors.NotFound: Problem(404, "not_found", "There is no such thing here"),
        NoSuchPage: Problem(404, "not_found", "There is no such thing here"),
        MethodNotAllowed: Problem(405, "method_not_allowed", "This address has no such method"),
        errors.VerificationClosed: Problem(
            409, "verification_closed", "The verification has ended"
        ),
        errors.NoCallYet: Problem(409, "no_call_yet", "No call was sent yet"),
        errors.TooLate: Problem(409, "too_late", "It is too late for a call"),
        RequestEntityTooLarge: Problem(413, "body_too_large", "The body is too large"),
        UnsupportedMediaType: Problem(415, "unsupported_media_type", "The body must be plain JSON"),
        errors.InvalidRequest: Problem(422, "invalid_request", _INVALID),
        errors.IdempotencyMismatch: Problem(
            422, "idempotency_mismatch", "The key was used for another request"
        ),
        errors.InvalidNumber: Problem(422, "invalid_number", "This is not a phone number"),
        errors.NumberNotAllowed: Problem(422, "number_not_allowed", "This number is not called"),
        errors.RateLimited: Problem(429, "rate_limited", "A limit is reached"),
        errors.TooManyWrongCodes: Problem(
            429, "too_many_wrong_codes", "Too many codes of this number were wrong"
        ),
        errors.StoreUnavailable: Problem(503, "store_unavailable", "The store does not answer"),
        errors.OverCapacity: Problem(503, "over_capacity", "Too many calls wait"),
        errors.CallsUnavailable: Problem(503, "calls_unavailable", "No call can be placed"),
    }
)
"""Each refusal that has an answer of its own; the documentation of errors is this table."""

BAD_REQUEST: Final = Problem(400, "invalid_request", _INVALID)
_NO_ADDRESS: Final = "There is nothing at this address."
_UNREADABLE: Final = "The request cannot be understood. Check its address, headers and form."
_HTTP_DETAILS: Final[Mapping[type[HTTPException], str]] = MappingProxyType(
    {
        NoSuchPage: f"{_NO_ADDRESS} All addresses are listed at /docs.",
        MethodNotAllowed: "This address does not take this method. Use one that Allow lists.",
        RequestEntityTooLarge: "The body is larger than this address takes, 16 KiB at most.",
    }
)
OUR_FAULT: Final = Problem(500, "internal_error", "Something went wrong here")
LOGGED: Final = "It has been logged under this request's id."


def register(app: Flask, present: Show) -> None:
    """Makes ``app`` answer every refusal with its problem document.

    ``present``: for the refusals that are about a verification.
    """

    @cache
    def addresses() -> Addresses:
        return Addresses(app.url_map.iter_rules())

    def answer_refusal(error: errors.OtpvoiceError) -> Response:
        if error.verification is not None:
            bind_contextvars(verification=error.verification.id)
        told = refused(error, asked().id, present)
        note(told.code, setting_name(error.limit) if isinstance(error, errors.RateLimited) else "")
        return _answer(told if is_client() else for_app(told))

    def answer_http(error: HTTPException) -> Response:
        told = refused_by_http(error, asked().id, _detail(addresses, error))
        note(told.code)
        response = _answer(told)
        if isinstance(error, MethodNotAllowed):
            response.headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
        return response

    def answer_fault(error: BaseException) -> Response:
        # The message may quote what was handled, so the place is logged and the text is not.
        _LOG.error("request.failed", **logs.told(error))
        note(OUR_FAULT.code)
        return _answer(failed(asked().id))

    def answer_failed_refusal(error: InternalServerError) -> Response:
        return answer_fault(error.original_exception or error)

    @app.before_request
    def refuse_other_spellings() -> None:
        if asked().url_rule and not asked().is_spelled_as_its_route:
            raise NoSuchPage

    app.url_map.merge_slashes = False  # another address is no such page, not a redirect
    app.register_error_handler(errors.OtpvoiceError, answer_refusal)
    app.register_error_handler(HTTPException, answer_http)
    app.register_error_handler(Exception, answer_fault)
    # What goes wrong in the handlers above: Flask would log it too, with path and message.
    app.register_error_handler(InternalServerError, answer_failed_refusal)
    app.logger.disabled = True


def refused(error: errors.OtpvoiceError, asked_as: str, present: Show) -> schemas.ProblemDocument:
    """The problem document of a refusal, with all its evidence.

    ``asked_as``: the id of the request.
    """
    evidence: dict[str, Any] = {}
    if isinstance(error, errors.RequestRefused) and error.field_errors:
        evidence["errors"] = [schemas.Fault(f.pointer, f.detail) for f in error.field_errors]
    if isinstance(error, errors.RateLimited):
        evidence["limit"] = error.limit
    if isinstance(error, errors.RateLimited | errors.Unavailable):
        evidence["retry_after"] = error.retry_after
    if error.verification is not None:
        evidence["verification"] = present(error.verification)
    return document(PROBLEMS[type(error)], str(error), asked_as, **evidence)


def refused_by_http(
    error: HTTPException, asked_as: str, detail: str = ""
) -> schemas.ProblemDocument:
    """The problem document of what is no request to any of our addresses."""
    problem = PROBLEMS.get(type(error), BAD_REQUEST)
    return document(problem, detail or _HTTP_DETAILS.get(type(error), _UNREADABLE), asked_as)


def _detail(addresses: Callable[[], Addresses], error: HTTPException) -> str:
    """Say what to do instead, as far as the application's addresses show it."""
    if isinstance(error, NoSuchPage):
        hint = addresses().did_you_mean(asked().path)
        return f"{_NO_ADDRESS} {hint}" if hint else ""
    if isinstance(error, MethodNotAllowed):
        methods = sorted({*(error.valid_methods or ())} - {"HEAD", "OPTIONS"})
        return f"This address does not take this method. Use {' or '.join(methods)}."
    return ""


def failed(asked_as: str) -> schemas.ProblemDocument:
    """The problem document of a fault of ours: it tells nothing but where to look."""
    return document(OUR_FAULT, LOGGED, asked_as)


def for_app(told: schemas.ProblemDocument) -> schemas.ProblemDocument:
    """The document as an app may see it: which limit holds is not told, it could be tried out."""
    if told.limit is UNSET:
        return told
    return msgspec.structs.replace(told, detail=f"{told.title}.", limit=UNSET)


def document(
    problem: Problem, detail: str, asked_as: str, **evidence: Any
) -> schemas.ProblemDocument:
    """The problem document (RFC 9457).

    ``asked_as``: the id of the request.
    """
    return schemas.ProblemDocument(
        type=f"/docs/errors#{problem.code}",
        title=problem.title,
        status=problem.status,
        detail=detail,
        instance=f"urn:request:{asked_as}",
        code=problem.code,
        **evidence,
    )


def _answer(told: schemas.ProblemDocument) -> Response:
    response = json_answer(told, told.status, "application/problem+json")
    if told.retry_after is not UNSET:
        response.headers["Retry-After"] = str(told.retry_after)
    if told.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response
