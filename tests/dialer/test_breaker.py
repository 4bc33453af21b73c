"""Routes that fail, with the real adapter: the provider refuses the service's token."""

from collections.abc import Callable

import pytest
from support.service import ASHA, ClientAndDialer, SandboxPhones, running_dialers

from otpvoice.app import create_app
from otpvoice.core.errors import CallsUnavailable
from otpvoice.core.service import Verifications
from otpvoice.core.verification import CallReason, CallStatus, Route
from otpvoice.dialer.dialer import Dialer
from otpvoice.sandbox import RunningSandbox
from otpvoice.settings import Settings
from otpvoice.store.redis_store import RedisStore

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
    assert store.health().closed_routes == (Route.OBD,)
    begun = harness.create(RAVI)
    harness.dial_next()
    (call,) = harness.calls_of(begun)
    assert (call.status, call.route) == (CallStatus.PLACED, Route.C2C)
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
    assert store.health().closed_routes == (Route.OBD, Route.C2C)
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
    assert store.health().closed_routes == (Route.OBD,)


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
        assert sandbox.state.wait_until(
            lambda: len(sandbox.state.network.request_log()) == 3, timeout_s=3
        )
    assert harness.calls_of(waiting)[0].status is CallStatus.PLACED
