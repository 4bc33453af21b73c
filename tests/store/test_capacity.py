"""Places in ``calls_per_number``: taken in the queue, kept by what was sent, given back else."""

import itertools
from collections.abc import Callable

import pytest
from redis import Redis
from store.driver import CODE, RAVI, StoreDriver, driver_with_quotas

from otpvoice.core.store_port import StoreResult
from otpvoice.core.verification import (
    CallReason,
    CallStatus,
    NextAction,
    NextReason,
    Route,
    Verification,
)
from otpvoice.store.models import CallResult

ONE = "1/10m"
LIMIT = "rate_limited calls_per_number"
DOWN = CallResult(CallStatus.FAILED, CallReason.ROUTE_DOWN, is_unsent=True)
NO_GAP = (0,)
_clients = itertools.count()


@pytest.fixture
def driver(redis: Redis) -> StoreDriver:
    """One call in ten minutes, without a gap."""
    return driver_with_quotas(redis, ONE, gaps=NO_GAP)


def refused_for(answer: StoreResult) -> int:
    """The whole seconds until ``calls_per_number`` would take it."""
    assert answer.outcome == LIMIT
    return -(-answer.retry_after_ms // 1000)


def has_room(driver: StoreDriver, _begun: Verification) -> bool:
    """Whether the number may be called again."""
    return not any(use.blocked_until for use in driver.explain().limits)


# Taken -------------------------------------------------------------------------------------------


def test_a_queued_call_takes_a_place(driver: StoreDriver) -> None:
    """Before it is dialed, for all clients, and the refusal shows nothing of another's."""
    driver.create()
    refused = driver.try_create(client="bank")
    assert 598 <= refused_for(refused) <= 600
    assert refused.verification is None


def test_each_number_has_its_own(driver: StoreDriver) -> None:
    """One that is used up says nothing of another."""
    driver.create()
    driver.create(RAVI)


def test_a_call_that_is_under_way_needs_no_second_place(driver: StoreDriver) -> None:
    """The same create, and a wish for a call that comes anyway, are taken."""
    begun = driver.create()
    assert driver.try_create().outcome == "existing"
    assert driver.request_call(begun).outcome == "coming"
    driver.dial()
    assert driver.try_create().outcome == "existing"
    assert driver.request_call(begun).outcome == "coming"


def test_a_further_call_needs_a_place(driver: StoreDriver) -> None:
    """Asked for by create or by calls: refused with the verification, which lives on."""
    begun = driver.create()
    driver.dial_busy()
    for refused in (driver.try_create(), driver.request_call(begun)):
        assert 598 <= refused_for(refused) <= 600
        assert refused.verification
        assert refused.verification.id == begun.id
    assert driver.check(begun, CODE).outcome == "right"


def test_next_says_when_there_is_room(driver: StoreDriver) -> None:
    """Not allowed, why, and at which moment; from that moment on it is allowed."""
    begun = driver.create(ttl=900)
    driver.dial_busy()
    seen = driver.get(begun)
    step = seen.next_call()
    assert step == NextAction(allowed=False, reason=NextReason.RATE_LIMITED, at=seen.limit_until)
    assert step.at
    driver.advance_time((step.at - seen.now) / 1000)
    assert driver.get(begun).next_call().allowed
    assert driver.request_call(begun).outcome == "coming"


def test_next_of_a_delayed_call_that_has_its_place(driver: StoreDriver) -> None:
    """It may be brought forward though the number's places are used up: by this very call."""
    begun = driver.create(call_after=100)
    assert driver.get(begun).next_call().allowed
    answer = driver.request_call(begun)
    assert answer.outcome == "coming"
    driver.claim()


def test_a_refused_request_uses_up_nothing(driver: StoreDriver) -> None:
    """However often it comes: the place is free when the one call that took it has had its time."""
    begun = driver.create()
    driver.dial_busy()
    for _ in range(5):
        driver.advance_time(60)
        driver.try_create(client="bank")
        driver.request_call(begun)
    driver.advance_time(300)
    assert driver.try_create(client="bank").outcome == "created"


# Given back --------------------------------------------------------------------------------------


def ended_by_its_life(driver: StoreDriver, _: Verification) -> None:
    """Nobody entered its code, nobody dialed it."""
    driver.advance_time(301)


def never_dialed(driver: StoreDriver, _: Verification) -> None:
    """No dialer came before it was too late."""
    driver.advance_time(270)
    driver.seconds_until_due()


def claimed_and_canceled(driver: StoreDriver, begun: Verification) -> None:
    """Canceled between claim and mark."""
    claim = driver.claim()
    driver.cancel(begun)
    assert not driver.mark_sent(claim)


def refused(driver: StoreDriver, _: Verification) -> None:
    """The provider refused it on the only route that is tried."""
    driver.dial(DOWN)


def failed_before_its_mark(driver: StoreDriver, _: Verification) -> None:
    """It could not be sent at all: its seal does not open."""
    driver.record(driver.claim(), CallResult(CallStatus.FAILED, CallReason.PROVIDER_ERROR))


def retried_after_the_end(driver: StoreDriver, begun: Verification) -> None:
    """To be tried again, when there is nothing to say any more."""
    claim = driver.claim()
    driver.mark_sent(claim)
    driver.cancel(begun)
    driver.record(claim, CallResult(CallStatus.QUEUED, is_unsent=True, retry_in_ms=1000))


@pytest.mark.parametrize(
    "end",
    [
        StoreDriver.cancel,
        StoreDriver.approve,
        ended_by_its_life,
        never_dialed,
        claimed_and_canceled,
        refused,
        failed_before_its_mark,
        retried_after_the_end,
    ],
)
def test_what_was_never_sent_gives_its_place_back(
    driver: StoreDriver, end: Callable[[StoreDriver, Verification], object]
) -> None:
    """However it ended."""
    begun = driver.create()
    assert not has_room(driver, begun)
    end(driver, begun)
    assert has_room(driver, begun)


def canceled(driver: StoreDriver, begun: Verification) -> None:
    """The client ends it."""
    driver.cancel(begun)


def expired(driver: StoreDriver, _: Verification) -> None:
    """Its life is over."""
    driver.advance_time(301)


def busy(driver: StoreDriver, begun: Verification) -> None:
    """Nobody could take it."""
    driver.apply_callback(CallStatus.BUSY, call_id=begun.calls[0].id)


def failed(driver: StoreDriver, begun: Verification) -> None:
    """The provider could not connect it."""
    driver.apply_callback(CallStatus.FAILED, call_id=begun.calls[0].id)


@pytest.mark.parametrize("end", [canceled, expired, busy, failed])
@pytest.mark.parametrize("status", [CallStatus.PLACED, CallStatus.UNKNOWN])
def test_what_may_have_rung_keeps_its_place(
    driver: StoreDriver, status: CallStatus, end: Callable[[StoreDriver, Verification], None]
) -> None:
    """Whatever becomes of it or of its verification, but for an approval."""
    begun = driver.create()
    driver.dial(CallResult(status))
    end(driver, begun)
    assert not has_room(driver, begun)


def test_a_call_in_doubt_keeps_its_place(driver: StoreDriver) -> None:
    """Its dialer died after the mark."""
    begun, _ = driver.send()
    driver.advance_time(21)
    assert driver.last_call(begun).status is CallStatus.UNKNOWN
    assert not has_room(driver, begun)


def test_a_call_that_is_tried_again_keeps_its_place(driver: StoreDriver) -> None:
    """Back in the queue, after an answer of 429 or a dialer's death before its mark."""
    begun = driver.create()
    driver.dial(CallResult(CallStatus.QUEUED, is_unsent=True, retry_in_ms=1000))
    assert not has_room(driver, begun)
    driver.advance_time(1)
    driver.claim()
    driver.advance_time(21)
    assert driver.last_call(begun).status is CallStatus.QUEUED
    assert not has_room(driver, begun)


def test_an_approval_gives_all_back(redis: Redis) -> None:
    """By the right code, or elsewhere; also what other clients used."""
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


def test_a_call_sent_after_the_approval_counts(redis: Redis) -> None:
    """One that another client had waiting then: it rings, and nobody has approved since."""
    driver = driver_with_quotas(redis, "2/10m", gaps=NO_GAP)
    approved = driver.create(call_after=10)
    driver.create(client="bank")
    driver.approve(approved)
    driver.dial_busy()
    assert sent_in_a_row(driver) == 1


# Superseded --------------------------------------------------------------------------------------


def test_superseded_call_makes_room_for_a_newer_code(driver: StoreDriver) -> None:
    """It takes the place of the one whose call was not dialed. Another session gets none."""
    driver.create(reference="one")
    newer = driver.try_create(reference="one", code="99999", own_code=True)
    assert newer.outcome == "created"
    assert refused_for(driver.try_create(reference="two"))
    assert refused_for(driver.try_create(client="bank"))


def test_a_superseded_call_that_was_sent_makes_none(driver: StoreDriver) -> None:
    """It rang; the newer code is refused, and the older verification lives on."""
    begun = driver.create(reference="one")
    driver.dial()
    assert refused_for(driver.try_create(reference="two"))
    assert driver.check(begun, CODE).outcome == "right"


def test_a_stale_code_is_not_spoken_even_when_the_new_one_is_refused(redis: Redis) -> None:
    """The refusal by a limit ends the verification whose code the SMS replaced."""
    driver = driver_with_quotas(redis, ONE, "2/1h", gaps=NO_GAP)
    driver.create(client="bank")
    driver.dial_busy()
    driver.advance_time(600)
    begun = driver.create()
    driver.dial_busy()
    answer = driver.try_create(code="99999", own_code=True)
    assert answer.outcome == "rate_limited calls_per_number 2/1h"
    assert driver.check(begun, CODE).outcome == "closed"


# Windows -----------------------------------------------------------------------------------------


def sent_in_a_row(driver: StoreDriver, at_most: int = 20) -> int:
    """How many calls go out before a limit refuses."""
    for sent in range(at_most):
        if driver.try_create(client=f"client {next(_clients)}").outcome != "created":
            return sent
        driver.dial_busy()
    return at_most


def test_windows_slide(redis: Redis) -> None:
    """No double burst at a boundary: each place comes free when its own call is that old."""
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


def test_the_longest_wait_wins_and_is_named(redis: Redis) -> None:
    """Of several windows that are used up, in whatever order they are written."""
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


def test_a_place_counts_from_when_the_call_was_sent(driver: StoreDriver) -> None:
    """Not from when it was due: held for a minute, it holds its place a minute longer."""
    begun = driver.create()
    driver.advance_time(100)
    driver.dial_busy()
    driver.advance_time(599)
    assert driver.try_create(client="bank").outcome == LIMIT
    driver.advance_time(2)
    assert driver.try_create(client="bank").outcome == "created"
    assert has_room(driver, begun) is False


def test_a_call_brought_forward_counts_from_when_it_was_sent(driver: StoreDriver) -> None:
    """Not from the later moment that it was meant for."""
    begun = driver.create(call_after=200)
    driver.request_call(begun)
    driver.dial_busy()
    driver.advance_time(601)
    assert driver.try_create(client="bank").outcome == "created"


def test_a_delayed_call_keeps_its_place_through_short_windows(redis: Redis) -> None:
    """A later call that is due earlier does not make the store forget it."""
    driver = driver_with_quotas(redis, "2/10s", gaps=NO_GAP)
    driver.create(call_after=200)
    driver.cancel(driver.create(client="bank"))
    driver.advance_time(100)
    used = {use.limit: use.used for use in driver.explain().limits}
    assert used["calls_per_number"] == 1


def test_without_quotas_nothing_is_refused(redis: Redis) -> None:
    """An empty setting is no limit."""
    driver = driver_with_quotas(redis, gaps=NO_GAP)
    assert sent_in_a_row(driver) == 20


# Redials and other routes ------------------------------------------------------------------------


def test_a_redial_needs_a_place(redis: Redis) -> None:
    """Where none is free, there is none, and `next` says when one could be asked for."""
    driver = driver_with_quotas(redis, ONE, max_redials=1)
    begun = driver.create()
    driver.dial_busy()
    assert len(driver.get(begun).calls) == 1
    assert driver.get(begun).next_call().reason == "rate_limited"


def test_a_redial_takes_a_place(redis: Redis) -> None:
    """Like any call."""
    driver = driver_with_quotas(redis, "2/10m", max_redials=1)
    begun = driver.create()
    driver.dial_busy()
    assert driver.last_call(begun).status is CallStatus.QUEUED
    assert not has_room(driver, begun)


def test_the_next_route_takes_over_the_place(driver: StoreDriver) -> None:
    """The refused call gives back what the one after it takes: never more than one."""
    begun = driver.create()
    driver.dial(
        CallResult(CallStatus.FAILED, CallReason.REFUSED, is_unsent=True, next_route=Route.C2C)
    )
    assert [call.route for call in driver.get(begun).calls] == [Route.OBD, Route.C2C]
    assert refused_for(driver.try_create(client="bank"))
    driver.dial(DOWN)
    assert has_room(driver, begun)
