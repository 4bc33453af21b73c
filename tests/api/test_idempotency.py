"""The Idempotency-Key of creates, checks and calls."""

import json
from typing import Any

import pytest
from api.api_client import VERIFICATIONS, ApiClient, ManualDialer, assert_problem
from redis import Redis
from support.service import ASHA
from werkzeug.test import TestResponse

from otpvoice.core.verification import CallStatus

KEY = "2f0a9c1e-login-81"


def creates(api: ApiClient, key: str = KEY, **members: Any) -> TestResponse:
    """Send a create with a key."""
    body = json.dumps({"to": ASHA, **members}).encode()
    return api.post_raw(VERIFICATIONS, body, idempotency_key=key)


def is_replay(response: TestResponse) -> bool:
    """Return whether the response is marked as a replay."""
    return response.headers.get("Idempotent-Replayed") == "true"


def test_first_request_is_not_a_replay(api: ApiClient) -> None:
    """Nor is any request without a key."""
    for response in (creates(api), api.create_response(ASHA), api.create_response(ASHA)):
        assert "Idempotent-Replayed" not in response.headers


def test_repeated_create_returns_201_as_a_replay(api: ApiClient) -> None:
    """With the object and Location."""
    first = creates(api)
    again = creates(api)
    assert (first.status_code, again.status_code) == (201, 201)
    assert is_replay(again)
    assert again.get_json()["id"] == first.get_json()["id"]
    assert again.headers["Location"] == first.headers["Location"]


@pytest.mark.parametrize("members", [{"name": "Ravi"}, {"to": "+919812345678"}, {"code": "1234"}])
def test_key_with_another_body_returns_422(api: ApiClient, members: dict[str, Any]) -> None:
    """Without the object, and nothing happens."""
    first = creates(api).get_json()
    rejected = assert_problem(creates(api, **members), 422, "idempotency_mismatch")
    assert "verification" not in rejected
    assert api.get_verification(first)["status"] == "pending"


def test_rejected_create_is_not_remembered(api: ApiClient) -> None:
    """Neither an invalid one, nor one without a dialer."""
    assert_problem(creates(api, to="+91"), 422, "invalid_number")
    api.store.clock_offset_ms += 31_000
    assert_problem(creates(api), 503, "calls_unavailable")
    api.advance_time(0)
    response = creates(api)
    assert (response.status_code, is_replay(response)) == (201, False)


@pytest.mark.parametrize(
    "key", ["", "k" * 256, "two words", "schlüssel", "tab\tkey", "\x7f"], ids=repr
)
def test_malformed_key_returns_422(api: ApiClient, key: str) -> None:
    """Nothing is created."""
    rejected = assert_problem(creates(api, key=key), 422, "invalid_request")
    assert "Idempotency-Key" in rejected["detail"]
    assert creates(api).status_code == 201


@pytest.mark.parametrize("key", ["k", "k" * 255, '"8e03978e-40d5-43dd-bc93-6894a57f9324"'])
def test_key_of_1_to_255_characters_is_accepted(api: ApiClient, key: str) -> None:
    """Also in quotes, as in the HTTP draft."""
    creates(api, key=key)
    assert is_replay(creates(api, key=key))


def test_keys_are_compared_completely(api: ApiClient) -> None:
    """Case and the last of 255 characters included."""
    creates(api, key="k" * 255)
    for other in ("k" * 254, "k" * 254 + "K", "k" * 254 + "j"):
        assert not is_replay(creates(api, key=other))


def test_store_contains_neither_key_nor_body(api: ApiClient, redis: Redis) -> None:
    """A key may be a session id; a body contains number and code."""
    creates(api, code="73519")
    keys: Any = redis.keys("*")
    (record,) = [key for key in keys if b":idempotency:" in key]
    values: Any = redis.hvals(record)
    stored = b" ".join([*keys, *values])
    for secret in (KEY.encode(), ASHA.encode(), ASHA[1:].encode(), b"73519"):
        assert secret not in stored


ACTION_KEY = "9b1f-check-1"
RAVI = "+919812345678"


def check(
    api: ApiClient, verification: dict[str, Any], code: str, key: str | None = ACTION_KEY
) -> TestResponse:
    """Send a check, with a key if there is one."""
    return send(api, verification, "checks", {"code": code}, key)


def request_call(
    api: ApiClient, verification: dict[str, Any], key: str = ACTION_KEY
) -> TestResponse:
    """Request a call with a key."""
    return send(api, verification, "calls", {}, key)


def send(
    api: ApiClient, verification: dict[str, Any], step: str, body: Any, key: str | None
) -> TestResponse:
    """Send any action of a verification."""
    headers = {"idempotency_key": key} if key else {}
    path = f"{VERIFICATIONS}/{verification['id']}/{step}"
    return api.post_raw(path, json.dumps(body).encode(), **headers)


def is_replayed(response: TestResponse) -> bool:
    """Return whether the response is marked as a replay."""
    return response.headers.get("Idempotent-Replayed") == "true"


