"""Attempts: the calls of one verification, and what a refused one leaves to the number."""

import pytest
from redis import Redis
from store.builders import driver_with_limits, driver_with_quotas
from store.driver import PLACED, StoreDriver
from store.limit_cases import NO_GAP

from otpvoice.core.verification import CallReason, CallStatus, Verification
from otpvoice.store.models import CallResult, Claim

MOST = 6
OTHER_BRIDGE = "918068280001"
LIMIT = "rate_limited attempts_per_verification"
C2C_NEXT = CallResult(CallStatus.FAILED, CallReason.REFUSED, is_unsent=True, next_route="c2c")
REFUSED = CallResult(CallStatus.FAILED, CallReason.REFUSED, is_unsent=True)
MISCONFIGURED = CallResult(
    CallStatus.FAILED, CallReason.ROUTE_DOWN, is_unsent=True, is_refused=True
)
BACK_OFF = CallResult(CallStatus.QUEUED, is_unsent=True, is_refused=True, retry_in_ms=3_000)
UNREACHED = CallResult(CallStatus.FAILED, CallReason.PROVIDER_ERROR, is_unsent=True)


def bounded(redis: Redis, most: int = MOST, **rules: int) -> StoreDriver:
    """Return a driver with this many attempts and no call gap."""
    return driver_with_limits(redis, gaps=NO_GAP, policy=rules, attempts_per_verification=most)


def fails_often(driver: StoreDriver, times: int, result: CallResult = UNREACHED) -> Verification:
    """Create a verification whose calls have all failed."""
    begun = driver.create()
    driver.dial(result)
    while len(driver.get(begun).calls) < times:
        assert driver.request_call(begun).outcome == "coming"
        driver.dial(result)
    return begun


# attempts_per_verification ------------------------------------------------------------------------


@pytest.mark.parametrize("result", [UNREACHED, REFUSED, CallResult(CallStatus.FAILED)])
def test_further_call_beyond_the_attempts_is_refused_until_the_end(
    redis: Redis, result: CallResult
) -> None:
    """By calls and by create; the verification stays pending."""
    driver = bounded(redis)
    begun = fails_often(driver, MOST, result)
    for refused in (driver.request_call(begun), driver.try_create()):
        assert refused.outcome == LIMIT
        assert refused.verification
        assert refused.verification.id == begun.id
        assert refused.retry_after_ms == begun.expires_at - refused.verification.now
    seen = driver.get(begun)
    assert (seen.next_call().reason, seen.next_call().at) == ("rate_limited", begun.expires_at)
    assert len(seen.calls) == MOST


def test_next_route_beyond_the_attempts_is_not_queued(redis: Redis) -> None:
    """The last attempt was refused."""
    driver = bounded(redis, most=3)
    begun = driver.create()
    driver.dial(C2C_NEXT)
    driver.dial(REFUSED)
    driver.request_call(begun)
    driver.dial(C2C_NEXT)
    assert len(driver.get(begun).calls) == 3
    assert driver.seconds_until_due() == -1


def test_redial_beyond_the_attempts_is_not_queued(redis: Redis) -> None:
    """The last attempt was busy."""
    driver = bounded(redis, most=2, max_redials=3)
    begun = driver.create()
    driver.dial_busy()
    driver.dial_busy()
    assert len(driver.get(begun).calls) == 2
    assert driver.seconds_until_due() == -1


def test_delayed_call_is_brought_forward_within_the_attempts(redis: Redis) -> None:
    """It has a record already."""
    driver = bounded(redis, most=1)
    begun = driver.create(call_after=100)
    assert driver.get(begun).next_call().allowed
    assert driver.request_call(begun).outcome == "coming"
    driver.claim()


# The gap after a refusal --------------------------------------------------------------------------


@pytest.mark.parametrize("result", [REFUSED, MISCONFIGURED])
def test_gap_holds_after_a_call_that_the_provider_refused(
    driver: StoreDriver, result: CallResult
) -> None:
    """For every client and verification, although nothing rang."""
    begun, claim = driver.send()
    gap = driver.get(begun).gap_until
    driver.record(claim, result)
    assert driver.get(begun).gap_until == gap
    assert driver.request_call(begun).outcome == "coming"
    driver.create(client="bank")
    assert driver.last_call(begun).due_at == gap
    assert driver.seconds_until_due() == 60


