"""Routes of ``/console``. Search texts travel in request bodies, so no URL contains a number."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from flask import Blueprint, Response, request
from werkzeug.exceptions import Forbidden, NotFound, TooManyRequests, Unauthorized

from otpvoice.admin import RETENTION_NOTE, AdminService
from otpvoice.admin.preview import CallPreview
from otpvoice.api.console.auth import AdminAuth, WrongHost, operator_name
from otpvoice.api.console.dashboard import OUTCOMES, CallPrice, build_dashboard
from otpvoice.api.console.rendering import STATIC_FILES, render_page, static_file
from otpvoice.core.errors import InvalidNumber, StoreUnavailable
from otpvoice.core.speech import is_locale
from otpvoice.store.admin import NumberIdentity
from otpvoice.store.stats import StatsReader

_MAX_FORM_BYTES: Final = 4096
_FORM_VALID_MS: Final = 600_000
"""An older page may show limits that have changed since."""


@dataclass(frozen=True, slots=True)
class ConsoleContext:
    """Services and settings that the console's views use."""

    admin: AdminService
    stats: StatsReader
    price: CallPrice
    preview: Callable[[str, str | None, str], CallPreview]
    """For a client, a locale and a name."""
    clients: tuple[str, ...]


class FormError(Exception):
    """A form that cannot be processed. The text gives the reason."""


_ERROR_PAGES: Final[Mapping[type[Exception], tuple[int, str, str]]] = MappingProxyType(
    {
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
)
"""HTTP status, title and text. An error without a text describes itself."""


def console_blueprint(context: ConsoleContext, auth: AdminAuth) -> Blueprint:
    """Return the console's routes, protected by ``auth``."""
    routes = Blueprint("console", __name__, url_prefix="/console")
    views = _Views(context)

    @routes.before_request
    def authenticate() -> None:
        request.max_content_length = _MAX_FORM_BYTES
        auth.authenticate()

    routes.add_url_rule("", view_func=views.overview)
    routes.add_url_rule("/search", view_func=views.search, methods=["POST"])
    routes.add_url_rule("/limits/clear", view_func=views.clear, methods=["POST"])
    routes.add_url_rule("/preview", view_func=views.preview)
    routes.add_url_rule("/static/<name>", view_func=views.static)
    for kind in _ERROR_PAGES:
        routes.register_error_handler(kind, _handle_error)
    return routes


class _Views:
    def __init__(self, context: ConsoleContext) -> None:
        self._context = context
        self._admin = context.admin

    def overview(self) -> Response:
        status = self._admin.status()
        buckets = self._context.stats.last_day(status.overview.now)
        dashboard = build_dashboard(buckets, self._admin.routes, self._context.price)
        return render_page("overview.html", dashboard=dashboard, outcomes=OUTCOMES, status=status)

    def search(self) -> Response:
        result = self._admin.search(request.form.get("query", "").strip(), operator_name())
        return render_page("results.html", result=result, retention_note=RETENTION_NOTE)

    def clear(self) -> Response:
        number = self._admin.parse_number(request.form.get("number", ""))
        _check_number(number)
        before = self._admin.explain(number)
        _check_form_age(before.now_ms)
        self._admin.store.clear(number, operator_name())
        return render_page("cleared.html", before=before, after=self._admin.explain(number))

    def preview(self) -> Response:
        clients = self._context.clients
        client = request.args.get("client", clients[0] if clients else "")
        locale, name = (request.args.get(field, "").strip() for field in ("locale", "name"))
        if client not in clients:
            raise FormError(f"Unknown client. Configured are: {', '.join(clients) or 'none'}.")
        if locale and not is_locale(locale):
            raise FormError("The locale is not a language tag. Enter one such as hi or hi-IN.")
        preview = self._context.preview(client, locale or None, name)
        requests = {
            route: (each.url, json.loads(each.body)) for route, each in preview.requests.items()
        }
        form = {"client": client, "locale": locale, "name": name}
        return render_page(
            "preview.html", preview=preview, requests=requests, form=form, clients=clients
        )

    def static(self, name: str) -> Response:
        if name not in STATIC_FILES:
            raise NotFound
        return static_file(name)


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
    response = render_page("message.html", status, title=title, text=text or str(error))
    if isinstance(error, Unauthorized):
        response.headers["WWW-Authenticate"] = 'Basic realm="otpvoice console", charset="UTF-8"'
    if isinstance(error, TooManyRequests | StoreUnavailable):
        response.headers["Retry-After"] = str(getattr(error, "retry_after", 1))
    return response
