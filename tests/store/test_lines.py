"""Clients and routes with several caller lines: who is called from which line."""

import random
from collections import Counter
from typing import Any

import pytest
from msgspec.structs import replace
from redis import Redis
from store.builders import process
from store.driver import PLACED, StoreDriver
from store.many_numbers import ANSWERED_NO, DOWN, GOOD, ManyNumbers
from support.service import ASHA, BRIDGE

from otpvoice.core.lines import CallerLines
from otpvoice.core.verification import CallStatus, Verification
from otpvoice.store import Keys
from otpvoice.store.models import ReportOutcome, RouteHealth
from otpvoice.store.policy import LINE_PROBE_PERCENT, StorePolicy
from otpvoice.store.redis_store import RedisStore

LINES = ("918068280000", "918068280001", "918068280002")
ABROAD = "12025550100"
US_NUMBER = "+12025550123"
BRITISH_NUMBER = "+447400123456"
OTHER_LINE = "918068289999"


def driver_with_lines(redis: Redis, *lines: str, **policy: Any) -> StoreDriver:
    """Return a driver whose client ``login`` has these lines."""
    own = {"login": CallerLines(lines)}
    rules = StorePolicy(client_lines=own, **policy)
    return StoreDriver(RedisStore(redis, policy=rules), gaps=(0,))


@pytest.fixture
def driver(redis: Redis) -> StoreDriver:
    """Return a driver of a client with three lines, and one route."""
    return driver_with_lines(redis, *LINES, routes=("obd",))


@pytest.fixture
def two_routes(redis: Redis) -> StoreDriver:
    """Return a driver of a client with two lines and two routes."""
    return driver_with_lines(redis, *LINES[:2], routes=("obd", "c2c"))


def numbers(count: int, start: int = 0) -> list[str]:
    """Return Indian numbers."""
    return [f"+9197{start + n:08}" for n in range(count)]


def line_of(verification: Verification) -> str:
    """Return the line of its newest call."""
    call = verification.calls[-1]
    assert call.caller_id == f"+{call.bridge}"
    return call.bridge


def call_and_answer(
    driver: StoreDriver, to: str, rates: dict[str, float], dice: random.Random
) -> str:
    """Call a number, which answers as often as it does for the line. Return the line."""
    begun = driver.create(to)
    claim = driver.dial()
    is_answered = dice.random() < rates[claim.bridge]
    status = CallStatus.ANSWERED if is_answered else CallStatus.NO_ANSWER
    driver.apply_callback(status, call_id=claim.call_id, to=to)
    driver.approve(begun)
    assert line_of(begun) == claim.bridge
    return claim.bridge


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


# Health ------------------------------------------------------------------------------------------


def test_line_that_people_stop_answering_loses_its_calls_and_recovers(driver: StoreDriver) -> None:
    """Its probes continue all the time, and the other lines share the rest."""
    dice = random.Random(7)
    labeled, *others = LINES
    rates = dict.fromkeys(LINES, 0.6)

    def shares(count: int, start: int) -> Counter[str]:
        return Counter(call_and_answer(driver, to, rates, dice) for to in numbers(count, start))

    usual = shares(150, 0)
    assert all(30 <= usual[line] <= 75 for line in LINES), usual
    rates[labeled] = 0.05
    shares(250, 1_000)  # until it is known
    weak = shares(400, 2_000)
    expected = 400 * LINE_PROBE_PERCENT / 100
    assert 0.25 * expected <= weak[labeled] <= 2 * expected, weak
    assert all(120 <= weak[line] <= 260 for line in others), weak
    rates[labeled] = 0.9
    for n in range(12):
        if shares(150, 10_000 + 1_000 * n)[labeled] >= 30:
            return
    pytest.fail("the line did not recover")


