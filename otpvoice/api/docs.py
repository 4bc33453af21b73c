"""``/openapi.json``, ``/docs`` with its pages, and the front page at ``/``.

These pages are public and the same for everyone. They show what the source code contains, and of
the deployment only the names of its routes and providers, so no setting disables them; a proxy can
block any path. They load nothing from other hosts.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Final

import msgspec
from jinja2 import Environment, FileSystemLoader
from swagger_ui_bundle import swagger_ui_path
from werkzeug.exceptions import NotFound, PreconditionFailed

from otpvoice.api.application import api_endpoint, endpoints_of
from otpvoice.api.errors import BAD_REQUEST, ERROR_CATALOG, INTERNAL_ERROR, PROBLEM_TYPES
from otpvoice.api.openapi import Operation, ResponseSpec, build_document
from otpvoice.api.request import ApiRequest
from otpvoice.api.response import ApiResponse

_PAGES: Final = Path(__file__).with_name("pages")
_MAX_AGE_S: Final = 300
"""How long a browser may use a page without asking again."""

_HTML: Final = "text/html; charset=utf-8"
_JSON: Final = "application/json"
_STYLESHEET: Final = "text/css; charset=utf-8"
_SCRIPT: Final = "text/javascript; charset=utf-8"
_PAGE_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
"""``data:`` is for the icons in Swagger UI's style sheet."""
_FILES: Final = {
    "docs.js": (_PAGES, _SCRIPT),
    "docs.css": (_PAGES, _STYLESHEET),
    "swagger-ui.css": (swagger_ui_path, _STYLESHEET),
    "swagger-ui-bundle.js": (swagger_ui_path, _SCRIPT),
    "favicon-32x32.png": (swagger_ui_path, "image/png"),
}
_INDEX: Final = {
    "service": "otpvoice",
    "openapi": "/openapi.json",
    "docs": "/docs",
    "errors": "/docs/errors",
}


@dataclass(frozen=True, slots=True)
class _CachedAsset:
    """Content that is built once."""

    content: bytes
    media_type: str

    def response_to(self, request: ApiRequest) -> ApiResponse:
        """Return the content, or 304 if the reader has it (RFC 9110, section 13.1.2).

        Raises:
            PreconditionFailed: the reader wants other content (section 13.1.1).
        """
        etag = hashlib.sha256(self.content).hexdigest()[:32]
        headers = {"ETag": f'"{etag}"', "Cache-Control": f"public, max-age={_MAX_AGE_S}"}
        if self.media_type == _HTML:
            headers["Content-Security-Policy"] = _PAGE_POLICY
        wanted = request.wsgi.if_match
        if request.has_header("If-Match") and not (wanted.star_tag or wanted.is_strong(etag)):
            raise PreconditionFailed
        if request.wsgi.if_none_match.contains_weak(etag):
            return ApiResponse(status=304, headers=headers)
        return ApiResponse(self.content, content_type=self.media_type, headers=headers)


def _page(name: str, path: str, summary: str, *media_types: str) -> Operation:
    headers = ("ETag", "Cache-Control")
    return Operation(
        name=name,
        path=path,
        tag="documentation",
        summary=summary,
        headers=("If-Match", "If-None-Match"),
        responses=(
            ResponseSpec(200, "The content.", media_types=media_types, headers=headers),
            ResponseSpec(304, "The content has not changed.", media_types=(), headers=headers),
        ),
        errors=(PreconditionFailed, *((NotFound,) if "{file}" in path else ())),
    )


class DocsViews:
    """Views of the documentation.

    Args:
        operations: all other operations of the document.
        routes: the names of the configured routes.
        has_console: whether the front page links to the console.
    """

    def __init__(
        self, operations: Iterable[Operation], routes: Sequence[str], *, has_console: bool
    ) -> None:
        self._routes = routes
        self._operations = [*operations, *(each.operation for each in endpoints_of(self))]
        self._has_console = has_console

    @api_endpoint(
        _page(
            "get_front_page",
            "/",
            "Retrieve links to the documentation, as a page or as JSON",
            "text/html",
            _JSON,
        )
    )
    def front(self, request: ApiRequest) -> ApiResponse:
        best = request.wsgi.accept_mimetypes.best_match((_JSON, "text/html"))
        asset = self._front_page if best == "text/html" else self._index
        response = asset.response_to(request)
        response.headers["Vary"] = "Accept"
        return response

    @api_endpoint(_page("get_document", "/openapi.json", "Retrieve this document", _JSON))
    def document(self, request: ApiRequest) -> ApiResponse:
        return self._document.response_to(request)

    @api_endpoint(
        _page("get_page", "/docs", "Open a page to read this document and to try it", "text/html")
    )
    def page(self, request: ApiRequest) -> ApiResponse:
        return _file("docs.html", _PAGES, _HTML).response_to(request)

    @api_endpoint(
        _page(
            "get_errors_page",
            "/docs/errors",
            "Open a page that explains every `code`",
            "text/html",
        )
    )
    def errors(self, request: ApiRequest) -> ApiResponse:
        return _errors_page().response_to(request)

    @api_endpoint(
        _page(
            "get_page_file",
            "/docs/{file}",
            "Retrieve a file that the pages use",
            "text/css",
            "text/javascript",
            "image/png",
        )
    )
    def page_file(self, request: ApiRequest, file: str) -> ApiResponse:
        if file not in _FILES:
            raise NotFound
        return _file(file, *_FILES[file]).response_to(request)

    @cached_property
    def _document(self) -> _CachedAsset:
        return _CachedAsset(
            msgspec.json.encode(build_document(self._operations, self._routes)), _JSON
        )

    @cached_property
    def _index(self) -> _CachedAsset:
        return _CachedAsset(msgspec.json.encode(_INDEX), _JSON)

    @cached_property
    def _front_page(self) -> _CachedAsset:
        return _template("front.html", has_console=self._has_console)


@cache
def _errors_page() -> _CachedAsset:
    """Render the titles, the meaning and the resolution of each code and status."""
    titles: defaultdict[tuple[int, str], list[str]] = defaultdict(list)
    for problem in (*PROBLEM_TYPES.values(), BAD_REQUEST, INTERNAL_ERROR):
        if problem.title not in titles[problem.status, problem.code]:
            titles[problem.status, problem.code].append(problem.title)
    codes: defaultdict[str, dict[int, Any]] = defaultdict(dict)
    for (status, code), of_code in titles.items():
        codes[code][status] = {"titles": of_code, "help": ERROR_CATALOG[status, code]}
    return _template("errors.html", codes=codes)


@cache
def _file(name: str, folder: Path, media_type: str) -> _CachedAsset:
    return _CachedAsset((folder / name).read_bytes(), media_type)


def _template(name: str, **variables: Any) -> _CachedAsset:
    pages = Environment(loader=FileSystemLoader(_PAGES), autoescape=True)
    return _CachedAsset(pages.get_template(name).render(**variables).encode(), _HTML)
