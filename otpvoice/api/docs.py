"""``/openapi.json``, ``/docs`` with its pages, and the front page at ``/``.

These pages are public and the same for everyone. They show what the source code contains, and of
the deployment only the names of its routes and providers, so no setting disables them; a proxy can
block any path. They load nothing from other hosts.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Final

import msgspec
from jinja2 import Environment, FileSystemLoader
from swagger_ui_bundle import swagger_ui_path
from werkzeug.exceptions import NotFound, PreconditionFailed

from otpvoice.api.application import api_endpoint, endpoints_of
from otpvoice.api.cached_content import (
    CACHE_HEADERS,
    CONDITION_HEADERS,
    NOT_MODIFIED,
    CachedContent,
)
from otpvoice.api.errors import BAD_REQUEST, ERROR_CATALOG, INTERNAL_ERROR, PROBLEM_TYPES
from otpvoice.api.http import JSON, ApiRequest, ApiResponse
from otpvoice.api.openapi import Operation, ResponseSpec, build_document

_PAGES: Final = Path(__file__).with_name("pages")

_HTML: Final = "text/html; charset=utf-8"
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


def _page(name: str, path: str, summary: str, *media_types: str) -> Operation:
    return Operation(
        name=name,
        path=path,
        tag="documentation",
        summary=summary,
        headers=CONDITION_HEADERS,
        responses=(
            ResponseSpec(200, "The content.", media_types=media_types, headers=CACHE_HEADERS),
            NOT_MODIFIED,
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
            JSON,
        )
    )
    def front(self, request: ApiRequest) -> ApiResponse:
        best = request.wsgi.accept_mimetypes.best_match((JSON, "text/html"))
        content = self._front_page if best == "text/html" else self._index
        response = content.response_to(request)
        response.headers["Vary"] = "Accept"
        return response

    @api_endpoint(_page("get_document", "/openapi.json", "Retrieve this document", JSON))
    def document(self, request: ApiRequest) -> ApiResponse:
        return self._document.response_to(request)

    @api_endpoint(
        _page("get_page", "/docs", "Open a page to read this document and to try it", "text/html")
    )
    def page(self, request: ApiRequest) -> ApiResponse:
        return _docs_page().response_to(request)

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
    def _document(self) -> CachedContent:
        document = build_document(self._operations, self._routes)
        return CachedContent(msgspec.json.encode(document), JSON, for_any_origin=True)

    @cached_property
    def _index(self) -> CachedContent:
        return CachedContent(msgspec.json.encode(_INDEX), JSON)

    @cached_property
    def _front_page(self) -> CachedContent:
        return _template("front.html", has_console=self._has_console)


@cache
def _docs_page() -> CachedContent:
    return _template("docs.html")


@cache
def _errors_page() -> CachedContent:
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
def _file(name: str, folder: Path, media_type: str) -> CachedContent:
    return CachedContent((folder / name).read_bytes(), media_type)


def _template(name: str, **variables: Any) -> CachedContent:
    pages = Environment(loader=FileSystemLoader(_PAGES), autoescape=True)
    page = pages.get_template(name).render(**variables)
    return CachedContent(page.encode(), _HTML, _PAGE_POLICY)
