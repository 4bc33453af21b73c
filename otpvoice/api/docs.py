"""``/openapi.json``, ``/docs``: the document as pages for people, and ``/``, which leads there.

All of it is public and the same for everybody: it tells what stands in the source, and nothing of
who runs it. So there is no setting to switch it off; a proxy can keep any address to itself.
Nothing is loaded from another host.
"""

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec
from flask import Blueprint, Response, request
from jinja2 import Environment, FileSystemLoader
from swagger_ui_bundle import swagger_ui_path
from werkzeug.exceptions import NotFound

from otpvoice.api.error_catalog import ERROR_CATALOG
from otpvoice.api.errors import BAD_REQUEST, INTERNAL_ERROR, PROBLEM_TYPES
from otpvoice.api.openapi.document import build_document

_PAGES: Final = Path(__file__).with_name("pages")
_MAX_AGE_S: Final = 300
"""Seconds that a browser need not ask again."""

_HTML: Final = "text/html; charset=utf-8"
_JSON: Final = "application/json"
_STYLESHEET: Final = "text/css; charset=utf-8"
_SCRIPT: Final = "text/javascript; charset=utf-8"
_PAGE_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
"""Swagger UI's style sheet has its icons in it, as data."""
_OWN_FILES: Final[Mapping[str, str]] = {"docs.js": _SCRIPT, "docs.css": _STYLESHEET}
_SWAGGER_UI: Final[Mapping[str, str]] = {
    "swagger-ui.css": _STYLESHEET,
    "swagger-ui-bundle.js": _SCRIPT,
    "favicon-32x32.png": "image/png",
}


def docs_routes(provider: str, *, has_console: bool = False) -> Blueprint:
    """The document and its pages. ``provider``: its name in the settings."""
    contract, files = _openapi_document(provider), _files()
    pages = {"docs": _docs_page(), "errors": _errors_page()}
    front = {_HTML: _front_page(has_console), _JSON: _INDEX_JSON}
    routes = Blueprint("docs", __name__)

    @routes.get("/")
    def front_page() -> Response:
        kind = request.accept_mimetypes.best_match((_JSON, "text/html"))
        response = front[_HTML if kind == "text/html" else _JSON].response()
        response.vary.add("Accept")
        return response

    @routes.get("/openapi.json")
    def openapi() -> Response:
        return contract.response()

    @routes.get("/docs")
    def page() -> Response:
        return pages["docs"].response()

    @routes.get("/docs/errors")
    def errors() -> Response:
        return pages["errors"].response()

    @routes.get("/docs/<file>")
    def page_file(file: str) -> Response:
        if file not in files:
            raise NotFound
        return files[file].response()

    return routes


@dataclass(frozen=True, slots=True)
class _CachedAsset:
    """An answer that is made once."""

    content: bytes
    media_type: str

    def response(self) -> Response:
        """It, or that the reader has it already (RFC 9110, section 13.1.2)."""
        response = Response(self.content, content_type=self.media_type)
        response.set_etag(hashlib.sha256(self.content).hexdigest()[:32])
        response.headers["Cache-Control"] = f"public, max-age={_MAX_AGE_S}"
        if self.media_type == _HTML:
            response.headers["Content-Security-Policy"] = _PAGE_POLICY
        response.make_conditional(request)
        return response


_INDEX_JSON: Final = _CachedAsset(
    msgspec.json.encode(
        {
            "service": "otpvoice",
            "openapi": "/openapi.json",
            "docs": "/docs",
            "errors": "/docs/errors",
        }
    ),
    _JSON,
)


@cache
def _front_page(has_console: bool) -> _CachedAsset:  # noqa: FBT001 - the key of the cache
    pages = Environment(loader=FileSystemLoader(_PAGES), autoescape=True)
    text = pages.get_template("front.html").render(has_console=has_console)
    return _CachedAsset(text.encode(), _HTML)


@cache
def _openapi_document(provider: str) -> _CachedAsset:
    return _CachedAsset(msgspec.json.encode(build_document(provider)), _JSON)


@cache
def _files() -> Mapping[str, _CachedAsset]:
    found = {name: (_PAGES / name, kind) for name, kind in _OWN_FILES.items()}
    found |= {name: (swagger_ui_path / name, kind) for name, kind in _SWAGGER_UI.items()}
    return {name: _CachedAsset(path.read_bytes(), kind) for name, (path, kind) in found.items()}


@cache
def _docs_page() -> _CachedAsset:
    return _CachedAsset((_PAGES / "docs.html").read_bytes(), _HTML)


@cache
def _errors_page() -> _CachedAsset:
    pages = Environment(loader=FileSystemLoader(_PAGES), autoescape=True)
    return _CachedAsset(
        pages.get_template("errors.html").render(codes=_error_codes()).encode(), _HTML
    )


def _error_codes() -> Mapping[str, Mapping[int, Any]]:
    """By code and status: the titles it comes with, what it means and what to do."""
    titles: defaultdict[tuple[int, str], list[str]] = defaultdict(list)
    for problem in (*PROBLEM_TYPES.values(), BAD_REQUEST, INTERNAL_ERROR):
        if problem.title not in titles[problem.status, problem.code]:
            titles[problem.status, problem.code].append(problem.title)
    codes: defaultdict[str, dict[int, Any]] = defaultdict(dict)
    for (status, code), said in titles.items():
        codes[code][status] = {"titles": said, "help": ERROR_CATALOG[status, code]}
    return codes
