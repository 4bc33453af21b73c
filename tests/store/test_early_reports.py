"""Early reports: kept for the provider's reply that names their id, and for nothing else."""

import os
import threading

import pytest
from redis import Redis
from store.builders import driver_with_quotas
from store.driver import RAVI, StoreDriver

from otpvoice.core.verification import CallReason, CallStatus, Status
from otpvoice.store import Keys
from otpvoice.store.models import CallResult, Claim, ReportOutcome
from otpvoice.store.redis_store import RedisStore

RACES = int(os.environ.get("OTPVOICE_TEST_RACES", "40"))
ID, OTHER_ID = "70fa87e0", "26074c32"
PLACED = CallResult(CallStatus.PLACED, provider_id=ID)
RESULTS = [CallStatus.ANSWERED, CallStatus.BUSY, CallStatus.NO_ANSWER, CallStatus.FAILED]


# One candidate


@pytest.mark.parametrize("status", RESULTS)
def test_record_after_early_report_applies_it(driver: StoreDriver, status: CallStatus) -> None:
    """The callback has an id and no start; the reply then names the id."""
    begun, claim = driver.send()
    early = driver.apply_callback(status, provider_ids=(ID,), duration_s=9)
    assert (early.outcome, early.call_id) == (ReportOutcome.EARLY, claim.call_id)
    assert driver.last_call(begun).status is CallStatus.DIALING
    assert driver.record(claim, PLACED).status is status
    call = driver.last_call(begun)
    assert (call.status, call.raw, call.duration) == (status, status.upper(), 9)
    assert call.placed_at
    assert call.ended_at
    assert driver.get(begun).status is Status.PENDING


def test_record_after_early_report_keeps_reason(driver: StoreDriver) -> None:
    """Hung up before the answer."""
    begun, claim = driver.send()
    driver.apply_callback(
        CallStatus.NO_ANSWER, provider_ids=(ID,), reason=CallReason.HUNG_UP_BEFORE_ANSWER
    )
    driver.record(claim, PLACED)
    assert driver.last_call(begun).reason is CallReason.HUNG_UP_BEFORE_ANSWER


def test_record_after_early_report_redials(redis: Redis) -> None:
    """Once, by the next route and after the gap."""
    driver = driver_with_quotas(redis, max_redials=1)
    begun, claim = driver.send()
    driver.apply_callback(CallStatus.BUSY, provider_ids=(ID,))
    driver.record(claim, PLACED)
    first, second = driver.get(begun).calls
    assert (first.status, second.status) == (CallStatus.BUSY, CallStatus.QUEUED)
    assert second.route == "c2c"
    assert driver.apply_callback(CallStatus.BUSY, provider_ids=(ID,)).outcome is ReportOutcome.LATE
    assert len(driver.get(begun).calls) == 2


def test_record_after_early_answer_too_short_redials(redis: Redis) -> None:
    """The code was not heard."""
    driver = driver_with_quotas(redis, max_redials=1)
    begun = driver.create()
    claim = driver.claim()
    driver.mark_sent(claim, heard_after_s=5)
    driver.apply_callback(CallStatus.ANSWERED, provider_ids=(ID,), duration_s=2)
    driver.record(claim, PLACED)
    first, second = driver.get(begun).calls
    assert (first.status, first.heard) == (CallStatus.ANSWERED, False)
    assert second.status is CallStatus.QUEUED


def test_early_report_of_another_provider_is_left_for_its_own_call(driver: StoreDriver) -> None:
    """Two providers may count their calls alike, and none of them ends a call of the other."""
    begun, claim = driver.send()
    report = driver.apply_callback(CallStatus.BUSY, provider_ids=(ID,), foreign_routes=("obd",))
    assert report.outcome is ReportOutcome.NO_CALL
    assert driver.record(claim, PLACED).status is CallStatus.PLACED
    assert driver.last_call(begun).status is CallStatus.PLACED

    own = driver.create(RAVI, route="c2c")
    assert driver.dial(PLACED).route == "c2c"
    assert driver.last_call(own).status is CallStatus.BUSY


@pytest.mark.parametrize("ids", [(ID,), (OTHER_ID, ID), (ID, OTHER_ID)])
def test_early_report_matches_by_any_of_its_ids(driver: StoreDriver, ids: tuple[str, ...]) -> None:
    """A message may carry several."""
    begun, claim = driver.send()
    driver.apply_callback(CallStatus.BUSY, provider_ids=ids)
    driver.record(claim, PLACED)
    assert driver.last_call(begun).status is CallStatus.BUSY


