"""The route of a call while one is closed, and what clients get while all are."""

import pytest
from msgspec.structs import replace
from redis import Redis
from store.builders import driver_with_limits, driver_with_quotas
from store.driver import StoreDriver
from store.many_numbers import (
    BAD,
    BOTH,
    DOWN,
    FIRST_PAUSE,
    GOOD,
    NO_WORD,
    ManyNumbers,
    closed_routes,
)

from otpvoice.core.verification import CallReason, CallStatus
from otpvoice.store.models import CallResult, RouteHealth


def test_call_takes_the_other_route_while_one_is_closed(
    driver: StoreDriver, numbers: ManyNumbers
) -> None:
    """The closed route does not count as tried."""
    numbers.close_routes("obd")
    begun = numbers.create()
    claim = driver.claim()
    assert (claim.route, claim.tried_routes, claim.requests) == ("c2c", (), 0)
    (call,) = driver.get(begun).calls
    assert (call.id, call.route) == (claim.call_id, "c2c")


def test_refused_call_waits_while_its_next_route_is_closed(
    driver: StoreDriver, numbers: ManyNumbers
) -> None:
    """It is not sent back to the route that refused it."""
    numbers.close_routes("obd")
    begun = numbers.create()
    claim = driver.claim()
    driver.mark_sent(claim)
    result = CallResult(
        CallStatus.FAILED,
        CallReason.REFUSED,
        is_unsent=True,
        next_route="obd",
        route_health=RouteHealth.BAD,
    )
    driver.record(claim, result)
    assert driver.seconds_until_due() == FIRST_PAUSE
    driver.advance_time(FIRST_PAUSE)
    assert driver.claim().route == "obd"
    assert [call.route for call in driver.get(begun).calls] == ["c2c", "obd"]


def test_any_call_probes_a_route_closed_by_refusals(
    driver: StoreDriver, numbers: ManyNumbers
) -> None:
    """Once after each pause."""
    numbers.close_routes("c2c")
    driver.advance_time(FIRST_PAUSE)
    for _ in range(2):
        numbers.create("obd")
    probe, other = driver.claim(), driver.claim()
    assert (probe.route, other.route) == ("c2c", "obd")
    driver.mark_sent(probe)
    assert driver.record(probe, GOOD).route_change == "opened"
    assert closed_routes(driver) == ()


def test_refused_probe_is_dialed_by_the_open_route(
    driver: StoreDriver, numbers: ManyNumbers
) -> None:
    """At once."""
    numbers.close_routes("c2c")
    driver.advance_time(FIRST_PAUSE)
    numbers.create("obd")
    probe = driver.claim()
    driver.mark_sent(probe)
    driver.record(probe, replace(DOWN, next_route="obd"))
    claim = driver.claim()
    assert (claim.route, claim.tried_routes) == ("obd", ("c2c",))


def test_last_attempt_does_not_probe_another_route(redis: Redis) -> None:
    """No further call could follow a refusal."""
    driver = driver_with_limits(redis, attempts_per_verification=2)
    numbers = ManyNumbers(driver)
    begun = numbers.create("obd")
    driver.dial(NO_WORD)
    numbers.close_routes("c2c")
    driver.advance_time(FIRST_PAUSE)
    assert driver.request_call(begun).outcome == "coming"
    assert driver.claim().route == "obd"


@pytest.mark.parametrize(("closes", "goes_by"), [(("obd",), "c2c"), (BOTH, "obd")])
def test_last_attempt_probes_its_own_route_if_none_is_open(
    redis: Redis, closes: tuple[str, ...], goes_by: str
) -> None:
    """Otherwise it takes the open one."""
    driver = driver_with_limits(redis, attempts_per_verification=2)
    numbers = ManyNumbers(driver)
    begun = numbers.create("obd")
    driver.dial(NO_WORD)
    numbers.close_routes(*closes)
    driver.advance_time(FIRST_PAUSE)
    assert driver.request_call(begun).outcome == "coming"
    assert driver.claim().route == goes_by


def test_call_at_its_last_moment_does_not_probe_another_route(
    driver: StoreDriver, numbers: ManyNumbers
) -> None:
    numbers.close_routes("c2c")
    begun = numbers.create("obd", ttl=120)
    driver.advance_time(60)
    assert driver.claim().route == "obd"
    assert driver.get(begun).calls[-1].status is CallStatus.DIALING


def test_route_closed_by_timeouts_is_probed_by_its_own_calls(
    driver: StoreDriver, numbers: ManyNumbers
) -> None:
    """A probe may ring."""
    for _ in range(5):
        numbers.dial(BAD, "c2c")
    assert closed_routes(driver) == ("c2c",)
    driver.advance_time(FIRST_PAUSE)
    numbers.create("obd")
    assert driver.claim().route == "obd"
    numbers.create("c2c")
    assert driver.claim().route == "c2c"


def test_live_test_call_takes_its_own_route(driver: StoreDriver, numbers: ManyNumbers) -> None:
    """``otpvoice doctor --live`` tests one route."""
    numbers.close_routes("c2c")
    driver.advance_time(FIRST_PAUSE)
    assert driver.try_create(route="obd", is_live_test=True).outcome == "created"
    assert driver.claim().route == "obd"


def test_create_is_refused_while_all_routes_are_closed(
    driver: StoreDriver, numbers: ManyNumbers
) -> None:
    """Except delayed ones and those that return a pending verification."""
    begun = numbers.create()
    driver.claim()
    numbers.close_routes(*BOTH)
    assert driver.try_create().outcome == "calls_unavailable"
    delayed = driver.try_create(call_after=30)
    assert delayed.outcome == "created"
    assert driver.get(begun).calls[0].status is CallStatus.DIALING


def test_call_request_is_refused_while_all_routes_are_closed(
    driver: StoreDriver, numbers: ManyNumbers
) -> None:
    """The verification stays pending."""
    begun = driver.create()
    driver.dial_busy()
    driver.advance_time(60)
    numbers.close_routes(*BOTH)
    refused = driver.request_call(begun)
    assert refused.outcome == "calls_unavailable"
    assert refused.verification
    assert refused.verification.id == begun.id


@pytest.mark.parametrize("route", BOTH)
def test_create_is_accepted_with_one_open_route(
    driver: StoreDriver, numbers: ManyNumbers, route: str
) -> None:
    numbers.close_routes(route)
    assert driver.try_create().outcome == "created"


def test_create_is_accepted_after_the_pause(driver: StoreDriver, numbers: ManyNumbers) -> None:
    """Its call probes the route."""
    numbers.close_routes(*BOTH)
    driver.advance_time(FIRST_PAUSE)
    assert driver.try_create().outcome == "created"
    assert closed_routes(driver) == BOTH


def test_closing_the_only_configured_route_closes_all(redis: Redis) -> None:
    driver = driver_with_quotas(redis, routes=("obd",))
    ManyNumbers(driver).close_routes("obd")
    assert driver.try_create().outcome == "calls_unavailable"
    assert closed_routes(driver) == ("obd",)
