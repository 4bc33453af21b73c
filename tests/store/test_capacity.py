"""Capacity in ``calls_per_number``: reserved by queued calls, kept by sent ones."""

import itertools
from collections.abc import Callable

import pytest
from redis import Redis
from store.builders import driver_with_quotas
from store.driver import RAVI, StoreDriver
from store.new_verifications import CODE

from otpvoice.core.store_port import StoreResult
from otpvoice.core.verification import (
    CallStatus,
    NextAction,
    NextReason,
    Verification,
)
from otpvoice.store.models import CallResult

ONE = "1/10m"
LIMIT = "rate_limited calls_per_number"
NO_GAP = (0,)
_clients = itertools.count()


@pytest.fixture
def driver(redis: Redis) -> StoreDriver:
    """Return a driver with one call in ten minutes and no gap."""
    return driver_with_quotas(redis, ONE, gaps=NO_GAP)


def refused_for(answer: StoreResult) -> int:
    """Return the seconds until ``calls_per_number`` allows a call."""
    assert answer.outcome == LIMIT
    return -(-answer.retry_after_ms // 1000)


def has_room(driver: StoreDriver, _begun: Verification) -> bool:
    """Return whether the number may be called again."""
    return not any(use.until_ms for use in driver.explain().limits)


# Reserved -----------------------------------------------------------------------------------------


def test_queued_call_reserves_capacity_for_all_clients(driver: StoreDriver) -> None:
    """The refusal discloses nothing of another client."""
    driver.create()
    refused = driver.try_create(client="bank")
    assert 598 <= refused_for(refused) <= 600
    assert refused.verification is None


def test_numbers_have_separate_capacity(driver: StoreDriver) -> None:
    driver.create()
    driver.create(RAVI)


def test_further_call_without_capacity_is_refused(driver: StoreDriver) -> None:
    """By create or calls; the verification stays pending."""
    begun = driver.create()
    driver.dial_busy()
    for refused in (driver.try_create(), driver.request_call(begun)):
        assert 598 <= refused_for(refused) <= 600
        assert refused.verification
        assert refused.verification.id == begun.id
    assert driver.check(begun, CODE).outcome == "right"


def test_next_call_shows_reason_and_retry_time(driver: StoreDriver) -> None:
    """From that time on it is allowed."""
    begun = driver.create(ttl=900)
    driver.dial_busy()
    seen = driver.get(begun)
    step = seen.next_call()
    assert step == NextAction(allowed=False, reason=NextReason.RATE_LIMITED, at=seen.limit_until)
    assert step.at
    driver.advance_time((step.at - seen.now) / 1000)
    assert driver.get(begun).next_call().allowed
    assert driver.request_call(begun).outcome == "coming"


def test_next_call_of_delayed_call_is_allowed_at_full_capacity(driver: StoreDriver) -> None:
    """The delayed call may be brought forward."""
    begun = driver.create(call_after=100)
    assert driver.get(begun).next_call().allowed
    answer = driver.request_call(begun)
    assert answer.outcome == "coming"
    driver.claim()


# Released and kept --------------------------------------------------------------------------------


def canceled(driver: StoreDriver, begun: Verification) -> None:
    """Cancel the verification."""
    driver.cancel(begun)


def expired(driver: StoreDriver, _: Verification) -> None:
    """Let the verification expire."""
    driver.advance_time(301)


def busy(driver: StoreDriver, begun: Verification) -> None:
    """Report the call as busy."""
    driver.apply_callback(CallStatus.BUSY, call_id=begun.calls[0].id)


def failed(driver: StoreDriver, begun: Verification) -> None:
    """Report the call as failed."""
    driver.apply_callback(CallStatus.FAILED, call_id=begun.calls[0].id)


@pytest.mark.parametrize("end", [canceled, expired, busy, failed])
@pytest.mark.parametrize("status", [CallStatus.PLACED, CallStatus.UNKNOWN])
def test_sent_call_keeps_capacity(
    driver: StoreDriver, status: CallStatus, end: Callable[[StoreDriver, Verification], None]
) -> None:
    """With every end except an approval."""
    begun = driver.create()
    driver.dial(CallResult(status))
    end(driver, begun)
    assert not has_room(driver, begun)


def test_call_of_killed_dialer_keeps_capacity(driver: StoreDriver) -> None:
    """It was marked as sent."""
    begun, _ = driver.send()
    driver.advance_time(21)
    assert driver.last_call(begun).status is CallStatus.UNKNOWN
    assert not has_room(driver, begun)


def test_requeued_call_keeps_capacity(driver: StoreDriver) -> None:
    """After a 429, or a dialer's death before its mark."""
    begun = driver.create()
    driver.dial(CallResult(CallStatus.QUEUED, is_unsent=True, retry_in_ms=1000))
    assert not has_room(driver, begun)
    driver.advance_time(1)
    driver.claim()
    driver.advance_time(21)
    assert driver.last_call(begun).status is CallStatus.QUEUED
    assert not has_room(driver, begun)


def test_approval_releases_capacity_of_all_clients(redis: Redis) -> None:
    """By a correct code or by the client."""
    driver = driver_with_quotas(redis, "2/10m", gaps=NO_GAP)
    for approve in (lambda v: driver.check(v, CODE), driver.approve):
        other = driver.create(client="bank")
        driver.dial_busy()
        begun = driver.create()
        driver.dial_busy()
        assert not has_room(driver, begun)
        approve(begun)
        driver.cancel(other)
        assert has_room(driver, begun)


def test_call_sent_after_approval_counts(redis: Redis) -> None:
    """Another client had it queued."""
    driver = driver_with_quotas(redis, "2/10m", gaps=NO_GAP)
    approved = driver.create(call_after=10)
    driver.create(client="bank")
    driver.approve(approved)
    driver.dial_busy()
    assert sent_in_a_row(driver) == 1


# Superseded ---------------------------------------------------------------------------------------


def test_replaced_code_is_not_spoken_when_the_new_one_is_refused(redis: Redis) -> None:
    """The refusal ends the older verification."""
    driver = driver_with_quotas(redis, ONE, "2/1h", gaps=NO_GAP)
    driver.create(client="bank")
    driver.dial_busy()
    driver.advance_time(600)
    begun = driver.create()
    driver.dial_busy()
    answer = driver.try_create(code="99999", own_code=True)
    assert answer.outcome == "rate_limited calls_per_number 2/1h"
    assert driver.check(begun, CODE).outcome == "closed"


# Windows ------------------------------------------------------------------------------------------


def sent_in_a_row(driver: StoreDriver, at_most: int = 20) -> int:
    """Return how many calls are sent before a limit refuses."""
    for sent in range(at_most):
        if driver.try_create(client=f"client {next(_clients)}").outcome != "created":
            return sent
        driver.dial_busy()
    return at_most


def test_window_slides(redis: Redis) -> None:
    """Capacity returns when each call is that old."""
    driver = driver_with_quotas(redis, "3/10m", gaps=NO_GAP)
    for _ in range(3):
        begun = driver.create()
        driver.dial_busy()
        driver.cancel(begun)
        driver.advance_time(100)
    driver.advance_time(299)
    assert sent_in_a_row(driver) == 0
    driver.advance_time(2)
    assert sent_in_a_row(driver) == 1
    driver.advance_time(98)
    assert sent_in_a_row(driver) == 0
    driver.advance_time(2)
    assert sent_in_a_row(driver) == 1


def test_refusal_names_the_longest_window(redis: Redis) -> None:
    """In whatever order the windows are written."""
    for quotas in (("2/10m", "3/24h"), ("3/24h", "2/10m")):
        redis.flushdb()
        driver = driver_with_quotas(redis, *quotas, gaps=NO_GAP)
        assert sent_in_a_row(driver) == 2
        soon = driver.try_create()
        assert soon.outcome == "rate_limited calls_per_number 2/10m"
        driver.advance_time(600)
        assert sent_in_a_row(driver) == 1
        late = driver.try_create()
        assert late.outcome == "rate_limited calls_per_number 3/24h"
        assert 86_400 - 602 <= late.retry_after_ms / 1000 <= 86_400 - 600


def test_call_brought_forward_counts_from_its_sending(driver: StoreDriver) -> None:
    """Not from the later time that was planned."""
    begun = driver.create(call_after=200)
    driver.request_call(begun)
    driver.dial_busy()
    driver.advance_time(601)
    assert driver.try_create(client="bank").outcome == "created"


def test_delayed_call_keeps_capacity_in_short_windows(redis: Redis) -> None:
    """A later call that is due earlier does not remove it."""
    driver = driver_with_quotas(redis, "2/10s", gaps=NO_GAP)
    driver.create(call_after=200)
    driver.cancel(driver.create(client="bank"))
    driver.advance_time(100)
    used = {use.limit: use.used for use in driver.explain().limits}
    assert used["calls_per_number"] == 1


def test_empty_limit_refuses_nothing(redis: Redis) -> None:
    driver = driver_with_quotas(redis, gaps=NO_GAP)
    assert sent_in_a_row(driver) == 20


# Redials and other routes -------------------------------------------------------------------------


def test_redial_without_capacity_is_not_queued(redis: Redis) -> None:
    """`next` shows when a call may be requested."""
    driver = driver_with_quotas(redis, ONE, max_redials=1)
    begun = driver.create()
    driver.dial_busy()
    assert len(driver.get(begun).calls) == 1
    assert driver.get(begun).next_call().reason == "rate_limited"
