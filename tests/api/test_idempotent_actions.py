"""The Idempotency-Key of checks and calls."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from api.api_client import VERIFICATIONS, ApiClient, ManualDialer, assert_problem
from redis import Redis
from support.service import ASHA
from werkzeug.test import TestResponse

from otpvoice.core.verification import CallStatus

KEY = "9b1f-check-1"
RAVI = "+919812345678"


def check(
    api: ApiClient, verification: dict[str, Any], code: str, key: str | None = KEY
) -> TestResponse:
    """Send a check, with a key if there is one."""
    return send(api, verification, "checks", {"code": code}, key)


def request_call(api: ApiClient, verification: dict[str, Any], key: str = KEY) -> TestResponse:
    """Request a call with a key."""
    return send(api, verification, "calls", {}, key)


def send(
    api: ApiClient, verification: dict[str, Any], step: str, body: Any, key: str | None
) -> TestResponse:
    """Send any action of a verification."""
    headers = {"idempotency_key": key} if key else {}
    path = f"{VERIFICATIONS}/{verification['id']}/{step}"
    return api.post_raw(path, json.dumps(body).encode(), **headers)


def is_replay(response: TestResponse) -> bool:
    """Return whether the response is marked as a replay."""
    return response.headers.get("Idempotent-Replayed") == "true"


def test_repeated_correct_check_is_a_replay(api: ApiClient) -> None:
    """200 with the whole first response; without the key 409."""
    created = api.create(code="1234")
    right = check(api, created, "1234")
    assert (right.status_code, is_replay(right), right.get_json()["valid"]) == (200, False, True)
    for _ in range(2):
        again = check(api, created, "1234")
        assert (again.status_code, is_replay(again)) == (200, True)
        assert again.get_json() == right.get_json()
    assert_problem(check(api, created, "1234", key=None), 409, "verification_closed")
    assert_problem(check(api, created, "1234", key="another"), 409, "verification_closed")


def test_repeated_wrong_check_costs_nothing(api: ApiClient) -> None:
    """``valid: false`` again, also if the correct code came in between."""
    created = api.create(code="1234")
    for replay in (False, True, True):
        wrong = check(api, created, "4321")
        assert (wrong.status_code, is_replay(wrong)) == (200, replay)
        assert (wrong.get_json()["valid"], wrong.get_json()["checks_left"]) == (False, 4)
    api.check(created, "1234")
    late = check(api, created, "4321").get_json()
    assert (late["valid"], late["status"], late["checks_left"]) == (False, "approved", 4)


def test_repeated_call_request_adds_no_call(api: ApiClient, dialer: ManualDialer) -> None:
    """202 with the current object."""
    created = api.create(call_after=100)
    requested = request_call(api, created)
    assert (requested.status_code, is_replay(requested)) == (202, False)
    dialer.record(dialer.send(), CallStatus.FAILED)
    api.advance_time(61)
    again = request_call(api, created)
    assert (again.status_code, is_replay(again)) == (202, True)
    assert [call["status"] for call in again.get_json()["calls"]] == ["failed"]
    assert again.get_json() == api.get_verification(created)


def test_key_with_another_body_returns_422(api: ApiClient) -> None:
    """Without the object; nothing is compared and nothing queued."""
    created = api.create(code="1234")
    check(api, created, "4321")
    rejected = assert_problem(check(api, created, "1234"), 422, "idempotency_mismatch")
    assert "verification" not in rejected
    request_call(api, created)
    assert_problem(send(api, created, "calls", {"route": "c2c"}, KEY), 422, "idempotency_mismatch")
    stands = api.get_verification(created)
    assert (stands["status"], stands["checks_left"], len(stands["calls"])) == ("pending", 4, 1)


def test_key_on_another_path_is_another_key(api: ApiClient) -> None:
    """On two verifications, and on two actions of one."""
    one, other = api.create(code="1234"), api.create(RAVI, code="1234")
    responses = [
        check(api, one, "4321"),
        check(api, other, "1234"),
        request_call(api, one),
        api.post_raw(VERIFICATIONS, json.dumps({"to": ASHA}).encode(), idempotency_key=KEY),
    ]
    assert [response.status_code for response in responses] == [200, 200, 202, 200]
    assert not [response for response in responses if is_replay(response)]
    assert check(api, one, "4321").get_json()["valid"] is False
    assert check(api, other, "1234").get_json()["valid"] is True


def test_key_of_another_client_returns_404(api: ApiClient) -> None:
    """Like an unknown verification."""
    created = api.create(code="1234")
    check(api, created, "1234")
    assert_problem(check(api.as_bank(), created, "1234"), 404, "not_found")
    assert_problem(request_call(api.as_bank(), created), 404, "not_found")


@pytest.mark.parametrize("key", ["", "k" * 256, "two words", "schlüssel"], ids=repr)
def test_malformed_key_returns_422(api: ApiClient, key: str) -> None:
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
    assert_problem(send(api, created, "calls", {"route": "sip"}, KEY), 422, "invalid_request")
    assert not is_replay(request_call(api, created))
    assert_problem(check(api, created, "12"), 422, "invalid_request")
    assert_problem(check(api, created, "1234"), 422, "invalid_request")  # the code has six digits
    assert api.get_verification(created)["checks_left"] == 5


def test_store_contains_neither_key_nor_code(api: ApiClient, redis: Redis) -> None:
    """The code is stored as a keyed digest only."""
    created = api.create(code="73519")
    check(api, created, "73519")
    keys: Any = redis.keys("*")
    (record,) = [key for key in keys if b":idempotency:" in key]
    values: Any = redis.hvals(record)
    stored = b" ".join([*keys, *values])
    for secret in (KEY.encode(), b"73519", ASHA[1:].encode()):
        assert secret not in stored


@pytest.mark.parametrize(("code", "valid"), [("1234", True), ("4321", False)])
def test_concurrent_checks_with_one_key_count_once(api: ApiClient, code: str, valid: bool) -> None:
    """Every response has the same ``valid``; one is not a replay."""
    created = api.create(code="1234")
    with ThreadPoolExecutor(8) as pool:
        responses = list(
            pool.map(lambda _: check(ApiClient(api.app, api.store), created, code), range(50))
        )
    assert {(each.status_code, each.get_json()["valid"]) for each in responses} == {(200, valid)}
    assert sum(is_replay(response) for response in responses) == 49
    assert api.get_verification(created)["checks_left"] == (5 if valid else 4)
