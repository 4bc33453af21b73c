"""Events of the service: see docs/events.md.

Use events for a status page or for support. They do not log a user in: only receipts do.
"""

from typing import Any

from flask import Blueprint, request
from flask.typing import ResponseReturnValue
from standardwebhooks import Webhook, WebhookVerificationError

from login_backend import sessions
from login_backend.database import Database, Event


def events(secret: str, database: Database) -> Blueprint:
    """Create ``POST /otpvoice-events``, and the list of received events."""
    blueprint = Blueprint("events", __name__)
    webhook = Webhook(secret)

    @blueprint.post("/otpvoice-events")
    def receive() -> ResponseReturnValue:
        """Receive an event. The service retries after any response other than 2xx."""
        try:
            # Verifies the received bytes, and rejects signatures older than five minutes.
            document = webhook.verify(request.get_data(), dict(request.headers))
        except (WebhookVerificationError, ValueError):  # ValueError: a malformed signature
            return "", 401
        if document["data"]["reference"] is not None:  # without one, it is no login of this backend
            database.store_event(_parse_event(request.headers["Webhook-Id"], document))
        return "", 204

    @blueprint.get("/login/events")
    def list_events() -> ResponseReturnValue:
        """List the events of this browser's login. A product does not show them."""
        return database.events_of(sessions.reference())

    return blueprint


def _parse_event(webhook_id: str, document: dict[str, Any]) -> Event:
    verification = document["data"]
    return Event(
        webhook_id=webhook_id,
        type=document["type"],
        sequence=document["sequence"],
        timestamp=document["timestamp"],
        verification_id=verification["id"],
        reference=verification["reference"],
        status=verification["status"],
        call=verification["calls"][-1]["status"] if verification["calls"] else "",
    )
