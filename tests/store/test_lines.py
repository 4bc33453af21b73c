"""Clients and routes with several caller lines: who is called from which line."""

from collections import Counter
from typing import Any

import pytest
from msgspec.structs import replace
from redis import Redis
from store.builders import process
from store.caller_lines import ABROAD, LINES, OTHER_LINE, driver_with_lines, line_of, numbers
from store.driver import PLACED, StoreDriver
from store.many_numbers import ANSWERED_NO, ManyNumbers
from support.service import ASHA, BRIDGE

from otpvoice.core.lines import CallerLines
from otpvoice.core.verification import CallStatus
from otpvoice.store.models import ReportOutcome
from otpvoice.store.policy import StorePolicy
from otpvoice.store.redis_store import RedisStore

US_NUMBER = "+12025550123"
BRITISH_NUMBER = "+447400123456"


@pytest.fixture
def driver(redis: Redis) -> StoreDriver:
    """Return a driver of a client with three lines, and one route."""
    return driver_with_lines(redis, *LINES, routes=("obd",))


# Turns and regions -------------------------------------------------------------------------------


def test_lines_take_turns_and_a_number_keeps_its_line(driver: StoreDriver) -> None:
    """Each line calls about a third; again, the same line calls a number."""
    chosen = {}
    for to in numbers(150):
        chosen[to] = line_of(driver.create(to))
    shares = Counter(chosen.values())
    assert all(30 <= shares[line] <= 70 for line in LINES), shares
    for to in numbers(20):
        again = driver.create(to, reference="another login")
        assert line_of(again) == chosen[to]
        driver.cancel(again)


def test_lines_of_the_region_come_first(redis: Redis) -> None:
    """A number of a region without a line is called from all lines."""
    driver = driver_with_lines(redis, LINES[0], ABROAD, LINES[1], routes=("obd",))
    assert {line_of(driver.create(to)) for to in numbers(30)} == {*LINES[:2]}
    assert line_of(driver.create(US_NUMBER)) == ABROAD
    british = {line_of(driver.create(f"+4474001234{n:02}")) for n in range(40)}
    assert british == {LINES[0], ABROAD, LINES[1]}


def test_only_the_lines_of_the_client_call(driver: StoreDriver) -> None:
    """Another client has one line."""
    assert line_of(driver.create(client="bank", bridge=OTHER_LINE)) == OTHER_LINE


def test_further_call_and_redial_come_from_the_same_line(redis: Redis) -> None:
    """The person saw it before."""
    driver = driver_with_lines(redis, *LINES, max_redials=1)
    for to in numbers(6):
        begun = driver.create(to)
        claim = driver.dial()
        driver.apply_callback(CallStatus.BUSY, call_id=claim.call_id, to=to)
        redial = driver.dial()
        driver.apply_callback(CallStatus.BUSY, call_id=redial.call_id, to=to)
        assert driver.request_call(begun).outcome == "coming"
        assert {call.bridge for call in driver.get(begun).calls} == {claim.bridge}
        driver.cancel(begun)


def test_call_of_a_release_with_one_line_is_dialed_from_it(
    redis: Redis, driver: StoreDriver
) -> None:
    """Neither that release nor its settings know the lines."""
    before = process(redis, routes=("obd",))
    begun = before.create(bridge=OTHER_LINE)
    claim = driver.dial()
    assert (claim.bridge, line_of(driver.get(begun))) == (OTHER_LINE, OTHER_LINE)
    dialed_there = driver.create("+919811111111")
    assert before.dial().bridge == line_of(dialed_there)


# Lines of routes ---------------------------------------------------------------------------------


def test_route_calls_from_its_own_lines(redis: Redis) -> None:
    """Of the region, in turns, and each number is locked for its line."""
    rules = StorePolicy(
        routes=("abroad", "obd"),
        route_lines={"abroad": CallerLines((ABROAD, *LINES[1:]))},
    )
    driver = StoreDriver(RedisStore(redis, policy=rules), gaps=(0,))
    begun = [driver.create(to, route="abroad") for to in numbers(20)]
    assert {line_of(each) for each in begun} == {BRIDGE}
    claims = [driver.dial() for _ in begun]
    assert {claim.bridge for claim in claims} == {*LINES[1:]}
    assert {line_of(driver.get(each)) for each in begun} == {*LINES[1:]}
    for claim in claims:
        driver.apply_callback(call_id=claim.call_id)
    driver.create(US_NUMBER, route="abroad")
    assert driver.claim().bridge == ABROAD


def test_route_that_refuses_its_own_line_is_closed(redis: Redis) -> None:
    """For calls of every client, because all use this line."""
    rules = StorePolicy(
        routes=("abroad",), route_lines={"abroad": CallerLines((ABROAD,), "+12025550199")}
    )
    driver = StoreDriver(RedisStore(redis, policy=rules), gaps=(0,))
    crowd = ManyNumbers(driver)
    for _ in range(5):
        change = crowd.dial(ANSWERED_NO, route="abroad").route_change
    assert change == "closed"
    assert driver.try_create(client="bank").outcome == "calls_unavailable"
    driver.advance_time(11)
    begun = driver.create(route="abroad")
    claim = driver.dial()
    call = driver.get(begun).calls[0]
    assert (claim.bridge, call.bridge, call.caller_id) == (ABROAD, ABROAD, "+12025550199")


def test_route_of_the_same_company_keeps_its_line_after_a_refusal(redis: Redis) -> None:
    """The client's own line is with another company."""
    own = CallerLines((ABROAD,))
    rules = StorePolicy(routes=("abroad", "far", "obd"), route_lines={"abroad": own, "far": own})
    driver = StoreDriver(RedisStore(redis, policy=rules), gaps=(0,))
    begun = driver.create(route="abroad")
    used = []
    for following in ("far", "obd", None):
        claim = driver.claim()
        assert driver.mark_sent(claim)
        used.append((claim.route, claim.bridge))
        driver.record(claim, replace(ANSWERED_NO, next_route=following))
    assert used == [("abroad", ABROAD), ("far", ABROAD), ("obd", BRIDGE)]
    assert len(driver.get(begun).calls) == 3


def test_report_without_an_id_finds_the_call_by_the_line_that_placed_it(
    driver: StoreDriver,
) -> None:
    """The number is locked for it, whatever line has its turn next."""
    begun = driver.create()
    claim = driver.dial(PLACED)
    sent_at = driver.last_call(begun).sent_at
    others = tuple(line for line in LINES if line != claim.bridge)
    report: dict[str, Any] = {"has_bridge": True, "started_at": sent_at}
    missed = driver.apply_callback(bridges=others, **report)
    assert missed.outcome is ReportOutcome.NO_CALL
    found = driver.apply_callback(bridges=(claim.bridge,), **report)
    assert found.call_id == claim.call_id
    assert driver.explain(ASHA)