def test_people_of_a_healthy_line_keep_it_while_another_is_weak(driver: StoreDriver) -> None:
    """Only those of the weak line are called from another one; a few calls probe it."""
    before = {to: line_of(driver.create(to)) for to in numbers(60)}
    set_rate(driver, LINES[0], 5, 80)
    for line in LINES[1:]:
        set_rate(driver, line, 50, 90)
    moved = kept = 0
    for to, line in before.items():
        now = line_of(driver.create(to, reference="again"))
        if line == LINES[0]:
            moved += now != LINES[0]
        else:
            kept += now == line
    assert moved >= 10
    assert kept >= sum(line != LINES[0] for line in before.values()) * 0.8


def set_rate(driver: StoreDriver, line: str, answered: float, ended: float) -> None:
    """Set how often people answered a line."""
    driver.store.redis.set(Keys().of("line", line), f"{answered:.3f} {ended:.3f}")
    driver.store.redis.expire(Keys().of("line", line), 60)


@pytest.mark.parametrize(
    "rates",
    [
        {LINES[0]: (0, 14)},
        {LINES[0]: (0, 90), LINES[1]: (14, 14), LINES[2]: (14, 14)},
        {LINES[0]: (30, 90), LINES[1]: (45, 90), LINES[2]: (45, 90)},
        dict.fromkeys(LINES, (5, 90)),
    ],
    ids=["small_sample", "no_line_to_compare_with", "a_little_less", "all_alike"],
)
def test_line_without_evidence_against_it_has_its_turns(
    driver: StoreDriver, rates: dict[str, tuple[float, float]]
) -> None:
    """All lines that are answered rarely, too: then it is not the line."""
    for line, (answered, ended) in rates.items():
        set_rate(driver, line, answered, ended)
    shares = Counter(line_of(driver.create(to)) for to in numbers(90))
    assert all(shares[line] >= 15 for line in LINES), shares


def test_weak_lines_are_shown_to_operators(redis: Redis) -> None:
    """Of clients and of routes; a line is compared with those of its region only."""
    rules = StorePolicy(
        client_lines={name: CallerLines((*LINES[:2], ABROAD)) for name in ("login", "bank")},
        route_lines={"obd": CallerLines((OTHER_LINE, LINES[2])), "c2c": CallerLines((BRIDGE,))},
    )
    driver = StoreDriver(RedisStore(redis, policy=rules))
    for line in (LINES[1], LINES[2]):
        set_rate(driver, line, 60, 90)
    assert driver.admin.overview().weak_lines == ()
    for line in (LINES[0], ABROAD, OTHER_LINE):
        set_rate(driver, line, 9, 90)
    assert driver.admin.overview().weak_lines == (LINES[0], OTHER_LINE)


def test_unreadable_rate_counts_as_none(driver: StoreDriver) -> None:
    """The line has its turns, and its rate starts again."""
    key = Keys().of("line", LINES[0])
    for text in ("", "x", "1.2", "nan nan", "1..2 3.0", "-1.000 2.000"):
        driver.store.redis.set(key, text, ex=60)
        driver.cancel(driver.create())
    dice = random.Random(1)
    for to in numbers(20):
        call_and_answer(driver, to, dict.fromkeys(LINES, 1.0), dice)
    kept = driver.store.redis.get(key)
    assert kept
    answered, ended = map(float, kept.split())
    assert 1 <= answered == ended <= 20


@pytest.mark.parametrize("status", [CallStatus.BUSY, CallStatus.NO_ANSWER, CallStatus.FAILED])
def test_only_calls_that_rang_count(driver: StoreDriver, status: CallStatus) -> None:
    """A call that failed says nothing about the line; nor does a rate outlive its line."""
    driver.create()
    claim = driver.dial()
    driver.apply_callback(status, call_id=claim.call_id)
    key = Keys().of("line", claim.bridge)
    rated = None if status is CallStatus.FAILED else b"0.000 1.000"
    assert driver.store.redis.get(key) == rated
    if rated:
        assert 0 < int(driver.store.redis.ttl(key)) <= 7 * 86_400


# Refusals ----------------------------------------------------------------------------------------


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
