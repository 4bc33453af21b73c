"""Where the login example is told events: only by the service, once each, in whatever order."""

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
    """The headers of an event that was signed so long ago."""
    event_id, at = uuid.uuid4().hex, datetime.now(UTC) - ago
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(event_id, at, body),
    }


def test_only_the_service_is_believed(login_url: str, stack: Stack) -> None:
    """Not another's signature, none, a mangled one, an old one, nor a good one of another body."""
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
        assert tells(login_url, headers, body) == 401, headers
    assert tells(login_url, good, BODY) == 204
    assert tells(login_url, good, BODY) == 204, "a copy is taken, and means nothing"


def test_events_of_no_login_are_shown_to_nobody(login_url: str, stack: Stack) -> None:
    """A visitor without a login does not see those of verifications without a reference."""
    body = BODY.replace('"login-1"', "null")
    assert tells(login_url, signed(stack.event_secret, body), body) == 204
    told = requests.get(f"{login_url}/login/events", timeout=10).json()
    assert told == {"events": [], "verification": None}


def tells(url: str, headers: dict[str, str], body: str) -> int:
    """The status of the answer."""
    return requests.post(
        f"{url}/otpvoice-events", data=body, headers=headers, timeout=10
    ).status_code


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """An empty one."""
    return Database(tmp_path / "login.sqlite")


def event(sequence: int, call: str, **changes: Any) -> Event:
    """The one with this sequence."""
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


def test_an_event_that_comes_late_changes_nothing_back(database: Database) -> None:
    """The greatest sequence tells how it stands; the list has all of them in order."""
    for late in (event(3, "placed"), event(5, "answered"), event(4, "unknown")):
        database.store_event(late)
    told: Any = database.events_of("login-1")
    assert told["verification"] == {"status": "pending", "call": "answered"}
    assert [e["sequence"] for e in told["events"]] == [3, 4, 5]


def test_an_event_that_comes_twice_is_one(database: Database) -> None:
    """By its webhook-id."""
    for _ in range(2):
        database.store_event(event(3, "placed"))
    told: Any = database.events_of("login-1")
    assert len(told["events"]) == 1


def test_events_are_shown_to_their_own_login(database: Database) -> None:
    """And to no other."""
    database.store_event(event(3, "placed"))
    assert database.events_of("login-2") == {"events": [], "verification": None}
    assert database.events_of("") == {"events": [], "verification": None}
