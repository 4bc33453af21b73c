"""The page at ``/``: phones that ring, are answered and speak, and the messages about each call.

The server renders the page and pushes each part that changes. Every button is a form, so the page
also works without JavaScript.
"""

import json
import re
import time
import unicodedata
from collections.abc import Iterator
from typing import Final

from flask import (
    Blueprint,
    Response,
    redirect,
    render_template,
    request,
    stream_with_context,
    url_for,
)
from flask.typing import ResponseReturnValue

from otpvoice_sandbox.network import Sandbox, current_sandbox
from otpvoice_sandbox.page_views import call_views, phone_views
from otpvoice_sandbox.parsing import RequestRejected
from otpvoice_sandbox.phones import BEHAVIOURS, BUTTONS, HANG_UP, KEYS

HEARTBEAT_S: Final = 10.0
"""Silence after which a comment is sent, which detects a closed connection."""
_BATCH_S: Final = 0.05
"""Time in which changes are collected into one message."""
_RETRY_MS: Final = 1000
"""Time after which a browser reconnects."""
_SELF_DIRECTIVES: Final = ("script-src", "worker-src", "style-src", "img-src", "connect-src")
_POLICY: Final = "default-src 'none'; base-uri 'none'; form-action 'self'; " + "; ".join(
    f"{directive} 'self'" for directive in _SELF_DIRECTIVES
)
"""Allows only the page's own files, and nothing inline. ``frame-ancestors`` is configured."""
_SEPARATORS: Final = ("Z", "P", "Cf")
"""Unicode categories of characters between digits: spaces, punctuation, direction marks."""
_NATIONAL: Final = re.compile(r"0?([6-9][0-9]{9})")
"""An Indian mobile number in national format."""

Parts = dict[str, dict[str, str]]
"""Container → id of an element → its HTML, in the order of the page."""


blueprint: Final = Blueprint(
    "page",
    __name__,
    template_folder="templates",
    static_folder="static",
    static_url_path="/desk/static",
)


@blueprint.before_request
def reject_cross_site() -> None:
    """Reject a POST from another site's page (Fetch Metadata, Sec-Fetch-Site)."""
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    if request.method == "POST" and site not in {"same-origin", "none"}:
        raise RequestRejected(403, "Only the sandbox's own page may do this.")


@blueprint.after_request
def set_security_headers(response: Response) -> Response:
    """Allow only the page's own files, and frames on the configured origin."""
    ancestor = current_sandbox().config.framed_by or "'none'"
    response.headers["Content-Security-Policy"] = f"{_POLICY}; frame-ancestors {ancestor}"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


@blueprint.errorhandler(RequestRejected)
def handle_rejection(rejection: RequestRejected) -> ResponseReturnValue:
    """Reply to a rejected form with the message that the page shows."""
    return rejection.message, rejection.status, {"Content-Type": "text/plain; charset=utf-8"}


@blueprint.get("/")
def index() -> ResponseReturnValue:
    """Return the page for browsers, and a plain text for ``curl`` and scripts.

    In a frame (Fetch Metadata, Sec-Fetch-Dest) the page's header is hidden.
    """
    preferred = request.accept_mimetypes.best_match(["text/plain", "text/html"])
    if preferred != "text/html":
        usage = render_template("usage.txt", behaviours=BEHAVIOURS)
        return f"{usage}\n", {"Content-Type": "text/plain"}
    framed = request.headers.get("Sec-Fetch-Dest") == "iframe"
    html = render_template(
        "page.html",
        parts=render_parts(current_sandbox(), request.args.get("phone", "")),
        framed=framed,
    )
    return html, {"Vary": "Accept, Sec-Fetch-Dest"}


