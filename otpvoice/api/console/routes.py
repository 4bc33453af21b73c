"""``/console`` and below. What is searched for travels in bodies, never in addresses."""

import json
from dataclasses import dataclass
from typing import Final

from flask import Blueprint, Response, request
from werkzeug.exceptions import Forbidden, NotFound, TooManyRequests, Unauthorized

from otpvoice.api.console.auth import Door, WrongHost, operator
from otpvoice.api.console.confirmation import Confirmation, NotConfirmed
from otpvoice.api.console.dashboard import Price, board
from otpvoice.api.console.rendering import FILES, file, page
from otpvoice.api.console.search import Searcher
from otpvoice.api.console.status import standing
from otpvoice.api.preview import Previewer
from otpvoice.core.errors import InvalidNumber, StoreUnavailable
from otpvoice.core.flow import is_locale
from otpvoice.core.verification import Route
from otpvoice.store.stats import Figures

_LONGEST_FORM: Final = 4096
"""Bytes."""


@dataclass(frozen=True, slots=True)
class Console:
    """What the console looks through, and what it needs to know of the settings."""

    searcher: Searcher
    figures: Figures
    live_calls: int
    routes: tuple[Route, ...]
    price: Price
    previewer: Previewer
    clients: tuple[str, ...]


def console_pages(console: Console, door: Door) -> Blueprint:
    """The console, for those whom ``door`` lets in."""
    routes = Blueprint("console", __name__, url_prefix="/console")
    views = _Views(console)

    @routes.before_request
    def admit() -> None:
        request.max_content_length = _LONGEST_FORM
        door.admit()

    routes.add_url_rule("", view_func=views.overview)
    routes.add_url_rule("/search", view_func=views.search, methods=["POST"])
    routes.add_url_rule("/limits/clear", view_func=views.clear, methods=["POST"])
    routes.add_url_rule("/preview", view_func=views.preview)
    routes.add_url_rule("/static/<name>", view_func=views.static)
    routes.register_error_handler(Unauthorized, _ask_for_key)
    routes.register_error_handler(TooManyRequests, _have_wait)
    routes.register_error_handler(Forbidden, _refuse_other_sites)
    routes.register_error_handler(WrongHost, _refuse_other_hosts)
    routes.register_error_handler(NotConfirmed, _report_not_confirmed)
    routes.register_error_handler(InvalidNumber, _tell_no_number)
    routes.register_error_handler(StoreUnavailable, _tell_store_is_away)
    return routes


class _Views:
    """What each address shows."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def overview(self) -> Response:
        it = self._console
        seen = it.searcher.operations.overview()
        shown = board(it.figures.of_a_day(seen.now), it.routes, it.price)
        now = standing(seen, it.searcher.limits, it.live_calls, it.routes)
        return page("overview.html", board=shown, standing=now, now=seen.now)

    def search(self) -> Response:
        what = request.form.get("what", "").strip()
        found = self._console.searcher.search(what, operator())
        return page("found.html", search=found)

    def clear(self) -> Response:
        searcher, form = self._console.searcher, request.form
        telephone = searcher.telephone(form.get("number", ""))
        confirmation = Confirmation(form.get("shown", ""), form.get("shown_at", ""))
        confirmation.check_number(telephone)
        before = searcher.explain(telephone)
        confirmation.check_age(before.now)
        searcher.operations.clear(telephone, operator())
        return page("cleared.html", before=before, after=searcher.explain(telephone))

    def preview(self) -> Response:
        clients = self._console.clients
        client = request.args.get("client", clients[0] if clients else "")
        locale, name = (request.args.get(word, "").strip() for word in ("locale", "name"))
        if client not in clients:
            return _tell("There is no such client", f"There are: {', '.join(clients) or 'none'}.")
        if locale and not is_locale(locale):
            return _tell("No language", "Give a language tag, such as hi or hi-IN.")
        seen = self._console.previewer.look(client, locale or None, name)
        requests = {
            route: (each.url, json.loads(each.body)) for route, each in seen.requests.items()
        }
        asked = {"client": client, "locale": locale, "name": name}
        return page("preview.html", seen=seen, requests=requests, asked=asked, clients=clients)

    def static(self, name: str) -> Response:
        if name not in FILES:
            raise NotFound
        return file(name)


def _ask_for_key(_error: Exception) -> Response:
    response = page(
        "message.html",
        401,
        title="The console needs a key",
        text="Give any name of yours for the log, and an admin key as the password.",
    )
    response.headers["WWW-Authenticate"] = 'Basic realm="otpvoice console", charset="UTF-8"'
    return response


def _have_wait(error: TooManyRequests) -> Response:
    text = "Too many wrong keys came from your address. Wait a minute."
    response = page("message.html", 429, title="Wait", text=text)
    response.headers["Retry-After"] = str(error.retry_after)
    return response


def _refuse_other_sites(_error: Exception) -> Response:
    text = "This was not sent by a page of the console, so that nothing was done."
    return page("message.html", 403, title="Not from here", text=text)


def _refuse_other_hosts(_error: Exception) -> Response:
    text = (
        "The console is served only at the host of server.public_url and at this machine's own "
        "address, such as localhost. Open it there."
    )
    return page("message.html", WrongHost.code, title="Another host", text=text)


def _report_not_confirmed(error: Exception) -> Response:
    return _tell("Nothing was done", str(error))


def _tell_no_number(error: Exception) -> Response:
    return _tell("No such number", str(error))


def _tell(title: str, text: str) -> Response:
    return page("message.html", 422, title=title, text=text)


def _tell_store_is_away(_error: Exception) -> Response:
    text = "Nothing is known of it, nor whether anything was changed. otpvoice doctor tells more."
    response = page("message.html", 503, title="The store does not answer", text=text)
    response.headers["Retry-After"] = "1"
    return response
