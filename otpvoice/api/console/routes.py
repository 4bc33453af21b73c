"""Pages of ``/console``, for operators, served only if an admin key is configured.

They show what ``otpvoice limits`` and ``otpvoice find`` show, with charts of the last day, and list
the newest verifications. Their actions clear the limits of a number, and block it. Numbers are
masked, and codes are never shown. Search texts travel in request bodies, so no URL contains a
number.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from flask import Blueprint, Response, request
from werkzeug.exceptions import Forbidden, NotFound, TooManyRequests, Unauthorized

from otpvoice.admin import AdminService
from otpvoice.admin.preview import CallPreview, PreviewRequest
from otpvoice.api.console.auth import AdminAuth, WrongHost
from otpvoice.api.console.dashboard import build_dashboard
from otpvoice.api.console.forms import FormError
from otpvoice.api.console.list_filter import OUTCOMES
from otpvoice.api.console.lists import ListViews
from otpvoice.api.console.number_views import NumberViews
from otpvoice.api.console.period_stats import CallPrice
from otpvoice.api.console.process import process_stats
from otpvoice.api.console.rendering import FOLDER, render_page
from otpvoice.core.errors import InvalidNumber, StoreUnavailable
from otpvoice.core.speech import is_locale
from otpvoice.store.stats import StatsReader

_MAX_FORM_BYTES: Final = 4096
_STATIC_FILES: Final = {
    "console.css": "text/css; charset=utf-8",
    "console.js": "text/javascript; charset=utf-8",
}

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
        NumberViews(self.admin).add_to(routes)
        ListViews(self.admin, self.clients).add_to(routes)
        routes.add_url_rule("/preview", view_func=self.preview)
        routes.add_url_rule("/static/<name>", view_func=_static_file)
        for error in _ERROR_PAGES:
            routes.register_error_handler(error, _handle_error)
        return routes

    def overview(self) -> Response:
        """Show the status, and the statistics of the last day."""
        status = self.admin.status()
        buckets = self.stats.last_day(status.overview.now)
        return render_page(
            "overview.html",
            status=status,
            dashboard=build_dashboard(buckets),
            outcomes=OUTCOMES,
            routes=self.admin.routes,
            price=self.price,
            clients=self.clients,
            process=process_stats(),
        )

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
        return render_page(
            "preview.html",
            preview=self.preview_call(wanted),
            form={"client": client, "locale": locale, "name": name, "route": route},
            clients=self.clients,
            routes=self.admin.routes,
        )


def _static_file(name: str) -> Response:
    if name not in _STATIC_FILES:
        raise NotFound
    response = Response((FOLDER / "static" / name).read_bytes(), content_type=_STATIC_FILES[name])
    response.headers["Cache-Control"] = "private, max-age=300"
    return response


def _handle_error(error: Exception) -> Response:
    pages = (page for kind, page in _ERROR_PAGES.items() if isinstance(error, kind))
    status, title, text = next(pages)
    response = render_page("message.html", status, title=title, text=text or str(error))
    if isinstance(error, Unauthorized):
        response.headers["WWW-Authenticate"] = 'Basic realm="otpvoice console", charset="UTF-8"'
    if isinstance(error, TooManyRequests | StoreUnavailable):
        response.headers["Retry-After"] = str(getattr(error, "retry_after", 1))
    return response