def test_repeated_early_report_is_not_seen(driver: StoreDriver, redis: Redis) -> None:
    """It was not applied."""
    begun, claim = driver.send()
    news = [
        driver.apply_callback(CallStatus.BUSY, provider_ids=(ID,), message="m").outcome
        for _ in range(3)
    ]
    assert news == [ReportOutcome.EARLY] * 3
    redis.delete(Keys().of("early_report", ID))  # as after a minute
    driver.record(claim, PLACED)
    assert driver.last_call(begun).status is CallStatus.PLACED
    news = [
        driver.apply_callback(CallStatus.BUSY, provider_ids=(ID,), message="m").outcome
        for _ in range(2)
    ]
    assert news == [ReportOutcome.APPLIED, ReportOutcome.SEEN]


@pytest.mark.parametrize("started_at", [None, 1])
def test_repeated_unmatched_report_can_be_applied(
    driver: StoreDriver, started_at: int | None
) -> None:
    """Also without an id."""
    begun, claim = driver.send()
    for _ in range(2):
        settled = driver.apply_callback(CallStatus.BUSY, started_at=started_at, message="m")
        assert settled.outcome is ReportOutcome.CLOCK
    named = driver.apply_callback(CallStatus.BUSY, call_id=claim.call_id, message="m")
    assert named.outcome is ReportOutcome.APPLIED
    assert driver.last_call(begun).status is CallStatus.BUSY


def test_first_early_report_is_kept(driver: StoreDriver) -> None:
    """A report without a result is not kept."""
    begun, claim = driver.send()
    for status in (CallStatus.UNKNOWN, CallStatus.BUSY, CallStatus.ANSWERED, CallStatus.UNKNOWN):
        assert driver.apply_callback(status, provider_ids=(ID,)).outcome is ReportOutcome.EARLY
    driver.record(claim, PLACED)
    assert driver.last_call(begun).status is CallStatus.BUSY


def test_early_report_is_applied_after_lapsed_lease(driver: StoreDriver) -> None:
    """The call is unknown until its reply is recorded."""
    begun, claim = driver.send()
    driver.advance_time(21)
    assert driver.last_call(begun).status is CallStatus.UNKNOWN
    assert driver.apply_callback(CallStatus.BUSY, provider_ids=(ID,)).outcome is ReportOutcome.CLOCK
    assert driver.record(claim, PLACED).status is CallStatus.BUSY
    assert driver.last_call(begun).status is CallStatus.BUSY


def test_early_report_without_number_is_applied(driver: StoreDriver) -> None:
    """The id alone decides."""
    begun, claim = driver.send()
    report = driver.apply_callback(CallStatus.BUSY, provider_ids=(ID,), bridges=())
    assert report.outcome is ReportOutcome.NO_CALL
    driver.record(claim, PLACED)
    assert driver.last_call(begun).status is CallStatus.BUSY


def test_early_report_after_end_of_verification_does_not_redial(redis: Redis) -> None:
    """The call ends."""
    driver = driver_with_quotas(redis, max_redials=1)
    begun, claim = driver.send()
    driver.apply_callback(CallStatus.BUSY, provider_ids=(ID,))
    driver.check(begun, "012345")
    driver.record(claim, PLACED)
    assert [call.status for call in driver.get(begun).calls] == [CallStatus.BUSY]


# No candidate, another one, two


def test_early_report_without_call_expires_after_a_minute(
    driver: StoreDriver, redis: Redis
) -> None:
    """It is unmatched."""
    report = driver.apply_callback(CallStatus.BUSY, provider_ids=(ID,))
    assert report.outcome is ReportOutcome.NO_CALL
    assert 59_000 < redis.pttl(Keys().of("early_report", ID)) <= 60_000


def test_early_report_with_other_id_changes_nothing(driver: StoreDriver) -> None:
    """Other software may use the same caller line."""
    begun, claim = driver.send()
    driver.apply_callback(CallStatus.BUSY, provider_ids=(OTHER_ID,))
    assert driver.record(claim, PLACED).status is CallStatus.PLACED
    assert driver.last_call(begun).status is CallStatus.PLACED


def test_reply_without_id_leaves_early_report(driver: StoreDriver) -> None:
    """A status query has to find the result."""
    begun, claim = driver.send()
    driver.apply_callback(CallStatus.BUSY, provider_ids=(ID,))
    driver.record(claim, CallResult(CallStatus.PLACED))
    assert driver.last_call(begun).status is CallStatus.PLACED


def test_late_early_report_of_old_call_spares_newer_call(driver: StoreDriver) -> None:
    """The reply to the old call named no id."""
    old = driver.create()
    driver.dial(CallResult(CallStatus.PLACED))
    driver.advance_time(400)
    newer, claim = driver.send()
    report = driver.apply_callback(CallStatus.BUSY, provider_ids=(OTHER_ID,))
    assert report.outcome is ReportOutcome.EARLY
    driver.record(claim, PLACED)
    assert driver.last_call(newer).status is CallStatus.PLACED
    assert driver.last_call(old).status is CallStatus.UNKNOWN


