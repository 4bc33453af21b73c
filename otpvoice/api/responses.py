"""What every answer has: JSON, a request id, headers for browsers, and one line in the log."""

import time
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final
from wsgiref.types import StartResponse, WSGIEnvironment

import msgspec
import structlog
from flask import Flask, Response
from structlog.contextvars import bind_contextvars, clear_contextvars

from otpvoice.api.request import ApiRequest, current_request

_LOG = structlog.get_logger(__name__)
_YEAR_S: Final = 365 * 86_400
"""Seconds."""


SECURITY_HEADERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Cache-Control": "no-store",
        # base-uri does not fall back on default-src.
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
        # Judges loads that nobody may read ("no-cors") alone: what CORS allows is not held up by it
        # (Fetch standard, "cross-origin resource policy check").
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
)
"""What keeps a browser from doing more with an answer than reading it.

OWASP ASVS 5.0, section 3.4: an answer is no page, so nothing in it is loaded, run, framed or taken
for another type, and nobody is told where a reader came from. Nor is it kept (14.3.2), nor read by
another origin except as CORS allows (3.5.8).
"""


def json_response(body: Any, status: int = 200, content_type: str = "application/json") -> Response:
    """``body`` as JSON."""
    return Response(msgspec.json.encode(body), status, content_type=content_type)


def set_log_event(event: str, **details: Any) -> None:
    """What the request being answered did, for its line in the log; else it is ``http``."""
    about = current_request()
    about.log_event, about.log_details = event, details


class Api(Flask):
    """An application that gives every answer its id, its headers and its line in the log.

    A view that sets a header itself, as a page does with a policy of its own, keeps it.
    """

    request_class = ApiRequest

    def __init__(self, public_url: str) -> None:
        super().__init__("otpvoice", static_folder=None)
        usual = dict(SECURITY_HEADERS)
        if public_url.startswith("https:"):
            # ASVS 3.4.1; for this host alone, because what its subdomains speak is not ours to say.
            usual["Strict-Transport-Security"] = f"max-age={_YEAR_S}"
        self._default_headers = {name.lower(): (name, value) for name, value in usual.items()}
        self.before_request(_bind_request_id)
        self.after_request(_log_response)

    def wsgi_app(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answers, and adds the usual headers last, where it takes no more than a list."""
        environ["PATH_INFO"] = environ.get("PATH_INFO") or "/"  # RFC 3986, section 6.2.3

        def start_with_defaults(status: str, headers: list[tuple[str, str]], *fault: Any) -> Any:
            own = {name.lower() for name, _ in headers}
            usual = [pair for name, pair in self._default_headers.items() if name not in own]
            return start_response(status, headers + usual, *fault)

        return super().wsgi_app(environ, start_with_defaults)

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """``func``: nothing of ours is asynchronous, and Flask would ask each time it is called."""
        return func


def _bind_request_id() -> None:
    clear_contextvars()
    bind_contextvars(request_id=current_request().id)


def _log_response(response: Response) -> Response:
    about = current_request()
    response.headers["Request-Id"] = about.id
    # The rule, never the path: a path holds ids and the webhook's token.
    rule = about.url_rule.rule if about.url_rule else "-"
    took = round((time.perf_counter() - about.started) * 1000, 1)
    answer = {"route": rule, "http_status": response.status_code, "duration_ms": took}
    _LOG.info(about.log_event, method=about.method, **answer, **about.log_details)
    return response
