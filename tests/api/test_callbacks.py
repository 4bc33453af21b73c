"""The provider's callbacks over HTTP: the right call gets the right state, and only forward."""

import pytest
from api.door import VERIFICATIONS, WEBHOOK, Door, HandDialer
from api.samples import (
    C2C_AS_FORM,
    C2C_AS_INTEGERS,
    C2C_AS_STRINGS,
    C2C_TRAILING_COMMA,
    C2C_WITH_PLUS,
    OBD,
    OBD_AS_STRINGS,
    PERSON,
    at_sample_time,
    deliver,
    is_received,
    last_call,
)
from world import PATH_TOKEN

from otpvoice.core.verification import CallStatus


@pytest.mark.parametrize(
    "raw", [C2C_AS_INTEGERS, C2C_AS_STRINGS, C2C_WITH_PLUS, C2C_TRAILING_COMMA, C2C_AS_FORM]
)
@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("content_type", ["application/json", "text/plain", None])
def test_the_documented_c2c_body(
    door: Door, dialer: HandDialer, raw: bytes, method: str, content_type: str | None
) -> None:
    """It carries no id: the one live call of bridge and person was answered."""
    at_sample_time(door)
    began = door.asks(PERSON, route="c2c")
    dialer.places()
    assert is_received(deliver(door, raw, method, content_type=content_type))
    call = last_call(door, began)
    assert (call["status"], call["reason"], call["duration"]) == ("answered", None, 23)
    assert call["ended_at"] is not None
    assert door.looks(began)["status"] == "pending"


@pytest.mark.parametrize("raw", [OBD, OBD_AS_STRINGS])
def test_the_documented_obd_body(door: Door, dialer: HandDialer, raw: bytes) -> None:
    """``mid`` is the id of the provider's reply, with or without the ``:1`` of older ones."""
    began = door.asks(PERSON)
    dialer.places("1234-1333-54321")
    assert is_received(deliver(door, raw.replace(b"54321", b"54321:1")))
    assert (last_call(door, began)["status"], last_call(door, began)["duration"]) == (
        "answered",
        23,
    )


def test_an_obd_body_with_an_unknown_mid(door: Door, dialer: HandDialer) -> None:
    """While no provider's id is known for it, bridge, person and time tell the call."""
    at_sample_time(door)
    began = door.asks(PERSON)
    dialer.places()
    assert is_received(deliver(door, OBD))
    assert last_call(door, began)["status"] == "answered"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_a_composed_callback_in_the_query(door: Door, dialer: HandDialer, method: str) -> None:
    """All in the address, with nothing in the body."""
    began = door.asks()
    claim = dialer.places()
    query = {"id": claim.call_id, "status": "busy", "duration": "0"}
    assert is_received(deliver(door, b"", method, content_type=None, query_string=query))
    assert last_call(door, began)["status"] == "busy"


@pytest.mark.parametrize(
    ("word", "status", "reason"),
    [
        ("ANSWER", "answered", None),
        ("COMPLETED", "answered", None),
        ("RECEIVED", "answered", None),
        ("BUSY", "busy", None),
        ("NOANSWER", "no_answer", None),
        ("CANCEL", "no_answer", "hung_up_before_answer"),
        ("CONGESTION", "failed", None),
        ("CHANUNAVAIL", "failed", None),
        ("MISSED", "unknown", None),
        ("SOMETHING NEW", "unknown", None),
        ("", "unknown", None),
    ],
)
def test_each_word_of_the_vendor(
    door: Door, dialer: HandDialer, word: str, status: str, reason: str | None
) -> None:
    """Its state in our words; what we can not place is unknown, never "not answered"."""
    began = door.asks()
    claim = dialer.places()
    assert is_received(door.calls_back(id=claim.call_id, status=word))
    call = last_call(door, began)
    assert (call["status"], call["reason"]) == (status, reason)
    assert (call["ended_at"] is None) == (status == "unknown")


