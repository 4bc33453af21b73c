"""Answers that never arrive: the connection breaks after the request, which is then repeated."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from api.api_client import VERIFICATIONS
from redis import Redis
from support.raw_http import RawResponse, post
from support.service import ASHA
from support.stack import ApiProcess

from otpvoice.store.redis_store import RedisStore

KEY = "Idempotency-Key: one-of-a-lost-answer"


@pytest.fixture
def line(served: ApiProcess, store: RedisStore) -> ApiProcess:
    """The running API on the emptied store; a dialer is alive."""
    store.sweep("a dialer")
    return served


def request(path: str, body: Any, *headers: str) -> bytes:
    """One POST in bytes."""
    raw = json.dumps(body).encode()
    return post(f"Content-Length: {len(raw)}", *headers, path=path) + raw


def loses_answer(line: ApiProcess, sent: bytes, is_done: Callable[[], bool]) -> None:
    """Sends a request, hangs up, and waits until it was done all the same."""
    with line.connect() as connection:
        connection.send(sent)
    deadline = time.monotonic() + 5
    while not is_done():
        assert time.monotonic() < deadline, "the request was not done"
        time.sleep(0.01)


def remembers(redis: Redis) -> Callable[[], bool]:
    """Whether the store has one more answer than now."""
    before = len(list(redis.scan_iter("*:idempotency:*")))
    return lambda: len(list(redis.scan_iter("*:idempotency:*"))) > before


def begins(line: ApiProcess, code: str) -> str:
    """The path of a new verification."""
    begun = line.send(request(VERIFICATIONS, {"to": ASHA, "code": code}))
    assert begun.status == 201
    return f"{VERIFICATIONS}/{begun.document['id']}"


def is_replay(reply: RawResponse) -> bool:
    """Whether it says so."""
    return reply.headers.get("idempotent-replayed") == "true"


def test_a_lost_create(line: ApiProcess, redis: Redis) -> None:
    """The repeat is 201 and names the verification that was begun; there is no other."""
    sent = request(VERIFICATIONS, {"to": ASHA}, KEY)
    loses_answer(line, sent, remembers(redis))
    again = line.send(sent)
    assert (again.status, is_replay(again)) == (201, True)
    assert len(list(redis.scan_iter("*:verification:*"))) == 1


def test_a_lost_approval(line: ApiProcess, redis: Redis) -> None:
    """The code was right and used up unseen: its repeat says so, and without the key nothing."""
    path = begins(line, "1234")
    sent = request(f"{path}/checks", {"code": "1234"}, KEY)
    loses_answer(line, sent, remembers(redis))
    again = line.send(sent)
    assert (again.status, is_replay(again)) == (200, True)
    assert (again.document["valid"], again.document["status"]) == (True, "approved")
    assert line.send(request(f"{path}/checks", {"code": "1234"})).status == 409


def test_a_lost_refusal_of_a_code(line: ApiProcess, redis: Redis) -> None:
    """The code was wrong: its repeat costs no further check."""
    path = begins(line, "1234")
    sent = request(f"{path}/checks", {"code": "4321"}, KEY)
    loses_answer(line, sent, remembers(redis))
    again = line.send(sent)
    assert (again.status, is_replay(again)) == (200, True)
    assert (again.document["valid"], again.document["checks_left"]) == (False, 4)


def test_a_lost_call(line: ApiProcess, redis: Redis) -> None:
    """The repeat is 202, with the one call that comes."""
    path = begins(line, "1234")
    sent = request(f"{path}/calls", {}, KEY)
    loses_answer(line, sent, remembers(redis))
    again = line.send(sent)
    assert (again.status, is_replay(again)) == (202, True)
    assert len(again.document["calls"]) == 1
