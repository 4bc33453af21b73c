"""The Idempotency-Key of a create."""

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


def test_replay_returns_the_current_object(api: ApiClient) -> None:
    """It has ended: still 201, and nothing new is created."""
    first = creates(api, code="1234").get_json()
    api.check(first, "1234")
    again = creates(api, code="1234")
    assert (again.status_code, is_replay(again)) == (201, True)
    token = {"client_token": first["client_token"]}
    assert again.get_json() == api.get_verification(first) | token
    assert again.get_json()["status"] == "approved"


def test_replay_of_a_200_returns_200(api: ApiClient) -> None:
    """The status is that of the first request with this key."""
    api.create()
    assert [creates(api).status_code for _ in range(2)] == [200, 200]
    assert is_replay(creates(api))


@pytest.mark.parametrize("members", [{"name": "Ravi"}, {"to": "+919812345678"}, {"code": "1234"}])
def test_key_with_another_body_returns_422(api: ApiClient, members: dict[str, Any]) -> None:
    """Without the object, and nothing happens."""
    first = creates(api).get_json()
    rejected = assert_problem(creates(api, **members), 422, "idempotency_mismatch")
    assert "verification" not in rejected
    assert api.get_verification(first)["status"] == "pending"


def test_key_of_another_client_is_another_key(api: ApiClient) -> None:
    """Keys belong to their client."""
    first = creates(api).get_json()
    other = creates(api.as_bank())
    assert (other.status_code, is_replay(other)) == (201, False)
    assert other.get_json()["id"] != first["id"]


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


def test_concurrent_creates_with_one_key_create_once(api: ApiClient) -> None:
    """Every response is 201 with the same id."""
    with ThreadPoolExecutor(8) as pool:
        responses = list(pool.map(lambda _: creates(ApiClient(api.app, api.store)), range(40)))
    assert {response.status_code for response in responses} == {201}
    assert len({response.get_json()["id"] for response in responses}) == 1
    assert sum(is_replay(response) for response in responses) == 39
