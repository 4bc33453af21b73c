"""Places in every limit of calls: given back by what rang nowhere, and some by an approval."""

from collections.abc import Callable

import pytest
from redis import Redis
from store.driver import CODE, StoreDriver, driver_with_limits
from store.limit_cases import (
    ADDRESS,
    CASES,
    GENEROUS,
    NO_GAP,
    PER_IP,
    PER_NUMBER,
    PER_PREFIX,
    Case,
    limit_usage,
)

from otpvoice.core.verification import CallReason, CallStatus, Route, Verification
from otpvoice.store.models import CallResult

DOWN = CallResult(CallStatus.FAILED, CallReason.ROUTE_DOWN, is_unsent=True)
each_limit = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def canceled(driver: StoreDriver, begun: Verification) -> None:
    """By the client, in the queue."""
    driver.cancel(begun)


def approved(driver: StoreDriver, begun: Verification) -> None:
    """By other means, before it was dialed."""
    driver.approve(begun)


def guessed_at(driver: StoreDriver, begun: Verification) -> None:
    """Too many wrong codes, before it was dialed."""
    for n in range(5):
        assert driver.check(begun, f"99999{n}").outcome == "wrong"


def expired(driver: StoreDriver, _: Verification) -> None:
    """Nobody entered its code, nobody dialed it."""
    driver.advance_time(301)


def never_dialed(driver: StoreDriver, _: Verification) -> None:
    """No dialer came before it was too late."""
    driver.advance_time(270)
    driver.seconds_until_due()


def claimed_and_canceled(driver: StoreDriver, begun: Verification) -> None:
    """Between claim and mark."""
    claim = driver.claim()
    driver.cancel(begun)
    assert not driver.mark_sent(claim)


def lapsed_and_canceled(driver: StoreDriver, begun: Verification) -> None:
    """Its dialer died before the mark."""
    driver.claim()
    driver.advance_time(21)
    driver.cancel(begun)


def unsent(driver: StoreDriver, _: Verification) -> None:
    """The provider provably did not get it, or refused it."""
    driver.dial(DOWN)


def unsent_after_its_lease(driver: StoreDriver, _: Verification) -> None:
    """Which is told when it already stands as unknown."""
    claim = driver.claim()
    assert driver.mark_sent(claim)
    driver.advance_time(21)
    driver.record(claim, DOWN)


def unsealed(driver: StoreDriver, _: Verification) -> None:
    """It could not be sent at all: its seal does not open."""
    driver.record(driver.claim(), CallResult(CallStatus.FAILED, CallReason.PROVIDER_ERROR))


def retried_after_the_end(driver: StoreDriver, begun: Verification) -> None:
    """To be tried again, when there is nothing to say any more."""
    claim = driver.claim()
    assert driver.mark_sent(claim)
    driver.cancel(begun)
    driver.record(claim, CallResult(CallStatus.QUEUED, is_unsent=True, retry_in_ms=1000))


def retried_and_canceled(driver: StoreDriver, begun: Verification) -> None:
    """Back in the queue after a first try, and called off there."""
    driver.dial(CallResult(CallStatus.QUEUED, is_unsent=True, retry_in_ms=1000))
    driver.cancel(begun)


UNREACHED = [
    *(approved, expired, never_dialed, unsent, unsent_after_its_lease, unsealed),
]
"""Approved, or the service did not get to the provider: all places are given back."""
CALLED_OFF = [
    *(canceled, guessed_at, claimed_and_canceled, lapsed_and_canceled, retried_after_the_end),
    retried_and_canceled,
]
"""Ended by a request: the places of address and prefix stay taken."""


@each_limit
@pytest.mark.parametrize("end", [*UNREACHED, *CALLED_OFF])
def test_call_that_was_never_sent_gives_its_places_back(
    redis: Redis, case: Case, end: Callable[[StoreDriver, Verification], None]
) -> None:
    """In each limit once: there is room for one more and not for two."""
    driver = case.allows(redis, 1)
    end(driver, case.create(driver, own_code=True))
    if end in CALLED_OFF and case in {PER_IP, PER_PREFIX}:
        case.refuses(driver, 1)
        return
    case.create(driver, 1)
    case.refuses(driver, 2)


@pytest.mark.parametrize("end", [*UNREACHED, *CALLED_OFF])
def test_places_of_a_call_in_every_limit_come_back_together(
    redis: Redis, end: Callable[[StoreDriver, Verification], None]
) -> None:
    """All of them, but for those of address and prefix where a request ended it."""
    driver = driver_with_limits(redis, gaps=NO_GAP, **GENEROUS)
    begun = driver.create(ip=ADDRESS, own_code=True)
    used = {use.limit: use.used for use in limit_usage(driver)}
    assert set(used) - {limit for limit, count in used.items() if count} == {
        "block", "conversion_breaker", "wrong_codes_per_number"
    }  # fmt: skip
    end(driver, begun)
    kept = {use.limit for use in limit_usage(driver) if use.used}
    shared = {key.decode().split(":")[1] for key in redis.scan_iter()} & {"ip", "prefix"}
    of_prefix = {"unverified_per_prefix 90/10m", "unverified_per_prefix 95/24h"}
    called_off = end in CALLED_OFF
    assert kept - {"wrong_codes_per_number", "creates_per_client", "pending_per_number"} == (
        of_prefix if called_off else set()
    )
    assert shared == ({"ip", "prefix"} if called_off else set())


def test_approval_gives_back_the_places_of_calls_that_were_called_off(redis: Redis) -> None:
    """Its own in the address; in the prefix all that the number took."""
    driver = driver_with_limits(redis, gaps=NO_GAP, **GENEROUS)
    driver.cancel(driver.create(ip=ADDRESS))
    driver.approve(driver.create(ip=ADDRESS))
    assert not list(redis.scan_iter("*:prefix:*"))
    [address] = redis.scan_iter("*:ip:*")
    assert redis.zcard(address) == 1


