"""The vendor's API: requests for calls, status queries and set-up (mobtexting.md, 1 to 3)."""

import hmac
import math
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any, Final

from flask import Blueprint, Response, g, request

from otpvoice_sandbox.calls import Call, RequestLogEntry
from otpvoice_sandbox.config import ReplyStyle, Route
from otpvoice_sandbox.network import current_sandbox
from otpvoice_sandbox.parsing import (
    TEXT_LINE,
    WEB_ADDRESS,
    FieldRule,
    RequestRejected,
    parse_body,
    parse_call_request,
    parse_fields,
    received_object,
)
from otpvoice_sandbox.replies import CALL_REPLIES, CallReply, accepted, json_reply, log_reply
from otpvoice_sandbox.scheduling import VENDOR_ZONE

blueprint: Final = Blueprint("vendor_api", __name__, url_prefix="/api/v2")
blueprint.after_request(log_reply)

_PAGE_SIZE: Final = 15
_WEBHOOK_FIELDS: Final = {
    "name": FieldRule(TEXT_LINE.pattern, "a line of text", required=True),
    "uri": WEB_ADDRESS,
    "status": FieldRule(r"1", "1", allow_integer=True),
    "secret": TEXT_LINE,
    "token": FieldRule(TEXT_LINE.pattern, "the validation key", required=True),
}
_SUBSCRIPTION_FIELDS: Final = {
    "event": FieldRule(r"voice:message:out", "voice:message:out", required=True),
    "identity": FieldRule(r"all", "all", required=True),
    "webhook_id": FieldRule(r"[0-9]+", "the id of a webhook", required=True, allow_integer=True),
}
_FILTERS: Final[Mapping[str, Callable[[Call, str], bool]]] = {
    "id": lambda call, value: value in {call.id, re.sub(r":\d+$", "", call.id)},
    # The documents do not explain cid. The campaign is the only name that a request can give.
    "cid": lambda call, value: call.request.campaign == value,
    "date": lambda call, value: call.received_at.local_text.startswith(value),
    "mobile": lambda call, value: call.request.callee == value,
}


@blueprint.before_request
def admit() -> None:
    """Log a request for a call; check the token, and the rate of GET requests.

    The token is accepted in the header only, because URLs are logged.

    Raises:
        RequestRejected: 401 or 429.
    """
    sandbox = current_sandbox()
    if request.view_args:
        body = parse_body(request.get_data())
        g.entry = RequestLogEntry(route=request.view_args["route"], path=request.path, request=body)
        sandbox.log_request(g.entry)
    expected = f"Bearer {sandbox.config.token}"
    received = request.headers.get("Authorization", "")
    if not hmac.compare_digest(received.encode(), expected.encode()):
        raise RequestRejected(401, "Unauthenticated")
    if request.method == "GET" and not sandbox.gets.admit():
        raise RequestRejected(429, "Too Many Attempts")


@blueprint.errorhandler(RequestRejected)
def handle_rejection(rejection: RequestRejected) -> Response:
    """Reply to a rejected request, in the account's style."""
    if "entry" in g:
        g.entry.outcome, g.entry.rejection = "refused", rejection.message
    style = current_sandbox().config.reply_style
    return _error_reply(style, rejection.status, rejection.message)


def _error_reply(style: ReplyStyle, status: int, message: str) -> Response:
    """Build a rejection. Its body is a guess, because the documents show none."""
    http_status = status if style.refusals == "http" else 200
    return json_reply({"status": status, "message": message}, http_status)


@blueprint.post("/outgoing/send", defaults={"route": "obd"})
@blueprint.post("/voice/c2c", defaults={"route": "c2c"})
def place_call(route: Route) -> Response:
    """Dial a number and play a flow (OBD), or connect it to one (C2C).

    The behaviour of the phone decides the reply.
    """
    sandbox = current_sandbox()
    webhooks = sandbox.callbacks.webhooks
    call_request = parse_call_request(route, received_object(), sandbox.config, webhooks)
    call = sandbox.accept(g.entry, call_request)
    return _REPLIES.get(call.phone.behaviour, accepted)(call)