def test_early_report_with_two_candidates_is_matched_by_id(driver: StoreDriver) -> None:
    """Two lines call the number, as with the release before, and the report names neither."""
    bridges = ("918068280000", "918068280001")
    begun = [
        driver.create(client=client, bridge=bridge)
        for client, bridge in zip(("login", "bank"), bridges, strict=True)
    ]
    claims = [driver.claim()]
    driver.drop_number_lock()
    claims.append(driver.claim())
    assert all(driver.mark_sent(claim, gaps=(0,)) for claim in claims)
    settled = driver.apply_callback(CallStatus.BUSY, provider_ids=(ID,), bridges=bridges)
    assert (settled.outcome, settled.call_id) == (ReportOutcome.EARLY, None)
    by_call = {claim.call_id: claim for claim in claims}
    second, first = (by_call[verification.calls[0].id] for verification in begun)
    driver.record(first, CallResult(CallStatus.PLACED, provider_id=OTHER_ID))
    driver.record(second, PLACED)
    assert driver.last_call(begun[1]).status is CallStatus.PLACED
    assert driver.last_call(begun[0]).status is CallStatus.BUSY


def test_early_reports_of_two_numbers_are_not_mixed(driver: StoreDriver) -> None:
    asha, ravi = driver.create(), driver.create(RAVI)
    claims = {claim.call_id: claim for claim in (driver.claim(), driver.claim())}
    assert all(driver.mark_sent(claim) for claim in claims.values())
    driver.apply_callback(CallStatus.BUSY, provider_ids=(ID,))
    driver.apply_callback(CallStatus.FAILED, provider_ids=(OTHER_ID,), to=RAVI)
    driver.record(claims[ravi.calls[0].id], CallResult(CallStatus.PLACED, provider_id=OTHER_ID))
    driver.record(claims[asha.calls[0].id], PLACED)
    assert driver.last_call(asha).status is CallStatus.BUSY
    assert driver.last_call(ravi).status is CallStatus.FAILED


def test_report_for_claimed_unsent_call_is_not_early(driver: StoreDriver) -> None:
    """No reply is awaited."""
    driver.create()
    driver.claim()
    report = driver.apply_callback(CallStatus.BUSY, provider_ids=(ID,))
    assert report.outcome is ReportOutcome.NO_CALL


@pytest.mark.parametrize("status", [*RESULTS, CallStatus.UNKNOWN])
def test_early_report_never_approves(driver: StoreDriver, status: CallStatus) -> None:
    """Promise 6."""
    begun, claim = driver.send()
    driver.apply_callback(status, provider_ids=(ID, begun.id), duration_s=600)
    driver.record(claim, PLACED)
    verification = driver.get(begun)
    assert (verification.status, verification.checks_left) == (Status.PENDING, 5)


# Kills and races


def test_early_report_of_killed_dialer_is_settled_by_status_query(driver: StoreDriver) -> None:
    """The lease lapses, and the call becomes unknown."""
    begun, claim = driver.send()
    driver.apply_callback(CallStatus.BUSY, provider_ids=(ID,))
    driver.advance_time(21)
    driver.advance_time(4)
    assert [pull.call_id for pull in driver.due_status_queries()] == [claim.call_id]
    driver.apply_queried_status(CallStatus.BUSY, claim.call_id)
    assert driver.last_call(begun).status is CallStatus.BUSY


def test_early_report_is_applied_once_when_record_is_repeated(redis: Redis) -> None:
    """The store's first reply was lost."""
    driver = driver_with_quotas(redis, max_redials=2)
    begun, claim = driver.send()
    driver.apply_callback(CallStatus.BUSY, provider_ids=(ID,))
    for _ in range(2):
        assert driver.record(claim, PLACED).status is CallStatus.BUSY
        assert not redis.exists(Keys().of("early_report", ID))
    assert len(driver.get(begun).calls) == 2


def race(redis: Redis, claim: Claim, clock_offset: int) -> None:
    """Deliver the report and record the reply at the same moment, from two stores."""
    stores = [RedisStore(redis, clock_offset_ms=clock_offset) for _ in range(2)]
    start = threading.Barrier(2)

    def report() -> None:
        reporting = StoreDriver(stores[0])
        start.wait()
        reporting.apply_callback(CallStatus.BUSY, provider_ids=(ID,))

    def record() -> None:
        start.wait()
        stores[1].record_result(claim, PLACED)

    threads = [threading.Thread(target=step) for step in (report, record)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_early_report_is_not_lost_in_a_race_with_the_reply(
    driver: StoreDriver, redis: Redis
) -> None:
    """The call ends, whichever comes first."""
    for _ in range(RACES):
        begun, claim = driver.send()
        race(redis, claim, driver.store.clock_offset_ms)
        assert driver.last_call(begun).status is CallStatus.BUSY
        driver.cancel(begun)
        redis.delete(Keys().of("provider_call", ID))
        driver.advance_time(400)
