"""The object that every answer shows, and what it says may be done next."""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from api.door import Door, HandDialer, problem

from otpvoice.core.verification import CallStatus

MOMENT = re.compile(r"20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]Z")
"""RFC 3339, whole seconds, UTC."""
NO = {"at": None, "retry_after": None}
"""What a step that will not be allowed by waiting says of when."""


def moment(text: str) -> datetime:
    """The time that a member tells."""
    assert MOMENT.fullmatch(text)
    return datetime.fromisoformat(text)


def next_call(door: Door, verification: dict[str, Any]) -> dict[str, Any]:
    """What the verification says of a further call."""
    step: dict[str, Any] = door.looks(verification)["next"]["call"]
    return step


def test_the_whole_object_of_a_new_verification(door: Door) -> None:
    """Every member of the contract, no other, each with its type; the token comes only here."""
    shown = door.asks(reference="login-81", locale="hi-IN", name="Asha")
    call = shown["calls"][0]
    assert re.fullmatch(r"vrf_[0-9a-f]{32}", shown["id"])
    assert re.fullmatch(r"call_[0-9a-f]{32}", call["id"])
    assert moment(shown["expires_at"]) - moment(shown["created_at"]) == timedelta(seconds=300)
    assert shown == {
        "id": shown["id"],
        "url": f"https://otp.example.com/v1/verifications/{shown['id']}",
        "to": "+919876543210",
        "channel": "voice",
        "status": "pending",
        "reason": None,
        "reference": "login-81",
        "created_at": shown["created_at"],
        "expires_at": shown["expires_at"],
        "expires_in": 300,
        "ended_at": None,
        "version": 1,
        "code_length": 6,
        "checks_left": 5,
        "poll_after": 2,
        "calls": [
            {
                "id": call["id"],
                "status": "queued",
                "reason": None,
                "route": "obd",
                "locale": "hi",
                "caller_id": "+918068280000",
                "due_at": shown["created_at"],
                "placed_at": None,
                "ended_at": None,
                "duration": None,
                "heard": None,
            }
        ],
        "next": {
            "check": {"allowed": True, "reason": None, **NO},
            "call": {"allowed": False, "reason": "call_in_progress", **NO},
        },
        "client_token": shown["client_token"],
    }
    assert door.looks(shown).keys() == shown.keys() - {"client_token"}


def test_an_ended_one_shows_the_same_members(door: Door, dialer: HandDialer) -> None:
    """Placed, answered, approved: the same members tell when, and nothing may be done next."""
    began = door.asks(code="1234")
    claim = dialer.places()
    assert door.calls_back(id=claim.call_id, status="ANSWER", duration="23").status_code == 200
    checked = door.checks(began, "1234").get_json()
    shown = door.looks(began)
    assert checked == shown | {"valid": True, "receipt": checked["receipt"]}
    assert shown.keys() == began.keys() - {"client_token"}
    assert (shown["status"], shown["reason"], shown["expires_in"]) == ("approved", None, 0)
    assert shown["expires_at"] == began["expires_at"]
    assert moment(shown["ended_at"]) >= moment(shown["created_at"])
    (call,) = shown["calls"]
    assert call.keys() == began["calls"][0].keys()
    assert (call["status"], call["duration"], call["heard"]) == ("answered", 23, None)
    assert moment(call["ended_at"]) >= moment(call["placed_at"]) >= moment(call["due_at"])
    closed = {"allowed": False, "reason": "closed", **NO}
    assert shown["next"] == {"check": closed, "call": closed}


def test_the_version_counts_what_happened(door: Door, dialer: HandDialer) -> None:
    """It grows with each change of the object and stands still when it is only looked at."""
    began = door.asks(code="1234")
    versions = [began["version"], door.looks(began)["version"]]
    door.checks(began, "9999")
    versions.append(door.looks(began)["version"])
    claim = dialer.places()
    versions.append(door.looks(began)["version"])
    door.calls_back(id=claim.call_id, status="BUSY")
    versions.append(door.looks(began)["version"])
    door.does(began, "cancel")
    versions.append(door.looks(began)["version"])
    assert versions[0] == versions[1]
    assert versions[1:] == sorted(set(versions[1:]))


def test_the_life_left_counts_down_to_nothing(door: Door) -> None:
    """``expires_in`` is rounded down; at the end it is 0 and the state says so."""
    began = door.asks()
    door.later(100)
    assert door.looks(began)["expires_in"] in {199, 200}
    door.later(200)
    ended = door.looks(began)
    assert (ended["status"], ended["reason"], ended["expires_in"]) == ("expired", None, 0)
    assert ended["ended_at"] == ended["expires_at"] == began["expires_at"]
    assert [(c["status"], c["reason"]) for c in ended["calls"]] == [("expired", "ended_first")]


