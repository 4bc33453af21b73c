"""What no real vendor offers: the phones in one's hand, the ledger, and the portal's webhooks."""

from typing import Any, Final

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from otpvoice.sandbox.bodies import FieldRule, RequestRejected, parse_fields, parse_json_object
from otpvoice.sandbox.config import CallbackTemplate, Webhook
from otpvoice.sandbox.phones import BEHAVIOURS, BUTTONS, HANG_UP, parse_phone
from otpvoice.sandbox.vendor_access import current_sandbox

control_api: Final = Blueprint("controls", __name__)

_USAGE: Final = """\
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

_REPLAY_FIELDS: Final = {"call": FieldRule(r"[0-9a-f:-]+", "the id of a call", required=True)}
_PRESS_FIELDS: Final = {
    "button": FieldRule(
        "|".join((*BUTTONS, HANG_UP)), ", ".join((*BUTTONS, HANG_UP)), required=True
    )
}
_WEBHOOK_FIELDS: Final = {
    "uri": FieldRule(r"https?://\S+", "an http or https URL", required=True),
    "secret": FieldRule(r"[^\x00-\x1f\x7f]*", "a line of text"),
}
_TEMPLATE_FIELDS: Final = {
    "method": FieldRule(r"GET|POST|PUT", "GET, POST or PUT"),
    "encoding": FieldRule(r"json|form", "json or form"),
}


@control_api.errorhandler(RequestRejected)
def handle_rejection(refusal: RequestRejected) -> ResponseReturnValue:
    """A mistake in using the sandbox itself."""
    return {"error": refusal.message}, refusal.status


def usage() -> ResponseReturnValue:
    """What this is, as plain text."""
    return _USAGE + ", ".join(BEHAVIOURS) + "\n", 200, {"Content-Type": "text/plain"}


@control_api.get("/healthz")
def healthz() -> ResponseReturnValue:
    """The server lives."""
    return {"status": "ok"}


@control_api.get("/phones/<number>/calls")
def list_phone_calls(number: str) -> ResponseReturnValue:
    """The calls that came to this phone, oldest first."""
    return current_sandbox().network.phone_calls(_require_digits(number))


@control_api.put("/phones/<number>")
def set_phone(number: str) -> ResponseReturnValue:
    """Tells the phone how to take its next calls."""
    current_sandbox().network.set_phone(_require_digits(number), parse_phone(_json_body()))
    return "", 204


@control_api.post("/phones/<number>/press")
def press_button(number: str) -> ResponseReturnValue:
    """Presses a button of a phone that rings, or hangs it up."""
    if not current_sandbox().network.press_button(
        _require_digits(number), parse_fields(_json_body(), _PRESS_FIELDS)["button"]
    ):
        raise RequestRejected(409, "button: there is no call that it is for")
    return "", 204


@control_api.delete("/phones/<number>")
def reset_phone(number: str) -> ResponseReturnValue:
    """Makes it a new phone: it answers, and no call came yet."""
    current_sandbox().network.reset_phone(_require_digits(number))
    return "", 204


@control_api.get("/ledger")
def list_requests() -> ResponseReturnValue:
    """Every request for a call."""
    return current_sandbox().network.request_log()


@control_api.get("/callbacks")
def list_callbacks() -> ResponseReturnValue:
    """Every callback that was sent, with the status of its answer."""
    return current_sandbox().callbacks.deliveries()


@control_api.post("/callbacks/replay")
def replay_callback() -> ResponseReturnValue:
    """Sends a call's callback once more."""
    if not current_sandbox().callbacks.replay(parse_fields(_json_body(), _REPLAY_FIELDS)["call"]):
        raise RequestRejected(404, "call: sent no callback yet")
    return "", 202


@control_api.put("/webhooks/<int:webhook_id>")
def put_webhook(webhook_id: int) -> ResponseReturnValue:
    """Writes a webhook as in the portal: without a challenge, composed if wanted."""
    current_sandbox().callbacks.webhooks[str(webhook_id)] = _parse_webhook(_json_body())
    return "", 204


def _parse_webhook(body: dict[str, Any]) -> Webhook:
    composed = body.pop("composition", None)
    plain = parse_fields(body, _WEBHOOK_FIELDS)
    composition = None if composed is None else _parse_template(composed)
    return Webhook(uri=plain["uri"], secret=plain.get("secret", ""), template=composition)


def _parse_template(body: object) -> CallbackTemplate:
    if not isinstance(body, dict):
        raise RequestRejected(422, "composition: must be an object")
    texts = {
        name: _parse_strings(body.pop(name), name)
        for name in ("headers", "members")
        if name in body
    }
    chosen: dict[str, Any] = texts | parse_fields(body, _TEMPLATE_FIELDS)
    return CallbackTemplate(**chosen)


def _parse_strings(value: object, name: str) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise RequestRejected(422, f"{name}: must be an object of strings")
    return value


def _json_body() -> dict[str, Any]:
    return parse_json_object(request.mimetype, request.get_data())


def _require_digits(number: str) -> str:
    if not (number.isascii() and number.isdigit()):
        raise RequestRejected(422, "the phone: digits with country code, without +")
    return number
