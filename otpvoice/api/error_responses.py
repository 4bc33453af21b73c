"""Responses to errors: every error becomes a problem document."""

import re
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Final

import structlog
from msgspec import UNSET
from werkzeug.exceptions import HTTPException, InternalServerError, MethodNotAllowed, NotFound
from werkzeug.routing import Map

from otpvoice import logs
from otpvoice.api import schemas
from otpvoice.api.errors import (
    NO_SUCH_PATH,
    internal_problem,
    problem_for,
    problem_for_http,
    without_limit,
)
from otpvoice.api.http import ApiRequest, ApiResponse, json_response
from otpvoice.core.errors import OtpvoiceError, RateLimited
from otpvoice.core.keys import mask_number
from otpvoice.core.limits import setting_name
from otpvoice.logs.context import bind_fields

_LOG = structlog.get_logger(__name__)
_MAX_SEGMENT_LENGTH: Final = 32
"""Characters of a path segment that are compared; the longest word of a route has 16."""
_MAX_SEGMENTS: Final = 6
"""More than any route has, with one prefix."""
_MIN_SIMILARITY: Final = 0.6
"""Accepts a typo and rejects another word."""
_PRIVATE_PREFIX: Final = "/console"
_PARAMETER: Final = re.compile(r"<(?:\w+:)?(\w+)>")

ErrorFormat = Callable[[ApiRequest, schemas.ProblemDocument], ApiResponse]
"""Makes the response of an error."""


class ErrorResponses:
    """Makes the response to every error.

    Args:
        public_url: base of the URLs in responses.
        url_map: the routes that are suggested for a path that does not exist.
    """

    def __init__(self, public_url: str, url_map: Map) -> None:
        self._public_url = public_url
        self._url_map = url_map
        self._formats: dict[str, ErrorFormat] = {}

    def set_format(self, prefix: str, error_format: ErrorFormat) -> None:
        """Set the format of the errors of all paths that begin with ``prefix``."""
        self._formats[prefix] = error_format

    def respond(self, request: ApiRequest, error: Exception) -> ApiResponse:
        """Return a problem document, or the path's own format of it. Raises nothing."""
        try:
            if isinstance(error, OtpvoiceError):
                return self._domain_error(request, error)
            if isinstance(error, HTTPException) and not isinstance(error, InternalServerError):
                return self._http_error(request, error)
        except Exception as failure:  # noqa: BLE001 - reported as the unexpected error that it is
            error = failure
        # The place is logged without the message, which may quote a secret.
        cause = getattr(error, "original_exception", None) or error
        _LOG.error("request.failed", **logs.describe(cause))
        return self._format(request, internal_problem(request.id, self._public_url))

    def _format(
        self, request: ApiRequest, problem: schemas.ProblemDocument, limit: str = ""
    ) -> ApiResponse:
        request.record(outcome=problem.code, limit=limit)
        formats = (
            each for prefix, each in self._formats.items() if request.path.startswith(prefix)
        )
        response = next(formats, _problem_response)(request, problem)
        if problem.retry_after is not UNSET:
            response.headers["Retry-After"] = str(problem.retry_after)
        return response

    def _domain_error(self, request: ApiRequest, error: OtpvoiceError) -> ApiResponse:
        verification = None
        is_client = request.principal is not None and not request.principal.is_app
        if error.verification is not None:
            bind_fields(verification=error.verification.id)
            number = error.number or ""
            visible = number if is_client else mask_number(number)
            verification = schemas.Verification.of(error.verification, visible, self._public_url)
        problem = problem_for(error, request.id, self._public_url, verification)
        limit = setting_name(error.limit) if isinstance(error, RateLimited) else ""
        return self._format(request, problem if is_client else without_limit(problem), limit)

    def _http_error(self, request: ApiRequest, error: HTTPException) -> ApiResponse:
        detail, headers = "", {}
        if isinstance(error, NotFound):
            suggestion = _suggest_route(request.path, self._url_map)
            detail = suggestion and f"{NO_SUCH_PATH} {suggestion}"
        elif isinstance(error, MethodNotAllowed):
            methods = sorted(error.valid_methods or ())
            useful = [each for each in methods if each not in {"HEAD", "OPTIONS"}]
            detail = f"This path does not accept the method. Use {' or '.join(useful)}."
            headers["Allow"] = ", ".join(methods)
        problem = problem_for_http(error, request.id, self._public_url, detail)
        response = self._format(request, problem)
        response.headers |= headers
        return response


def _problem_response(_: ApiRequest, problem: schemas.ProblemDocument) -> ApiResponse:
    response = json_response(problem, problem.status, "application/problem+json")
    if problem.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _suggest_route(path: str, url_map: Map) -> str:
    """Return a sentence that names the public route closest to ``path``; empty if none is close.

    It never repeats the path, which may hold an id or a secret. The comparison ignores repeated and
    trailing slashes, case, typos, and a missing or extra first segment (``/verifications``,
    ``/api/v1/verifications``).
    """
    segments = _segments(path.lower())[: _MAX_SEGMENTS + 1]
    if not segments or len(segments) > _MAX_SEGMENTS:
        return ""
    rules = sorted(each.rule for each in url_map.iter_rules())
    routes = {each: _segments(each) for each in rules if not each.startswith(_PRIVATE_PREFIX)}
    known = {part for parts in routes.values() for part in parts if not part.startswith("<")}
    words = [_closest(segment[:_MAX_SEGMENT_LENGTH], known) for segment in segments]
    matching = [
        route
        for candidate in (words, ["v1", *words], words[1:])
        for route, parts in routes.items()
        if _matches(candidate, parts)
    ]
    if not matching:
        return ""
    template = _PARAMETER.sub(r"{\1}", min(matching, key=lambda each: each.count("<")))
    return f"Did you mean {template}?"


def _segments(path: str) -> list[str]:
    return [segment for segment in path.split("/") if segment]


def _closest(segment: str, known: Iterable[str]) -> str:
    close = get_close_matches(segment, known, n=1, cutoff=_MIN_SIMILARITY)
    return close[0] if close else ""


def _matches(words: list[str], parts: list[str]) -> bool:
    return len(words) == len(parts) > 0 and all(
        part.startswith("<") or word == part for word, part in zip(words, parts, strict=True)
    )
