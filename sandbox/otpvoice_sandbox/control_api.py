"""Controls that no vendor offers: phones, the request log, and the webhooks of the portal."""

import re
from typing import Any, Final

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from otpvoice_sandbox.config import CallbackTemplate, Webhook
from otpvoice_sandbox.network import current_sandbox
from otpvoice_sandbox.parsing import (
    WEB_ADDRESS,
    FieldRule,
    RequestRejected,
    is_string_map,
    parse_fields,
    received_object,
)
from otpvoice_sandbox.phones import BUTTONS, HANG_UP, KEYS, parse_phone

blueprint: Final = Blueprint("control_api", __name__)

_BUTTONS: Final = (*BUTTONS, HANG_UP, *sorted(KEYS))
_REPLAY_FIELDS: Final = {"call": FieldRule(r"[0-9A-Za-z:_-]+", "the id of a call", required=True)}
_PRESS_FIELDS: Final = {
    "button": FieldRule("|".join(map(re.escape, _BUTTONS)), ", ".join(_BUTTONS), required=True)
}
_WEBHOOK_FIELDS: Final = {
    "uri": WEB_ADDRESS,
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


@blueprint.before_request
def require_digits() -> None:
    """Reject an invalid phone in the path."""
    number = (request.view_args or {}).get("number", "0")
    if not (number.isascii() and number.isdigit()):
        raise RequestRejected(422, "the phone: digits with country code, without +")


@blueprint.get("/healthz")
def healthz() -> ResponseReturnValue:
    """Report that the server runs."""
    return {"status": "ok"}


@blueprint.get("/phones/<number>/calls")
def list_phone_calls(number: str) -> ResponseReturnValue:
    """List the calls to a phone, oldest first."""
    return current_sandbox().phone_calls(number)


@blueprint.put("/phones/<number>")
def set_phone(number: str) -> ResponseReturnValue:
    """Set the behaviour of a phone for its next calls."""
    current_sandbox().set_phone(number, parse_phone(received_object()))
    return "", 204


@blueprint.post("/phones/<number>/press")
def press_button(number: str) -> ResponseReturnValue:
    """Press a button of a ringing phone, press a key, or hang up."""
    button = parse_fields(received_object(), _PRESS_FIELDS)["button"]
    if not current_sandbox().press_button(number, button):
        raise RequestRejected(409, "button: no call is in the state for it")
    return "", 204


@blueprint.delete("/phones/<number>")
def reset_phone(number: str) -> ResponseReturnValue:
    """Reset a phone: it answers, and its calls are forgotten."""
    current_sandbox().reset_phone(number)
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
    body = received_object()
    template = _parse_template(body.pop("composition")) if "composition" in body else None
    webhook = Webhook(**parse_fields(body, _WEBHOOK_FIELDS), template=template)
    current_sandbox().callbacks.webhooks[str(webhook_id)] = webhook
    return "", 204


def _parse_template(body: object) -> CallbackTemplate:
    if not isinstance(body, dict):
        raise RequestRejected(422, "composition: must be an object")
    maps = {name: body.pop(name) for name in ("headers", "members") if name in body}
    for name, value in maps.items():
        if not is_string_map(value):
            raise RequestRejected(422, f"{name}: must be an object of strings")
    fields: dict[str, Any] = parse_fields(body, _TEMPLATE_FIELDS)
    return CallbackTemplate(**maps, **fields)
