"""A result whose id belongs to no call yet: it waits for the provider's reply, and for that alone.

``OTPVOICE_TEST_RACES`` is how often report and reply are raced.
"""

import os
import threading

import pytest
from redis import Redis
from store.driver import RAVI, StoreDriver, driver_with_quotas

from otpvoice.core.verification import CallReason, CallStatus, Route, Status
from otpvoice.store.keys import Keys
from otpvoice.store.models import CallResult, Claim, ReportOutcome
from otpvoice.store.redis_store import RedisStore

RACES = int(os.environ.get("OTPVOICE_TEST_RACES", "40"))
ID, OTHER_ID = "70fa87e0", "26074c32"
PLACED = CallResult(CallStatus.PLACED, provider_id=ID)
RESULTS = [CallStatus.ANSWERED, CallStatus.BUSY, CallStatus.NO_ANSWER, CallStatus.FAILED]


# One candidate


@pytest.mark.parametrize("status", RESULTS)
def test_record_after_early_report_applies_it(driver: StoreDriver, status: CallStatus) -> None:
    """The composed callback names an id and no start; the reply then says whose id it is."""
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
    """Hung up before pick-up."""
    begun, claim = driver.send()
    driver.apply_callback(
        CallStatus.NO_ANSWER, provider_ids=(ID,), reason=CallReason.HUNG_UP_BEFORE_ANSWER
    )
    driver.record(claim, PLACED)
    assert driver.last_call(begun).reason is CallReason.HUNG_UP_BEFORE_ANSWER


def test_record_after_early_report_redials(redis: Redis) -> None:
    """A busy phone is called again, once, by the next route and after the gap."""
    driver = driver_with_quotas(redis, max_redials=1)
    begun, claim = driver.send()
    driver.apply_callback(CallStatus.BUSY, provider_ids=(ID,))
    driver.record(claim, PLACED)
    first, second = driver.get(begun).calls
    assert (first.status, second.status) == (CallStatus.BUSY, CallStatus.QUEUED)
    assert second.route is Route.C2C
    assert driver.apply_callback(CallStatus.BUSY, provider_ids=(ID,)).outcome is ReportOutcome.LATE
    assert len(driver.get(begun).calls) == 2


def test_record_after_early_answer_too_short_redials(redis: Redis) -> None:
    """An early answer is judged as any other: the code was not heard."""
    driver = driver_with_quotas(redis, max_redials=1)
    begun = driver.create()
    claim = driver.claim()
    driver.mark_sent(claim, heard_after_s=5)
    driver.apply_callback(CallStatus.ANSWERED, provider_ids=(ID,), duration_s=2)
    driver.record(claim, PLACED)
    first, second = driver.get(begun).calls
    assert (first.status, first.heard) == (CallStatus.ANSWERED, False)
    assert second.status is CallStatus.QUEUED


@pytest.mark.parametrize("ids", [(ID,), (OTHER_ID, ID), (ID, OTHER_ID)])
def test_early_report_any_of_its_ids_decides(driver: StoreDriver, ids: tuple[str, ...]) -> None:
    """A message may carry several ids."""
    begun, claim = driver.send()
    driver.apply_callback(CallStatus.BUSY, provider_ids=ids)
    driver.record(claim, PLACED)
    assert driver.last_call(begun).status is CallStatus.BUSY


def test_early_report_repeated_is_news(driver: StoreDriver, redis: Redis) -> None:
    """It was no call's yet, so that the repetition is not taken for seen."""
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
def test_orphan_repeated_is_news(driver: StoreDriver, started_at: int | None) -> None:
    """Without an id as well: what was not applied can still come."""
    begun, claim = driver.send()
    for _ in range(2):
        settled = driver.apply_callback(CallStatus.BUSY, started_at=started_at, message="m")
        assert settled.outcome is ReportOutcome.CLOCK
    assert (
        driver.apply_callback(CallStatus.BUSY, call_id=claim.call_id, message="m").outcome
        is ReportOutcome.APPLIED
    )
    assert driver.last_call(begun).status is CallStatus.BUSY


