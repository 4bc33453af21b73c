"""The vendor's API around the calls: pull and set-up (docs/provider.md, sections 2 and 3)."""

import re
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import date, datetime
from threading import Lock
from typing import Any, Final

from flask import Blueprint, request

from otpvoice.sandbox.bodies import Member, Refused, read_members, read_object
from otpvoice.sandbox.calls import VENDOR_ZONE, Call
from otpvoice.sandbox.config import Webhook
from otpvoice.sandbox.messages import call_log_line, call_status
from otpvoice.sandbox.vendor_access import answer_refusal, authorize, company

PAGE_SIZE: Final = 15
_MINUTE: Final = 60.0

_LINE: Final = r"[^\x00-\x1f\x7f]{1,255}"
_WEBHOOK: Final = {
    "name": Member(_LINE, "a line of text", required=True),
    "uri": Member(r"https?://[^\s]+", "an http or https URL", required=True),
    "status": Member(r"1", "1", integers=True),
    "secret": Member(_LINE, "a line of text"),
    "token": Member(_LINE, "the validation key", required=True),
}
_SUBSCRIPTION: Final = {
    "event": Member(r"voice:message:out", "voice:message:out", required=True),
    "identity": Member(r"all", "all", required=True),
    "webhook_id": Member(r"[0-9]+", "the id of a webhook", required=True, integers=True),
}
_MATCHES: Final[Mapping[str, Callable[[Call, str], bool]]] = {
    "id": lambda call, value: value in {call.id, re.sub(r":\d+$", "", call.id)},
    # Nothing says what a cid is; the campaign is the one thing that a request can name.
    "cid": lambda call, value: call.request.campaign == value,
    "date": lambda call, value: call.received.local.startswith(value),
    "mobile": lambda call, value: call.request.person == value,
}


class Meter:
    """Counts requests of the last minute. Thread-safe."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._times: deque[float] = deque()
        self._lock = Lock()

    def count(self) -> None:
        """Counts one more.

        Raises:
            Refused: 429, the minute is full.
        """
        now = time.monotonic()
        with self._lock:
            while self._times and self._times[0] <= now - _MINUTE:
                self._times.popleft()
            if len(self._times) >= self._limit:
                raise Refused(429, "Too Many Attempts")
            self._times.append(now)


def vendor_account(gets_per_minute: int) -> Blueprint:
    """The routes, with a limit of their own for GET."""
    blueprint = Blueprint("vendor_account", __name__, url_prefix="/api/v2")
    meter = Meter(gets_per_minute)

    @blueprint.before_request
    def admit() -> None:
        authorize()
        if request.method == "GET":
            meter.count()

    blueprint.register_error_handler(Refused, answer_refusal)
    blueprint.get("/outgoing/callstatus")(list_call_statuses)
    blueprint.get("/voice/calls")(list_calls)
    blueprint.get("/finance/balance")(show_balance)
    blueprint.post("/developer/webhooks")(create_webhook)
    blueprint.post("/developer/subscriptions")(create_subscription)
    return blueprint


def list_call_statuses() -> dict[str, Any]:
    """OBD calls by ``id`` (with or without ``:1``), ``cid``, ``date`` or ``mobile``."""
    wanted = {name: request.args[name] for name in _MATCHES if request.args.get(name)}
    if not wanted:
        raise Refused(422, "id, cid, date, mobile: one of them")
    found = [
        call_status(call)
        for call in company().network.calls()
        if call.request.route == "obd"
        and all(_MATCHES[name](call, value) for name, value in wanted.items())
    ]
    return {"status": 200, "message": "OK", "data": found}


def list_calls() -> dict[str, Any]:
    """The log of ended calls, newest first, 15 a page, by the days on which they ended."""
    first, last = _days(request.args.get("datetime[end_at]", ""))
    page = request.args.get("page", "1")
    if not re.fullmatch(r"[1-9][0-9]{0,8}", page):
        raise Refused(422, "page: 1 or more")
    ended = [call for call in company().network.calls() if _ended_within(call, first, last)]
    ended.sort(key=lambda call: call.ended.monotonic if call.ended else 0, reverse=True)
    start = (int(page) - 1) * PAGE_SIZE
    data = {
        "current_page": int(page),
        "data": [call_log_line(call) for call in ended[start : start + PAGE_SIZE]],
        "last_page": max(1, -(-len(ended) // PAGE_SIZE)),
        "per_page": PAGE_SIZE,
        "total": len(ended),
    }
    return {"status": "OK", "data": data}


def _days(text: str) -> tuple[date, date]:
    try:
        first, last = (
            datetime.strptime(day, "%b %d, %Y").replace(tzinfo=VENDOR_ZONE).date()
            for day in text.split(" - ")
        )
    except ValueError:
        raise Refused(422, "datetime[end_at]: like Aug 12, 2019 - Aug 12, 2019") from None
    return first, last


def _ended_within(call: Call, first: date, last: date) -> bool:
    return (
        call.ended is not None and first <= call.ended.wall.astimezone(VENDOR_ZONE).date() <= last
    )


def show_balance() -> dict[str, Any]:
    """The credits that the account was set up with; calls cost nothing here."""
    return {"status": 200, "message": "OK", "data": {"credits": company().config.credits}}


def create_webhook() -> dict[str, Any]:
    """Keeps a webhook that passes the challenge with its ``token``."""
    members = read_members(read_object(request.mimetype, request.get_data()), _WEBHOOK)
    courier = company().courier
    courier.challenge(members["uri"], members["token"])
    webhook_id = courier.add(Webhook(uri=members["uri"], secret=members.get("secret", "")))
    data = {"id": webhook_id, "name": members["name"], "status": 1}
    return {"status": 200, "message": "Webhook created", "data": data}


def create_subscription() -> dict[str, Any]:
    """Sends the callbacks of calls that name no webhook to this one."""
    members = read_members(read_object(request.mimetype, request.get_data()), _SUBSCRIPTION)
    courier = company().courier
    if members["webhook_id"] not in courier.webhooks:
        raise Refused(422, "webhook_id: no such webhook")
    courier.subscription = members["webhook_id"]
    return {"status": 200, "message": "Subscription created", "data": members}
