"""Events of the login example: only from the service, once each, in any order."""

import json
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from standardwebhooks import Webhook

from login_backend.database import Database, Event
from otpvoice_demo.stack import Stack

OTHER_SECRET = "whsec_dGhlIG5ld2VyIHNlY3JldCBvZiB0aGUgdGVzdHMgMzIgIQ=="
BODY = json.dumps(
    {
        "type": "call.placed",
        "timestamp": "2026-01-01T00:00:42Z",
        "sequence": 3,
        "data": {"id": "vrf_1", "reference": "login-1", "status": "pending", "calls": []},
    }
)


def signed(secret: str, body: str = BODY, ago: timedelta = timedelta()) -> dict[str, str]:
    """Return the headers of an event that was signed this long ago."""
    event_id, at = uuid.uuid4().hex, datetime.now(UTC) - ago
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(event_id, at, body),
    }


def test_event_without_valid_signature_returns_401(login_url: str, stack: Stack) -> None:
    """Another key, no signature, a malformed or old one, or that of another body."""
    good = signed(stack.event_secret)
    refused: list[tuple[dict[str, str], str]] = [
        (signed(OTHER_SECRET), BODY),
        ({}, BODY),
        ({**good, "webhook-signature": "v1"}, BODY),
        ({**good, "webhook-signature": "v1,%%%"}, BODY),
        ({**good, "webhook-timestamp": "now"}, BODY),
        (signed(stack.event_secret, ago=timedelta(minutes=6)), BODY),
        (signed(stack.event_secret, ago=-timedelta(minutes=6)), BODY),
        (good, BODY.replace("placed", "answered")),
    ]
    for headers, body in refused:
        assert post_event(login_url, headers, body) == 401, headers
    assert post_event(login_url, good, BODY) == 204
    assert post_event(login_url, good, BODY) == 204, "a copy is taken, and means nothing"


def test_event_without_reference_is_not_listed(login_url: str, stack: Stack) -> None:
    """A visitor without a login sees no events."""
    body = BODY.replace('"login-1"', "null")
    assert post_event(login_url, signed(stack.event_secret, body), body) == 204
    listed = requests.get(f"{login_url}/login/events", timeout=10).json()
    assert listed == {"events": [], "verification": None}


def post_event(url: str, headers: dict[str, str], body: str) -> int:
    """Post an event, and return the status."""
    return requests.post(
        f"{url}/otpvoice-events", data=body, headers=headers, timeout=10
    ).status_code


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """An empty database."""
    return Database(tmp_path / "login.sqlite")


def event(sequence: int, call: str, **changes: Any) -> Event:
    """Return an event with this sequence."""
    members = {
        "webhook_id": f"evt_{sequence}",
        "type": f"call.{call}",
        "sequence": sequence,
        "timestamp": f"2026-01-01T00:00:{sequence:02}Z",
        "verification_id": "vrf_1",
        "reference": "login-1",
        "status": "pending",
        "call": call,
    }
    return Event(**{**members, **changes})


def test_late_event_does_not_change_status(database: Database) -> None:
    """The highest sequence sets the status; the list has all events in order."""
    for late in (event(3, "placed"), event(5, "answered"), event(4, "unknown")):
        database.store_event(late)
    stored: Any = database.events_of("login-1")
    assert stored["verification"] == {"status": "pending", "call": "answered"}
    assert [e["sequence"] for e in stored["events"]] == [3, 4, 5]


def test_repeated_event_is_stored_once(database: Database) -> None:
    """Identified by its webhook-id."""
    for _ in range(2):
        database.store_event(event(3, "placed"))
    stored: Any = database.events_of("login-1")
    assert len(stored["events"]) == 1


def test_events_are_listed_for_their_login_only(database: Database) -> None:
    """By its reference."""
    database.store_event(event(3, "placed"))
    assert database.events_of("login-2") == {"events": [], "verification": None}
    assert database.events_of("") == {"events": [], "verification": None}
