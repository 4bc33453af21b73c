"""Routes that fail, with the real adapter: they close, are probed, and open again."""

from collections.abc import Callable
from typing import Any

import pytest
from structlog.testing import capture_logs
from support.service import ASHA, ClientAndDialer, SandboxPhones, running_dialers

from otpvoice.app import create_app
from otpvoice.core.errors import CallsUnavailable
from otpvoice.core.service import Verifications
from otpvoice.core.verification import CallReason, CallStatus
from otpvoice.dialer.dialer import Dialer
from otpvoice.settings import Settings
from otpvoice.store.redis_store import RedisStore
from otpvoice_sandbox import RunningSandbox

RAVI = "+919812345678"
MEERA = "+919812345679"
PAUSE = 10_001
"""Milliseconds until a closed route is tried."""


def routes_of(phones: SandboxPhones) -> list[str]:
    """Return the routes of all provider requests, in order."""
    return [entry["route"] for entry in phones.ledger()]


@pytest.fixture
def obd_is_down(harness: ClientAndDialer, phones: SandboxPhones) -> None:
    """One call found that the token is refused there; c2c took it over."""
    phones.set_behaviour(ASHA, "error_401")
    begun = harness.create()
    harness.dial_next()
    phones.set_behaviour(ASHA, "answer")
    harness.dial_next()
    assert [(call.status, call.reason) for call in harness.calls_of(begun)] == [
        (CallStatus.FAILED, CallReason.ROUTE_DOWN),
        (CallStatus.PLACED, None),
    ]
    assert routes_of(phones) == ["obd", "c2c"]


@pytest.mark.usefixtures("obd_is_down")
def test_readyz_names_a_closed_route(store: RedisStore, settings: Settings) -> None:
    """The process still serves, and is no longer degraded once the route is open."""
    client = create_app(settings, store).test_client()
    answer = client.get("/readyz")
    assert (answer.status_code, answer.get_json()["degraded"]) == (200, ["route:obd"])


@pytest.mark.usefixtures("obd_is_down")
def test_calls_use_the_other_route_while_one_is_closed(
    harness: ClientAndDialer, phones: SandboxPhones, store: RedisStore
) -> None:
    """Without a request on the closed route."""
    assert store.health().closed_routes == ("obd",)
    begun = harness.create(RAVI)
    harness.dial_next()
    (call,) = harness.calls_of(begun)
    assert (call.status, call.route) == (CallStatus.PLACED, "c2c")
    assert routes_of(phones) == ["obd", "c2c", "c2c"]


@pytest.mark.usefixtures("obd_is_down")
def test_probe_opens_the_route_after_the_token_is_fixed(
    harness: ClientAndDialer, phones: SandboxPhones, store: RedisStore
) -> None:
    """After the pause; then calls use it again."""
    store.clock_offset_ms += PAUSE
    for number in (RAVI, MEERA):
        harness.create(number)
        harness.dial_next()
        assert store.health().closed_routes == ()
    assert routes_of(phones) == ["obd", "c2c", "obd", "obd"]


@pytest.mark.usefixtures("obd_is_down")
def test_failed_probe_continues_on_the_other_route(
    harness: ClientAndDialer, phones: SandboxPhones, store: RedisStore
) -> None:
    """The user is called, and the route stays closed for longer."""
    phones.set_behaviour(RAVI, "error_401")
    store.clock_offset_ms += PAUSE
    begun = harness.create(RAVI)
    harness.dial_next()
    phones.set_behaviour(RAVI, "answer")
    harness.dial_next()
    assert harness.calls_of(begun)[-1].status is CallStatus.PLACED
    store.clock_offset_ms += PAUSE
    harness.create(MEERA)
    harness.dial_next()
    assert routes_of(phones)[2:] == ["obd", "c2c", "c2c"]


