"""The store stopped or hanging: 503 at once, and recovery without a restart."""

from collections.abc import Callable, Iterator
from functools import partial

import pytest
from api.api_client import UNKNOWN, VERIFICATIONS, ApiClient, assert_problem
from support.processes import wait_until
from support.service import ASHA
from support.timing import finishes_within
from support.valkey import Valkey
from werkzeug.test import TestResponse

from otpvoice.app import create_app
from otpvoice.settings import Settings
from otpvoice.store.discovery import connect
from otpvoice.store.redis_store import RedisStore

AT_ONCE = 1.0
"""Seconds: the timeout of the store, 0.5 s, plus some time."""
REQUESTS: dict[str, Callable[[ApiClient], TestResponse]] = {
    "create": lambda api: api.create_response(),
    "get": lambda api: api.get(f"{VERIFICATIONS}/{UNKNOWN}"),
    "check": lambda api: api.post(f"{VERIFICATIONS}/{UNKNOWN}/checks", {"code": "123456"}),
    "call": lambda api: api.post(f"{VERIFICATIONS}/{UNKNOWN}/calls"),
    "cancel": lambda api: api.post(f"{VERIFICATIONS}/{UNKNOWN}/cancel"),
    "approve": lambda api: api.post(f"{VERIFICATIONS}/{UNKNOWN}/approve"),
    "check by number": lambda api: api.post("/v1/checks", {"to": ASHA, "code": "123456"}),
    "approve by number": lambda api: api.post("/v1/approvals", {"to": ASHA}),
    "lookup": lambda api: api.post("/v1/lookups", {"to": ASHA}),
    "callback": lambda api: api.send_callback(id="call_x", status="BUSY"),
    "ready": lambda api: api.client.get("/readyz"),
}


@pytest.fixture
def api_on_server(settings: Settings, valkey: Valkey) -> Iterator[ApiClient]:
    """Return a driver of an API on that server; a dialer is alive."""
    client = connect(valkey.url)
    store = RedisStore(client)
    store.sweep("a dialer")
    yield ApiClient(create_app(settings, store), store)
    client.close()


def is_503_at_once(response: Callable[[], TestResponse]) -> bool:
    """Return whether the response is a fast 503 ``store_unavailable``."""
    with finishes_within(AT_ONCE):
        body = assert_problem(response(), 503, "store_unavailable")
    return isinstance(body["retry_after"], int) and body["retry_after"] >= 1


def test_stopped_store_returns_503(api_on_server: ApiClient, valkey: Valkey) -> None:
    """``/healthz`` is 200, ``/readyz`` 503; what needs no store still works."""
    valkey.kill()
    for request in REQUESTS.values():
        assert is_503_at_once(partial(request, api_on_server))
    health = api_on_server.client.get("/healthz")
    assert (health.status_code, health.get_json()) == (200, {"status": "ok"})
    assert_problem(api_on_server.client.get(f"{VERIFICATIONS}/{UNKNOWN}"), 401, "unauthorized")
    assert_problem(api_on_server.create_response("+91"), 422, "invalid_number")


def test_hanging_store_returns_503_within_its_timeout(
    api_on_server: ApiClient, valkey: Valkey
) -> None:
    """It recovers with its data."""
    created = api_on_server.create(code="1234")
    with valkey.process.paused():
        for request in ("get", "create", "callback", "ready"):
            assert is_503_at_once(partial(REQUESTS[request], api_on_server))
        assert api_on_server.client.get("/healthz").status_code == 200
    wait_until_ready(api_on_server)
    assert api_on_server.check(created, "1234").get_json()["valid"] is True


def test_request_during_a_hang_can_be_retried_with_its_key(
    api_on_server: ApiClient, valkey: Valkey
) -> None:
    """It takes effect once."""
    one, other = (
        api_on_server.create(code="1234"),
        api_on_server.create("+919812345678", code="1234"),
    )
    paths = [f"{VERIFICATIONS}/{begun['id']}/checks" for begun in (one, other)]
    bodies = [b'{"code": "1234"}', b'{"code": "4321"}']
    with valkey.process.paused():
        for path, body in zip(paths, bodies, strict=True):
            response = api_on_server.post_raw(path, body, idempotency_key="k")
            assert_problem(response, 503, "store_unavailable")
    wait_until_ready(api_on_server)
    for path, body, valid in zip(paths, bodies, (True, False), strict=True):
        for _ in range(2):
            response = api_on_server.post_raw(path, body, idempotency_key="k")
            assert (response.status_code, response.get_json()["valid"]) == (200, valid)
        assert response.headers["Idempotent-Replayed"] == "true"
    assert api_on_server.get_verification(other)["checks_left"] == 4


def test_restarted_empty_store_is_used(api_on_server: ApiClient, valkey: Valkey) -> None:
    """Old ids are unknown, and creates work."""
    created = api_on_server.create()
    valkey.kill()
    assert is_503_at_once(api_on_server.create_response)
    valkey.start()
    wait_until_ready(api_on_server)
    assert_problem(api_on_server.get(f"{VERIFICATIONS}/{created['id']}"), 404, "not_found")
    api_on_server.advance_time(0)
    assert api_on_server.create()["status"] == "pending"


def test_readyz_without_dialer_reports_degraded(api: ApiClient) -> None:
    """200; checks still work."""
    ready = api.client.get("/readyz")
    assert (ready.status_code, ready.get_json()) == (200, {"status": "ok", "degraded": []})
    created = api.create(code="1234")
    api.store.clock_offset_ms += 31_000
    ready = api.client.get("/readyz")
    assert (ready.status_code, ready.get_json()["degraded"]) == (200, ["dialer"])
    assert api.check(created, "1234").get_json()["valid"] is True


def wait_until_ready(api: ApiClient) -> None:
    """Wait until the store is available."""
    wait_until(lambda: api.client.get("/readyz").status_code == 200, "the store")