def test_early_reports_first_result_stands(driver: StoreDriver) -> None:
    """As for a call whose id is known; a word without a result is not kept."""
    begun, claim = driver.send()
    for status in (CallStatus.UNKNOWN, CallStatus.BUSY, CallStatus.ANSWERED, CallStatus.UNKNOWN):
        assert driver.apply_callback(status, provider_ids=(ID,)).outcome is ReportOutcome.EARLY
    driver.record(claim, PLACED)
    assert driver.last_call(begun).status is CallStatus.BUSY


def test_early_report_after_lapsed_lease_applied(driver: StoreDriver) -> None:
    """The reply was slow to be recorded: the call stands as unknown until then."""
    begun, claim = driver.send()
    driver.advance_time(21)
    assert driver.last_call(begun).status is CallStatus.UNKNOWN
    assert driver.apply_callback(CallStatus.BUSY, provider_ids=(ID,)).outcome is ReportOutcome.CLOCK
    assert driver.record(claim, PLACED).status is CallStatus.BUSY
    assert driver.last_call(begun).status is CallStatus.BUSY


def test_early_report_without_number_applied(driver: StoreDriver) -> None:
    """The id alone decides; which person it is about need not be said."""
    begun, claim = driver.send()
    assert (
        driver.apply_callback(CallStatus.BUSY, provider_ids=(ID,), bridges=()).outcome
        is ReportOutcome.NO_CALL
    )
    driver.record(claim, PLACED)
    assert driver.last_call(begun).status is CallStatus.BUSY


def test_early_report_verification_over_no_redial(redis: Redis) -> None:
    """The person typed the code meanwhile, or the client canceled: the call ends, none follows."""
    driver = driver_with_quotas(redis, max_redials=1)
    begun, claim = driver.send()
    driver.apply_callback(CallStatus.BUSY, provider_ids=(ID,))
    driver.check(begun, "012345")
    driver.record(claim, PLACED)
    assert [call.status for call in driver.get(begun).calls] == [CallStatus.BUSY]


# None, another, two


def test_early_report_no_call_changes_nothing(driver: StoreDriver, redis: Redis) -> None:
    """An orphan; what is kept of it is gone after a minute."""
    assert (
        driver.apply_callback(CallStatus.BUSY, provider_ids=(ID,)).outcome is ReportOutcome.NO_CALL
    )
    assert 59_000 < redis.pttl(Keys().of("early_report", ID)) <= 60_000


def test_early_report_other_id_in_reply_changes_nothing(driver: StoreDriver) -> None:
    """Another call's report, as of one placed by other software, ends none of ours."""
    begun, claim = driver.send()
    driver.apply_callback(CallStatus.BUSY, provider_ids=(OTHER_ID,))
    assert driver.record(claim, PLACED).status is CallStatus.PLACED
    assert driver.last_call(begun).status is CallStatus.PLACED


def test_early_report_reply_without_id_changes_nothing(driver: StoreDriver) -> None:
    """Nothing then says whose report it was: a pull has to find out."""
    begun, claim = driver.send()
    driver.apply_callback(CallStatus.BUSY, provider_ids=(ID,))
    driver.record(claim, CallResult(CallStatus.PLACED))
    assert driver.last_call(begun).status is CallStatus.PLACED


def test_early_report_late_copy_of_old_call_spares_newer(driver: StoreDriver) -> None:
    """The reply to the old call told no id: its late report must not end the newer call."""
    old = driver.create()
    driver.dial(CallResult(CallStatus.PLACED))
    driver.advance_time(400)
    newer, claim = driver.send()
    assert (
        driver.apply_callback(CallStatus.BUSY, provider_ids=(OTHER_ID,)).outcome
        is ReportOutcome.EARLY
    )
    driver.record(claim, PLACED)
    assert driver.last_call(newer).status is CallStatus.PLACED
    assert driver.last_call(old).status is CallStatus.UNKNOWN


