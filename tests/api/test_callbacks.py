"""Callbacks over HTTP: the right call gets the right status, and only forward."""

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
def test_c2c_callback_matches_the_live_call(
    api: ApiClient, dialer: ManualDialer, raw: bytes, method: str, content_type: str | None
) -> None:
    """It has no id: the one live call of caller line and number was answered."""
    at_sample_time(api)
    created = api.create(PERSON, route="c2c")
    dialer.place()
    assert is_received(deliver(api, raw, method, content_type=content_type))
    call = last_call(api, created)
    assert (call["status"], call["reason"], call["duration"]) == ("answered", None, 23)
    assert call["ended_at"] is not None
    assert api.get_verification(created)["status"] == "pending"


@pytest.mark.parametrize("raw", [OBD, OBD_AS_STRINGS])
def test_obd_callback_matches_the_provider_id(
    api: ApiClient, dialer: ManualDialer, raw: bytes
) -> None:
    """``mid`` is the id of the provider's reply, with or without the ``:1`` of older ones."""
    created = api.create(PERSON)
    dialer.place("1234-1333-54321")
    assert is_received(deliver(api, raw.replace(b"54321", b"54321:1")))
    assert (last_call(api, created)["status"], last_call(api, created)["duration"]) == (
        "answered",
        23,
    )


def test_obd_callback_with_unknown_mid_matches_by_number_and_time(
    api: ApiClient, dialer: ManualDialer
) -> None:
    """The provider's id of the call is not known yet."""
    at_sample_time(api)
    created = api.create(PERSON)
    dialer.place()
    assert is_received(deliver(api, OBD))
    assert last_call(api, created)["status"] == "answered"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_callback_in_the_query_is_applied(
    api: ApiClient, dialer: ManualDialer, method: str
) -> None:
    """The body is empty."""
    created = api.create()
    claim = dialer.place()
    query = {"id": claim.call_id, "status": "busy", "duration": "0"}
    assert is_received(deliver(api, b"", method, content_type=None, query_string=query))
    assert last_call(api, created)["status"] == "busy"


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
def test_status_words_of_the_provider_map_to_call_statuses(
    api: ApiClient, dialer: ManualDialer, word: str, status: str, reason: str | None
) -> None:
    """An unclear word is ``unknown``, never ``no_answer``."""
    created = api.create()
    claim = dialer.place()
    assert is_received(api.send_callback(id=claim.call_id, status=word))
    call = last_call(api, created)
    assert (call["status"], call["reason"]) == (status, reason)
    assert (call["ended_at"] is None) == (status == "unknown")


def test_callback_repeated_is_applied_once(api: ApiClient, dialer: ManualDialer) -> None:
    """Every copy is acknowledged."""
    at_sample_time(api)
    created = api.create(PERSON, route="c2c")
    dialer.place()
    assert is_received(deliver(api, C2C_AS_INTEGERS))
    after_one = api.get_verification(created)
    assert all(is_received(deliver(api, C2C_AS_INTEGERS)) for _ in range(9))
    assert api.get_verification(created) | {"expires_in": 0} == after_one | {"expires_in": 0}


@pytest.mark.parametrize("first", ["ANSWER", "BUSY", "NOANSWER", "CONGESTION"])
def test_callback_after_the_end_changes_nothing(
    api: ApiClient, dialer: ManualDialer, first: str
) -> None:
    """BUSY after ANSWER, and any other word after any end, is acknowledged."""
    created = api.create()
    claim = dialer.place()
    api.send_callback(id=claim.call_id, status=first)
    ended = last_call(api, created)
    for word in ("ANSWER", "BUSY", "NOANSWER", "CANCEL", "CHANUNAVAIL", "MISSED", "?"):
        assert is_received(api.send_callback(id=claim.call_id, status=word, duration="99"))
    assert last_call(api, created) == ended


def test_callback_resolves_an_unknown_call(api: ApiClient, dialer: ManualDialer) -> None:
    """``unknown`` is not final."""
    created = api.create()
    claim = dialer.place()
    for word, status in [("MISSED", "unknown"), ("BUSY", "busy")]:
        assert is_received(api.send_callback(id=claim.call_id, status=word))
        assert last_call(api, created)["status"] == status


def test_callback_before_the_recorded_reply_ends_the_call(
    api: ApiClient, dialer: ManualDialer
) -> None:
    """The recorded reply does not reopen the call."""
    created = api.create()
    claim = dialer.send()
    assert is_received(api.send_callback(id=claim.call_id, status="BUSY"))
    ended = last_call(api, created)
    assert ended["status"] == "busy"
    assert dialer.record(claim, CallStatus.PLACED, provider_id="1-2-3") == "busy"
    assert last_call(api, created) == ended


def test_obd_callback_before_the_reply_matches_by_number_and_time(
    api: ApiClient, dialer: ManualDialer
) -> None:
    """The documented body arrives while the call is being sent."""
    at_sample_time(api)
    created = api.create(PERSON)
    claim = dialer.send()
    assert is_received(deliver(api, OBD))
    assert last_call(api, created)["status"] == "answered"
    assert dialer.record(claim, CallStatus.PLACED, provider_id="1234-1333-54321") == "answered"


def test_callback_for_an_unsent_call_changes_nothing(api: ApiClient, dialer: ManualDialer) -> None:
    """The call is queued, or claimed and not yet marked as sent."""
    created = api.create()
    call_id = created["calls"][0]["id"]
    assert is_received(api.send_callback(id=call_id, status="ANSWER"))
    assert last_call(api, created)["status"] == "queued"
    dialer.claim()
    assert is_received(api.send_callback(id=call_id, status="ANSWER", duration="5"))
    assert last_call(api, created)["status"] == "dialing"


def test_callback_never_approves(api: ApiClient, dialer: ManualDialer) -> None:
    """The verification waits for its code, whatever the callback contains."""
    created = api.create(code="1234")
    claim = dialer.place()
    for ids in ({"id": claim.call_id}, {"id": created["id"]}, {"mid": created["id"]}):
        for word in ("ANSWER", "COMPLETED", "approved", "APPROVED", "valid"):
            extra = {"verification": created["id"], "approved": "true", "code": "1234"}
            assert is_received(api.send_callback(**ids, status=word, **extra))
    assert (
        api.get_verification(created)["status"],
        api.get_verification(created)["checks_left"],
    ) == (
        "pending",
        5,
    )
    assert api.check(created, "1234").get_json()["valid"] is True


def test_callback_with_path_token_is_accepted(api: ApiClient, dialer: ManualDialer) -> None:
    """Some providers cannot send headers."""
    created = api.create()
    claim = dialer.place()
    body = {"id": claim.call_id, "status": "NOANSWER"}
    assert is_received(api.client.post(f"{WEBHOOK}/{PATH_TOKEN}", json=body))
    assert last_call(api, created)["status"] == "no_answer"
    assert api.get(f"{VERIFICATIONS}/{created['id']}").status_code == 200
