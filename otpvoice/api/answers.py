"""What every answer has: JSON, a request id, and one line in the log."""

import re
import time
import uuid
from typing import Any, Final

import msgspec
import structlog
from flask import Flask, Response, g, request
from structlog.contextvars import bind_contextvars, clear_contextvars

_LOG = structlog.get_logger(__name__)
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)


def json_answer(body: Any, status: int = 200, content_type: str = "application/json") -> Response:
    """``body`` as JSON."""
    return Response(msgspec.json.encode(body), status, content_type=content_type)


def request_id() -> str:
    """The id of the request being answered: the caller's own if it is well-formed, else ours."""
    if "request_id" not in g:
        given = request.headers.get("Request-Id", "")
        g.request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
    return str(g.request_id)


def register(app: Flask) -> None:
    """Gives every answer of ``app`` its id, its headers and its line in the log."""

    @app.before_request
    def begin() -> None:
        g.began = time.perf_counter()
        clear_contextvars()
        bind_contextvars(request_id=request_id())

    @app.after_request
    def finish(response: Response) -> Response:
        response.headers["Request-Id"] = request_id()
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Content-Type-Options"] = "nosniff"
        # The rule, never the path: a path holds ids and the webhook's token.
        rule = request.url_rule.rule if request.url_rule else "-"
        took = round((time.perf_counter() - g.began) * 1000, 1)
        _LOG.info("http", method=request.method, route=rule, status=response.status_code, ms=took)
        return response
