"""Call reports that are repeated, late, malformed or in another order than sent."""

import pytest
from redis import Redis
from store.driver import StoreDriver

from otpvoice.core.verification import CallStatus, Status
from otpvoice.store import Keys
from otpvoice.store.models import ReportOutcome

RESULTS = [CallStatus.ANSWERED, CallStatus.BUSY, CallStatus.NO_ANSWER, CallStatus.FAILED]


def test_repeated_message_is_applied_once(driver: StoreDriver) -> None:
    """The repetitions are ``seen``."""
    begun, claim, _ = driver.place()
    outcomes = [
        driver.apply_callback(CallStatus.BUSY, call_id=claim.call_id, message="m").outcome
        for _ in range(10)
    ]
    assert outcomes == [ReportOutcome.APPLIED] + [ReportOutcome.SEEN] * 9
    assert driver.last_call(begun).status is CallStatus.BUSY


def test_message_is_remembered_for_a_day(driver: StoreDriver, redis: Redis) -> None:
    """The provider repeats for 90 minutes."""
    _, claim, _ = driver.place()
    driver.apply_callback(CallStatus.BUSY, call_id=claim.call_id, message="m")
    assert 86_390_000 < redis.pttl(Keys().of("callback_seen", "m")) <= 86_400_000


@pytest.mark.parametrize("first", RESULTS)
@pytest.mark.parametrize("second", [*RESULTS, CallStatus.UNKNOWN])
def test_first_final_status_wins(
    driver: StoreDriver, first: CallStatus, second: CallStatus
) -> None:
    """A later report changes no detail."""
    begun, claim, _ = driver.place()
    driver.apply_callback(first, call_id=claim.call_id, duration_s=10)
    before = driver.get(begun)
    settled = driver.apply_callback(second, call_id=claim.call_id, duration_s=99)
    assert (settled.outcome, settled.call_status) == (ReportOutcome.LATE, first)
    after = driver.get(begun)
    assert (after.calls, after.version) == (before.calls, before.version)


@pytest.mark.parametrize("known", [True, False])
def test_late_report_spares_newer_live_call(driver: StoreDriver, known: bool) -> None:
    """It is applied to the old call or to none."""
    _, old, old_sent_at = driver.place()
    driver.advance_time(5_400)
    newer, claim, _ = driver.place(reference="again")
    settled = driver.apply_callback(
        CallStatus.NO_ANSWER, call_id=old.call_id if known else None, started_at=old_sent_at
    )
    if known:
        assert (settled.outcome, settled.call_id) == (ReportOutcome.APPLIED, old.call_id)
    else:
        assert settled.outcome is ReportOutcome.CLOCK
    call = driver.last_call(newer)
    assert (call.id, call.status) == (claim.call_id, CallStatus.PLACED)
    driver.create(client="bank")
    assert driver.seconds_until_due() > 0


def test_report_never_approves(driver: StoreDriver) -> None:
    """Promise 6: the verification stays pending."""
    begun, claim, _ = driver.place()
    for status in (*RESULTS, CallStatus.UNKNOWN):
        driver.apply_callback(
            status, call_id=claim.call_id, provider_ids=(begun.id,), duration_s=600
        )
    assert driver.get(begun).status is Status.PENDING
    assert driver.get(begun).checks_left == 5


def test_report_with_malformed_id_is_unmatched(driver: StoreDriver) -> None:
    """Names of other records, other keys, or empty ids."""
    begun = driver.create()
    for call_id in (begun.id, "", "*", "x" * 10_000, "call_\x00", "ü"):
        assert (
            driver.apply_callback(call_id=call_id, provider_ids=(call_id,), bridges=()).outcome
            == "no_call"
        )


def test_report_after_eviction_of_verification_creates_no_key(
    driver: StoreDriver, redis: Redis
) -> None:
    """The call's status changes."""
    begun, claim, _ = driver.place()
    redis.delete(Keys().of("verification", begun.id))
    assert (
        driver.apply_callback(CallStatus.BUSY, call_id=claim.call_id).call_status is CallStatus.BUSY
    )
    assert not redis.exists(Keys().of("verification", begun.id))