@blueprint.post("/desk/phones")
def add_phone() -> ResponseReturnValue:
    """Add a phone that is answered by hand."""
    number = normalize_number(request.form.get("number", ""))
    if not re.fullmatch(r"[1-9][0-9]{6,14}", number):
        raise RequestRejected(422, "Enter a number with its country code, as +91 98765 43210.")
    current_sandbox().set_phone(number, BEHAVIOURS["by_hand"])
    return redirect(url_for(".index", phone=number), 303)


@blueprint.post("/desk/phones/<number>/behaviour")
def set_behaviour(number: str) -> ResponseReturnValue:
    """Set the behaviour of a phone for its next calls."""
    phone = BEHAVIOURS.get(request.form.get("behaviour", ""))
    if phone is None or not re.fullmatch(r"[0-9]{1,15}", number):
        raise RequestRejected(422, "Unknown phone or behaviour.")
    current_sandbox().set_phone(number, phone)
    return redirect(url_for(".index", phone=number), 303)


@blueprint.post("/desk/phones/<number>/press")
def press_button(number: str) -> ResponseReturnValue:
    """Press a button of a phone."""
    button = request.form.get("button", "")
    if button not in {*BUTTONS, HANG_UP, *KEYS}:
        raise RequestRejected(422, "Unknown button.")
    if not current_sandbox().press_button(number, button):
        raise RequestRejected(409, "Too late: the call is no longer in this state.")
    return redirect(url_for(".index", phone=number), 303)


@blueprint.get("/desk/live")
def stream_changes() -> ResponseReturnValue:
    """Stream every change as server-sent events."""
    sandbox = current_sandbox()
    if not sandbox.stream_slots.acquire(blocking=False):
        raise RequestRejected(503, "Too many open streams. Close other browsers.")
    events = stream_with_context(event_stream(sandbox))
    response = Response(events, content_type="text/event-stream")
    response.call_on_close(sandbox.stream_slots.release)
    return response, {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def normalize_number(typed: str) -> str:
    """Return a number's digits with country code, without ``+``. Other characters are kept.

    A number that begins with ``+`` or ``00``, or that is not national, has its country code.
    """
    text = "".join(
        str(unicodedata.decimal(character, character))
        for character in unicodedata.normalize("NFKC", typed)
        if not unicodedata.category(character).startswith(_SEPARATORS)
    )
    if text.startswith("+"):
        return text.removeprefix("+")
    national = _NATIONAL.fullmatch(text)
    return f"91{national[1]}" if national else text.removeprefix("00")


def render_parts(sandbox: Sandbox, chosen_phone: str | None = None) -> Parts:
    """Render all parts of the page that can change. Requires an app context.

    ``chosen_phone``: the number of the phone that is to be open; empty: one in use or the newest.
    """
    return {
        "phones": {
            phone["id"]: render_template("phone.html", phone=phone)
            for phone in phone_views(sandbox, chosen_phone)
        },
        "calls": {
            call["id"]: render_template("call.html", call=call) for call in call_views(sandbox)
        },
    }


def event_stream(sandbox: Sandbox) -> Iterator[str]:
    """Yield server-sent events: all parts first, then each change, until the sandbox stops.

    A browser that reconnects gets all parts again. Requires an app context.
    """
    yield f"retry: {_RETRY_MS}\n\n"
    seen_count = -1
    sent: dict[str, int] = {}  # hash of each element's HTML
    while (count := sandbox.wait_for_change(seen_count, HEARTBEAT_S)) is not None:
        if count == seen_count:
            yield ": heartbeat\n\n"
            continue
        seen_count = count
        parts = render_parts(sandbox)
        current = {key: html for part in parts.values() for key, html in part.items()}
        hashes = {key: hash(html) for key, html in current.items()}
        message = {
            "now": int(time.time() * 1000),
            "order": {name: [*part] for name, part in parts.items()},
            "changed": {k: html for k, html in current.items() if sent.get(k) != hashes[k]},
        }
        sent = hashes
        yield f"data: {json.dumps(message)}\n\n"
        sandbox.scheduler.sleep(_BATCH_S)
