"""Caller lines that people answer rarely, and how they recover."""

import random
from collections import Counter

import pytest
from redis import Redis
from store.caller_lines import ABROAD, LINES, OTHER_LINE, driver_with_lines, line_of, numbers
from store.driver import StoreDriver
from support.service import BRIDGE

from otpvoice.core.lines import CallerLines
from otpvoice.core.verification import CallStatus
from otpvoice.store import Keys
from otpvoice.store.policy import LINE_PROBE_PERCENT, StorePolicy
from otpvoice.store.redis_store import RedisStore


@pytest.fixture
def driver(redis: Redis) -> StoreDriver:
    """Return a driver of a client with three lines, and one route."""
    return driver_with_lines(redis, *LINES, routes=("obd",))


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
