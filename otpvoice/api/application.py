"""The Flask application: endpoints with their metrics, headers, CORS, errors and the log line."""

import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import FunctionType
from typing import Any, Final, TypeVar
from wsgiref.types import StartResponse, WSGIEnvironment

import msgspec
import structlog
from flask import Flask, Response, current_app
from msgspec import UNSET
from structlog.contextvars import bind_contextvars, clear_contextvars
from werkzeug.exceptions import HTTPException, InternalServerError, MethodNotAllowed, NotFound

from otpvoice import logs
from otpvoice.api import schemas
from otpvoice.api.errors import (
    INTERNAL_ERROR,
    NO_SUCH_PATH,
    internal_problem,
    problem_for,
    problem_for_http,
    without_limit,
)
from otpvoice.api.openapi import Operation
from otpvoice.api.request import ApiRequest, current_request
from otpvoice.core.errors import OtpvoiceError, RateLimited
from otpvoice.core.keys import mask_number
from otpvoice.core.limits import setting_name
from otpvoice.metrics import UNAUTHENTICATED, ApiMetrics

_LOG = structlog.get_logger(__name__)
_YEAR_S: Final = 365 * 86_400

SECURITY_HEADERS: Final[Mapping[str, str]] = {
    "Cache-Control": "no-store",
    # base-uri does not inherit from default-src.
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
    # Applies to "no-cors" loads only, so it does not interfere with CORS (Fetch standard,
    # "cross-origin resource policy check").
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Headers of every response (OWASP ASVS 5.0, sections 3.4, 3.5.8 and 14.3.2).

A response is data. Browsers must not cache it, frame it, load anything from it, or interpret it as
another type. Other origins can read it only as CORS allows.
"""

_CORS_PREFIX: Final = "/v1/"
_EXPOSED_HEADERS: Final = "Retry-After, Request-Id, Location, Idempotent-Replayed"
_PREFLIGHT_HEADERS: Final[Mapping[str, str]] = {
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Idempotency-Key, Request-Id",
    "Access-Control-Max-Age": "7200",  # seconds; the longest that any browser accepts
}

_MAX_SEGMENT_LENGTH: Final = 32
"""Characters of a path segment that are compared; the longest word of a route has 16."""
_MAX_SEGMENTS: Final = 6
"""More than any route has, with one prefix."""
_MIN_SIMILARITY: Final = 0.6
"""Accepts a typo and rejects another word."""
_PRIVATE_PREFIX: Final = "/console"
_PARAMETER: Final = re.compile(r"<(?:\w+:)?(\w+)>")

CountOutcome = Callable[[ApiMetrics, str, str], None]
"""Counts one request: metrics, client and outcome."""
_View = TypeVar("_View", bound=Callable[..., Response])


@dataclass(frozen=True, slots=True)
class ApiEndpoint:
    """One method and path of the API: OpenAPI operation, view and metric."""

    operation: Operation
    view: Callable[..., Response]
    count: CountOutcome | None = None


def api_endpoint(
    operation: Operation, count: CountOutcome | None = None
) -> Callable[[_View], _View]:
    """Declare a method as the view of an operation, for ``endpoints_of``."""

    def declare(view: _View) -> _View:
        vars(view)["endpoint"] = (operation, count)
        return view

    return declare


def endpoints_of(views: object) -> Iterator[ApiEndpoint]:
    """Yield the endpoints of an object whose methods are declared with ``api_endpoint``."""
    for name, function in vars(type(views)).items():
        if isinstance(function, FunctionType) and "endpoint" in vars(function):
            operation, count = vars(function)["endpoint"]
            yield ApiEndpoint(operation, getattr(views, name), count)


class Api(Flask):
    """The web application. Pages of ``origins`` may call ``/v1`` (CORS).

    CORS credentials are not allowed: a page sends its token in a header, and there are no cookies.
    """

    request_class = ApiRequest

    def __init__(self, public_url: str, origins: Collection[str], metrics: ApiMetrics) -> None:
        super().__init__("otpvoice", static_folder=None)
        self.url_map.merge_slashes = False  # another spelling of a path is 404, not a redirect
        headers = dict(SECURITY_HEADERS)
        if public_url.startswith("https:"):
            # ASVS 3.4.1. Subdomains are not included, because they may belong to other services.
            headers["Strict-Transport-Security"] = f"max-age={_YEAR_S}"
        self._default_headers = {name.lower(): (name, value) for name, value in headers.items()}
        self._origins = frozenset(origins)
        self._metrics = metrics
        self._counts: dict[str | None, CountOutcome] = {}
        self._public_url = public_url
        self.before_request(_begin)
        self.after_request(self._finish)
        self.register_error_handler(OtpvoiceError, self._handle_domain_error)
        self.register_error_handler(HTTPException, _handle_http_error)
        self.register_error_handler(Exception, _handle_unexpected)
        # For an error in a handler above. Flask's own logger would write its path and message.
        self.register_error_handler(
            InternalServerError, lambda error: _handle_unexpected(error.original_exception or error)
        )
        self.logger.disabled = True

    def add_endpoints(self, endpoints: Iterable[ApiEndpoint]) -> None:
        """Add a URL rule for each endpoint."""
        for each in endpoints:
            operation = each.operation
            methods = [operation.method.upper()]
            self.add_url_rule(operation.flask_rule, operation.name, each.view, methods=methods)
            if each.count:
                self._counts[operation.name] = each.count

    def wsgi_app(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve a request, and add the default headers that the view did not set itself."""
        environ["PATH_INFO"] = environ.get("PATH_INFO") or "/"  # RFC 3986, section 6.2.3

        def start(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
            default = self._default_headers.copy()
            for name, _ in headers:
                default.pop(name.lower(), None)
            return start_response(status, [*headers, *default.values()], *exc_info)

        return super().wsgi_app(environ, start)

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return ``func``: no view is asynchronous, so Flask need not inspect each one."""
        return func

    def _finish(self, response: Response) -> Response:
        request = current_request()
        if request.method == "OPTIONS" and response.status_code == 200:
            response.status_code = 204  # Flask's automatic response has no content
            del response.headers["Content-Type"]
        # The rule and never the path, because paths hold ids and the webhook's token.
        rule = request.url_rule.rule if request.url_rule else "-"
        seconds = time.perf_counter() - request.started
        self._metrics.responses(rule, response.status_code).inc()
        self._metrics.durations(rule).observe(seconds)
        if request.outcome and request.endpoint in self._counts:
            client = request.principal.client if request.principal else UNAUTHENTICATED
            self._counts[request.endpoint](self._metrics, client, request.outcome)
            if request.limit:
                self._metrics.refusals(client, request.limit).inc()
        if self._origins and request.path.startswith(_CORS_PREFIX):
            self._add_cors_headers(request, response)
        response.headers["Request-Id"] = request.id
        _LOG.info(
            request.log_event,
            method=request.method,
            route=rule,
            http_status=response.status_code,
            duration_ms=round((time.perf_counter() - request.started) * 1000, 1),
            **request.log_details,
        )
        return response

    def _add_cors_headers(self, request: ApiRequest, response: Response) -> None:
        """Let pages of allowed origins read the response.

        https://fetch.spec.whatwg.org/#http-extensions
        """
        response.vary.add("Origin")
        origin = request.headers.get("Origin")
        if origin in self._origins:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = _EXPOSED_HEADERS
            if request.method == "OPTIONS":
                response.headers.update(_PREFLIGHT_HEADERS)

    def _handle_domain_error(self, error: OtpvoiceError) -> Response:
        request, verification = current_request(), None
        is_client = request.principal is not None and not request.principal.is_app
        if error.verification is not None:
            bind_contextvars(verification=error.verification.id)
            number = error.number or ""
            verification = schemas.Verification.of(
                error.verification, number if is_client else mask_number(number), self._public_url
            )
        problem = problem_for(error, request.id, verification)
        limit = setting_name(error.limit) if isinstance(error, RateLimited) else ""
        request.record(outcome=problem.code, limit=limit)
        return _problem_response(problem if is_client else without_limit(problem))


def _begin() -> None:
    request = current_request()
    clear_contextvars()
    bind_contextvars(request_id=request.id)
    if request.url_rule and not request.has_canonical_path:
        raise NotFound


def json_response(body: Any, status: int = 200, content_type: str = "application/json") -> Response:
    """Return a response with ``body`` encoded as JSON."""
    return Response(msgspec.json.encode(body), status, content_type=content_type)


def _handle_http_error(error: HTTPException) -> Response:
    request, detail, headers = current_request(), "", {}
    if isinstance(error, NotFound):
        suggestion = _suggest_route(request.path)
        detail = suggestion and f"{NO_SUCH_PATH} {suggestion}"
    elif isinstance(error, MethodNotAllowed):
        methods = sorted(error.valid_methods or ())
        useful = [each for each in methods if each not in {"HEAD", "OPTIONS"}]
        detail = f"This path does not accept the method. Use {' or '.join(useful)}."
        headers["Allow"] = ", ".join(methods)
    problem = problem_for_http(error, request.id, detail)
    request.record(outcome=problem.code)
    response = _problem_response(problem)
    response.headers.update(headers)
    return response


def _handle_unexpected(error: BaseException) -> Response:
    # The place is logged without the message, which may quote a secret.
    _LOG.error("request.failed", **logs.describe(error))
    request = current_request()
    request.record(outcome=INTERNAL_ERROR.code)
    return _problem_response(internal_problem(request.id))


def _problem_response(problem: schemas.ProblemDocument) -> Response:
    response = json_response(problem, problem.status, "application/problem+json")
    if problem.retry_after is not UNSET:
        response.headers["Retry-After"] = str(problem.retry_after)
    if problem.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _suggest_route(path: str) -> str:
    """Return a sentence that names the public route closest to ``path``; empty if none is close.

    It never repeats the path, which may hold an id or a secret. The comparison ignores repeated and
    trailing slashes, case, typos, and a missing or extra first segment (``/verifications``,
    ``/api/v1/verifications``).
    """
    segments = _segments(path.lower())[: _MAX_SEGMENTS + 1]
    if not segments or len(segments) > _MAX_SEGMENTS:
        return ""
    rules = sorted(each.rule for each in current_app.url_map.iter_rules())
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
