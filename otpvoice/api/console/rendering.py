"""The console's pages, made from templates on the server; what they need is served beside them."""

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

from flask import Response
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

_FOLDER: Final = Path(__file__).parent
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
STATIC_FILES: Final = {
    "console.css": "text/css; charset=utf-8",
    "console.js": "text/javascript; charset=utf-8",
}
DASH: Final = "–"


def render_page(template: str, http_status: int = 200, **context: Any) -> Response:
    """A page. It tells its own origin where a form comes from, and others nothing."""
    text = _templates().get_template(template).render(**context)
    response = Response(text, http_status, content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = _POLICY
    # With the API's no-referrer a browser would say "Origin: null" of our own forms, too
    # (Fetch standard, "append a request Origin header").
    response.headers["Referrer-Policy"] = "same-origin"
    return response


def static_file(name: str) -> Response:
    """One of :data:`FILES`."""
    response = Response((_FOLDER / "static" / name).read_bytes(), content_type=STATIC_FILES[name])
    response.headers["Cache-Control"] = "private, max-age=300"
    return response


@cache
def _templates() -> Environment:
    templates = Environment(
        loader=FileSystemLoader(_FOLDER / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters.update(
        time=format_time, clock=format_clock, percent=format_percent, value=format_value
    )
    return templates


def format_time(time_ms: int) -> Markup:
    """Render a ``<time>`` element in UTC. The page's script shows it in the reader's zone."""
    text = _utc(time_ms).strftime("%d %b %H:%M:%S")
    return Markup('<time datetime="{}">{}</time>').format(format_utc(time_ms), text)


def format_clock(time_ms: int) -> str:
    """Format a time as ``13:45``, in UTC."""
    return _utc(time_ms).strftime("%H:%M")


def format_percent(value: float | None) -> str:
    """Format a percentage as ``84 %``."""
    return DASH if value is None else f"{value:.0f} %"


def format_value(value: float | None) -> str:
    """Format a value of a chart's table."""
    return DASH if value is None else f"{value:.0f}"


def format_utc(time_ms: int) -> str:
    """Format a time as ``2026-01-01T00:00:00Z``."""
    return _utc(time_ms).strftime("%Y-%m-%dT%H:%M:%SZ")


def _utc(time_ms: int) -> datetime:
    return datetime.fromtimestamp(time_ms / 1000, UTC)