def test_ten_copies_are_one(door: Door, dialer: HandDialer) -> None:
    """Every copy is received, and the first one did it all."""
    at_sample_time(door)
    began = door.asks(PERSON, route="c2c")
    dialer.places()
    assert is_received(deliver(door, C2C_AS_INTEGERS))
    after_one = door.looks(began)
    assert all(is_received(deliver(door, C2C_AS_INTEGERS)) for _ in range(9))
    assert door.looks(began) | {"expires_in": 0} == after_one | {"expires_in": 0}


@pytest.mark.parametrize("first", ["ANSWER", "BUSY", "NOANSWER", "CONGESTION"])
def test_the_first_end_stands(door: Door, dialer: HandDialer, first: str) -> None:
    """BUSY after ANSWER, and any other word after any end, is received and changes nothing."""
    began = door.asks()
    claim = dialer.places()
    door.calls_back(id=claim.call_id, status=first)
    ended = last_call(door, began)
    for word in ("ANSWER", "BUSY", "NOANSWER", "CANCEL", "CHANUNAVAIL", "MISSED", "?"):
        assert is_received(door.calls_back(id=claim.call_id, status=word, duration="99"))
    assert last_call(door, began) == ended


def test_unknown_may_become_known(door: Door, dialer: HandDialer) -> None:
    """It ended our action, not our knowledge."""
    began = door.asks()
    claim = dialer.places()
    for word, status in [("MISSED", "unknown"), ("BUSY", "busy")]:
        assert is_received(door.calls_back(id=claim.call_id, status=word))
        assert last_call(door, began)["status"] == status


def test_a_callback_before_the_reply_was_recorded(door: Door, dialer: HandDialer) -> None:
    """The call is over before our own POST's answer is written down, and stays over."""
    began = door.asks()
    claim = dialer.sends()
    assert is_received(door.calls_back(id=claim.call_id, status="BUSY"))
    ended = last_call(door, began)
    assert ended["status"] == "busy"
    assert dialer.records(claim, CallStatus.PLACED, provider_id="1-2-3") == "busy"
    assert last_call(door, began) == ended


def test_the_vendors_id_may_come_before_we_know_it(door: Door, dialer: HandDialer) -> None:
    """The documented OBD body while the call is being sent: bridge, person and time tell."""
    at_sample_time(door)
    began = door.asks(PERSON)
    claim = dialer.sends()
    assert is_received(deliver(door, OBD))
    assert last_call(door, began)["status"] == "answered"
    assert dialer.records(claim, CallStatus.PLACED, provider_id="1234-1333-54321") == "answered"


def test_what_was_not_sent_has_no_end(door: Door, dialer: HandDialer) -> None:
    """News of a call that is queued, or claimed and not yet marked, changes nothing."""
    began = door.asks()
    call_id = began["calls"][0]["id"]
    assert is_received(door.calls_back(id=call_id, status="ANSWER"))
    assert last_call(door, began)["status"] == "queued"
    dialer.claims()
    assert is_received(door.calls_back(id=call_id, status="ANSWER", duration="5"))
    assert last_call(door, began)["status"] == "dialing"


def test_no_callback_approves(door: Door, dialer: HandDialer) -> None:
    """Whatever it says and carries, the verification waits for its code."""
    began = door.asks(code="1234")
    claim = dialer.places()
    for ids in ({"id": claim.call_id}, {"id": began["id"]}, {"mid": began["id"]}):
        for word in ("ANSWER", "COMPLETED", "approved", "APPROVED", "valid"):
            extra = {"verification": began["id"], "approved": "true", "code": "1234"}
            assert is_received(door.calls_back(**ids, status=word, **extra))
    assert (door.looks(began)["status"], door.looks(began)["checks_left"]) == ("pending", 5)
    assert door.checks(began, "1234").get_json()["valid"] is True


def test_the_path_token_is_a_secret_too(door: Door, dialer: HandDialer) -> None:
    """For vendors that send no header: the address itself is known to them alone."""
    began = door.asks()
    claim = dialer.places()
    body = {"id": claim.call_id, "status": "NOANSWER"}
    assert is_received(door.client.post(f"{WEBHOOK}/{PATH_TOKEN}", json=body))
    assert last_call(door, began)["status"] == "no_answer"
    assert door.get(f"{VERIFICATIONS}/{began['id']}").status_code == 200
