"""The request that is being answered, and what becomes known of it on the way to its answer."""

import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from flask import Request, request
from werkzeug.utils import cached_property

_SCHEME_AND_AUTHORITY: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")
"""Of a request in absolute form (RFC 9112, section 3.2.2)."""
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is asking."""

    client: str
    verification_id: str | None = None
    """The only one that an app may ask about; None for the client itself."""


class ApiRequest(Request):
    """A request, Flask's and ours: see :func:`current_request`."""

    principal: Principal | None = None
    """None until it is known."""
    log_event: str = "http"
    """What the log calls it: what was done, if anything was."""
    log_details: Mapping[str, Any] = {}
    """What the log says of that."""
    outcome: str = ""
    """What came of it in a word, for the metrics."""
    limit: str = ""
    """The limit that refused it."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.started = time.perf_counter()

    @property
    def has_canonical_path(self) -> bool:
        """Return whether the path has its route's own words: no escapes, no further slashes.

        ``//metrics`` and ``/%6detrics`` lead to ``/metrics`` as well, past a proxy that keeps that
        address to itself. Parameters may be escaped.
        """
        route = self.url_rule.rule if self.url_rule else ""
        before, _, parameter = route.partition("<")
        after = parameter.partition(">")[2]
        path = (
            _SCHEME_AND_AUTHORITY.sub("", self.environ.get("RAW_URI", route)).partition("?")[0]
            or "/"
        )
        path = path.partition("#")[0]
        return (path.startswith(before) and path.endswith(after)) if parameter else path == route

    @cached_property
    def id(self) -> str:
        """The caller's own if it is well-formed, else ours."""
        given = self.headers.get("Request-Id", "")
        return given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(16)


def current_request() -> ApiRequest:
    """The request being answered, itself.

    Flask's ``request`` and ``g`` stand for it and look it up each time an attribute of theirs is
    read, which takes longer than most of what is done with it.
    """
    return cast("ApiRequest", request._get_current_object())  # type: ignore[attr-defined] # noqa: SLF001 - werkzeug's documented way