def test_calls_wait_while_all_routes_are_closed(
    harness: ClientAndDialer, service: Verifications, phones: SandboxPhones, store: RedisStore
) -> None:
    """No create is accepted meanwhile, and no queued call is lost."""
    phones.set_behaviour(ASHA, "error_401")
    harness.create()
    waiting = [harness.create(f"+91981234500{n}", call_after=1) for n in range(3)]
    assert [harness.dial_next(), harness.dial_next()] == [True, True]
    assert store.health().closed_routes == ("obd", "c2c")
    with pytest.raises(CallsUnavailable):
        harness.create(RAVI)
    store.clock_offset_ms += 1_000
    assert not harness.dial_next()
    store.clock_offset_ms += PAUSE
    assert [harness.dial_next(), harness.dial_next(), harness.dial_next(), harness.dial_next()] == [
        True,
        True,
        True,
        False,
    ]
    for verification in waiting:
        (call,) = service.get("login", verification.id).verification.calls
        assert call.status is CallStatus.PLACED


def test_unreachable_provider_closes_its_routes(
    service: Verifications, store: RedisStore, make_dialer: Callable[..., Dialer]
) -> None:
    """After five requests in a row that could not be sent."""
    unreachable = make_dialer(OTPVOICE_PROVIDER_BASE_URL="http://127.0.0.1:1/api/v2/")
    harness = ClientAndDialer(service, store, unreachable)
    for n in range(5):
        assert store.health().closed_routes == ()
        harness.create(f"+91981234500{n}")
        harness.dial_next()
    assert store.health().closed_routes == ("obd",)


def test_running_dialer_probes_a_closed_route(
    harness: ClientAndDialer,
    phones: SandboxPhones,
    store: RedisStore,
    sandbox: RunningSandbox,
    make_dialer: Callable[..., Dialer],
) -> None:
    """After the pause, while calls wait in the queue."""
    phones.set_behaviour(ASHA, "error_401")
    harness.create()
    waiting = harness.create(RAVI, call_after=1)
    harness.dial_next()
    harness.dial_next()
    with running_dialers(make_dialer()):
        store.clock_offset_ms += PAUSE
        assert sandbox.state.wait_until(lambda: len(sandbox.state.request_log()) == 3, timeout_s=60)
    assert harness.calls_of(waiting)[0].status is CallStatus.PLACED


# A provider that refuses every call ---------------------------------------------------------------


LOGINS = 12
LOGIN_PAGE = "<html><title>Login</title><form><input type='password'></form></html>"
CALL = {"id": "7", "status": "notallowed"}
RETRIED = {"Retry-After": "60"}


def reply(status: int, body: Any = "", **members: Any) -> dict[str, Any]:
    """Return a behaviour with this response of the provider."""
    return {"behaviour": "reply", "status": status, "body": body, **members}


AT_ONCE = {
    "Insufficient Balance": reply(200, {"status": "ERROR", "message": "Insufficient Balance"}),
    "invalid token": reply(200, {"status": "ERROR", "message": "Invalid token"}),
    "422 without credit": reply(422, {"status": 422, "message": "Not enough credits"}),
    "401": {"behaviour": "error_401"},
    "402": {"behaviour": "out_of_credit"},
    "403": reply(403, {"status": 403}),
    "404": reply(404, "<html>Not Found</html>"),
    "405": reply(405, {"message": "The POST method is not supported."}),
    "login page": reply(200, LOGIN_PAGE),
    "302 to a login": reply(302, "", headers={"Location": "/login"}),
}
IN_A_ROW = {
    "unknown word": reply(200, {"status": "ERROR", "message": "Try later"}),
    "422": reply(422, {"status": 422, "message": "Invalid flow"}),
    "400": reply(400, {"message": "Bad Request"}),
    "body 404": reply(200, {"status": 404, "message": "No such flow"}),
    "call not allowed": reply(200, {"status": "OK", "data": [CALL]}),
    "empty call": reply(200, {"status": 200, "data": [{}]}),
    "null in data": reply(200, {"status": "OK", "data": [None]}),
    "429": reply(429, {"status": 429}, headers=RETRIED),
}
IN_DOUBT = {
    "HTML": {"behaviour": "garbage", "rings": False},
    "500": {"behaviour": "error_500"},
    "undocumented promise": reply(200, {"status": "success"}),
    "another number": reply(200, {"status": "OK", "data": [{"mobile": "917000000000"}]}),
    "nothing": {"behaviour": "empty", "rings": False},
    "reset": {"behaviour": "reset", "rings": False},
}


def number(n: int) -> str:
    """Return a different number for each login."""
    return f"+91981234{n:04}"


