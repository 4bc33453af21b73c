"""Pages of ``/console``, for operators, served only if an admin key is configured.

They show what ``otpvoice limits`` and ``otpvoice find`` show, with charts of the last day. Their
only action clears the limits of a number. Numbers are masked, and codes are never shown. Search
texts travel in request bodies, so no URL contains a number.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

from flask import Blueprint, Response, request
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup
from werkzeug.exceptions import Forbidden, NotFound, TooManyRequests, Unauthorized

from otpvoice.admin import DENIED, RETENTION_NOTE, AdminService, describe_result
from otpvoice.admin.preview import CallPreview, PreviewRequest
from otpvoice.api.console.auth import AdminAuth, WrongHost, operator_name
from otpvoice.api.console.dashboard import OUTCOMES, CallPrice, build_dashboard
from otpvoice.core.errors import InvalidNumber, StoreUnavailable
from otpvoice.core.speech import is_locale
from otpvoice.core.verification import Call, EndReason, Verification, format_utc
from otpvoice.store.admin import NumberIdentity
from otpvoice.store.stats import StatsReader

_MAX_FORM_BYTES: Final = 4096
_FORM_VALID_MS: Final = 600_000
"""An older page may show limits that have changed since."""
_FOLDER: Final = Path(__file__).parent
_CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_STATIC_FILES: Final = {
    "console.css": "text/css; charset=utf-8",
    "console.js": "text/javascript; charset=utf-8",
}
_DASH: Final = "–"


class FormError(Exception):
    """A form that cannot be processed. The text gives the reason."""


_ERROR_PAGES: Final[Mapping[type[Exception], tuple[int, str, str]]] = {
    Unauthorized: (
        401,
        "The console needs a key",
        "Enter your name, which appears in the log, and an admin key as the password.",
    ),
    Forbidden: (
        403,
        "Request refused",
        "The form was not sent by a page of the console, so nothing was changed.",
    ),
    WrongHost: (
        421,
        "Wrong host",
        "The console is served only at the host of server.public_url, and on this machine.",
    ),
    FormError: (422, "The form was not accepted", ""),
    InvalidNumber: (422, "Invalid number", ""),
    TooManyRequests: (
        429,
        "Too many attempts",
        "Your address sent too many wrong keys. Wait one minute, then try again.",
    ),
    StoreUnavailable: (
        503,
        "The store is unavailable",
        "It is not known whether anything was changed. Run otpvoice doctor for the cause.",
    ),
}
"""HTTP status, title and text. An error without a text describes itself."""


@dataclass(frozen=True, slots=True)
class ConsoleViews:
    """The console's views, with the services and settings that they use."""

    admin: AdminService
    stats: StatsReader
    price: CallPrice
    preview_call: Callable[[PreviewRequest], CallPreview]
    clients: tuple[str, ...]

    def blueprint(self, auth: AdminAuth) -> Blueprint:
        """Return the console's routes, protected by ``auth``."""
        routes = Blueprint("console", __name__, url_prefix="/console")

        @routes.before_request
        def authenticate() -> None:
            request.max_content_length = _MAX_FORM_BYTES
            auth.authenticate()

        routes.add_url_rule("", view_func=self.overview)
        routes.add_url_rule("/search", view_func=self.search, methods=["POST"])
        routes.add_url_rule("/limits/clear", view_func=self.clear, methods=["POST"])
        routes.add_url_rule("/preview", view_func=self.preview)
        routes.add_url_rule("/static/<name>", view_func=_static_file)
        for error in _ERROR_PAGES:
            routes.register_error_handler(error, _handle_error)
        return routes

    def overview(self) -> Response:
        """Show the status, and the statistics of the last day."""
        status = self.admin.status()
        buckets = self.stats.last_day(status.overview.now)
        return _render_page(
            "overview.html",
            status=status,
            dashboard=build_dashboard(buckets),
            outcomes=OUTCOMES,
            routes=self.admin.routes,
            price=self.price,
        )

    def search(self) -> Response:
        """Show the verifications that match a text, and the limits of a number."""
        result = self.admin.search(request.form.get("query", "").strip(), operator_name())
        return _render_page(
            "results.html", result=result, retention_note=RETENTION_NOTE, denied=DENIED
        )

    def clear(self) -> Response:
        """Clear the limits of a number that the operator confirmed."""
        number = self.admin.parse_number(request.form.get("number", ""))
        _check_number(number)
        before = self.admin.store.explain(number)
        _check_form_age(before.now_ms)
        self.admin.store.clear(number, operator_name())
        return _render_page("cleared.html", before=before, after=self.admin.store.explain(number))

    def preview(self) -> Response:
        """Show what a call would say, and the requests to the provider."""
        client = request.args.get("client", self.clients[0] if self.clients else "")
        locale, name = (request.args.get(field, "").strip() for field in ("locale", "name"))
        if client not in self.clients:
            known = ", ".join(self.clients) or "none"
            raise FormError(f"Unknown client. Configured are: {known}.")
        if locale and not is_locale(locale):
            raise FormError("The locale is not a language tag. Enter one such as hi or hi-IN.")
        route = request.args.get("route", "")
        if route and route not in self.admin.routes:
            raise FormError(f"Unknown route. Configured are: {', '.join(self.admin.routes)}.")
        wanted = PreviewRequest(
            client=client, locale=locale or None, name=name, route=route or None
        )
        return _render_page(
            "preview.html",
            preview=self.preview_call(wanted),
            form={"client": client, "locale": locale, "name": name, "route": route},
            clients=self.clients,
            routes=self.admin.routes,
        )


def _static_file(name: str) -> Response:
    if name not in _STATIC_FILES:
        raise NotFound
    response = Response((_FOLDER / "static" / name).read_bytes(), content_type=_STATIC_FILES[name])
    response.headers["Cache-Control"] = "private, max-age=300"
    return response


def _check_number(typed: NumberIdentity) -> None:
    """Compare the typed number with the one that the page showed.

    Raises:
        FormError: they differ, or the form names none.
    """
    if request.form.get("number_hash") != typed.hash:
        raise FormError(
            f"You typed {typed.masked}, which is not the number that the page showed. Nothing was "
            "changed. Search for the number that you mean, and confirm it there."
        )


def _check_form_age(now_ms: int) -> None:
    """Refuse a page that was left open, and a result page that is loaded again.

    Raises:
        FormError: the page is older than ten minutes.
    """
    text = request.form.get("rendered_at_ms", "")
    rendered_at_ms = int(text) if text.isascii() and text.isdigit() else 0
    if not 0 <= now_ms - rendered_at_ms <= _FORM_VALID_MS:
        raise FormError(
            "The page is older than ten minutes, so nothing was changed. Search again to see the "
            "current limits."
        )


def _handle_error(error: Exception) -> Response:
    pages = (page for kind, page in _ERROR_PAGES.items() if isinstance(error, kind))
    status, title, text = next(pages)
    response = _render_page("message.html", status, title=title, text=text or str(error))
    if isinstance(error, Unauthorized):
        response.headers["WWW-Authenticate"] = 'Basic realm="otpvoice console", charset="UTF-8"'
    if isinstance(error, TooManyRequests | StoreUnavailable):
        response.headers["Retry-After"] = str(getattr(error, "retry_after", 1))
    return response


def _render_page(template: str, http_status: int = 200, **context: Any) -> Response:
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
        loader=FileSystemLoader(_FOLDER / "templates"),
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
    )
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
