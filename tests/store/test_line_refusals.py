"""Caller lines that a provider refuses: another line calls."""

import pytest
from msgspec.structs import replace
from redis import Redis
from store.builders import process
from store.caller_lines import LINES, driver_with_lines, line_of, numbers
from store.driver import StoreDriver
from store.many_numbers import ANSWERED_NO, DOWN, GOOD, ManyNumbers

from otpvoice.store import Keys
from otpvoice.store.models import RouteHealth


@pytest.fixture
def driver(redis: Redis) -> StoreDriver:
    """Return a driver of a client with three lines, and one route."""
    return driver_with_lines(redis, *LINES, routes=("obd",))


@pytest.fixture
def two_routes(redis: Redis) -> StoreDriver:
    """Return a driver of a client with two lines and two routes."""
    return driver_with_lines(redis, *LINES[:2], routes=("obd", "c2c"))


def test_refused_call_is_followed_by_one_from_another_line(driver: StoreDriver) -> None:
    """By the same route, if there is no other; each line is tried once."""
    begun = driver.create()
    tried = []
    for _ in LINES:
        claim = driver.claim()
        assert driver.mark_sent(claim)
        tried.append(claim.bridge)
        driver.record(claim, ANSWERED_NO)
    assert sorted(tried) == [*LINES]
    assert [call.bridge for call in driver.get(begun).calls] == tried
    assert driver.seconds_until_due() == -1


def test_next_route_after_a_refusal_is_tried_from_another_line(two_routes: StoreDriver) -> None:
    """A call that ends for another reason keeps its line."""
    driver = two_routes
    begun = driver.create()
    claim = driver.claim()
    assert driver.mark_sent(claim)
    driver.record(claim, replace(ANSWERED_NO, next_route="c2c"))
    following = driver.claim()
    assert (following.route, {following.bridge, claim.bridge}) == ("c2c", {*LINES[:2]})
    assert line_of(driver.get(begun)) == following.bridge


def test_route_that_is_down_is_not_tried_from_another_line(driver: StoreDriver) -> None:
    """The refusal is of every call."""
    begun = driver.create()
    claim = driver.claim()
    assert driver.mark_sent(claim)
    driver.record(claim, DOWN)
    assert len(driver.get(begun).calls) == 1


def test_refusal_that_names_the_line_closes_the_route_for_it_at_once(redis: Redis) -> None:
    """Calls from the other lines go on, and the refused one follows from one of them."""
    driver = driver_with_lines(redis, *LINES[:2], routes=("obd",))
    begun = driver.create()
    claim = driver.claim()
    assert driver.mark_sent(claim)
    line_down = replace(ANSWERED_NO, route_health=RouteHealth.LINE_DOWN)
    assert driver.record(claim, line_down).route_change == "closed"
    (other,) = {*LINES[:2]} - {claim.bridge}
    assert driver.dial(GOOD).bridge == other == line_of(driver.get(begun))
    assert {line_of(driver.create(to)) for to in numbers(12)} == {other}
    assert driver.store.health().closed_routes == ("obd",)


def test_new_and_queued_calls_leave_a_line_that_the_route_refuses(redis: Redis) -> None:
    """At once, and creates are accepted all the same."""
    driver = driver_with_lines(redis, *LINES[:2], routes=("obd",))
    waiting = [driver.create(to, call_after=30) for to in numbers(12)]
    assert {line_of(each) for each in waiting} == {*LINES[:2]}
    one_line = process(redis, routes=("obd",))
    crowd = ManyNumbers(one_line)
    for _ in range(5):
        change = crowd.dial(ANSWERED_NO, bridge=LINES[0]).route_change
    assert change == "closed"
    assert {line_of(driver.create(to)) for to in numbers(12, 500)} == {LINES[1]}
    assert driver.try_create("+919899999999", client="bank", bridge=LINES[0]).outcome == (
        "calls_unavailable"
    )


def test_queued_call_is_dialed_from_another_line_than_the_refused(redis: Redis) -> None:
    """The object shows the line that calls."""
    driver = driver_with_lines(redis, *LINES[:2], routes=("obd",))
    waiting = [driver.create(to) for to in numbers(6)]
    assert LINES[0] in {line_of(each) for each in waiting}
    driver.store.redis.hset(
        Keys().of("route", "obd"),
        mapping={
            "closed_until": waiting[0].now + 60_000,
            "closings": 1,
            "probe_by": "any",
            "refused_senders": f"{LINES[0]}/",
        },
    )
    driver.store.redis.expire(Keys().of("route", "obd"), 60)
    for _ in waiting:
        claim = driver.dial()
        assert claim.bridge == LINES[1]
    assert {line_of(driver.get(each)) for each in waiting} == {LINES[1]}
