"""The object in every response, and its next actions."""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from api.api_client import ApiClient, ManualDialer, assert_problem

MOMENT = re.compile(r"20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]Z")
"""RFC 3339, whole seconds, UTC."""
NO = {"at": None, "retry_after": None}
"""Times of an action that waiting does not allow."""


def moment(text: str) -> datetime:
    """Parse a time."""
    assert MOMENT.fullmatch(text)
    return datetime.fromisoformat(text)


def next_call(api: ApiClient, verification: dict[str, Any]) -> dict[str, Any]:
    """Return the next call action of the verification."""
    step: dict[str, Any] = api.get_verification(verification)["next"]["call"]
    return step


def test_new_verification_has_every_member(api: ApiClient) -> None:
    """Of the contract, with its type; only a create has the token."""
    shown = api.create(reference="login-81", locale="hi-IN", name="Asha")
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
        "transaction": None,
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
    assert api.get_verification(shown).keys() == shown.keys() - {"client_token"}


def test_ended_verification_has_the_same_members(api: ApiClient, dialer: ManualDialer) -> None:
    """With its times, and no next action."""
    created = api.create(code="1234")
    claim = dialer.place()
    assert api.send_callback(id=claim.call_id, status="ANSWER", duration="23").status_code == 200
    checked = api.check(created, "1234").get_json()
    shown = api.get_verification(created)
    assert checked == shown | {"valid": True, "receipt": checked["receipt"]}
    assert shown.keys() == created.keys() - {"client_token"}
    assert (shown["status"], shown["reason"], shown["expires_in"]) == ("approved", None, 0)
    assert shown["expires_at"] == created["expires_at"]
    assert moment(shown["ended_at"]) >= moment(shown["created_at"])
    (call,) = shown["calls"]
    assert call.keys() == created["calls"][0].keys()
    assert (call["status"], call["duration"], call["heard"]) == ("answered", 23, None)
    assert moment(call["ended_at"]) >= moment(call["placed_at"]) >= moment(call["due_at"])
    closed = {"allowed": False, "reason": "closed", **NO}
    assert shown["next"] == {"check": closed, "call": closed}


def test_version_increases_with_every_change(api: ApiClient, dialer: ManualDialer) -> None:
    """A read does not change it."""
    created = api.create(code="1234")
    versions = [created["version"], api.get_verification(created)["version"]]
    api.check(created, "9999")
    versions.append(api.get_verification(created)["version"])
    claim = dialer.place()
    versions.append(api.get_verification(created)["version"])
    api.send_callback(id=claim.call_id, status="BUSY")
    versions.append(api.get_verification(created)["version"])
    api.act(created, "cancel")
    versions.append(api.get_verification(created)["version"])
    assert versions[0] == versions[1]
    assert versions[1:] == sorted(set(versions[1:]))


def test_expires_in_counts_down_to_0(api: ApiClient) -> None:
    """Rounded down; at 0 the status is ``expired``."""
    created = api.create()
    api.advance_time(100)
    assert api.get_verification(created)["expires_in"] in {199, 200}
    api.advance_time(200)
    ended = api.get_verification(created)
    assert (ended["status"], ended["reason"], ended["expires_in"]) == ("expired", None, 0)
    assert ended["ended_at"] == ended["expires_at"] == created["expires_at"]
    assert [(c["status"], c["reason"]) for c in ended["calls"]] == [("expired", "ended_first")]


def test_next_call_in_the_gap_is_allowed_with_its_time(
    api: ApiClient, dialer: ManualDialer
) -> None:
    """The call is due at ``at``."""
    created = api.create(ttl=600)
    claim = dialer.place()
    api.send_callback(id=claim.call_id, status="BUSY")
    shown = api.get_verification(created)
    step = shown["next"]["call"]
    assert (step["allowed"], step["reason"]) == (True, "call_gap")
    assert step["retry_after"] in {59, 60}
    sent = moment(shown["calls"][0]["placed_at"])
    assert timedelta(seconds=59) <= moment(step["at"]) - sent <= timedelta(seconds=61)
    response = api.act(created, "calls")
    assert response.status_code == 202
    queued = response.get_json()["calls"][1]
    assert timedelta(0) <= moment(step["at"]) - moment(queued["due_at"]) <= timedelta(seconds=1)
    api.advance_time(50)
    assert dialer.has_nothing_due()
    api.advance_time(11)
    assert dialer.claim().call_id == queued["id"]


def test_next_call_with_a_delayed_call_is_allowed(api: ApiClient) -> None:
    """After the request it is in progress."""
    created = api.create(call_after=100)
    assert created["next"]["call"] == {"allowed": True, "reason": None, **NO}
    requested = api.act(created, "calls").get_json()
    assert requested["next"]["call"] == {"allowed": False, "reason": "call_in_progress", **NO}
    assert len(requested["calls"]) == 1


@pytest.mark.parametrize(("waits", "reason"), [(235, None), (241, "too_late")])
def test_next_call_without_enough_life_is_too_late(
    api: ApiClient, dialer: ManualDialer, waits: int, reason: str | None
) -> None:
    """The limit is ``min_remaining_life``; then 409."""
    created = api.create()
    claim = dialer.place()
    api.send_callback(id=claim.call_id, status="BUSY")
    api.advance_time(waits)
    assert next_call(api, created) == {"allowed": reason is None, "reason": reason, **NO}
    response = api.act(created, "calls")
    assert response.status_code == (409 if reason else 202)
    if reason:
        assert assert_problem(response, 409, "too_late")["verification"]["id"] == created["id"]


@pytest.mark.parametrize("end", ["cancel", "approve"])
def test_next_actions_of_an_ended_verification_are_closed(api: ApiClient, end: str) -> None:
    """409 for both."""
    created = api.create(code="1234")
    ended = api.act(created, end).get_json()
    closed = {"allowed": False, "reason": "closed", **NO}
    assert ended["next"] == {"check": closed, "call": closed}
    for response in (api.check(created, "1234"), api.act(created, "calls")):
        shown = assert_problem(response, 409, "verification_closed")["verification"]
        assert shown == api.get_verification(created)
