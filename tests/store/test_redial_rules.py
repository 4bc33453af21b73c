"""Which ends of a call a redial follows, and people who decline calls."""

import pytest
from redis import Redis
from store.builders import driver_with_limits, driver_with_quotas
from store.driver import StoreDriver
from store.limit_cases import NO_GAP
from support.service import ASHA

from otpvoice.core.speech import Gate
from otpvoice.core.verification import CallStatus, RedialReason, Verification
from otpvoice.store.models import CallResult

BUSY, NO_ANSWER = CallStatus.BUSY, CallStatus.NO_ANSWER
HOUR = 3_600
ENDS = {
    RedialReason.BUSY: (BUSY, None),
    RedialReason.NO_ANSWER: (NO_ANSWER, None),
    RedialReason.FAILED: (CallStatus.FAILED, None),
    RedialReason.UNHEARD: (CallStatus.ANSWERED, 1),
}
OTHER = "+919812345678"


def end_call(
    driver: StoreDriver, status: CallStatus, duration: int | None = None, to: str = ASHA
) -> int | None:
    """Dial the next call and report its end; return the declines that the report counted."""
    claim = driver.dial(heard_after_s=5)
    report = driver.apply_callback(status, call_id=claim.call_id, duration_s=duration, to=to)
    return report.declines


def calls(driver: StoreDriver, begun: Verification) -> int:
    """Return how many calls a verification has."""
    return len(driver.get(begun).calls)


@pytest.fixture
def driver(redis: Redis) -> StoreDriver:
    """Return a driver with up to three redials and no gaps."""
    return driver_with_limits(redis, gaps=NO_GAP, policy={"max_redials": 3})


@pytest.mark.parametrize("chosen", [*RedialReason, None])
def test_redial_follows_the_chosen_ends_only(redis: Redis, chosen: RedialReason | None) -> None:
    """Nothing follows any end if none is chosen."""
    redial_after = frozenset({chosen} - {None})
    policy = {"max_redials": 1, "redial_after": redial_after}
    driver = driver_with_limits(redis, gaps=NO_GAP, policy=policy)
    redialed = set()
    for reason, (status, duration) in ENDS.items():
        begun = driver.create()
        end_call(driver, status, duration)
        if calls(driver, begun) > 1:
            redialed.add(reason)
        driver.cancel(begun)
        driver.advance_time(2 * HOUR)
    assert redialed == redial_after


@pytest.mark.parametrize("is_chosen", [True, False])
def test_gated_call_without_a_key_is_unheard(redis: Redis, *, is_chosen: bool) -> None:
    """The key may become known after the end of the call."""
    chosen = frozenset(RedialReason) if is_chosen else frozenset({RedialReason.BUSY})
    driver = driver_with_quotas(redis, max_redials=1, redial_after=chosen)
    begun = driver.create()
    claim = driver.dial(gate=Gate.QUERY)
    for key in (None, ""):
        driver.apply_callback(
            CallStatus.ANSWERED, call_id=claim.call_id, duration_s=9, key=key, message=f"{key}"
        )
    assert driver.get(begun).calls[0].heard is False
    assert calls(driver, begun) == (2 if is_chosen else 1)


def test_second_decline_stops_redials(driver: StoreDriver) -> None:
    """Of any end, and of every verification of the number."""
    begun = driver.create(ttl=600)
    assert [end_call(driver, BUSY) for _ in range(2)] == [1, 2]
    assert calls(driver, begun) == 2
    other = driver.create(ttl=600, reference="another")
    assert end_call(driver, NO_ANSWER) is None
    assert calls(driver, other) == 1


def test_client_may_request_a_call_after_declines(driver: StoreDriver) -> None:
    """The person asks for it."""
    begun = driver.create(ttl=600)
    for _ in range(2):
        end_call(driver, BUSY)
    assert driver.request_call(begun).outcome == "coming"
    assert end_call(driver, BUSY) == 3
    assert calls(driver, begun) == 3


def test_declines_of_another_number_do_not_count(driver: StoreDriver) -> None:
    driver.create(ttl=600)
    for _ in range(2):
        end_call(driver, BUSY)
    begun = driver.create(OTHER, ttl=600)
    assert end_call(driver, BUSY, to=OTHER) == 1
    assert calls(driver, begun) == 2
    assert (driver.explain().declines, driver.explain(OTHER).declines) == (2, 1)


def test_declines_count_for_an_hour(driver: StoreDriver) -> None:
    """Each from its own time on."""
    for wait in (HOUR / 2, HOUR * 0.6):
        begun = driver.create()
        end_call(driver, BUSY)
        driver.cancel(begun)
        driver.advance_time(wait)
    assert driver.explain().declines == 1
    assert driver.explain().allows_redials
    begun = driver.create(ttl=600)
    assert end_call(driver, BUSY) == 2
    assert calls(driver, begun) == 1
    assert not driver.explain().allows_redials


def test_operator_clears_declines(driver: StoreDriver) -> None:
    """With the limits of the number."""
    driver.create(ttl=600)
    for _ in range(2):
        end_call(driver, BUSY)
    before = driver.explain()
    driver.admin.clear(before.identity, by="asha")
    assert driver.explain().declines == 0
    assert "declined calls" in driver.explain().cleared_since(before)


def test_repeated_report_counts_one_decline(driver: StoreDriver) -> None:
    """As a late one does not count."""
    driver.create(ttl=600)
    claim = driver.dial()
    for _ in range(3):
        driver.apply_callback(BUSY, call_id=claim.call_id, duration_s=None)
    assert driver.explain().declines == 1


def test_call_is_heard_by_the_length_of_the_speech_that_it_had(driver: StoreDriver) -> None:
    """Not by that of a route which provably did not ring before it: this one's is not known."""
    begun = driver.create()
    again = CallResult(CallStatus.QUEUED, retry_in_ms=0, is_unsent=True)
    driver.dial(again, heard_after_s=60)
    claim = driver.dial()
    driver.apply_callback(call_id=claim.call_id, duration_s=30)
    assert driver.get(begun).calls[0].heard is None
    assert calls(driver, begun) == 1
