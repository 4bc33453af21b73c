"""Routes that fail, with the real adapter: the telephone company refuses our token."""

from collections.abc import Callable

import pytest
from world import ASHA, Desk, Phones, running

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


def routes_of(phones: Phones) -> list[str]:
    """By which routes the company was asked, in order."""
    return [entry["route"] for entry in phones.ledger()]


@pytest.fixture
def obd_is_down(desk: Desk, phones: Phones) -> None:
    """One call found that the token is refused there; c2c took it over."""
    phones.behave(ASHA, "error_401")
    begun = desk.asks()
    desk.dials()
    phones.behave(ASHA, "answer")
    desk.dials()
    assert [(call.status, call.reason) for call in desk.calls_of(begun)] == [
        (CallStatus.FAILED, CallReason.ROUTE_DOWN),
        (CallStatus.PLACED, None),
    ]
    assert routes_of(phones) == ["obd", "c2c"]


@pytest.mark.usefixtures("obd_is_down")
def test_readyz_names_the_route(store: RedisStore, settings: Settings) -> None:
    """This process can serve all the same; once the route is open nothing is degraded."""
    client = create_app(settings, store).test_client()
    answer = client.get("/readyz")
    assert (answer.status_code, answer.get_json()["degraded"]) == (200, ["route:obd"])


@pytest.mark.usefixtures("obd_is_down")
def test_further_calls_go_by_the_other_route(desk: Desk, phones: Phones, store: RedisStore) -> None:
    """Without asking at the closed one again, and as one call that was placed at once."""
    assert store.health().closed_routes == (Route.OBD,)
    begun = desk.asks(RAVI)
    desk.dials()
    (call,) = desk.calls_of(begun)
    assert (call.status, call.route) == (CallStatus.PLACED, Route.C2C)
    assert routes_of(phones) == ["obd", "c2c", "c2c"]


@pytest.mark.usefixtures("obd_is_down")
def test_one_call_opens_it_when_the_token_is_mended(
    desk: Desk, phones: Phones, store: RedisStore
) -> None:
    """After the pause, and then calls go by it again."""
    store.clock_offset += PAUSE
    for number in (RAVI, MEERA):
        desk.asks(number)
        desk.dials()
        assert store.health().closed_routes == ()
    assert routes_of(phones) == ["obd", "c2c", "obd", "obd"]


@pytest.mark.usefixtures("obd_is_down")
def test_a_probe_in_vain_goes_on_by_the_other_route(
    desk: Desk, phones: Phones, store: RedisStore
) -> None:
    """The person is called all the same, and the route is left alone for longer."""
    phones.behave(RAVI, "error_401")
    store.clock_offset += PAUSE
    begun = desk.asks(RAVI)
    desk.dials()
    phones.behave(RAVI, "answer")
    desk.dials()
    assert desk.calls_of(begun)[-1].status is CallStatus.PLACED
    store.clock_offset += PAUSE
    desk.asks(MEERA)
    desk.dials()
    assert routes_of(phones)[2:] == ["obd", "c2c", "c2c"]


def test_with_both_down_calls_wait_and_are_dialed_at_once_when_one_is_back(
    desk: Desk, service: Verifications, phones: Phones, store: RedisStore
) -> None:
    """None is taken on meanwhile, and none that was taken on is lost."""
    phones.behave(ASHA, "error_401")
    desk.asks()
    waiting = [desk.asks(f"+91981234500{n}", call_after=1) for n in range(3)]
    assert [desk.dials(), desk.dials()] == [True, True]
    assert store.health().closed_routes == (Route.OBD, Route.C2C)
    with pytest.raises(CallsUnavailable):
        desk.asks(RAVI)
    store.clock_offset += 1_000
    assert not desk.dials()
    store.clock_offset += PAUSE
    assert [desk.dials(), desk.dials(), desk.dials(), desk.dials()] == [True, True, True, False]
    for verification in waiting:
        (call,) = service.get("login", verification.id).calls
        assert call.status is CallStatus.PLACED


def test_an_unreachable_provider_closes_its_routes(
    service: Verifications, store: RedisStore, dialer_of: Callable[..., Dialer]
) -> None:
    """Five requests in a row that could not be sent."""
    unreachable = dialer_of(OTPVOICE_PROVIDER_BASE_URL="http://127.0.0.1:1/api/v2/")
    desk = Desk(service, store, unreachable)
    for n in range(5):
        assert store.health().closed_routes == ()
        desk.asks(f"+91981234500{n}")
        desk.dials()
    assert store.health().closed_routes == (Route.OBD,)


def test_a_running_dialer_comes_back_by_itself(
    desk: Desk,
    phones: Phones,
    store: RedisStore,
    sandbox: RunningSandbox,
    dialer_of: Callable[..., Dialer],
) -> None:
    """While calls wait in the queue it looks again when the pause is over."""
    phones.behave(ASHA, "error_401")
    desk.asks()
    waiting = desk.asks(RAVI, call_after=1)
    desk.dials()
    desk.dials()
    with running(dialer_of()):
        store.clock_offset += PAUSE
        assert sandbox.state.wait_until(
            lambda: len(sandbox.state.network.request_log()) == 3, timeout_s=3
        )
    assert desk.calls_of(waiting)[0].status is CallStatus.PLACED
