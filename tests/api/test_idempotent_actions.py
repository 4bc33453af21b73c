"""Idempotency-Key of checks and calls, as their client meets it."""

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


def hands_in(
    api: ApiClient, verification: dict[str, Any], code: str, key: str | None = KEY
) -> TestResponse:
    """A check; it carries a key."""
    return sends(api, verification, "checks", {"code": code}, key)


def wants_call(api: ApiClient, verification: dict[str, Any], key: str = KEY) -> TestResponse:
    """A request for a call that carries a key."""
    return sends(api, verification, "calls", {}, key)


def sends(
    api: ApiClient, verification: dict[str, Any], step: str, body: Any, key: str | None
) -> TestResponse:
    """Any step of a verification."""
    headers = {"idempotency_key": key} if key else {}
    path = f"{VERIFICATIONS}/{verification['id']}/{step}"
    return api.post_raw(path, json.dumps(body).encode(), **headers)


def is_replay(answer: TestResponse) -> bool:
    """Whether it says so."""
    return answer.headers.get("Idempotent-Replayed") == "true"


def test_a_right_code_again(api: ApiClient) -> None:
    """200 and ``valid: true`` once more, with all of the first answer; without the key 409."""
    began = api.create(code="1234")
    right = hands_in(api, began, "1234")
    assert (right.status_code, is_replay(right), right.get_json()["valid"]) == (200, False, True)
    for _ in range(2):
        again = hands_in(api, began, "1234")
        assert (again.status_code, is_replay(again)) == (200, True)
        assert again.get_json() == right.get_json()
    assert_problem(hands_in(api, began, "1234", key=None), 409, "verification_closed")
    assert_problem(hands_in(api, began, "1234", key="another"), 409, "verification_closed")


def test_a_wrong_code_again(api: ApiClient) -> None:
    """``valid: false`` once more and no further check; also when the right one came meanwhile."""
    began = api.create(code="1234")
    for replay in (False, True, True):
        wrong = hands_in(api, began, "4321")
        assert (wrong.status_code, is_replay(wrong)) == (200, replay)
        assert (wrong.get_json()["valid"], wrong.get_json()["checks_left"]) == (False, 4)
    api.check(began, "1234")
    late = hands_in(api, began, "4321").get_json()
    assert (late["valid"], late["status"], late["checks_left"]) == (False, "approved", 4)


def test_a_call_again(api: ApiClient, dialer: ManualDialer) -> None:
    """202 once more with the object as it now stands, and no second call."""
    began = api.create(call_after=100)
    asked = wants_call(api, began)
    assert (asked.status_code, is_replay(asked)) == (202, False)
    dialer.record(dialer.send(), CallStatus.FAILED)
    api.advance_time(61)
    again = wants_call(api, began)
    assert (again.status_code, is_replay(again)) == (202, True)
    assert [call["status"] for call in again.get_json()["calls"]] == ["failed"]
    assert again.get_json() == api.get_verification(began)


def test_another_body(api: ApiClient) -> None:
    """422 without the object; nothing is compared and nothing queued."""
    began = api.create(code="1234")
    hands_in(api, began, "4321")
    refused = assert_problem(hands_in(api, began, "1234"), 422, "idempotency_mismatch")
    assert "verification" not in refused
    wants_call(api, began)
    assert_problem(sends(api, began, "calls", {"route": "c2c"}, KEY), 422, "idempotency_mismatch")
    stands = api.get_verification(began)
    assert (stands["status"], stands["checks_left"], len(stands["calls"])) == ("pending", 4, 1)


def test_another_path(api: ApiClient) -> None:
    """One key on two verifications, and on two steps of one, is several keys."""
    one, other = api.create(code="1234"), api.create(RAVI, code="1234")
    answers = [
        hands_in(api, one, "4321"),
        hands_in(api, other, "1234"),
        wants_call(api, one),
        api.post_raw(VERIFICATIONS, json.dumps({"to": ASHA}).encode(), idempotency_key=KEY),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 202, 200]
    assert not [answer for answer in answers if is_replay(answer)]
    assert hands_in(api, one, "4321").get_json()["valid"] is False
    assert hands_in(api, other, "1234").get_json()["valid"] is True


def test_another_client(api: ApiClient) -> None:
    """404, like an unknown verification; the answer is its owner's alone."""
    began = api.create(code="1234")
    hands_in(api, began, "1234")
    assert_problem(hands_in(api.as_bank(), began, "1234"), 404, "not_found")
    assert_problem(wants_call(api.as_bank(), began), 404, "not_found")


@pytest.mark.parametrize("key", ["", "k" * 256, "two words", "schlüssel"], ids=repr)
def test_a_key_that_is_none(api: ApiClient, key: str) -> None:
    """422, and the code is not compared."""
    began = api.create(code="1234")
    body = json.dumps({"code": "1234"}).encode()
    for step in ("checks", "calls"):
        path = f"{VERIFICATIONS}/{began['id']}/{step}"
        sent = body if step == "checks" else b"{}"
        refused = assert_problem(
            api.post_raw(path, sent, idempotency_key=key), 422, "invalid_request"
        )
        assert "Idempotency-Key" in refused["detail"]
    assert api.get_verification(began)["status"] == "pending"


def test_refusals_are_not_remembered(api: ApiClient) -> None:
    """422, then 503, under the key that then brings the call."""
    began = api.create(call_after=100)
    assert_problem(sends(api, began, "calls", {"route": "sip"}, KEY), 422, "invalid_request")
    assert not is_replay(wants_call(api, began))
    assert_problem(hands_in(api, began, "12"), 422, "invalid_request")
    assert_problem(hands_in(api, began, "1234"), 422, "invalid_request")  # the code has six digits
    assert api.get_verification(began)["checks_left"] == 5


def test_neither_key_nor_code_can_be_read_in_the_store(api: ApiClient, redis: Redis) -> None:
    """The code of a check stands in no form but a keyed one."""
    began = api.create(code="73519")
    hands_in(api, began, "73519")
    keys: Any = redis.keys("*")
    (record,) = [key for key in keys if b":idempotency:" in key]
    values: Any = redis.hvals(record)
    stored = b" ".join([*keys, *values])
    for secret in (KEY.encode(), b"73519", ASHA[1:].encode()):
        assert secret not in stored


@pytest.mark.parametrize(("code", "valid"), [("1234", True), ("4321", False)])
def test_fifty_at_once(api: ApiClient, code: str, valid: bool) -> None:
    """Every answer is 200 with the same ``valid``; one is no replay, and one check is used."""
    began = api.create(code="1234")
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda _: hands_in(ApiClient(api.app, api.store), began, code), range(50))
        )
    assert {(each.status_code, each.get_json()["valid"]) for each in answers} == {(200, valid)}
    assert sum(is_replay(answer) for answer in answers) == 49
    assert api.get_verification(began)["checks_left"] == (5 if valid else 4)
