"""Flask error handlers: every error becomes a problem document."""

import re
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from functools import cache
from typing import Final

import structlog
from flask import Flask, Response
from msgspec import UNSET
from structlog.contextvars import bind_contextvars
from werkzeug.exceptions import HTTPException, InternalServerError, MethodNotAllowed, NotFound
from werkzeug.routing import Rule

from otpvoice import logs
from otpvoice.api import schemas
from otpvoice.api.application import json_response
from otpvoice.api.errors import (
    INTERNAL_ERROR,
    NO_SUCH_PATH,
    internal_problem,
    problem_for,
    problem_for_http,
    without_limit,
)
from otpvoice.api.request import current_request
from otpvoice.core.errors import OtpvoiceError, RateLimited
from otpvoice.core.keys import mask_number
from otpvoice.core.limits import setting_name

_LOG = structlog.get_logger(__name__)
_MAX_SEGMENT_LENGTH: Final = 32
"""Characters of a path segment that are compared; the longest word of a route has 16."""
_MAX_SEGMENTS: Final = 6
"""More than any route has, with one prefix."""
_MIN_SIMILARITY: Final = 0.6
"""Accepts a typo and rejects another word."""
_PRIVATE_PREFIX: Final = "/console"
_PARAMETER: Final = re.compile(r"<(?:\w+:)?(\w+)>")


def register_error_handlers(app: Flask, public_url: str) -> None:
    """Make ``app`` answer every error with a problem document."""

    @cache
    def routes() -> RouteIndex:
        return RouteIndex(app.url_map.iter_rules())

    def handle_domain_error(error: OtpvoiceError) -> Response:
        request, verification = current_request(), None
        principal = request.principal
        is_client = principal is not None and not principal.is_app
        if error.verification is not None:
            bind_contextvars(verification=error.verification.id)
            number = error.number or ""
            verification = schemas.Verification.of(
                error.verification, number if is_client else mask_number(number), public_url
            )
        problem = problem_for(error, request.id, verification)
        limit = setting_name(error.limit) if isinstance(error, RateLimited) else ""
        request.record(outcome=problem.code, limit=limit)
        return _problem_response(problem if is_client else without_limit(problem))

    def handle_http_error(error: HTTPException) -> Response:
        request = current_request()
        problem = problem_for_http(error, request.id, _http_detail(error, routes))
        request.record(outcome=problem.code)
        response = _problem_response(problem)
        if isinstance(error, MethodNotAllowed):
            response.headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
        return response

    def handle_unexpected(error: BaseException) -> Response:
        # The place is logged without the message, which may quote a secret.
        _LOG.error("request.failed", **logs.describe(error))
        request = current_request()
        request.record(outcome=INTERNAL_ERROR.code)
        return _problem_response(internal_problem(request.id))

    def handle_failed_handler(error: InternalServerError) -> Response:
        return handle_unexpected(error.original_exception or error)

    app.register_error_handler(OtpvoiceError, handle_domain_error)
    app.register_error_handler(HTTPException, handle_http_error)
    app.register_error_handler(Exception, handle_unexpected)
    # For an error in a handler above. Flask's own logger would write its path and message.
    app.register_error_handler(InternalServerError, handle_failed_handler)
    app.logger.disabled = True


def _problem_response(problem: schemas.ProblemDocument) -> Response:
    response = json_response(problem, problem.status, "application/problem+json")
    if problem.retry_after is not UNSET:
        response.headers["Retry-After"] = str(problem.retry_after)
    if problem.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _http_detail(error: HTTPException, routes: Callable[[], "RouteIndex"]) -> str:
    """Return what the client can do instead, as far as the routes show it."""
    if isinstance(error, NotFound):
        suggestion = routes().suggest(current_request().path)
        return f"{NO_SUCH_PATH} {suggestion}" if suggestion else ""
    if isinstance(error, MethodNotAllowed):
        methods = sorted({*(error.valid_methods or ())} - {"HEAD", "OPTIONS"})
        return f"This path does not accept the method. Use {' or '.join(methods)}."
    return ""


class RouteIndex:
    """The public routes, to suggest one for a path that does not exist.

    Suggestions name routes only. They never repeat the path, which may hold an id or a secret.
    """

    def __init__(self, rules: Iterable[Rule]) -> None:
        routes = [each.rule for each in rules if not each.rule.startswith(_PRIVATE_PREFIX)]
        self._routes = {route: _segments(route) for route in sorted(routes)}
        self._words = {
            word
            for segments in self._routes.values()
            for word in segments
            if not _is_parameter(word)
        }

    def suggest(self, path: str) -> str:
        """Return a sentence that names the route closest to ``path``; empty if none is close.

        The comparison ignores repeated and trailing slashes, case, typos, and a missing or extra
        first segment (``/verifications``, ``/api/v1/verifications``).
        """
        segments = _segments(path.lower())[: _MAX_SEGMENTS + 1]
        if not segments or len(segments) > _MAX_SEGMENTS:
            return ""
        words = [self._closest(segment) for segment in segments]
        matching = [
            route
            for candidate in (words, ["v1", *words], words[1:])
            for route, parts in self._routes.items()
            if _matches(candidate, parts)
        ]
        if not matching:
            return ""
        route = min(matching, key=lambda each: each.count("<"))
        template = _PARAMETER.sub(r"{\1}", route)
        return f"Did you mean {template}?"

    def _closest(self, segment: str) -> str:
        segment = segment[:_MAX_SEGMENT_LENGTH]
        close = get_close_matches(segment, self._words, n=1, cutoff=_MIN_SIMILARITY)
        return close[0] if close else ""


def _matches(words: list[str], parts: list[str]) -> bool:
    return len(words) == len(parts) > 0 and all(
        _is_parameter(part) or word == part for word, part in zip(words, parts, strict=True)
    )


def _segments(path: str) -> list[str]:
    return [segment for segment in path.split("/") if segment]


def _is_parameter(part: str) -> bool:
    return part.startswith("<")
