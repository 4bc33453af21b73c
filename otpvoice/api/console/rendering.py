"""Rendering of the console's pages: templates, security headers, times and timelines."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

from flask import Response
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from otpvoice.admin import describe_result
from otpvoice.api.console.list_filter import list_url
from otpvoice.core.verification import Call, EndReason, Verification, format_utc

FOLDER: Final = Path(__file__).parent
_CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_DASH: Final = "–"


def render_page(template: str, http_status: int = 200, **context: Any) -> Response:
    """Render a page with its security headers."""
    text = _templates().get_template(template).render(**context)
    response = Response(text, http_status, content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = _CONTENT_SECURITY_POLICY
    # With the API's no-referrer, browsers send "Origin: null" with the console's own forms
    # (Fetch standard, "append a request Origin header").
    response.headers["Referrer-Policy"] = "same-origin"
    return response


@cache
def _templates() -> Environment:
    templates = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters.update(
        time=_time_element,
        clock=lambda time_ms: _format_time(time_ms, "%H:%M"),
        percent=lambda value: _DASH if value is None else f"{value:.0f} %",
        value=lambda value: _DASH if value is None else f"{value:.0f}",
        timeline=_build_timeline,
        reason=_describe_reason,
        spaced=_spaced,
    )
    templates.globals["list_url"] = list_url
    return templates


def _time_element(time_ms: int) -> Markup:
    """Render a time in UTC. The page's script shows it in the reader's zone."""
    text = _format_time(time_ms, "%d %b %H:%M:%S")
    return Markup('<time datetime="{}">{}</time>').format(format_utc(time_ms), text)


def _format_time(time_ms: int, form: str) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime(form)


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """A past or future moment of a verification."""

    time_ms: int
    css_class: str
    """``good``, ``bad``, ``plain`` or ``ahead``."""
    title: str
    details: str = ""


def _build_timeline(verification: Verification) -> list[TimelineEntry]:
    """Return the moments of a verification and its calls, in order."""
    entries = [
        TimelineEntry(verification.created_at, "plain", "Created", f"by {verification.client}")
    ]
    for number, call in enumerate(verification.calls, 1):
        entries += _call_entries(call, f"Call {number}")
    if verification.ended_at is None:
        entries.append(TimelineEntry(verification.expires_at, "ahead", "Expires"))
    else:
        css_class = "good" if verification.status == "approved" else "bad"
        title, reason = _spaced(verification.status).capitalize(), verification.reason
        details = _describe_reason(reason) if reason else ""
        entries.append(TimelineEntry(verification.ended_at, css_class, title, details))
    return sorted(entries, key=lambda entry: entry.time_ms)


def _call_entries(call: Call, name: str) -> Iterator[TimelineEntry]:
    css_class = "ahead" if call.status == "queued" else "plain"
    route = f"by {call.route}, flow {call.locale}"
    yield TimelineEntry(call.due_at, css_class, f"{name}: due", route)
    if call.sent_at is not None:
        yield TimelineEntry(call.sent_at, "plain", f"{name}: sent to the provider")
    if call.placed_at is not None:
        yield TimelineEntry(call.placed_at, "plain", f"{name}: placed", "accepted by the provider")
    if call.ended_at is not None or call.status == "unknown":
        time_ms = call.ended_at or call.sent_at or call.due_at
        css_class = "good" if call.status == "answered" else "bad"
        title = f"{name}: {_spaced(call.status)}"
        details = ", ".join(filter(None, [_spaced(call.reason or ""), *describe_result(call)]))
        yield TimelineEntry(time_ms, css_class, title, details)


def _describe_reason(reason: EndReason) -> str:
    if reason is EndReason.DENIED:
        return "denied: the person who was called pressed 9, and did not ask for the call"
    return _spaced(reason)


def _spaced(word: str) -> str:
    return word.replace("_", " ")
