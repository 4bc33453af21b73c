"""The Flask application: endpoints with their metrics, response headers, CORS and the log line."""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import FunctionType, MappingProxyType
from typing import Any, Final, TypeVar
from wsgiref.types import StartResponse, WSGIEnvironment

import msgspec
import structlog
from flask import Flask, Response
from structlog.contextvars import bind_contextvars, clear_contextvars
from werkzeug.exceptions import NotFound

from otpvoice.api.openapi import Operation
from otpvoice.api.request import ApiRequest, current_request
from otpvoice.metrics import UNAUTHENTICATED, ApiMetrics

_LOG = structlog.get_logger(__name__)
_YEAR_S: Final = 365 * 86_400

SECURITY_HEADERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Cache-Control": "no-store",
        # base-uri does not inherit from default-src.
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
        # Applies to "no-cors" loads only, so it does not interfere with CORS (Fetch standard,
        # "cross-origin resource policy check").
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
)
"""Headers of every response (OWASP ASVS 5.0, sections 3.4, 3.5.8 and 14.3.2).

A response is data. Browsers must not cache it, frame it, load anything from it, or interpret it as
another type. Other origins can read it only as CORS allows.
"""

_CORS_PREFIX: Final = "/v1/"
_EXPOSED_HEADERS: Final = "Retry-After, Request-Id, Location, Idempotent-Replayed"
_PREFLIGHT_HEADERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Access-Control-Allow-Methods": "GET, POST",
        "Access-Control-Allow-Headers": "Authorization, Content-Type, Idempotency-Key, Request-Id",
        "Access-Control-Max-Age": "7200",  # seconds; the longest that any browser accepts
    }
)

View = Callable[..., Response]
CountOutcome = Callable[[ApiMetrics, str, str], None]
"""Counts one request: metrics, client and outcome."""
_View = TypeVar("_View", bound=View)


@dataclass(frozen=True, slots=True)
class ApiEndpoint:
    """One method and path of the API: OpenAPI operation, view and metric."""

    operation: Operation
    view: View
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
    """The web application.

    Args:
        public_url: decides whether to send Strict-Transport-Security.
        origins: the web origins that may call ``/v1`` (CORS). Credentials are not allowed, because
            a page sends its token in a header and the API has no cookies.
        metrics: counts every response.
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
        self.before_request(_begin)
        self.after_request(self._finish)

    def add_endpoints(self, endpoints: Iterable[ApiEndpoint]) -> None:
        """Add a URL rule for each endpoint."""
        for each in endpoints:
            operation = each.operation
            self.add_url_rule(
                operation.flask_rule,
                operation.name,
                each.view,
                methods=[operation.method.upper()],
            )
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


def _begin() -> None:
    request = current_request()
    clear_contextvars()
    bind_contextvars(request_id=request.id)
    if request.url_rule and not request.has_canonical_path:
        raise NotFound


def json_response(body: Any, status: int = 200, content_type: str = "application/json") -> Response:
    """Return a response with ``body`` encoded as JSON."""
    return Response(msgspec.json.encode(body), status, content_type=content_type)