def test_a_call_under_way_is_not_added_to(door: Door, dialer: HandDialer) -> None:
    """Queued, dialing, sent, placed and unknown-but-maybe-ringing: ``call_in_progress``."""
    began = door.asks()
    in_progress = {"allowed": False, "reason": "call_in_progress", **NO}
    assert next_call(door, began) == in_progress
    claim = dialer.claims()
    assert door.looks(began)["calls"][0]["status"] == "dialing"
    assert next_call(door, began) == in_progress
    assert door.store.mark(claim, 165_000, [60_000])
    assert next_call(door, began) == in_progress
    dialer.records(claim, CallStatus.PLACED)
    assert next_call(door, began) == in_progress
    door.calls_back(id=claim.call_id, status="MISSED")
    assert door.looks(began)["calls"][0]["status"] == "unknown"
    assert next_call(door, began) == in_progress


def test_an_unknown_call_holds_until_it_can_not_ring(door: Door, dialer: HandDialer) -> None:
    """After ``live_until`` a further call is allowed, though the end never became known."""
    began = door.asks(ttl=600)
    dialer.places()
    door.later(166)
    assert door.looks(began)["calls"][0]["status"] == "unknown"
    assert door.looks(began)["calls"][0]["reason"] == "no_news"
    assert next_call(door, began) == {"allowed": True, "reason": None, **NO}


def test_the_gap_lets_a_call_be_asked_for(door: Door, dialer: HandDialer) -> None:
    """``call_gap`` is allowed: ``at`` says when the call would be dialed, and so it is."""
    began = door.asks(ttl=600)
    claim = dialer.places()
    door.calls_back(id=claim.call_id, status="BUSY")
    shown = door.looks(began)
    step = shown["next"]["call"]
    assert (step["allowed"], step["reason"]) == (True, "call_gap")
    assert step["retry_after"] in {59, 60}
    sent = moment(shown["calls"][0]["placed_at"])
    assert timedelta(seconds=59) <= moment(step["at"]) - sent <= timedelta(seconds=61)
    answer = door.does(began, "calls")
    assert answer.status_code == 202
    queued = answer.get_json()["calls"][1]
    assert timedelta(0) <= moment(step["at"]) - moment(queued["due_at"]) <= timedelta(seconds=1)
    door.later(50)
    assert dialer.finds_nothing()
    door.later(11)
    assert dialer.claims().call_id == queued["id"]


def test_after_the_gap_a_call_is_simply_allowed(door: Door, dialer: HandDialer) -> None:
    """No reason and no time: it would be dialed now."""
    began = door.asks(ttl=600)
    claim = dialer.places()
    door.calls_back(id=claim.call_id, status="NOANSWER")
    door.later(61)
    assert next_call(door, began) == {"allowed": True, "reason": None, **NO}


def test_a_delayed_call_may_be_brought_forward(door: Door) -> None:
    """Allowed while it waits; asked for, it is in progress."""
    began = door.asks(call_after=100)
    assert began["next"]["call"] == {"allowed": True, "reason": None, **NO}
    asked = door.does(began, "calls").get_json()
    assert asked["next"]["call"] == {"allowed": False, "reason": "call_in_progress", **NO}
    assert len(asked["calls"]) == 1


@pytest.mark.parametrize(("waits", "reason"), [(235, None), (241, "too_late")])
def test_too_late_is_when_too_little_life_is_left(
    door: Door, dialer: HandDialer, waits: int, reason: str | None
) -> None:
    """With ``min_remaining_life`` to spare a call is allowed, with less it is too late: 409."""
    began = door.asks()
    claim = dialer.places()
    door.calls_back(id=claim.call_id, status="BUSY")
    door.later(waits)
    assert next_call(door, began) == {"allowed": reason is None, "reason": reason, **NO}
    answer = door.does(began, "calls")
    assert answer.status_code == (409 if reason else 202)
    if reason:
        assert problem(answer, 409, "too_late")["verification"]["id"] == began["id"]


def test_a_gap_that_ends_too_late_is_too_late(door: Door, dialer: HandDialer) -> None:
    """A code of 60 s can not wait for a gap of 60 s."""
    began = door.asks(ttl=60)
    claim = dialer.places()
    door.calls_back(id=claim.call_id, status="BUSY")
    assert next_call(door, began) == {"allowed": False, "reason": "too_late", **NO}
    problem(door.does(began, "calls"), 409, "too_late")


@pytest.mark.parametrize("end", ["cancel", "approve"])
def test_nothing_is_next_for_an_ended_one(door: Door, end: str) -> None:
    """``closed`` for both steps, and 409 to both."""
    began = door.asks(code="1234")
    ended = door.does(began, end).get_json()
    closed = {"allowed": False, "reason": "closed", **NO}
    assert ended["next"] == {"check": closed, "call": closed}
    for answer in (door.checks(began, "1234"), door.does(began, "calls")):
        shown = problem(answer, 409, "verification_closed")["verification"]
        assert shown == door.looks(began)