def test_gap_after_a_refusal_holds_when_the_next_route_is_not_reached(driver: StoreDriver) -> None:
    """The provider answered the first request."""
    begun, refused = driver.send()
    gap = driver.get(begun).gap_until
    driver.record(refused, C2C_NEXT)
    driver.advance_time(5)
    driver.dial(UNREACHED)
    assert driver.get(begun).gap_until == gap
    driver.create(client="bank")
    assert driver.seconds_until_due() == 55


def test_gap_ends_at_once_after_a_call_that_did_not_reach_the_provider(
    driver: StoreDriver,
) -> None:
    """The provider received nothing."""
    begun, claim = driver.send()
    driver.record(claim, UNREACHED)
    assert driver.get(begun).gap_until == 0


def test_next_route_is_dialed_within_the_gap_of_its_attempt(driver: StoreDriver) -> None:
    """No other call is. After its refusal the gap starts at its own request."""
    begun = driver.create()
    driver.dial(C2C_NEXT)
    other = driver.create(client="bank")
    driver.advance_time(5)
    claim = driver.dial(REFUSED)
    assert (claim.verification_id, claim.route) == (begun.id, "c2c")
    driver.advance_time(55)
    assert driver.seconds_until_due() == 5
    driver.advance_time(5)
    assert driver.claim().verification_id == other.id


def test_gap_after_refusals_stays_that_of_a_first_call(driver: StoreDriver) -> None:
    """None of the refused calls rang."""
    begun = driver.create(ttl=600)
    for _ in range(3):
        driver.dial(REFUSED)
        driver.advance_time(60)
        driver.request_call(begun)
    driver.dial(PLACED)
    seen = driver.get(begun)
    assert seen.gap_until == (seen.calls[-1].sent_at or 0) + 60_000


def test_repeated_request_is_sent_within_its_own_gap(driver: StoreDriver) -> None:
    """After the pause that the provider requested."""
    begun = driver.create()
    driver.dial(BACK_OFF)
    driver.create(client="bank")
    driver.advance_time(3)
    claim = driver.dial(BACK_OFF)
    assert (claim.verification_id, claim.requests) == (begun.id, 1)
    assert driver.seconds_until_due() == 3
    driver.advance_time(3)
    assert driver.dial(PLACED).verification_id == begun.id


def test_next_route_waits_for_a_gap_that_another_call_left(driver: StoreDriver) -> None:
    """An approval ended its own gap, and a dialer of the release before called by another line."""
    begun = driver.create()
    driver.dial(C2C_NEXT)
    claim = driver.claim()
    driver.drop_number_lock()
    driver.approve(driver.create(client="bank", bridge=OTHER_BRIDGE))
    driver.create(client="shop", bridge=OTHER_BRIDGE)
    assert driver.mark_sent(driver.claim())
    assert not driver.mark_sent(claim)
    assert driver.last_call(begun).status is CallStatus.QUEUED
    assert driver.seconds_until_due() == 60


def test_endless_verifications_make_one_attempt_sequence_per_gap(redis: Redis) -> None:
    """Twenty verifications of a number that both routes refuse."""
    driver = driver_with_quotas(redis, "3/10m")
    requests: list[int] = []
    begun = [
        answer.verification
        for n in range(20)
        if (
            answer := driver.try_create(client=f"client {n}", reference=f"{n}", ttl=600)
        ).verification
    ]
    for _ in range(240):
        for each in begun:
            driver.request_call(each)
        while isinstance(claim := driver.store.claim(200), Claim):
            if driver.mark_sent(claim):
                requests.append(driver.get(begun[0]).now)
                driver.record(claim, REFUSED if claim.tried_routes else C2C_NEXT)
        driver.advance_time(1)
    assert len(requests) >= 6
    assert all(later - at >= 60_000 for at, later in zip(requests, requests[2:], strict=False))
