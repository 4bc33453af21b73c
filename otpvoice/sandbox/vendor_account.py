"""The vendor's API except placing calls: status queries and set-up (docs/provider.md, 2 and 3)."""

import hmac
import json
import math
import re
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import date, datetime
from threading import Lock
from typing import Any, Final

from flask import Blueprint, Response, request

from otpvoice.sandbox.calls import Call
from otpvoice.sandbox.config import ReplyStyle, Webhook
from otpvoice.sandbox.messages import call_log_item, call_status_item
from otpvoice.sandbox.network import current_sandbox
from otpvoice.sandbox.parsing import (
    TEXT_LINE,
    FieldRule,
    RequestRejected,
    parse_fields,
    parse_json_object,
)
from otpvoice.sandbox.scheduling import VENDOR_ZONE

PAGE_SIZE: Final = 15
_WINDOW_S: Final = 60.0

_WEBHOOK_FIELDS: Final = {
    "name": FieldRule(TEXT_LINE.pattern, "a line of text", required=True),
    "uri": FieldRule(r"https?://[^\s]+", "an http or https URL", required=True),
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


class RateLimiter:
    """A limit on the requests of the last minute. Thread-safe."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._times: deque[float] = deque()
        self._lock = Lock()

    def hit(self) -> None:
        """Count one request.

        Raises:
            RequestRejected: 429, the limit is reached.
        """
        now = time.monotonic()
        with self._lock:
            while self._times and self._times[0] <= now - _WINDOW_S:
                self._times.popleft()
            if len(self._times) >= self._limit:
                raise RequestRejected(429, "Too Many Attempts")
            self._times.append(now)


def authenticate() -> None:
    """Check the account's token. It is accepted in the header only, because URLs are logged.

    Raises:
        RequestRejected: 401.
    """
    expected = f"Bearer {current_sandbox().config.token}"
    received = request.headers.get("Authorization", "")
    if not hmac.compare_digest(received.encode(), expected.encode()):
        raise RequestRejected(401, "Unauthenticated")


def json_reply(body: Mapping[str, Any], status: int = 200) -> Response:
    """Build a compact JSON response, without the newline that Flask adds."""
    text = json.dumps(body, separators=(",", ":"))
    return Response(text, status, content_type="application/json")


def error_reply(style: ReplyStyle, status: int, message: str) -> Response:
    """Build a rejection. Its body is a guess, because the documents show none."""
    http_status = status if style.refusals == "http" else 200
    return json_reply({"status": status, "message": message}, http_status)


def handle_rejection(rejection: RequestRejected) -> Response:
    """Handle a rejection in the vendor's API."""
    style = current_sandbox().config.reply_style
    return error_reply(style, rejection.status, rejection.message)


def vendor_account(gets_per_minute: int) -> Blueprint:
    """Create the blueprint, with a rate limit for GET requests."""
    blueprint = Blueprint("vendor_account", __name__, url_prefix="/api/v2")
    limiter = RateLimiter(gets_per_minute)

    @blueprint.before_request
    def admit() -> None:
        authenticate()
        if request.method == "GET":
            limiter.hit()

    blueprint.register_error_handler(RequestRejected, handle_rejection)
    blueprint.get("/outgoing/callstatus")(list_call_statuses)
    blueprint.get("/voice/calls")(list_calls)
    blueprint.get("/finance/balance")(get_balance)
    blueprint.post("/developer/webhooks")(create_webhook)
    blueprint.post("/developer/subscriptions")(create_subscription)
    return blueprint


def list_call_statuses() -> dict[str, Any]:
    """List OBD calls by ``id`` (with or without ``:1``), ``cid``, ``date`` or ``mobile``."""
    filters = {name: request.args[name] for name in _FILTERS if request.args.get(name)}
    if not filters:
        raise RequestRejected(422, "id, cid, date, mobile: one is required")
    matches = [
        call_status_item(call)
        for call in current_sandbox().network.list_calls()
        if call.request.route == "obd"
        and all(_FILTERS[name](call, value) for name, value in filters.items())
    ]
    return {"status": 200, "message": "OK", "data": matches}


def list_calls() -> dict[str, Any]:
    """List calls by the days on which they ended, newest first, 15 a page."""
    first, last = _parse_days(request.args.get("datetime[end_at]", ""))
    page = request.args.get("page", "1")
    if not re.fullmatch(r"[1-9][0-9]{0,8}", page):
        raise RequestRejected(422, "page: 1 or more")
    ended = [
        (call.ended_at.monotonic, call)
        for call in current_sandbox().network.list_calls()
        if call.ended_at and first <= call.ended_at.wall.astimezone(VENDOR_ZONE).date() <= last
    ]
    ended.sort(key=lambda each: each[0], reverse=True)
    start = (int(page) - 1) * PAGE_SIZE
    data = {
        "current_page": int(page),
        "data": [call_log_item(call) for _, call in ended[start : start + PAGE_SIZE]],
        "last_page": max(1, math.ceil(len(ended) / PAGE_SIZE)),
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
        raise RequestRejected(
            422, "datetime[end_at]: must look like Aug 12, 2019 - Aug 12, 2019"
        ) from None
    return first, last


def get_balance() -> dict[str, Any]:
    """Return the configured credits. Calls do not reduce them."""
    credits_ = current_sandbox().config.credits
    return {"status": 200, "message": "OK", "data": {"credits": credits_}}


def create_webhook() -> dict[str, Any]:
    """Store a webhook that passes the challenge with its ``token``."""
    fields = parse_fields(parse_json_object(request.mimetype, request.get_data()), _WEBHOOK_FIELDS)
    callbacks = current_sandbox().callbacks
    callbacks.verify_webhook(fields["uri"], fields["token"])
    webhook_id = callbacks.add_webhook(Webhook(uri=fields["uri"], secret=fields.get("secret", "")))
    data = {"id": webhook_id, "name": fields["name"], "status": 1}
    return {"status": 200, "message": "Webhook created", "data": data}


def create_subscription() -> dict[str, Any]:
    """Send the callbacks of calls that name no webhook to this one."""
    body = parse_json_object(request.mimetype, request.get_data())
    fields = parse_fields(body, _SUBSCRIPTION_FIELDS)
    callbacks = current_sandbox().callbacks
    if fields["webhook_id"] not in callbacks.webhooks:
        raise RequestRejected(422, "webhook_id: no such webhook")
    callbacks.subscription = fields["webhook_id"]
    return {"status": 200, "message": "Subscription created", "data": fields}
