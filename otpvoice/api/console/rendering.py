"""The console's pages, made from templates on the server; what they need is served beside them."""

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

from flask import Response
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

_HERE: Final = Path(__file__).parent
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
FILES: Final = {
    "console.css": "text/css; charset=utf-8",
    "console.js": "text/javascript; charset=utf-8",
}
DASH: Final = "–"


def page(name: str, status: int = 200, **shown: Any) -> Response:
    """A page. It tells its own origin where a form comes from, and others nothing."""
    text = _templates().get_template(name).render(**shown)
    response = Response(text, status, content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = _POLICY
    # With the API's no-referrer a browser would say "Origin: null" of our own forms, too
    # (Fetch standard, "append a request Origin header").
    response.headers["Referrer-Policy"] = "same-origin"
    return response


def file(name: str) -> Response:
    """One of :data:`FILES`."""
    response = Response((_HERE / "static" / name).read_bytes(), content_type=FILES[name])
    response.headers["Cache-Control"] = "private, max-age=300"
    return response


@cache
def _templates() -> Environment:
    templates = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters.update(moment=moment, short=short, percent=percent, figure=figure)
    return templates


def moment(at: int) -> Markup:
    """``at`` with its day, in UTC; the page's script shows it in the reader's zone."""
    return _time(at, "%d %b %H:%M:%S", "day")


def short(at: int) -> str:
    """``13:45``, in UTC."""
    return _utc(at).strftime("%H:%M")


def percent(value: float | None) -> str:
    """``84 %``."""
    return DASH if value is None else f"{value:.0f} %"


def figure(value: float | None) -> str:
    """A value of a plot."""
    return DASH if value is None else f"{value:.0f}"


def iso(at: int) -> str:
    """``2026-01-01T00:00:00Z``."""
    return _utc(at).strftime("%Y-%m-%dT%H:%M:%SZ")


def _time(at: int, form: str, kind: str) -> Markup:
    text = _utc(at).strftime(form)
    return Markup('<time datetime="{}" data-form="{}">{}</time>').format(iso(at), kind, text)


def _utc(at: int) -> datetime:
    return datetime.fromtimestamp(at / 1000, UTC)
