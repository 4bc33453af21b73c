"""The web application: endpoints with their metrics, response headers, CORS and the log line.

A view is a function from an :class:`ApiRequest` to an :class:`ApiResponse`. A request whose target
is spelled as its route goes straight to the view. Flask serves all others: paths with a query or
with escapes, HEAD and OPTIONS, unknown paths and methods, and the console. Both ways run the same
code before and after the view.
"""

import re
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import FunctionType
from typing import Any, Final, NamedTuple, TypeVar
from wsgiref.types import StartResponse, WSGIEnvironment

import flask
import structlog
from werkzeug.exceptions import NotFound
from werkzeug.http import HTTP_STATUS_CODES

from otpvoice import tracing
from otpvoice.api.error_responses import ErrorFormat, ErrorResponses
from otpvoice.api.http import ApiRequest, ApiResponse
from otpvoice.api.openapi import Operation
from otpvoice.api.security_headers import SECURITY_HEADERS
from otpvoice.logs.context import bound_fields, start_request
from otpvoice.metrics import UNAUTHENTICATED, ApiMetrics, LabeledCounter

_LOG = structlog.get_logger(__name__)
_YEAR_S: Final = 365 * 86_400
_STATUS_LINES: Final = {
    status: f"{status} {phrase.upper()}" for status, phrase in HTTP_STATUS_CODES.items()
}
_REQUEST: Final = "otpvoice.request"
"""Key of the :class:`ApiRequest` in the WSGI environment."""
_CORS_PREFIX: Final = "v1/"
_EXPOSED_HEADERS: Final = "Retry-After, Request-Id, Location, Idempotent-Replayed"
_PREFLIGHT_HEADERS: Final[Mapping[str, str]] = {
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Idempotency-Key, Request-Id",
    "Access-Control-Max-Age": "7200",  # seconds; the longest that any browser accepts
}

ChooseCounter = Callable[[ApiMetrics], LabeledCounter]
"""Returns the counter of a request's outcome, by client and outcome."""
_View = TypeVar("_View", bound=Callable[..., ApiResponse])


@dataclass(frozen=True, slots=True)
class ApiEndpoint:
    """One method and path of the API: OpenAPI operation, view and metric."""

    operation: Operation
    view: Callable[..., ApiResponse]
    outcomes: ChooseCounter | None = None


def api_endpoint(
    operation: Operation, outcomes: ChooseCounter | None = None
) -> Callable[[_View], _View]:
    """Declare a method as the view of an operation, for ``endpoints_of``."""

    def declare(view: _View) -> _View:
        vars(view)["endpoint"] = (operation, outcomes)
        return view

    return declare


def endpoints_of(views: object) -> Iterator[ApiEndpoint]:
    """Yield the endpoints of an object whose methods are declared with ``api_endpoint``."""
    for name, function in vars(type(views)).items():
        if isinstance(function, FunctionType) and "endpoint" in vars(function):
            operation, outcomes = vars(function)["endpoint"]
            yield ApiEndpoint(operation, getattr(views, name), outcomes)


class _Route(NamedTuple):
    """What serves the paths that match ``pattern``."""

    pattern: re.Pattern[str]
    rule: str
    """The path as a rule of Flask's router, for logs and metrics."""
    view: Callable[..., ApiResponse]
    outcomes: LabeledCounter | None


