"""Routes of ``/console``. Search texts travel in request bodies, so no URL contains a number."""

import json
from dataclasses import dataclass
from typing import Final

from flask import Blueprint, Response, request
from werkzeug.exceptions import Forbidden, NotFound, TooManyRequests, Unauthorized

from otpvoice.admin.preview import Previewer
from otpvoice.admin.service import RETENTION_NOTE, AdminService
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
    previewer: Previewer
    clients: tuple[str, ...]


class NotConfirmed(Exception):
    """A form that does not confirm what its page showed. The text gives the reason."""


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
    routes.register_error_handler(Unauthorized, _handle_unauthorized)
    routes.register_error_handler(TooManyRequests, _handle_too_many_failures)
    routes.register_error_handler(Forbidden, _handle_cross_site)
    routes.register_error_handler(WrongHost, _handle_wrong_host)
    routes.register_error_handler(NotConfirmed, _handle_not_confirmed)
    routes.register_error_handler(InvalidNumber, _handle_invalid_number)
    routes.register_error_handler(StoreUnavailable, _handle_store_unavailable)
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
            names = ", ".join(clients) or "none"
            return _unprocessable_page("Unknown client", f"Configured clients: {names}.")
        if locale and not is_locale(locale):
            text = "The locale is not a language tag. Enter one such as hi or hi-IN."
            return _unprocessable_page("Invalid locale", text)
        preview = self._context.previewer.preview(client, locale or None, name)
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
        NotConfirmed: they differ, or the form names none.
    """
    if request.form.get("number_hash") != typed.hash:
        raise NotConfirmed(
            f"You typed {typed.masked}, which is not the number that the page showed. "
            "Search for the number that you mean, and confirm it there."
        )


def _check_form_age(now_ms: int) -> None:
    """Refuse a page that was left open, and a result page that is loaded again.

    Raises:
        NotConfirmed: the page is older than ten minutes.
    """
    text = request.form.get("rendered_at_ms", "")
    rendered_at_ms = int(text) if text.isascii() and text.isdigit() else 0
    if not 0 <= now_ms - rendered_at_ms <= _FORM_VALID_MS:
        raise NotConfirmed(
            "The page is older than ten minutes. Search again to see the current limits."
        )


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
