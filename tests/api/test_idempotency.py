"""Idempotency-Key of a create, as its client meets it."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from api.api_client import VERIFICATIONS, ApiClient, assert_problem
from redis import Redis
from support.service import ASHA
from werkzeug.test import TestResponse

KEY = "2f0a9c1e-login-81"


def creates(api: ApiClient, key: str = KEY, **members: Any) -> TestResponse:
    """A create that carries a key."""
    body = json.dumps({"to": ASHA, **members}).encode()
    return api.post_raw(VERIFICATIONS, body, idempotency_key=key)


def is_replay(answer: TestResponse) -> bool:
    """Whether it says so."""
    return answer.headers.get("Idempotent-Replayed") == "true"


def test_the_first_answer_is_no_replay(api: ApiClient) -> None:
    """Nor is any answer without a key."""
    for answer in (creates(api), api.create_response(ASHA), api.create_response(ASHA)):
        assert "Idempotent-Replayed" not in answer.headers


def test_the_same_request_again(api: ApiClient) -> None:
    """201 once more, with the object, its place, and the header that tells it."""
    first = creates(api)
    again = creates(api)
    assert (first.status_code, again.status_code) == (201, 201)
    assert is_replay(again)
    assert again.get_json()["id"] == first.get_json()["id"]
    assert again.headers["Location"] == first.headers["Location"]


def test_the_object_is_as_it_now_stands(api: ApiClient) -> None:
    """Ended by now: 201 all the same, and nothing new is begun."""
    first = creates(api, code="1234").get_json()
    api.check(first, "1234")
    again = creates(api, code="1234")
    assert (again.status_code, is_replay(again)) == (201, True)
    token = {"client_token": first["client_token"]}
    assert again.get_json() == api.get_verification(first) | token
    assert again.get_json()["status"] == "approved"


def test_one_that_was_under_way_stays_a_200(api: ApiClient) -> None:
    """The answer to this key was 200, whatever the first create without it was answered."""
    api.create()
    assert [creates(api).status_code for _ in range(2)] == [200, 200]
    assert is_replay(creates(api))


@pytest.mark.parametrize("members", [{"name": "Ravi"}, {"to": "+919812345678"}, {"code": "1234"}])
def test_another_body(api: ApiClient, members: dict[str, Any]) -> None:
    """422, without the object, and nothing of it happens."""
    first = creates(api).get_json()
    refused = assert_problem(creates(api, **members), 422, "idempotency_mismatch")
    assert "verification" not in refused
    assert api.get_verification(first)["status"] == "pending"


def test_another_client(api: ApiClient) -> None:
    """The same key is its own there."""
    first = creates(api).get_json()
    other = creates(api.as_bank())
    assert (other.status_code, is_replay(other)) == (201, False)
    assert other.get_json()["id"] != first["id"]


def test_a_refused_create_is_not_remembered(api: ApiClient) -> None:
    """Neither one at fault, nor one that came when nobody dialed."""
    assert_problem(creates(api, to="+91"), 422, "invalid_number")
    api.store.clock_offset_ms += 31_000
    assert_problem(creates(api), 503, "calls_unavailable")
    api.advance_time(0)
    answer = creates(api)
    assert (answer.status_code, is_replay(answer)) == (201, False)


@pytest.mark.parametrize(
    "key", ["", "k" * 256, "two words", "schlüssel", "tab\tkey", "\x7f"], ids=repr
)
def test_a_key_that_is_none(api: ApiClient, key: str) -> None:
    """422, and nothing is begun."""
    refused = assert_problem(creates(api, key=key), 422, "invalid_request")
    assert "Idempotency-Key" in refused["detail"]
    assert creates(api).status_code == 201


@pytest.mark.parametrize("key", ["k", "k" * 255, '"8e03978e-40d5-43dd-bc93-6894a57f9324"'])
def test_keys_of_every_length(api: ApiClient, key: str) -> None:
    """1 to 255 characters, and those of the HTTP draft, which stand in quotes."""
    creates(api, key=key)
    assert is_replay(creates(api, key=key))


def test_keys_differ_in_every_character(api: ApiClient) -> None:
    """Case and the last of 255 included."""
    creates(api, key="k" * 255)
    for other in ("k" * 254, "k" * 254 + "K", "k" * 254 + "j"):
        assert not is_replay(creates(api, key=other))


def test_neither_key_nor_body_can_be_read_in_the_store(api: ApiClient, redis: Redis) -> None:
    """A key may be a session's id, and a body holds the number and a code."""
    creates(api, code="73519")
    keys: Any = redis.keys("*")
    (record,) = [key for key in keys if b":idempotency:" in key]
    values: Any = redis.hvals(record)
    stored = b" ".join([*keys, *values])
    for secret in (KEY.encode(), ASHA.encode(), ASHA[1:].encode(), b"73519"):
        assert secret not in stored


def test_many_at_once(api: ApiClient) -> None:
    """One is begun; every answer is 201 and names it."""
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: creates(ApiClient(api.app, api.store)), range(40)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.get_json()["id"] for answer in answers}) == 1
    assert sum(is_replay(answer) for answer in answers) == 39