def test_repeated_correct_check_is_a_replay(api: ApiClient) -> None:
    """200 with the whole first response; without the key 409."""
    created = api.create(code="1234")
    right = check(api, created, "1234")
    assert (right.status_code, is_replayed(right), right.get_json()["valid"]) == (200, False, True)
    for _ in range(2):
        again = check(api, created, "1234")
        assert (again.status_code, is_replayed(again)) == (200, True)
        assert again.get_json() == right.get_json()
    assert_problem(check(api, created, "1234", key=None), 409, "verification_closed")
    assert_problem(check(api, created, "1234", key="another"), 409, "verification_closed")


def test_repeated_wrong_check_costs_nothing(api: ApiClient) -> None:
    """``valid: false`` again, also if the correct code came in between."""
    created = api.create(code="1234")
    for replay in (False, True, True):
        wrong = check(api, created, "4321")
        assert (wrong.status_code, is_replayed(wrong)) == (200, replay)
        assert (wrong.get_json()["valid"], wrong.get_json()["checks_left"]) == (False, 4)
    api.check(created, "1234")
    late = check(api, created, "4321").get_json()
    assert (late["valid"], late["status"], late["checks_left"]) == (False, "approved", 4)


def test_repeated_call_request_adds_no_call(api: ApiClient, dialer: ManualDialer) -> None:
    """202 with the current object."""
    created = api.create(call_after=100)
    requested = request_call(api, created)
    assert (requested.status_code, is_replayed(requested)) == (202, False)
    dialer.record(dialer.send(), CallStatus.FAILED)
    api.advance_time(61)
    again = request_call(api, created)
    assert (again.status_code, is_replayed(again)) == (202, True)
    assert [call["status"] for call in again.get_json()["calls"]] == ["failed"]
    assert again.get_json() == api.get_verification(created)


def test_action_key_with_another_body_returns_422(api: ApiClient) -> None:
    """Without the object; nothing is compared and nothing queued."""
    created = api.create(code="1234")
    check(api, created, "4321")
    rejected = assert_problem(check(api, created, "1234"), 422, "idempotency_mismatch")
    assert "verification" not in rejected
    request_call(api, created)
    assert_problem(
        send(api, created, "calls", {"route": "c2c"}, ACTION_KEY), 422, "idempotency_mismatch"
    )
    stands = api.get_verification(created)
    assert (stands["status"], stands["checks_left"], len(stands["calls"])) == ("pending", 4, 1)


def test_key_on_another_path_is_another_key(api: ApiClient) -> None:
    """On two verifications, and on two actions of one."""
    one, other = api.create(code="1234"), api.create(RAVI, code="1234")
    responses = [
        check(api, one, "4321"),
        check(api, other, "1234"),
        request_call(api, one),
        api.post_raw(VERIFICATIONS, json.dumps({"to": ASHA}).encode(), idempotency_key=ACTION_KEY),
    ]
    assert [response.status_code for response in responses] == [200, 200, 202, 200]
    assert not [response for response in responses if is_replayed(response)]
    assert check(api, one, "4321").get_json()["valid"] is False
    assert check(api, other, "1234").get_json()["valid"] is True


@pytest.mark.parametrize("key", ["", "k" * 256, "two words", "schlüssel"], ids=repr)
def test_action_malformed_key_returns_422(api: ApiClient, key: str) -> None:
    """The code is not compared."""
    created = api.create(code="1234")
    body = json.dumps({"code": "1234"}).encode()
    for step in ("checks", "calls"):
        path = f"{VERIFICATIONS}/{created['id']}/{step}"
        sent = body if step == "checks" else b"{}"
        rejected = assert_problem(
            api.post_raw(path, sent, idempotency_key=key), 422, "invalid_request"
        )
        assert "Idempotency-Key" in rejected["detail"]
    assert api.get_verification(created)["status"] == "pending"


def test_rejected_request_is_not_remembered(api: ApiClient) -> None:
    """422, then 503, then a call under the same key."""
    created = api.create(call_after=100)
    assert_problem(
        send(api, created, "calls", {"route": "sip"}, ACTION_KEY), 422, "invalid_request"
    )
    assert not is_replayed(request_call(api, created))
    assert_problem(check(api, created, "12"), 422, "invalid_request")
    assert_problem(check(api, created, "1234"), 422, "invalid_request")  # the code has six digits
    assert api.get_verification(created)["checks_left"] == 5


def test_action_store_contains_neither_key_nor_code(api: ApiClient, redis: Redis) -> None:
    """The code is stored as a keyed digest only."""
    created = api.create(code="73519")
    check(api, created, "73519")
    keys: Any = redis.keys("*")
    (record,) = [key for key in keys if b":idempotency:" in key]
    values: Any = redis.hvals(record)
    stored = b" ".join([*keys, *values])
    for secret in (ACTION_KEY.encode(), b"73519", ASHA[1:].encode()):
        assert secret not in stored
