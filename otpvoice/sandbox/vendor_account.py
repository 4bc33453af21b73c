"""The vendor's API around the calls: pull and set-up (docs/provider.md, sections 2 and 3)."""

import re
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import date, datetime
from threading import Lock
from typing import Any, Final

from flask import Blueprint, request

from otpvoice.sandbox.bodies import FieldRule, RequestRejected, parse_fields, parse_json_object
from otpvoice.sandbox.calls import VENDOR_ZONE, Call
from otpvoice.sandbox.config import Webhook
from otpvoice.sandbox.messages import call_log_item, call_status_item
from otpvoice.sandbox.vendor_access import authenticate, current_sandbox, handle_rejection

PAGE_SIZE: Final = 15
_WINDOW_S: Final = 60.0

_TEXT_LINE: Final = r"[^\x00-\x1f\x7f]{1,255}"
_WEBHOOK_FIELDS: Final = {
    "name": FieldRule(_TEXT_LINE, "a line of text", required=True),
    "uri": FieldRule(r"https?://[^\s]+", "an http or https URL", required=True),
    "status": FieldRule(r"1", "1", allow_integer=True),
    "secret": FieldRule(_TEXT_LINE, "a line of text"),
    "token": FieldRule(_TEXT_LINE, "the validation key", required=True),
}
_SUBSCRIPTION_FIELDS: Final = {
    "event": FieldRule(r"voice:message:out", "voice:message:out", required=True),
    "identity": FieldRule(r"all", "all", required=True),
    "webhook_id": FieldRule(r"[0-9]+", "the id of a webhook", required=True, allow_integer=True),
}
_FILTERS: Final[Mapping[str, Callable[[Call, str], bool]]] = {
    "id": lambda call, value: value in {call.id, re.sub(r":\d+$", "", call.id)},
    # Nothing says what a cid is; the campaign is the one thing that a request can name.
    "cid": lambda call, value: call.request.campaign == value,
    "date": lambda call, value: call.received_at.local_text.startswith(value),
    "mobile": lambda call, value: call.request.callee == value,
}


class RateLimiter:
    """Counts requests of the last minute. Thread-safe."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._times: deque[float] = deque()
        self._lock = Lock()

    def hit(self) -> None:
        """Counts one more.

        Raises:
            Refused: 429, the minute is full.
        """
        now = time.monotonic()
        with self._lock:
            while self._times and self._times[0] <= now - _WINDOW_S:
                self._times.popleft()
            if len(self._times) >= self._limit:
                raise RequestRejected(429, "Too Many Attempts")
            self._times.append(now)


def vendor_account(gets_per_minute: int) -> Blueprint:
    """The routes, with a limit of their own for GET."""
    blueprint = Blueprint("vendor_account", __name__, url_prefix="/api/v2")
    meter = RateLimiter(gets_per_minute)

    @blueprint.before_request
    def admit() -> None:
        authenticate()
        if request.method == "GET":
            meter.hit()

    blueprint.register_error_handler(RequestRejected, handle_rejection)
    blueprint.get("/outgoing/callstatus")(list_call_statuses)
    blueprint.get("/voice/calls")(list_calls)
    blueprint.get("/finance/balance")(get_balance)
    blueprint.post("/developer/webhooks")(create_webhook)
    blueprint.post("/developer/subscriptions")(create_subscription)
    return blueprint


def list_call_statuses() -> dict[str, Any]:
    """OBD calls by ``id`` (with or without ``:1``), ``cid``, ``date`` or ``mobile``."""
    wanted = {name: request.args[name] for name in _FILTERS if request.args.get(name)}
    if not wanted:
        raise RequestRejected(422, "id, cid, date, mobile: one of them")
    found = [
        call_status_item(call)
        for call in current_sandbox().network.list_calls()
        if call.request.route == "obd"
        and all(_FILTERS[name](call, value) for name, value in wanted.items())
    ]
    return {"status": 200, "message": "OK", "data": found}


def list_calls() -> dict[str, Any]:
    """The log of ended calls, newest first, 15 a page, by the days on which they ended."""
    first, last = _parse_days(request.args.get("datetime[end_at]", ""))
    page = request.args.get("page", "1")
    if not re.fullmatch(r"[1-9][0-9]{0,8}", page):
        raise RequestRejected(422, "page: 1 or more")
    ended = [
        call for call in current_sandbox().network.list_calls() if _ended_within(call, first, last)
    ]
    ended.sort(key=lambda call: call.ended_at.monotonic if call.ended_at else 0, reverse=True)
    start = (int(page) - 1) * PAGE_SIZE
    data = {
        "current_page": int(page),
        "data": [call_log_item(call) for call in ended[start : start + PAGE_SIZE]],
        "last_page": max(1, -(-len(ended) // PAGE_SIZE)),
        "per_page": PAGE_SIZE,
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
        raise RequestRejected(422, "datetime[end_at]: like Aug 12, 2019 - Aug 12, 2019") from None
    return first, last


def _ended_within(call: Call, first: date, last: date) -> bool:
    return (
        call.ended_at is not None
        and first <= call.ended_at.wall.astimezone(VENDOR_ZONE).date() <= last
    )


def get_balance() -> dict[str, Any]:
    """The credits that the account was set up with; calls cost nothing here."""
    return {"status": 200, "message": "OK", "data": {"credits": current_sandbox().config.credits}}


def create_webhook() -> dict[str, Any]:
    """Keeps a webhook that passes the challenge with its ``token``."""
    members = parse_fields(parse_json_object(request.mimetype, request.get_data()), _WEBHOOK_FIELDS)
    courier = current_sandbox().callbacks
    courier.verify_webhook(members["uri"], members["token"])
    webhook_id = courier.add_webhook(Webhook(uri=members["uri"], secret=members.get("secret", "")))
    data = {"id": webhook_id, "name": members["name"], "status": 1}
    return {"status": 200, "message": "Webhook created", "data": data}


def create_subscription() -> dict[str, Any]:
    """Sends the callbacks of calls that name no webhook to this one."""
    members = parse_fields(
        parse_json_object(request.mimetype, request.get_data()), _SUBSCRIPTION_FIELDS
    )
    courier = current_sandbox().callbacks
    if members["webhook_id"] not in courier.webhooks:
        raise RequestRejected(422, "webhook_id: no such webhook")
    courier.subscription = members["webhook_id"]
    return {"status": 200, "message": "Subscription created", "data": members}