def _error(status: int, message: str) -> CallReply:
    return lambda call: _error_reply(call.reply_style, status, message)


_REPLIES: Final[Mapping[str, CallReply]] = {
    **CALL_REPLIES,
    "error_500": _error(500, "Server Error"),
    "error_401": _error(401, "Unauthenticated"),
    "out_of_credit": _error(402, "Insufficient credits"),
}
"""Replies by behaviour. Every other behaviour gets the documented reply."""


@blueprint.get("/outgoing/callstatus")
def list_call_statuses() -> dict[str, Any]:
    """List OBD calls by ``id`` (with or without ``:1``), ``cid``, ``date`` or ``mobile``."""
    filters = {name: request.args[name] for name in _FILTERS if request.args.get(name)}
    if not filters:
        raise RequestRejected(422, "id, cid, date, mobile: one is required")
    matches = [
        call.status_item()
        for call in current_sandbox().calls
        if call.request.route == "obd"
        and all(_FILTERS[name](call, value) for name, value in filters.items())
    ]
    return {"status": 200, "message": "OK", "data": matches}


@blueprint.get("/voice/calls")
def list_calls() -> dict[str, Any]:
    """List calls by the days on which they ended, newest first, 15 a page."""
    first, last = _parse_days(request.args.get("datetime[end_at]", ""))
    page = request.args.get("page", "1")
    if not re.fullmatch(r"[1-9][0-9]{0,8}", page):
        raise RequestRejected(422, "page: 1 or more")
    ended = [
        (call.ended_at.monotonic, call)
        for call in current_sandbox().calls
        if call.request.route in {"obd", "c2c"}
        and call.ended_at
        and first <= call.ended_at.wall.astimezone(VENDOR_ZONE).date() <= last
    ]
    ended.sort(key=lambda each: each[0], reverse=True)
    start = (int(page) - 1) * _PAGE_SIZE
    data = {
        "current_page": int(page),
        "data": [call.log_item() for _, call in ended[start : start + _PAGE_SIZE]],
        "last_page": max(1, math.ceil(len(ended) / _PAGE_SIZE)),
        "per_page": _PAGE_SIZE,
        "total": len(ended),
    }
    return {"status": "OK", "data": data}


def _parse_days(text: str) -> tuple[date, date]:
    try:
        first, last = (
            datetime.strptime(day, "%b %d, %Y").replace(tzinfo=VENDOR_ZONE).date()
            for day in text.split(" - ")
        )
    except ValueError:
        raise RequestRejected(
            422, "datetime[end_at]: must look like Aug 12, 2019 - Aug 12, 2019"
        ) from None
    return first, last


@blueprint.get("/finance/balance")
def get_balance() -> dict[str, Any]:
    """Return the credits of the account. Calls do not reduce them."""
    left = current_sandbox().config.balance
    return {"status": 200, "message": "OK", "data": {"credits": left}}


@blueprint.post("/developer/webhooks")
def create_webhook() -> dict[str, Any]:
    """Store a webhook that passes the challenge with its ``token``."""
    fields = parse_fields(received_object(), _WEBHOOK_FIELDS)
    webhook_id = current_sandbox().callbacks.add_webhook(
        fields["uri"], fields.get("secret", ""), fields["token"]
    )
    data = {"id": webhook_id, "name": fields["name"], "status": 1}
    return {"status": 200, "message": "Webhook created", "data": data}


@blueprint.post("/developer/subscriptions")
def create_subscription() -> dict[str, Any]:
    """Send the callbacks of calls that name no webhook to this one."""
    fields = parse_fields(received_object(), _SUBSCRIPTION_FIELDS)
    callbacks = current_sandbox().callbacks
    if fields["webhook_id"] not in callbacks.webhooks:
        raise RequestRejected(422, "webhook_id: no such webhook")
    callbacks.subscription = fields["webhook_id"]
    return {"status": 200, "message": "Subscription created", "data": fields}
