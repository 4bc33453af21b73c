"""Cross-Origin Resource Sharing: what web pages of allowed origins may ask and read.

The Fetch standard, "HTTP extensions" (https://fetch.spec.whatwg.org/#http-extensions). It holds for
``/v1`` alone; callbacks and health checks are no business of a page's.
"""

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Final

from flask import Flask, Response

from otpvoice.api.request import current_request

_API_PREFIX: Final = "/v1/"
_EXPOSED_HEADERS: Final = "Retry-After, Request-Id, Location, Idempotent-Replayed"
_PREFLIGHT_HEADERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Access-Control-Allow-Methods": "GET, POST",
        "Access-Control-Allow-Headers": "Authorization, Content-Type, Idempotency-Key, Request-Id",
        "Access-Control-Max-Age": "7200",  # seconds; no browser but one remembers it longer
    }
)


def register(app: Flask, origins: Collection[str]) -> None:
    """Lets pages of ``origins`` use the API, each compared as a whole; with none it says nothing.

    There is no ``Access-Control-Allow-Credentials``: a page sends its token in a header itself, and
    what a browser would add unasked (cookies) has no meaning here.
    """

    @app.after_request
    def finish_options(response: Response) -> Response:
        # Flask answers OPTIONS by itself, before anybody asks for a credential.
        if current_request().method == "OPTIONS" and response.status_code == 200:
            response.status_code = 204
            del response.headers["Content-Type"]
        return response

    if not origins:
        return

    @app.after_request
    def add_cors_headers(response: Response) -> Response:
        about = current_request()
        if not about.path.startswith(_API_PREFIX):
            return response
        response.vary.add("Origin")
        origin = about.headers.get("Origin")
        if origin in origins:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = _EXPOSED_HEADERS
            if about.method == "OPTIONS":
                response.headers.update(_PREFLIGHT_HEADERS)
        return response