def test_early_report_two_candidates_id_decides(driver: StoreDriver) -> None:
    """The same person is being called over two bridges, and the report names none."""
    bridges = ("918068280000", "918068280001")
    begun = [
        driver.create(client=client, bridge=bridge)
        for client, bridge in zip(("login", "bank"), bridges, strict=True)
    ]
    claims = [driver.claim(), driver.claim()]
    assert all(driver.mark_sent(claim, gaps=(0,)) for claim in claims)
    settled = driver.apply_callback(CallStatus.BUSY, provider_ids=(ID,), bridges=bridges)
    assert (settled.outcome, settled.call_id) == (ReportOutcome.EARLY, None)
    by_call = {claim.call_id: claim for claim in claims}
    second, first = (by_call[verification.calls[0].id] for verification in begun)
    driver.record(first, CallResult(CallStatus.PLACED, provider_id=OTHER_ID))
    driver.record(second, PLACED)
    assert driver.last_call(begun[1]).status is CallStatus.PLACED
    assert driver.last_call(begun[0]).status is CallStatus.BUSY


def test_early_reports_of_two_persons_not_mixed(driver: StoreDriver) -> None:
    """Each id is one call's."""
    asha, ravi = driver.create(), driver.create(RAVI)
    claims = {claim.call_id: claim for claim in (driver.claim(), driver.claim())}
    assert all(driver.mark_sent(claim) for claim in claims.values())
    driver.apply_callback(CallStatus.BUSY, provider_ids=(ID,))
    driver.apply_callback(CallStatus.FAILED, provider_ids=(OTHER_ID,), to=RAVI)
    driver.record(claims[ravi.calls[0].id], CallResult(CallStatus.PLACED, provider_id=OTHER_ID))
    driver.record(claims[asha.calls[0].id], PLACED)
    assert driver.last_call(asha).status is CallStatus.BUSY
    assert driver.last_call(ravi).status is CallStatus.FAILED


def test_early_report_claimed_call_not_sent_waits_for_nothing(driver: StoreDriver) -> None:
    """Nothing was sent, so that no reply is awaited."""
    driver.create()
    driver.claim()
    assert (
        driver.apply_callback(CallStatus.BUSY, provider_ids=(ID,)).outcome is ReportOutcome.NO_CALL
    )


@pytest.mark.parametrize("status", [*RESULTS, CallStatus.UNKNOWN])
def test_early_report_any_status_approves_nothing(driver: StoreDriver, status: CallStatus) -> None:
    """Promise 6, for what is kept as well."""
    begun, claim = driver.send()
    driver.apply_callback(status, provider_ids=(ID, begun.id), duration_s=600)
    driver.record(claim, PLACED)
    verification = driver.get(begun)
    assert (verification.status, verification.checks_left) == (Status.PENDING, 5)


# Kills and races


def test_early_report_dialer_killed_before_recording_pull_settles(driver: StoreDriver) -> None:
    """The reply is lost: the lease ends, the call is unknown, and the provider is asked."""
    begun, claim = driver.send()
    driver.apply_callback(CallStatus.BUSY, provider_ids=(ID,))
    driver.advance_time(21)
    driver.advance_time(4)
    assert [pull.call_id for pull in driver.due_status_queries()] == [claim.call_id]
    driver.apply_queried_status(CallStatus.BUSY, claim.call_id)
    assert driver.last_call(begun).status is CallStatus.BUSY


def test_early_report_record_twice_applied_once(redis: Redis) -> None:
    """A dialer records again when the store's first reply was lost."""
    driver = driver_with_quotas(redis, max_redials=2)
    begun, claim = driver.send()
    driver.apply_callback(CallStatus.BUSY, provider_ids=(ID,))
    for _ in range(2):
        assert driver.record(claim, PLACED).status is CallStatus.BUSY
        assert not redis.exists(Keys().of("early_report", ID))
    assert len(driver.get(begun).calls) == 2


def race(redis: Redis, claim: Claim, clock_offset: int) -> None:
    """Deliver the report and record the reply at the same moment, from two processes' stores."""
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


def test_early_report_races_reply_never_lost(driver: StoreDriver, redis: Redis) -> None:
    """Whichever comes first, report or reply: the call ends."""
    for _ in range(RACES):
        begun, claim = driver.send()
        race(redis, claim, driver.store.clock_offset_ms)
        assert driver.last_call(begun).status is CallStatus.BUSY
        driver.cancel(begun)
        redis.delete(Keys().of("provider_call", ID))
        driver.advance_time(400)
