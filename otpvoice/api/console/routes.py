"""``/console`` and below. What is searched for travels in bodies, never in addresses."""

import json
from dataclasses import dataclass
from typing import Final

from flask import Blueprint, Response, request
from werkzeug.exceptions import Forbidden, NotFound, TooManyRequests, Unauthorized

from otpvoice.api.console.auth import AdminAuth, WrongHost, operator_name
from otpvoice.api.console.confirmation import Confirmation, NotConfirmed
from otpvoice.api.console.dashboard import CallPrice, build_dashboard
from otpvoice.api.console.rendering import STATIC_FILES, render_page, static_file
from otpvoice.api.console.search import SearchService
from otpvoice.api.console.status import service_status
from otpvoice.api.preview import Previewer
from otpvoice.core.errors import InvalidNumber, StoreUnavailable
from otpvoice.core.flow import is_locale
from otpvoice.core.verification import Route
from otpvoice.store.stats import StatsReader

_MAX_FORM_BYTES: Final = 4096
"""Bytes."""


@dataclass(frozen=True, slots=True)
class ConsoleContext:
    """What the console looks through, and what it needs to know of the settings."""

    search_service: SearchService
    stats: StatsReader
    max_live_calls: int
    routes: tuple[Route, ...]
    price: CallPrice
    previewer: Previewer
    clients: tuple[str, ...]


def console_blueprint(console: ConsoleContext, auth: AdminAuth) -> Blueprint:
    """The console, for those whom ``door`` lets in."""
    routes = Blueprint("console", __name__, url_prefix="/console")
    views = _Views(console)

    @routes.before_request
    def authenticate() -> None:
        request.max_content_length = _MAX_FORM_BYTES
        auth.authenticate()

    routes.add_url_rule("", view_func=views.overview)
    routes.add_url_rule("/search", view_func=views.search, methods=["POST"])
    routes.add_url_rule("/limits/clear", view_func=views.clear, methods=["POST"])
    routes.add_url_rule("/preview", view_func=views.preview)
    routes.add_url_rule("/static/<name>", view_func=views.static)
    routes.register_error_handler(Unauthorized, _handle_unauthorized)
    routes.register_error_handler(TooManyRequests, _handle_too_many_failures)
    routes.register_error_handler(Forbidden, _handle_cross_site)
    routes.register_error_handler(WrongHost, _handle_wrong_host)
    routes.register_error_handler(NotConfirmed, _handle_not_confirmed)
    routes.register_error_handler(InvalidNumber, _handle_invalid_number)
    routes.register_error_handler(StoreUnavailable, _handle_store_unavailable)
    return routes


class _Views:
    """What each address shows."""

    def __init__(self, console: ConsoleContext) -> None:
        self._console = console

    def overview(self) -> Response:
        context = self._console
        overview = context.search_service.operations.overview()
        dashboard = build_dashboard(
            context.stats.last_day(overview.now), context.routes, context.price
        )
        status = service_status(
            overview, context.search_service.limits, context.max_live_calls, context.routes
        )
        return render_page("overview.html", dashboard=dashboard, status=status, now_ms=overview.now)

    def search(self) -> Response:
        text = request.form.get("query", "").strip()
        result = self._console.search_service.search(text, operator_name())
        return render_page("results.html", result=result)

    def clear(self) -> Response:
        service, form = self._console.search_service, request.form
        number = service.parse_number(form.get("number", ""))
        confirmation = Confirmation(form.get("number_hash", ""), form.get("rendered_at_ms", ""))
        confirmation.check_number(number)
        before = service.explain(number)
        confirmation.check_age(before.now_ms)
        service.operations.clear(number, operator_name())
        return render_page("cleared.html", before=before, after=service.explain(number))

    def preview(self) -> Response:
        clients = self._console.clients
        client = request.args.get("client", clients[0] if clients else "")
        locale, name = (request.args.get(field, "").strip() for field in ("locale", "name"))
        if client not in clients:
            names = ", ".join(clients) or "none"
            return _unprocessable_page("Unknown client", f"Configured clients: {names}.")
        if locale and not is_locale(locale):
            text = "The locale is not a language tag. Enter one such as hi or hi-IN."
            return _unprocessable_page("Invalid locale", text)
        preview = self._console.previewer.preview(client, locale or None, name)
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


def _handle_unauthorized(_error: Exception) -> Response:
    response = render_page(
        "message.html",
        401,
        title="The console needs a key",
        text="Enter your name, which appears in the log, and an admin key as the password.",
    )
    response.headers["WWW-Authenticate"] = 'Basic realm="otpvoice console", charset="UTF-8"'
    return response


def _handle_too_many_failures(error: TooManyRequests) -> Response:
    text = "Your address sent too many wrong keys. Wait one minute, then try again."
    response = render_page("message.html", 429, title="Too many attempts", text=text)
    response.headers["Retry-After"] = str(error.retry_after)
    return response


def _handle_cross_site(_error: Exception) -> Response:
    text = "The form was not sent by a page of the console, so nothing was changed."
    return render_page("message.html", 403, title="Request refused", text=text)


def _handle_wrong_host(_error: Exception) -> Response:
    text = (
        "The console is served only at the host of server.public_url and at this machine's own "
        "address, such as localhost. Open it there."
    )
    return render_page("message.html", WrongHost.code, title="Wrong host", text=text)


def _handle_not_confirmed(error: Exception) -> Response:
    return _unprocessable_page("Nothing was changed", str(error))


def _handle_invalid_number(error: Exception) -> Response:
    return _unprocessable_page("Invalid number", str(error))


def _unprocessable_page(title: str, text: str) -> Response:
    return render_page("message.html", 422, title=title, text=text)


def _handle_store_unavailable(_error: Exception) -> Response:
    text = (
        "The store did not respond, so it is not known whether anything was changed. Try again, "
        "or run otpvoice doctor to find the cause."
    )
    response = render_page("message.html", 503, title="The store is unavailable", text=text)
    response.headers["Retry-After"] = "1"
    return response