def refuses(phones: SandboxPhones, way: dict[str, Any], numbers: int = LOGINS) -> None:
    """Have the provider refuse all further calls in this way."""
    for n in range(numbers):
        phones.set_behaviour(number(n), **way)


def logs_in(harness: ClientAndDialer, numbers: range) -> list[bool]:
    """Which of these logins began a verification; each is called until nothing is due."""
    begun = []
    for n in numbers:
        try:
            harness.create(number(n))
        except CallsUnavailable:
            begun.append(False)
        else:
            begun.append(True)
            while harness.dial_next():
                pass
    return begun


def degraded(settings: Settings, store: RedisStore) -> list[str]:
    """Return what ``/readyz`` names."""
    answer = create_app(settings, store).test_client().get("/readyz")
    assert answer.status_code == 200
    names: list[str] = answer.get_json()["degraded"]
    return names


@pytest.mark.parametrize(
    ("way", "logins"),
    [
        *(pytest.param(way, 1, id=name) for name, way in AT_ONCE.items()),
        *(pytest.param(way, 5, id=name) for name, way in IN_A_ROW.items()),
        # A call that may ring is not tried by the next route, which closes later therefore.
        *(pytest.param(way, 10, id=name) for name, way in IN_DOUBT.items()),
    ],
)
def test_refusing_provider_closes_its_routes_until_it_accepts(
    harness: ClientAndDialer,
    phones: SandboxPhones,
    store: RedisStore,
    settings: Settings,
    way: dict[str, Any],
    logins: int,
) -> None:
    """Creates are refused, and ``/readyz`` and an error name both routes.

    Then one call opens each.
    """
    refuses(phones, way)
    with capture_logs() as logged:
        begun = logs_in(harness, range(LOGINS))
    assert begun == [True] * logins + [False] * (LOGINS - logins)
    assert degraded(settings, store) == ["route:obd", "route:c2c"]
    closings = [line for line in logged if line["event"] == "route.closed"]
    assert [(line["route"], line["log_level"]) for line in closings] == [
        ("obd", "error"),
        ("c2c", "error"),
    ]
    comes_back(harness, store, settings)


def comes_back(harness: ClientAndDialer, store: RedisStore, settings: Settings) -> None:
    """Have the provider accept again, and open each route with one call."""
    store.clock_offset_ms += PAUSE
    for n in (500, 501):
        verification = harness.create(number(n), route=("obd", "c2c")[n - 500])
        harness.dial_next()
        assert harness.calls_of(verification)[0].status is CallStatus.PLACED
    assert degraded(settings, store) == []


def test_refused_probe_keeps_the_route_closed(
    harness: ClientAndDialer, phones: SandboxPhones, store: RedisStore, settings: Settings
) -> None:
    """Probes follow at growing intervals."""
    refuses(phones, IN_A_ROW["unknown word"], 40)
    logs_in(harness, range(5))
    before = len(phones.ledger())
    for n, pause in enumerate((10, 20, 40, 60), 10):
        store.clock_offset_ms += pause * 1_000 + 1
        store.sweep("a dialer that was heard of")
        logs_in(harness, range(n, n + 1))
        assert degraded(settings, store) == ["route:obd", "route:c2c"]
        assert logs_in(harness, range(30, 31)) == [False]
    assert len(phones.ledger()) == before + 8


def test_refusals_of_one_number_close_no_route(
    harness: ClientAndDialer, phones: SandboxPhones, store: RedisStore, settings: Settings
) -> None:
    """However often the client tries."""
    refuses(phones, IN_A_ROW["unknown word"], 1)
    for _ in range(12):
        assert logs_in(harness, range(1)) == [True]
        store.clock_offset_ms += 400_000
        store.sweep("a dialer that was heard of")
    assert degraded(settings, store) == []


def test_refusals_between_accepted_calls_close_no_route(
    harness: ClientAndDialer, phones: SandboxPhones, store: RedisStore, settings: Settings
) -> None:
    """As long as each route accepts calls between them."""
    refuses(phones, IN_A_ROW["unknown word"], 30)
    for n in range(6):
        logs_in(harness, range(4 * n, 4 * n + 4))
        for route in ("obd", "c2c"):
            harness.create(number(100 + 2 * n + (route == "c2c")), route=route)
            assert harness.dial_next()
    assert degraded(settings, store) == []
