"""What no real vendor offers: the phones in one's hand, the ledger, and the portal's webhooks."""

from typing import Any, Final

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from otpvoice.sandbox.bodies import Member, Refused, read_members, read_object
from otpvoice.sandbox.config import Composition, Webhook
from otpvoice.sandbox.phones import BEHAVIOURS, BUTTONS, HANG_UP, read_phone
from otpvoice.sandbox.vendor_access import company

controls: Final = Blueprint("controls", __name__)

_ABOUT: Final = """\
A pretend telephone company (Mobtexting's API) for development and tests. No phone rings anywhere.
In a browser this address shows phones that ring, and what was said about each call.

POST   /api/v2/outgoing/send            OBD
POST   /api/v2/voice/c2c                C2C
GET    /api/v2/outgoing/callstatus      pull: id, cid, date or mobile
GET    /api/v2/voice/calls              pull: datetime[end_at]=Aug 12, 2019 - Aug 12, 2019
GET    /api/v2/finance/balance
POST   /api/v2/developer/webhooks       name, uri, status, secret, token
POST   /api/v2/developer/subscriptions  event, identity, webhook_id

GET    /phones/<digits>/calls           what the phone heard, oldest first
PUT    /phones/<digits>                 {"behaviour": ...}
POST   /phones/<digits>/press           {"button": "answer"}, or decline, ignore, voicemail;
                                        in a conversation hang_up
DELETE /phones/<digits>                 a new phone
GET    /ledger                          every request for a call, in order of arrival
GET    /callbacks                       every callback that was sent
POST   /callbacks/replay                {"call": id}: its callback once more
PUT    /webhooks/<id>                   uri, secret, and for a composed callback
                                        composition: method, encoding, headers, members
GET    /healthz

Options of a behaviour: calls, seconds, ends (the vendor's word), duration, rings, copies,
obd_reply, c2c_reply, c2c_mid, refusals; of "reply": status, body, headers.
Behaviours: """

_REPLAY: Final = {"call": Member(r"[0-9a-f:-]+", "the id of a call", required=True)}
_PRESS: Final = {
    "button": Member("|".join((*BUTTONS, HANG_UP)), ", ".join((*BUTTONS, HANG_UP)), required=True)
}
_WEBHOOK: Final = {
    "uri": Member(r"https?://\S+", "an http or https URL", required=True),
    "secret": Member(r"[^\x00-\x1f\x7f]*", "a line of text"),
}
_COMPOSITION: Final = {
    "method": Member(r"GET|POST|PUT", "GET, POST or PUT"),
    "encoding": Member(r"json|form", "json or form"),
}


@controls.errorhandler(Refused)
def answer_refusal(refusal: Refused) -> ResponseReturnValue:
    """A mistake in using the sandbox itself."""
    return {"error": refusal.message}, refusal.status


def about() -> ResponseReturnValue:
    """What this is, as plain text."""
    return _ABOUT + ", ".join(BEHAVIOURS) + "\n", 200, {"Content-Type": "text/plain"}


@controls.get("/healthz")
def healthz() -> ResponseReturnValue:
    """The server lives."""
    return {"status": "ok"}


@controls.get("/phones/<number>/calls")
def show_calls(number: str) -> ResponseReturnValue:
    """The calls that came to this phone, oldest first."""
    return company().network.calls_to(_digits(number))


@controls.put("/phones/<number>")
def set_phone(number: str) -> ResponseReturnValue:
    """Tells the phone how to take its next calls."""
    company().network.set_phone(_digits(number), read_phone(_body()))
    return "", 204


@controls.post("/phones/<number>/press")
def press_button(number: str) -> ResponseReturnValue:
    """Presses a button of a phone that rings, or hangs it up."""
    if not company().network.press(_digits(number), read_members(_body(), _PRESS)["button"]):
        raise Refused(409, "button: there is no call that it is for")
    return "", 204


@controls.delete("/phones/<number>")
def reset_phone(number: str) -> ResponseReturnValue:
    """Makes it a new phone: it answers, and no call came yet."""
    company().network.reset_phone(_digits(number))
    return "", 204


@controls.get("/ledger")
def show_ledger() -> ResponseReturnValue:
    """Every request for a call."""
    return company().network.ledger()


@controls.get("/callbacks")
def show_callbacks() -> ResponseReturnValue:
    """Every callback that was sent, with the status of its answer."""
    return company().courier.deliveries()


@controls.post("/callbacks/replay")
def replay_callback() -> ResponseReturnValue:
    """Sends a call's callback once more."""
    if not company().courier.replay(read_members(_body(), _REPLAY)["call"]):
        raise Refused(404, "call: sent no callback yet")
    return "", 202


@controls.put("/webhooks/<int:webhook_id>")
def put_webhook(webhook_id: int) -> ResponseReturnValue:
    """Writes a webhook as in the portal: without a challenge, composed if wanted."""
    company().courier.webhooks[str(webhook_id)] = _webhook(_body())
    return "", 204


def _webhook(body: dict[str, Any]) -> Webhook:
    composed = body.pop("composition", None)
    plain = read_members(body, _WEBHOOK)
    composition = None if composed is None else _composition(composed)
    return Webhook(uri=plain["uri"], secret=plain.get("secret", ""), composition=composition)


def _composition(body: object) -> Composition:
    if not isinstance(body, dict):
        raise Refused(422, "composition: must be an object")
    texts = {name: _texts(body.pop(name), name) for name in ("headers", "members") if name in body}
    chosen: dict[str, Any] = texts | read_members(body, _COMPOSITION)
    return Composition(**chosen)


def _texts(value: object, name: str) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise Refused(422, f"{name}: must be an object of strings")
    return value


def _body() -> dict[str, Any]:
    return read_object(request.mimetype, request.get_data())


def _digits(number: str) -> str:
    if not (number.isascii() and number.isdigit()):
        raise Refused(422, "the phone: digits with country code, without +")
    return number