class Api(flask.Flask):
    """The web application.

    Args:
        public_url: base of the URLs in responses. Decides whether to send
            Strict-Transport-Security.
        origins: the web origins that may call ``/v1`` (CORS). Credentials are not allowed, because
            a page sends its token in a header and the API has no cookies.
        metrics: counts every response.
    """

    def __init__(self, public_url: str, origins: Collection[str], metrics: ApiMetrics) -> None:
        super().__init__("otpvoice", static_folder=None)
        self.url_map.merge_slashes = False  # another spelling of a path is 404, not a redirect
        headers = dict(SECURITY_HEADERS)
        if public_url.startswith("https:"):
            # ASVS 3.4.1. Subdomains are not included, because they may belong to other services.
            headers["Strict-Transport-Security"] = f"max-age={_YEAR_S}"
        self._default_headers = {name.lower(): (name, value) for name, value in headers.items()}
        self._defaults_without = lru_cache(maxsize=64)(self._find_defaults_without)
        self.public_url = public_url
        self._origins = frozenset(origins)
        self._metrics = metrics
        self._outcomes: dict[str | None, LabeledCounter | None] = {}
        """By the name of the operation."""
        self._routes: defaultdict[str, list[_Route]] = defaultdict(list)
        self._errors = ErrorResponses(public_url, self.url_map)
        self._log = _LOG.bind()  # once, and not for each line
        self.before_request(self._before)
        self.after_request(self._after)
        self.register_error_handler(Exception, self._handle)
        self.logger.disabled = True  # it would write the path and the message of an error

    def add_endpoints(self, endpoints: Iterable[ApiEndpoint]) -> None:
        """Serve the endpoints."""
        for each in endpoints:
            operation, method = each.operation, each.operation.method.upper()
            outcomes = each.outcomes(self._metrics) if each.outcomes else None
            self._outcomes[operation.name] = outcomes
            pattern, rule = _path_pattern(operation.path), operation.flask_rule
            self._routes[method].append(_Route(pattern, rule, each.view, outcomes))
            self.add_url_rule(rule, operation.name, _flask_view(each.view), methods=[method])

    def set_error_format(self, prefix: str, error_format: ErrorFormat) -> None:
        """Respond to errors of paths that begin with ``prefix`` in a format of their own."""
        self._errors.set_format(prefix, error_format)

    def wsgi_app(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve a request."""
        environ["PATH_INFO"] = environ.get("PATH_INFO") or "/"  # RFC 3986, section 6.2.3
        request = environ[_REQUEST] = ApiRequest(environ)
        received = environ.get("HTTP_TRACEPARENT")
        if received is None and not tracing.is_on():
            return self._serve(request, environ, start_response)
        with tracing.serve_request(request.method, request.path, received):
            return self._serve(request, environ, start_response)

    def _serve(
        self, request: ApiRequest, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        if request.is_spelled_plainly:
            for route in self._routes.get(request.method, ()):
                if found := route.pattern.fullmatch(request.path):
                    response = self._respond(request, route, found.groupdict())
                    start_response(*self._head(response))
                    return [response.body]

        def start(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
            return start_response(status, self._complete(headers), *exc_info)

        return super().wsgi_app(environ, start)

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return ``func``: no view is asynchronous, so Flask need not inspect each one."""
        return func

    # Without Flask.

    def _respond(
        self, request: ApiRequest, route: _Route, parameters: Mapping[str, str]
    ) -> ApiResponse:
        start_request(request_id=request.id)
        try:
            response = route.view(request, **parameters)
        except Exception as error:  # noqa: BLE001 - every error becomes a problem document
            response = self._errors.respond(request, error)
        response.headers |= self._finish(request, route.outcomes, route.rule, response.status)
        return response

    def _head(self, response: ApiResponse) -> tuple[str, list[tuple[str, str]]]:
        """Return status line and headers in the order in which Flask has them."""
        headers = []
        if response.content_type:
            headers.append(("Content-Type", response.content_type))
            headers.append(("Content-Length", str(len(response.body))))
        headers += response.headers.items()
        return _STATUS_LINES[response.status], self._complete(headers)

    def _complete(self, headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """Add the default headers that the view did not set itself."""
        return headers + self._defaults_without(tuple([name for name, _ in headers]))

    def _find_defaults_without(self, names: tuple[str, ...]) -> list[tuple[str, str]]:
        own = {name.lower() for name in names}
        return [default for name, default in self._default_headers.items() if name not in own]

    # With Flask.

    def _before(self) -> None:
        request, rule = _current_request(), flask.request.url_rule
        start_request(request_id=request.id)
        if rule and not _is_spelled_as(rule.rule, request.target):
            raise NotFound

    def _handle(self, error: Exception) -> flask.Response:
        return _flask_response(self._errors.respond(_current_request(), error))

    def _after(self, response: flask.Response) -> flask.Response:
        request, rule = _current_request(), flask.request.url_rule
        if request.method == "OPTIONS" and response.status_code == 200:
            response.status_code = 204  # Flask's automatic response has no content
            del response.headers["Content-Type"]
        outcomes = self._outcomes.get(flask.request.endpoint)
        # The rule and never the path, because paths hold ids and the webhook's token.
        headers = self._finish(request, outcomes, rule.rule if rule else "-", response.status_code)
        response.headers.update(headers)
        return response

    # Both.

    def _finish(
        self, request: ApiRequest, outcomes: LabeledCounter | None, rule: str, status: int
    ) -> dict[str, str]:
        """Count and log the response. Return its further headers."""
        seconds = time.perf_counter() - request.started
        self._metrics.responses(rule, status).inc()
        self._metrics.durations(rule).observe(seconds)
        if request.outcome and outcomes:
            client = request.principal.client if request.principal else UNAUTHENTICATED
            outcomes(client, request.outcome).inc()
            if request.limit:
                self._metrics.refusals(client, request.limit).inc()
        self._log.info(
            request.log_event,
            method=request.method,
            route=rule,
            http_status=status,
            duration_ms=round(seconds * 1000, 1),
            **request.log_details,
        )
        if tracing.is_on():
            tracing.finish_request(request.method, rule, status, bound_fields())
        return {**self._cors_headers(request), "Request-Id": request.id}

    def _cors_headers(self, request: ApiRequest) -> Mapping[str, str]:
        """Return the headers that let pages of allowed origins read the response.

        https://fetch.spec.whatwg.org/#http-extensions
        """
        # Pages also read why ``//v1/…`` does not exist.
        if not self._origins or not request.path.lstrip("/").startswith(_CORS_PREFIX):
            return {}
        headers, origin = {"Vary": "Origin"}, request.header("Origin")
        if origin in self._origins:
            headers["Access-Control-Allow-Origin"] = origin
            headers["Access-Control-Expose-Headers"] = _EXPOSED_HEADERS
            if request.method == "OPTIONS":
                headers |= _PREFLIGHT_HEADERS
        return headers


def _path_pattern(path: str) -> re.Pattern[str]:
    """Return a pattern for the paths of an operation, with a group for each parameter."""
    return re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(path)))


def _is_spelled_as(route: str, target: str) -> bool:
    """Return whether the path of a target is spelled exactly as a rule of Flask's router.

    ``//metrics`` and ``/%6detrics`` also match ``/metrics``, so they could bypass a proxy that
    blocks that path. Escapes are allowed in parameters only.
    """
    path = target.partition("?")[0].partition("#")[0] or "/"
    segments, parts = path.split("/"), route.split("/")
    return len(segments) == len(parts) and all(
        part.startswith("<") or part == segment
        for segment, part in zip(segments, parts, strict=True)
    )


def _current_request() -> ApiRequest:
    request: ApiRequest = flask.request.environ[_REQUEST]
    return request


def _flask_view(view: Callable[..., ApiResponse]) -> Callable[..., flask.Response]:
    """Return the view as a view of Flask."""
    return lambda **parameters: _flask_response(view(_current_request(), **parameters))


def _flask_response(response: ApiResponse) -> flask.Response:
    result = flask.Response(response.body, response.status, content_type=response.content_type)
    if not response.content_type:
        del result.headers["Content-Type"]
    result.headers.update(response.headers)
    return result
