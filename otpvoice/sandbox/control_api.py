"""Controls that no vendor offers: phones, the request log, and the webhooks of the portal."""

from typing import Any, Final

from flask import Blueprint
from flask.typing import ResponseReturnValue

from otpvoice.sandbox.config import CallbackTemplate, Webhook
from otpvoice.sandbox.network import current_sandbox
from otpvoice.sandbox.parsing import FieldRule, RequestRejected, parse_fields, received_object
from otpvoice.sandbox.phones import BEHAVIOURS, BUTTONS, HANG_UP, parse_phone

blueprint: Final = Blueprint("control_api", __name__)

_USAGE: Final = """\
A provider simulator (Mobtexting's API) for development and tests. It places no real calls.
In a browser, this address shows phones that ring, and the messages about each call.

POST   /api/v2/outgoing/send            OBD
POST   /api/v2/voice/c2c                C2C
GET    /api/v2/outgoing/callstatus      status query: id, cid, date or mobile
GET    /api/v2/voice/calls              status query: datetime[end_at]=Aug 12, 2019 - Aug 12, 2019
GET    /api/v2/finance/balance
POST   /api/v2/developer/webhooks       name, uri, status, secret, token
POST   /api/v2/developer/subscriptions  event, identity, webhook_id

GET    /phones/<digits>/calls           calls to the phone, oldest first
PUT    /phones/<digits>                 {"behaviour": ...}
POST   /phones/<digits>/press           {"button": "answer"}, or decline, ignore, voicemail;
                                        in a conversation hang_up
DELETE /phones/<digits>                 reset the phone
GET    /ledger                          every request for a call, in order of arrival
GET    /callbacks                       every callback that was sent
POST   /callbacks/replay                {"call": id}: send its callback again
PUT    /webhooks/<id>                   uri, secret, and for a composed callback
                                        composition: method, encoding, headers, members
GET    /healthz

Options of a behaviour: calls, seconds, ends (the vendor's word), duration, rings, copies,
obd_reply, c2c_reply, c2c_mid, refusals; of "reply": status, body, headers.
Behaviours: """

_BUTTONS: Final = (*BUTTONS, HANG_UP)
_REPLAY_FIELDS: Final = {"call": FieldRule(r"[0-9a-f:-]+", "the id of a call", required=True)}
_PRESS_FIELDS: Final = {"button": FieldRule("|".join(_BUTTONS), ", ".join(_BUTTONS), required=True)}
_WEBHOOK_FIELDS: Final = {
    "uri": FieldRule(r"https?://\S+", "an http or https URL", required=True),
    "secret": FieldRule(r"[^\x00-\x1f\x7f]*", "a line of text"),
}
_TEMPLATE_FIELDS: Final = {
    "method": FieldRule(r"GET|POST|PUT", "GET, POST or PUT"),
    "encoding": FieldRule(r"json|form", "json or form"),
}


@blueprint.errorhandler(RequestRejected)
def handle_rejection(rejection: RequestRejected) -> ResponseReturnValue:
    """Handle a mistake in using the controls."""
    return {"error": rejection.message}, rejection.status


def usage() -> ResponseReturnValue:
    """Return an overview of the addresses as plain text."""
    return _USAGE + ", ".join(BEHAVIOURS) + "\n", 200, {"Content-Type": "text/plain"}


@blueprint.get("/healthz")
def healthz() -> ResponseReturnValue:
    """Report that the server runs."""
    return {"status": "ok"}


@blueprint.get("/phones/<number>/calls")
def list_phone_calls(number: str) -> ResponseReturnValue:
    """List the calls to a phone, oldest first."""
    return current_sandbox().phone_calls(_require_digits(number))


@blueprint.put("/phones/<number>")
def set_phone(number: str) -> ResponseReturnValue:
    """Set the behaviour of a phone for its next calls."""
    current_sandbox().set_phone(_require_digits(number), parse_phone(received_object()))
    return "", 204


@blueprint.post("/phones/<number>/press")
def press_button(number: str) -> ResponseReturnValue:
    """Press a button of a ringing phone, or hang up."""
    number = _require_digits(number)
    button = parse_fields(received_object(), _PRESS_FIELDS)["button"]
    if not current_sandbox().press_button(number, button):
        raise RequestRejected(409, "button: no call is in the state for it")
    return "", 204


@blueprint.delete("/phones/<number>")
def reset_phone(number: str) -> ResponseReturnValue:
    """Reset a phone: it answers, and its calls are forgotten."""
    current_sandbox().reset_phone(_require_digits(number))
    return "", 204


@blueprint.get("/ledger")
def list_requests() -> ResponseReturnValue:
    """List every request for a call."""
    return current_sandbox().request_log()


@blueprint.get("/callbacks")
def list_callbacks() -> ResponseReturnValue:
    """List every delivery of a callback, with the status of its response."""
    return current_sandbox().callbacks.deliveries()


@blueprint.post("/callbacks/replay")
def replay_callback() -> ResponseReturnValue:
    """Send a call's callback again."""
    call_id = parse_fields(received_object(), _REPLAY_FIELDS)["call"]
    if not current_sandbox().callbacks.replay(call_id):
        raise RequestRejected(404, "call: has no callback yet")
    return "", 202


@blueprint.put("/webhooks/<int:webhook_id>")
def put_webhook(webhook_id: int) -> ResponseReturnValue:
    """Set a webhook as in the portal: without a challenge, and composed if wanted."""
    current_sandbox().callbacks.webhooks[str(webhook_id)] = _parse_webhook(received_object())
    return "", 204


def _parse_webhook(body: dict[str, Any]) -> Webhook:
    template = _parse_template(body.pop("composition")) if "composition" in body else None
    fields = parse_fields(body, _WEBHOOK_FIELDS)
    return Webhook(uri=fields["uri"], secret=fields.get("secret", ""), template=template)


def _parse_template(body: object) -> CallbackTemplate:
    if not isinstance(body, dict):
        raise RequestRejected(422, "composition: must be an object")
    objects = ("headers", "members")
    fields: dict[str, Any] = {n: _parse_strings(body.pop(n), n) for n in objects if n in body}
    return CallbackTemplate(**(fields | parse_fields(body, _TEMPLATE_FIELDS)))


def _parse_strings(value: object, name: str) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise RequestRejected(422, f"{name}: must be an object of strings")
    return value


def _require_digits(number: str) -> str:
    if not (number.isascii() and number.isdigit()):
        raise RequestRejected(422, "the phone: digits with country code, without +")
    return number