@pytest.mark.parametrize("case", [PER_IP, PER_PREFIX], ids=["address", "prefix"])
def test_place_of_a_call_that_was_called_off_ends_with_its_window(redis: Redis, case: Case) -> None:
    """As if it had been sent at the moment it was due."""
    driver = case.allows(redis, 1)
    driver.cancel(case.create(driver))
    assert case.window - 5 <= case.refuses(driver) <= case.window
    driver.advance_time(case.window + 1)
    case.create(driver, 1)


@each_limit
def test_what_may_have_rung_keeps_its_place(redis: Redis, case: Case) -> None:
    """Whatever becomes of it, but for an approval: here a dialer that died after the mark."""
    driver = case.allows(redis, 1)
    begun = case.create(driver)
    assert driver.mark_sent(driver.claim())
    driver.advance_time(21)
    assert driver.last_call(begun).status is CallStatus.UNKNOWN
    driver.cancel(begun)
    case.refuses(driver)


@each_limit
def test_superseded_call_makes_room_for_its_successor(redis: Redis, case: Case) -> None:
    """If it was not dialed yet: one place for both, none for a third; two of the address."""
    count = 2 if case is PER_IP else 1
    driver = case.allows(redis, count)
    old = case.create(driver)
    new = case.create(driver, code="654321", own_code=True)
    assert driver.last_call(old).status is CallStatus.CANCELED
    assert driver.last_call(new).status is CallStatus.QUEUED
    case.refuses(driver)
    driver.cancel(new)
    assert case.is_full(driver, 1) is (case in {PER_IP, PER_PREFIX})


@pytest.mark.parametrize("case", [case for case in CASES.values() if case is not PER_PREFIX])
def test_a_superseded_call_that_was_sent_makes_none(redis: Redis, case: Case) -> None:
    """It rang; the newer one is refused, and the older lives on."""
    driver = case.allows(redis, 1)
    old = case.create(driver, reference="one")
    driver.dial()
    case.refuses(driver, 0, reference="two")
    assert driver.check(old, CODE).outcome == "right"


@each_limit
def test_the_next_route_takes_over_the_place(redis: Redis, case: Case) -> None:
    """Of the call that the provider refused: never more than one, and none after the last."""
    driver = case.allows(redis, 2)
    begun = case.create(driver)
    driver.dial(
        CallResult(CallStatus.FAILED, CallReason.REFUSED, is_unsent=True, next_route=Route.C2C)
    )
    assert [call.route for call in driver.get(begun).calls] == [Route.OBD, Route.C2C]
    case.create(driver, 1)
    case.refuses(driver, 2)
    driver.dial(DOWN)
    driver.dial(DOWN)
    case.create(driver, 3)
    case.create(driver, 4)
    case.refuses(driver, 5)


@each_limit
def test_a_place_counts_from_when_the_call_was_sent(redis: Redis, case: Case) -> None:
    """Held for long, it holds its place that much longer; brought forward, it does no longer."""
    for call_after, waits in ((0, 200), (200, 100)):
        redis.flushdb()
        driver = case.allows(redis, 1)
        begun = case.create(driver, call_after=call_after)
        driver.advance_time(waits)
        driver.request_call(begun)
        driver.dial()
        wait = case.refuses(driver)
        assert case.window - 5 <= wait <= case.window + case.slice


# Approved ----------------------------------------------------------------------------------------


@each_limit
@pytest.mark.parametrize("elsewhere", [False, True])
def test_an_approval_gives_back_what_is_counted_without_one(
    redis: Redis, case: Case, elsewhere: bool
) -> None:
    """Of a number, a prefix and an address; every call, client and day count it all the same."""
    driver = case.allows(redis, 1)
    begun = case.create(driver)
    driver.dial()
    if elsewhere:
        driver.approve(begun)
    else:
        driver.check(begun, CODE)
    assert case.is_full(driver) is case.approved_counts


def test_an_approval_leaves_the_place_of_a_call_to_come(redis: Redis) -> None:
    """Another client's, which will ring with no approval since: with it two ring, and no third."""
    driver = PER_NUMBER.allows(redis, 2)
    begun = PER_NUMBER.create(driver)
    driver.dial_busy()
    PER_NUMBER.create(driver, 1, call_after=100)
    driver.approve(begun)
    PER_NUMBER.create(driver, 2)
    PER_NUMBER.refuses(driver, 3)


def test_an_approval_gives_the_gap_back(redis: Redis) -> None:
    """The next call is due at once, and the gaps begin anew with the shortest."""
    driver = driver_with_limits(redis)
    for gap in (60, 60, 300):
        begun = driver.create(ttl=600)
        driver.dial_busy()
        assert driver.explain().gap_until - driver.explain().now > (gap - 5) * 1000
        driver.cancel(begun)
        driver.advance_time(gap)
    begun = driver.create()
    driver.dial()
    driver.approve(begun)
    assert driver.explain().gap_until == 0
    driver.create()
    driver.advance_time(300)
    driver.create()
    driver.dial()
    assert driver.explain().gap_until - driver.explain().now <= 60_000


@pytest.mark.parametrize("end", ["canceled", "expired", "guessed_at"])
@each_limit
def test_no_other_end_gives_back_what_rang(redis: Redis, case: Case, end: str) -> None:
    """Only an approval says that the person was there."""
    driver = case.allows(redis, 1)
    begun = case.create(driver)
    driver.dial()
    {"canceled": canceled, "expired": expired, "guessed_at": guessed_at}[end](driver, begun)
    assert case.is_full(driver)
