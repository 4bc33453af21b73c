"""Where the service tells what becomes of calls: see docs/events.md.

Events are news, for a status page or for support. They let nobody in: only receipts do.
"""

from typing import Any

from flask import Blueprint, request
from flask.typing import ResponseReturnValue
from standardwebhooks import Webhook, WebhookVerificationError

from login_backend import sessions
from login_backend.database import Database, Event


def events(secret: str, database: Database) -> Blueprint:
    """``POST /otpvoice-events``, and what came in by it."""
    blueprint = Blueprint("events", __name__)
    webhook = Webhook(secret)

    @blueprint.post("/otpvoice-events")
    def take() -> ResponseReturnValue:
        """Takes an event. Anything but a 2xx has it sent again later."""
        try:
            # Over the bytes as they came; refuses what was signed more than five minutes ago.
            told = webhook.verify(request.get_data(), dict(request.headers))
        except (WebhookVerificationError, ValueError):  # ValueError: not even in the shape of one
            return "", 401
        if told["data"]["reference"] is not None:  # else it is of no login of ours
            database.store_event(_parse_event(request.headers["Webhook-Id"], told))
        return "", 204

    @blueprint.get("/login/events")
    def told() -> ResponseReturnValue:
        """What we were told of this browser's login. For the eyes of this example."""
        return database.events_of(sessions.reference())

    return blueprint


def _parse_event(webhook_id: str, told: dict[str, Any]) -> Event:
    verification = told["data"]
    return Event(
        webhook_id=webhook_id,
        type=told["type"],
        sequence=told["sequence"],
        timestamp=told["timestamp"],
        verification_id=verification["id"],
        reference=verification["reference"],
        status=verification["status"],
        call=verification["calls"][-1]["status"] if verification["calls"] else "",
    )
