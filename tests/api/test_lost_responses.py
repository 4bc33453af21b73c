"""Lost responses: the connection breaks after the request, and the client retries."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from api.api_client import VERIFICATIONS
from redis import Redis
from support.processes import wait_until
from support.raw_http import RawResponse, post
from support.service import ASHA
from support.stack import ApiProcess

from otpvoice.store.redis_store import RedisStore

KEY = "Idempotency-Key: one-of-a-lost-answer"


@pytest.fixture
def emptied_api(served: ApiProcess, store: RedisStore) -> ApiProcess:
    """Return the running API on the emptied store; a dialer is alive."""
    store.sweep("a dialer")
    return served


def request(path: str, body: Any, *headers: str) -> bytes:
    """Return one POST in bytes."""
    raw = json.dumps(body).encode()
    return post(f"Content-Length: {len(raw)}", *headers, path=path) + raw


def lose_response(emptied_api: ApiProcess, sent: bytes, is_done: Callable[[], bool]) -> None:
    """Send a request, close the connection, and wait until it took effect."""
    with emptied_api.connect() as connection:
        connection.send(sent)
    wait_until(is_done, "the request's effect")


def response_is_stored(redis: Redis) -> Callable[[], bool]:
    """Return a function that reports whether the store has one more response."""
    before = len(list(redis.scan_iter("*:idempotency:*")))
    return lambda: len(list(redis.scan_iter("*:idempotency:*"))) > before


def create(emptied_api: ApiProcess, code: str) -> str:
    """Create a verification and return its path."""
    begun = emptied_api.send(request(VERIFICATIONS, {"to": ASHA, "code": code}))
    assert begun.status == 201
    return f"{VERIFICATIONS}/{begun.document['id']}"


def is_replay(reply: RawResponse) -> bool:
    """Return whether the response is marked as a replay."""
    return reply.headers.get("idempotent-replayed") == "true"


def test_retried_create_returns_the_first_verification(
    emptied_api: ApiProcess, redis: Redis
) -> None:
    """201, and there is no other verification."""
    sent = request(VERIFICATIONS, {"to": ASHA}, KEY)
    lose_response(emptied_api, sent, response_is_stored(redis))
    again = emptied_api.send(sent)
    assert (again.status, is_replay(again)) == (201, True)
    assert len(list(redis.scan_iter("*:verification:*"))) == 1


def test_retried_correct_check_returns_valid(emptied_api: ApiProcess, redis: Redis) -> None:
    """Without the key the client would get 409."""
    path = create(emptied_api, "1234")
    sent = request(f"{path}/checks", {"code": "1234"}, KEY)
    lose_response(emptied_api, sent, response_is_stored(redis))
    again = emptied_api.send(sent)
    assert (again.status, is_replay(again)) == (200, True)
    assert (again.document["valid"], again.document["status"]) == (True, "approved")
    assert emptied_api.send(request(f"{path}/checks", {"code": "1234"})).status == 409


def test_retried_wrong_check_costs_nothing(emptied_api: ApiProcess, redis: Redis) -> None:
    """The response is the same."""
    path = create(emptied_api, "1234")
    sent = request(f"{path}/checks", {"code": "4321"}, KEY)
    lose_response(emptied_api, sent, response_is_stored(redis))
    again = emptied_api.send(sent)
    assert (again.status, is_replay(again)) == (200, True)
    assert (again.document["valid"], again.document["checks_left"]) == (False, 4)


def test_retried_call_request_adds_no_call(emptied_api: ApiProcess, redis: Redis) -> None:
    """202 with the one call."""
    path = create(emptied_api, "1234")
    sent = request(f"{path}/calls", {}, KEY)
    lose_response(emptied_api, sent, response_is_stored(redis))
    again = emptied_api.send(sent)
    assert (again.status, is_replay(again)) == (202, True)
    assert len(again.document["calls"]) == 1
