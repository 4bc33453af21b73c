"""The provider's callbacks over HTTP: the right call gets the right state, and only forward."""

import pytest
from api.api_client import VERIFICATIONS, WEBHOOK, ApiClient, ManualDialer
from api.callback_samples import (
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
from support.service import PATH_TOKEN

from otpvoice.core.verification import CallStatus


@pytest.mark.parametrize(
    "raw", [C2C_AS_INTEGERS, C2C_AS_STRINGS, C2C_WITH_PLUS, C2C_TRAILING_COMMA, C2C_AS_FORM]
)
@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("content_type", ["application/json", "text/plain", None])
def test_the_documented_c2c_body(
    api: ApiClient, dialer: ManualDialer, raw: bytes, method: str, content_type: str | None
) -> None:
    """It carries no id: the one live call of bridge and person was answered."""
    at_sample_time(api)
    began = api.create(PERSON, route="c2c")
    dialer.place()
    assert is_received(deliver(api, raw, method, content_type=content_type))
    call = last_call(api, began)
    assert (call["status"], call["reason"], call["duration"]) == ("answered", None, 23)
    assert call["ended_at"] is not None
    assert api.get_verification(began)["status"] == "pending"


@pytest.mark.parametrize("raw", [OBD, OBD_AS_STRINGS])
def test_the_documented_obd_body(api: ApiClient, dialer: ManualDialer, raw: bytes) -> None:
    """``mid`` is the id of the provider's reply, with or without the ``:1`` of older ones."""
    began = api.create(PERSON)
    dialer.place("1234-1333-54321")
    assert is_received(deliver(api, raw.replace(b"54321", b"54321:1")))
    assert (last_call(api, began)["status"], last_call(api, began)["duration"]) == (
        "answered",
        23,
    )


def test_an_obd_body_with_an_unknown_mid(api: ApiClient, dialer: ManualDialer) -> None:
    """While no provider's id is known for it, bridge, person and time tell the call."""
    at_sample_time(api)
    began = api.create(PERSON)
    dialer.place()
    assert is_received(deliver(api, OBD))
    assert last_call(api, began)["status"] == "answered"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_a_composed_callback_in_the_query(
    api: ApiClient, dialer: ManualDialer, method: str
) -> None:
    """All in the address, with nothing in the body."""
    began = api.create()
    claim = dialer.place()
    query = {"id": claim.call_id, "status": "busy", "duration": "0"}
    assert is_received(deliver(api, b"", method, content_type=None, query_string=query))
    assert last_call(api, began)["status"] == "busy"


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
    api: ApiClient, dialer: ManualDialer, word: str, status: str, reason: str | None
) -> None:
    """Its state in our words; what we can not place is unknown, never "not answered"."""
    began = api.create()
    claim = dialer.place()
    assert is_received(api.send_callback(id=claim.call_id, status=word))
    call = last_call(api, began)
    assert (call["status"], call["reason"]) == (status, reason)
    assert (call["ended_at"] is None) == (status == "unknown")


def test_ten_copies_are_one(api: ApiClient, dialer: ManualDialer) -> None:
    """Every copy is received, and the first one did it all."""
    at_sample_time(api)
    began = api.create(PERSON, route="c2c")
    dialer.place()
    assert is_received(deliver(api, C2C_AS_INTEGERS))
    after_one = api.get_verification(began)
    assert all(is_received(deliver(api, C2C_AS_INTEGERS)) for _ in range(9))
    assert api.get_verification(began) | {"expires_in": 0} == after_one | {"expires_in": 0}


@pytest.mark.parametrize("first", ["ANSWER", "BUSY", "NOANSWER", "CONGESTION"])
def test_the_first_end_stands(api: ApiClient, dialer: ManualDialer, first: str) -> None:
    """BUSY after ANSWER, and any other word after any end, is received and changes nothing."""
    began = api.create()
    claim = dialer.place()
    api.send_callback(id=claim.call_id, status=first)
    ended = last_call(api, began)
    for word in ("ANSWER", "BUSY", "NOANSWER", "CANCEL", "CHANUNAVAIL", "MISSED", "?"):
        assert is_received(api.send_callback(id=claim.call_id, status=word, duration="99"))
    assert last_call(api, began) == ended


def test_unknown_may_become_known(api: ApiClient, dialer: ManualDialer) -> None:
    """It ended our action, not our knowledge."""
    began = api.create()
    claim = dialer.place()
    for word, status in [("MISSED", "unknown"), ("BUSY", "busy")]:
        assert is_received(api.send_callback(id=claim.call_id, status=word))
        assert last_call(api, began)["status"] == status


def test_a_callback_before_the_reply_was_recorded(api: ApiClient, dialer: ManualDialer) -> None:
    """The call is over before our own POST's answer is written down, and stays over."""
    began = api.create()
    claim = dialer.send()
    assert is_received(api.send_callback(id=claim.call_id, status="BUSY"))
    ended = last_call(api, began)
    assert ended["status"] == "busy"
    assert dialer.record(claim, CallStatus.PLACED, provider_id="1-2-3") == "busy"
    assert last_call(api, began) == ended


def test_the_vendors_id_may_come_before_we_know_it(api: ApiClient, dialer: ManualDialer) -> None:
    """The documented OBD body while the call is being sent: bridge, person and time tell."""
    at_sample_time(api)
    began = api.create(PERSON)
    claim = dialer.send()
    assert is_received(deliver(api, OBD))
    assert last_call(api, began)["status"] == "answered"
    assert dialer.record(claim, CallStatus.PLACED, provider_id="1234-1333-54321") == "answered"


def test_what_was_not_sent_has_no_end(api: ApiClient, dialer: ManualDialer) -> None:
    """News of a call that is queued, or claimed and not yet marked, changes nothing."""
    began = api.create()
    call_id = began["calls"][0]["id"]
    assert is_received(api.send_callback(id=call_id, status="ANSWER"))
    assert last_call(api, began)["status"] == "queued"
    dialer.claim()
    assert is_received(api.send_callback(id=call_id, status="ANSWER", duration="5"))
    assert last_call(api, began)["status"] == "dialing"


def test_no_callback_approves(api: ApiClient, dialer: ManualDialer) -> None:
    """Whatever it says and carries, the verification waits for its code."""
    began = api.create(code="1234")
    claim = dialer.place()
    for ids in ({"id": claim.call_id}, {"id": began["id"]}, {"mid": began["id"]}):
        for word in ("ANSWER", "COMPLETED", "approved", "APPROVED", "valid"):
            extra = {"verification": began["id"], "approved": "true", "code": "1234"}
            assert is_received(api.send_callback(**ids, status=word, **extra))
    assert (api.get_verification(began)["status"], api.get_verification(began)["checks_left"]) == (
        "pending",
        5,
    )
    assert api.check(began, "1234").get_json()["valid"] is True


def test_the_path_token_is_a_secret_too(api: ApiClient, dialer: ManualDialer) -> None:
    """For vendors that send no header: the address itself is known to them alone."""
    began = api.create()
    claim = dialer.place()
    body = {"id": claim.call_id, "status": "NOANSWER"}
    assert is_received(api.client.post(f"{WEBHOOK}/{PATH_TOKEN}", json=body))
    assert last_call(api, began)["status"] == "no_answer"
    assert api.get(f"{VERIFICATIONS}/{began['id']}").status_code == 200
