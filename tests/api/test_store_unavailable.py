"""The store stopped or hanging: 503 at once, health as it is, and back by itself."""

import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest
from api.api_client import UNKNOWN, VERIFICATIONS, ApiClient, assert_problem
from support.timing import finishes_within
from support.valkey import Valkey
from werkzeug.test import TestResponse

from otpvoice.app import create_app
from otpvoice.settings import Settings
from otpvoice.store.discovery import connect
from otpvoice.store.redis_store import RedisStore

AT_ONCE = 1.0
"""Seconds: the store's timeout of 0.5 s and some."""
ASKS: dict[str, Callable[[ApiClient], TestResponse]] = {
    "create": lambda api: api.create_response(),
    "get": lambda api: api.get(f"{VERIFICATIONS}/{UNKNOWN}"),
    "check": lambda api: api.post(f"{VERIFICATIONS}/{UNKNOWN}/checks", {"code": "123456"}),
    "call": lambda api: api.post(f"{VERIFICATIONS}/{UNKNOWN}/calls"),
    "cancel": lambda api: api.post(f"{VERIFICATIONS}/{UNKNOWN}/cancel"),
    "approve": lambda api: api.post(f"{VERIFICATIONS}/{UNKNOWN}/approve"),
    "callback": lambda api: api.send_callback(id="call_x", status="BUSY"),
    "ready": lambda api: api.client.get("/readyz"),
}


@pytest.fixture
def lonely(settings: Settings, valkey: Valkey) -> Iterator[ApiClient]:
    """The door of a service on that server; a dialer is alive."""
    client = connect(valkey.url)
    store = RedisStore(client)
    store.sweep("a dialer")
    yield ApiClient(create_app(settings, store), store)
    client.close()


def is_away_at_once(answer: Callable[[], TestResponse]) -> bool:
    """Whether it is a 503 that says so, and comes at once."""
    with finishes_within(AT_ONCE):
        body = assert_problem(answer(), 503, "store_unavailable")
    return isinstance(body["retry_after"], int) and body["retry_after"] >= 1


def test_a_stopped_store(lonely: ApiClient, valkey: Valkey) -> None:
    """Every step is 503; who lives is 200, who can not serve is 503; what needs no store, stays."""
    valkey.kill()
    for ask in ASKS.values():
        assert is_away_at_once(partial(ask, lonely))
    health = lonely.client.get("/healthz")
    assert (health.status_code, health.get_json()) == (200, {"status": "ok"})
    assert_problem(lonely.client.get(f"{VERIFICATIONS}/{UNKNOWN}"), 401, "unauthorized")
    assert_problem(lonely.create_response("+91"), 422, "invalid_number")


def test_a_store_that_hangs(lonely: ApiClient, valkey: Valkey) -> None:
    """503 within its timeout; and it is back by itself, knowing what it knew."""
    began = lonely.create(code="1234")
    with valkey.process.paused():
        for ask in ("get", "create", "callback", "ready"):
            assert is_away_at_once(partial(ASKS[ask], lonely))
        assert lonely.client.get("/healthz").status_code == 200
    wait_until_ready(lonely)
    assert lonely.check(began, "1234").get_json()["valid"] is True


def test_what_was_asked_while_it_hung_is_repeated(lonely: ApiClient, valkey: Valkey) -> None:
    """503 says that nothing is known; the repeat with its key is answered, done now or then."""
    one, other = lonely.create(code="1234"), lonely.create("+919812345678", code="1234")
    paths = [f"{VERIFICATIONS}/{begun['id']}/checks" for begun in (one, other)]
    bodies = [b'{"code": "1234"}', b'{"code": "4321"}']
    with valkey.process.paused():
        for path, body in zip(paths, bodies, strict=True):
            answer = lonely.post_raw(path, body, idempotency_key="k")
            assert_problem(answer, 503, "store_unavailable")
    wait_until_ready(lonely)
    for path, body, valid in zip(paths, bodies, (True, False), strict=True):
        for _ in range(2):
            answer = lonely.post_raw(path, body, idempotency_key="k")
            assert (answer.status_code, answer.get_json()["valid"]) == (200, valid)
        assert answer.headers["Idempotent-Replayed"] == "true"
    assert lonely.get_verification(other)["checks_left"] == 4


def test_a_store_that_was_started_anew(lonely: ApiClient, valkey: Valkey) -> None:
    """An empty one on the same address: unknown is unknown, and new ones begin."""
    began = lonely.create()
    valkey.kill()
    assert is_away_at_once(lonely.create_response)
    valkey.start()
    wait_until_ready(lonely)
    assert_problem(lonely.get(f"{VERIFICATIONS}/{began['id']}"), 404, "not_found")
    lonely.advance_time(0)
    assert lonely.create()["status"] == "pending"


def test_who_serves_tells_what_is_missing(api: ApiClient) -> None:
    """``/readyz`` is 200 without a dialer, and names it; checks still work."""
    ready = api.client.get("/readyz")
    assert (ready.status_code, ready.get_json()) == (200, {"status": "ok", "degraded": []})
    began = api.create(code="1234")
    api.store.clock_offset_ms += 31_000
    ready = api.client.get("/readyz")
    assert (ready.status_code, ready.get_json()["degraded"]) == (200, ["dialer"])
    assert api.check(began, "1234").get_json()["valid"] is True


def wait_until_ready(api: ApiClient) -> None:
    """Until the store is there again."""
    deadline = time.monotonic() + 5
    while api.client.get("/readyz").status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.02)
