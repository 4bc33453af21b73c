"""The page's addresses. What changes something is a form's POST, and from this page only."""

import re
from collections.abc import Callable
from threading import BoundedSemaphore
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

from otpvoice.sandbox.bodies import RequestRejected
from otpvoice.sandbox.controls import usage
from otpvoice.sandbox.page.behaviours import BEHAVIOUR_LABELS
from otpvoice.sandbox.page.numbers import normalize_number
from otpvoice.sandbox.page.regions import event_stream, render_regions
from otpvoice.sandbox.phones import BEHAVIOURS, BUTTONS, HANG_UP
from otpvoice.sandbox.vendor_access import current_sandbox
from otpvoice.sandbox.voice import Speech, find_voice

_MAX_STREAMS: Final = 64
"""Each holds a thread. A browser needs one, however many tabs it has."""
_SELF_DIRECTIVES: Final = (
    "script-src",
    "worker-src",
    "style-src",
    "img-src",
    "media-src",
    "connect-src",
)
_POLICY: Final = "default-src 'none'; base-uri 'none'; form-action 'self'; " + "; ".join(
    f"{kind} 'self'" for kind in _SELF_DIRECTIVES
)
"""Nothing from elsewhere, nothing inline. Who may frame the page, the company is set to."""


def create_page() -> Blueprint:
    """The page of one company."""
    blueprint = Blueprint(
        "page",
        __name__,
        template_folder="templates",
        static_folder="static",
        static_url_path="/desk/static",
    )
    blueprint.before_request(_reject_cross_site)
    blueprint.after_request(_set_security_headers)
    blueprint.register_error_handler(RequestRejected, _handle_rejection)
    blueprint.get("/")(index)
    blueprint.get("/desk/live")(_live_view())
    blueprint.post("/desk/phones")(add_phone)
    blueprint.post("/desk/phones/<number>/behaviour")(set_behaviour)
    blueprint.post("/desk/phones/<number>/press")(press_button)
    blueprint.get("/desk/calls/<call_id>/speech")(show_speech)
    blueprint.get("/desk/calls/<call_id>/speech.wav")(play_speech)
    blueprint.add_app_template_filter(BEHAVIOUR_LABELS.__getitem__, "label")
    blueprint.add_app_template_filter(lambda word: word.strip(",.;:।-"), "digit")
    return blueprint


def index() -> ResponseReturnValue:
    """The page for browsers; for ``curl`` and scripts what it always was, a plain text.

    In a frame (Fetch Metadata, Sec-Fetch-Dest) its head is hidden: another page is around it.
    """
    wanted = request.accept_mimetypes.best_match(["text/plain", "text/html"])
    if wanted != "text/html":
        return usage()
    framed = request.headers.get("Sec-Fetch-Dest") == "iframe"
    headers = {"Vary": "Accept, Sec-Fetch-Dest"}
    return render_template(
        "desk.html", regions=render_regions(current_sandbox()), framed=framed
    ), headers


def add_phone() -> ResponseReturnValue:
    """Lays a phone on the desk, to be answered by hand."""
    number = normalize_number(request.form.get("number", ""))
    if not re.fullmatch(r"[1-9][0-9]{6,14}", number):
        raise RequestRejected(422, "A number has a country code, as +91 98765 43210.")
    current_sandbox().network.set_phone(number, BEHAVIOURS["by_hand"])
    return _redirect_to_page()


def set_behaviour(number: str) -> ResponseReturnValue:
    """Tells a phone how to take its next calls."""
    chosen = BEHAVIOURS.get(request.form.get("behaviour", ""))
    if chosen is None or not re.fullmatch(r"[0-9]{1,15}", number):
        raise RequestRejected(422, "There is no such phone or behaviour.")
    current_sandbox().network.set_phone(number, chosen)
    return _redirect_to_page()


def press_button(number: str) -> ResponseReturnValue:
    """Presses a button of a phone."""
    button = request.form.get("button", "")
    if button not in {*BUTTONS, HANG_UP}:
        raise RequestRejected(422, "There is no such button.")
    if not current_sandbox().network.press_button(number, button):
        raise RequestRejected(409, "Too late: that call has gone on.")
    return _redirect_to_page()


def show_speech(call_id: str) -> ResponseReturnValue:
    """When each word of a call begins, in seconds, and where its sound is."""
    begins = _speech(call_id).begins
    return {"begins": begins, "sound": url_for(".play_speech", call_id=call_id)}


def play_speech(call_id: str) -> ResponseReturnValue:
    """A call's whole text as sound."""
    headers = {"Content-Type": "audio/wav", "Cache-Control": "no-store"}
    return _speech(call_id).sound, headers


def _speech(call_id: str) -> Speech:
    voice, call = find_voice(), current_sandbox().network.get_call(call_id)
    if voice is None or call is None or call.answered_at is None:
        raise RequestRejected(404, "Nothing was said.")
    return voice.say(call.text, call.language)


def _live_view() -> Callable[[], ResponseReturnValue]:
    places = BoundedSemaphore(_MAX_STREAMS)

    def live() -> ResponseReturnValue:
        """Every change, as server-sent events."""
        if not places.acquire(blocking=False):
            raise RequestRejected(503, "Too many are watching.")
        changes = stream_with_context(event_stream(current_sandbox()))
        response = Response(changes, content_type="text/event-stream")
        response.call_on_close(places.release)
        return response, {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

    return live


def _reject_cross_site() -> None:
    """Another site's page may not press our buttons (Fetch Metadata, Sec-Fetch-Site)."""
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    if request.method == "POST" and site not in {"same-origin", "none"}:
        raise RequestRejected(403, "Only this page may do that.")


def _set_security_headers(response: Response) -> Response:
    ancestor = current_sandbox().config.framed_by or "'none'"
    response.headers["Content-Security-Policy"] = f"{_POLICY}; frame-ancestors {ancestor}"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def _handle_rejection(refusal: RequestRejected) -> ResponseReturnValue:
    return refusal.message, refusal.status, {"Content-Type": "text/plain; charset=utf-8"}


def _redirect_to_page() -> ResponseReturnValue:
    return redirect(url_for(".index"), 303)
