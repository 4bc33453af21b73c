"""Settle: the provider's news, for the one call they are about, and only forward."""

import pytest
from redis import Redis
from store.driver import RAVI, StoreDriver

from otpvoice.core.verification import CallReason, CallStatus, Route, Status, Verification
from otpvoice.store.keys import Keys
from otpvoice.store.models import CallResult, Claim, ReportOutcome

OTHER_BRIDGE = "918068280001"
RESULTS = [CallStatus.ANSWERED, CallStatus.BUSY, CallStatus.NO_ANSWER, CallStatus.FAILED]


def placed(driver: StoreDriver, provider_id: str | None = None) -> tuple[Verification, Claim, int]:
    """A verification whose call was placed, its claim, and when it was sent."""
    begun = driver.create()
    claim = driver.dial(CallResult(CallStatus.PLACED, provider_id=provider_id))
    sent_at = driver.last_call(begun).sent_at
    assert sent_at
    return begun, claim, sent_at


# By an id ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", RESULTS)
def test_news_of_a_call_we_know(driver: StoreDriver, status: CallStatus) -> None:
    """Found by our own id; the result ends it, with what was told."""
    begun, claim, _ = placed(driver)
    settled = driver.apply_callback(status, call_id=claim.call_id, duration_s=12)
    assert settled.outcome is ReportOutcome.APPLIED
    assert (settled.call_id, settled.call_status) == (claim.call_id, status)
    assert settled.verification_id == begun.id
    call = driver.last_call(begun)
    assert (call.status, call.raw, call.duration) == (status, status.upper(), 12)
    assert call.ended_at
    assert not call.is_live(driver.get(begun).now)
    assert driver.get(begun).status is Status.PENDING


def test_news_by_the_providers_id(driver: StoreDriver) -> None:
    """Any of the ids that a message carries may be the one we know."""
    _, claim, _ = placed(driver, "70fa87e0")
    settled = driver.apply_callback(CallStatus.BUSY, provider_ids=("something-else", "70fa87e0"))
    assert (settled.outcome, settled.call_id) == (ReportOutcome.APPLIED, claim.call_id)


def test_an_id_needs_no_line(driver: StoreDriver) -> None:
    """It decides, whatever number, bridge, route or start the message names."""
    _, claim, _ = placed(driver, "70fa87e0")
    settled = driver.apply_callback(
        CallStatus.BUSY,
        provider_ids=("70fa87e0",),
        to=RAVI,
        bridges=("9",),
        route=Route.C2C,
        started_at=1,
    )
    assert (settled.outcome, settled.call_id) == (ReportOutcome.APPLIED, claim.call_id)


def test_a_reason_is_told(driver: StoreDriver) -> None:
    """Hung up before pick-up."""
    begun, claim, _ = placed(driver)
    driver.apply_callback(
        CallStatus.NO_ANSWER, call_id=claim.call_id, reason=CallReason.HUNG_UP_BEFORE_ANSWER
    )
    assert driver.last_call(begun).reason is CallReason.HUNG_UP_BEFORE_ANSWER


def test_a_word_that_tells_nothing_leaves_it_open(driver: StoreDriver) -> None:
    """Unknown is not ended: it holds the line, and later news still count."""
    begun, claim, _ = placed(driver)
    assert (
        driver.apply_callback(CallStatus.UNKNOWN, call_id=claim.call_id).outcome
        is ReportOutcome.APPLIED
    )
    call = driver.last_call(begun)
    assert (call.status, call.ended_at) == (CallStatus.UNKNOWN, None)
    assert call.is_live(driver.get(begun).now)
    assert (
        driver.apply_callback(CallStatus.ANSWERED, call_id=claim.call_id).outcome
        is ReportOutcome.APPLIED
    )


def test_news_of_an_unknown_call_settle_it(driver: StoreDriver) -> None:
    """Its result, and no longer the reason why nobody knew it."""
    begun = driver.create()
    claim = driver.dial(CallResult(CallStatus.UNKNOWN, CallReason.PROVIDER_ERROR))
    assert (
        driver.apply_callback(CallStatus.ANSWERED, call_id=claim.call_id).outcome
        is ReportOutcome.APPLIED
    )
    call = driver.last_call(begun)
    assert (call.status, call.reason) == (CallStatus.ANSWERED, None)


def test_news_of_a_call_that_is_not_live_any_more(driver: StoreDriver) -> None:
    """By its id it is found long after, even when its verification has ended."""
    begun, claim, _ = placed(driver)
    driver.advance_time(400)
    assert driver.last_call(begun).status is CallStatus.UNKNOWN
    assert (
        driver.apply_callback(CallStatus.BUSY, call_id=claim.call_id).outcome
        is ReportOutcome.APPLIED
    )
    assert driver.last_call(begun).status is CallStatus.BUSY


def test_nothing_is_settled_before_it_was_sent(driver: StoreDriver) -> None:
    """Queued or only claimed: such news can not be true."""
    begun = driver.create()
    for _ in range(2):
        settled = driver.apply_callback(CallStatus.ANSWERED, call_id=begun.calls[0].id)
        assert settled.outcome is ReportOutcome.LATE
        assert settled.call_status is not CallStatus.ANSWERED
        driver.store.claim(200)
    assert driver.last_call(begun).status is CallStatus.DIALING


def test_news_may_overtake_the_reply(driver: StoreDriver) -> None:
    """By our id or by the line, while the call is still being dialed."""
    begun = driver.create()
    claim = driver.claim()
    driver.mark_sent(claim)
    now = driver.get(begun).now
    settled = driver.apply_callback(
        CallStatus.BUSY, provider_ids=("not-yet-known",), started_at=now
    )
    assert (settled.outcome, settled.call_id) == (ReportOutcome.APPLIED, claim.call_id)


# By the line -------------------------------------------------------------------------------------


def test_without_an_id_the_live_call_of_the_line_is_meant(driver: StoreDriver) -> None:
    """Exactly one of that route, bridge and person, that started when the message says."""
    _, claim, sent_at = placed(driver)
    settled = driver.apply_callback(
        CallStatus.BUSY, bridges=("1", claim.bridge), route=Route.OBD, started_at=sent_at + 5_000
    )
    assert (settled.outcome, settled.call_id) == (ReportOutcome.APPLIED, claim.call_id)


def test_an_id_that_comes_with_it_is_learnt(driver: StoreDriver) -> None:
    """The next message under that id needs no line."""
    _, claim, sent_at = placed(driver)
    driver.apply_callback(CallStatus.UNKNOWN, provider_ids=("70fa87e0",), started_at=sent_at)
    settled = driver.apply_callback(CallStatus.BUSY, provider_ids=("70fa87e0",), bridges=())
    assert (settled.outcome, settled.call_id) == (ReportOutcome.APPLIED, claim.call_id)


@pytest.mark.parametrize("seconds", [-119, 0, 119])
def test_a_start_near_enough(driver: StoreDriver, seconds: int) -> None:
    """Between 120 s before it was sent and 120 s from now: clocks differ."""
    _, _, sent_at = placed(driver)
    settled = driver.apply_callback(CallStatus.BUSY, started_at=sent_at + seconds * 1000)
    assert settled.outcome is ReportOutcome.APPLIED


@pytest.mark.parametrize("seconds", [-5400, -121, 122, 19_800, None])
def test_a_start_too_far_off(driver: StoreDriver, seconds: int | None) -> None:
    """News of an earlier call, or a wrong time zone, or no start at all: an orphan."""
    begun, claim, sent_at = placed(driver)
    started_at = None if seconds is None else sent_at + seconds * 1000
    settled = driver.apply_callback(CallStatus.BUSY, started_at=started_at)
    assert (settled.outcome, settled.call_id) == (ReportOutcome.CLOCK, claim.call_id)
    assert driver.last_call(begun).status is CallStatus.PLACED


def test_a_late_start_counts_from_now(driver: StoreDriver) -> None:
    """A call may start when it was queued at the provider for a while."""
    _, _, sent_at = placed(driver)
    driver.advance_time(100)
    assert (
        driver.apply_callback(CallStatus.BUSY, started_at=sent_at + 200_000).outcome
        is ReportOutcome.APPLIED
    )


def test_another_route_person_or_bridge_is_no_news_of_it(driver: StoreDriver) -> None:
    """An orphan that changes nothing."""
    begun, _, sent_at = placed(driver)
    for settled in (
        driver.apply_callback(CallStatus.BUSY, route=Route.C2C, started_at=sent_at),
        driver.apply_callback(CallStatus.BUSY, to=RAVI, started_at=sent_at),
        driver.apply_callback(CallStatus.BUSY, bridges=(OTHER_BRIDGE,), started_at=sent_at),
        driver.apply_callback(CallStatus.BUSY, bridges=(), started_at=sent_at),
    ):
        assert (settled.outcome, settled.call_id) == (ReportOutcome.NO_CALL, None)
    assert driver.last_call(begun).status is CallStatus.PLACED


def test_a_call_with_an_id_is_not_meant_by_another_id(driver: StoreDriver) -> None:
    """The message would carry the id that we know."""
    begun, _, sent_at = placed(driver, "70fa87e0")
    settled = driver.apply_callback(
        CallStatus.BUSY, provider_ids=("something-else",), started_at=sent_at
    )
    assert settled.outcome is ReportOutcome.NO_CALL
    assert driver.last_call(begun).status is CallStatus.PLACED


def test_a_message_without_any_id_may_mean_a_call_with_one(driver: StoreDriver) -> None:
    """C2C as documented: the reply has a ``callId``, the callback has none (docs/provider.md)."""
    begun, claim, sent_at = placed(driver, "26074c32")
    settled = driver.apply_callback(CallStatus.ANSWERED, provider_ids=(), started_at=sent_at)
    assert (settled.outcome, settled.call_id) == (ReportOutcome.APPLIED, claim.call_id)
    assert driver.last_call(begun).status is CallStatus.ANSWERED


def test_two_calls_that_may_be_meant(driver: StoreDriver) -> None:
    """The same person on two bridges, and a message that names neither: an orphan."""
    first = driver.create()
    driver.mark_sent(driver.claim(), gaps=(0,))
    second = driver.create(client="bank", bridge=OTHER_BRIDGE)
    driver.mark_sent(driver.claim(), gaps=(0,))
    bridges = (first.calls[0].bridge, OTHER_BRIDGE)
    settled = driver.apply_callback(CallStatus.BUSY, bridges=bridges, started_at=second.now)
    assert (settled.outcome, settled.call_id) == (ReportOutcome.SEVERAL, None)
    for begun in (first, second):
        assert driver.last_call(begun).status is CallStatus.DIALING


def test_an_ended_call_is_not_found_by_its_line(driver: StoreDriver) -> None:
    """Nor one that can not be live any more."""
    _, claim, sent_at = placed(driver)
    driver.apply_callback(CallStatus.BUSY, call_id=claim.call_id)
    assert (
        driver.apply_callback(CallStatus.ANSWERED, started_at=sent_at).outcome
        is ReportOutcome.NO_CALL
    )
    driver.advance_time(60)
    _, _, sent_at = placed_again(driver)
    driver.advance_time(165)
    assert (
        driver.apply_callback(CallStatus.ANSWERED, started_at=sent_at).outcome
        is ReportOutcome.NO_CALL
    )


def placed_again(driver: StoreDriver) -> tuple[Verification, Claim, int]:
    """The same after a new code was asked for."""
    begun = driver.create(reference="again")
    claim = driver.dial()
    sent_at = driver.last_call(begun).sent_at
    assert sent_at
    return begun, claim, sent_at


def test_a_call_that_was_only_claimed_is_not_meant(driver: StoreDriver) -> None:
    """Nothing was sent, so nothing can be told of it."""
    begun = driver.create()
    driver.claim()
    assert (
        driver.apply_callback(CallStatus.BUSY, started_at=begun.now).outcome
        is ReportOutcome.NO_CALL
    )


# Again, late, and in disorder --------------------------------------------------------------------


def test_the_same_message_ten_times(driver: StoreDriver) -> None:
    """Once is news, then it is seen; for a day."""
    begun, claim, _ = placed(driver)
    news = [
        driver.apply_callback(CallStatus.BUSY, call_id=claim.call_id, message="m").outcome
        for _ in range(10)
    ]
    assert news == [ReportOutcome.APPLIED] + [ReportOutcome.SEEN] * 9
    assert driver.last_call(begun).status is CallStatus.BUSY


def test_seen_messages_are_forgotten_after_a_day(driver: StoreDriver, redis: Redis) -> None:
    """The vendor repeats for 90 minutes."""
    _, claim, _ = placed(driver)
    driver.apply_callback(CallStatus.BUSY, call_id=claim.call_id, message="m")
    assert 86_390_000 < redis.pttl(Keys().of("callback_seen", "m")) <= 86_400_000


@pytest.mark.parametrize("first", RESULTS)
@pytest.mark.parametrize("second", [*RESULTS, CallStatus.UNKNOWN])
def test_the_first_final_state_wins(
    driver: StoreDriver, first: CallStatus, second: CallStatus
) -> None:
    """BUSY after ANSWER changes nothing, nor the other way round; not even a detail."""
    begun, claim, _ = placed(driver)
    driver.apply_callback(first, call_id=claim.call_id, duration_s=10)
    before = driver.get(begun)
    settled = driver.apply_callback(second, call_id=claim.call_id, duration_s=99)
    assert (settled.outcome, settled.call_status) == (ReportOutcome.LATE, first)
    after = driver.get(begun)
    assert (after.calls, after.version) == (before.calls, before.version)


@pytest.mark.parametrize("known", [True, False])
def test_ninety_minutes_late_with_a_newer_live_call(driver: StoreDriver, known: bool) -> None:
    """The news are the old call's or nobody's: the newer one is not touched."""
    _, old, old_sent_at = placed(driver)
    driver.advance_time(5_400)
    newer, claim, _ = placed_again(driver)
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


def test_no_news_approve(driver: StoreDriver) -> None:
    """Promise 6: whatever a callback says, the verification is as pending as before."""
    begun, claim, _ = placed(driver)
    for status in (*RESULTS, CallStatus.UNKNOWN):
        driver.apply_callback(
            status, call_id=claim.call_id, provider_ids=(begun.id,), duration_s=600
        )
    assert driver.get(begun).status is Status.PENDING
    assert driver.get(begun).checks_left == 5


def test_strange_ids_find_nothing(driver: StoreDriver) -> None:
    """Other records' names, other kinds of keys, nothing at all."""
    begun = driver.create()
    for call_id in (begun.id, "", "*", "x" * 10_000, "call_\x00", "ü"):
        assert (
            driver.apply_callback(call_id=call_id, provider_ids=(call_id,), bridges=()).outcome
            is ReportOutcome.NO_CALL
        )


def test_news_without_the_verification_leave_no_trace(driver: StoreDriver, redis: Redis) -> None:
    """Where the store was told to evict: the call moves, and no key without an end is made."""
    begun, claim, _ = placed(driver)
    redis.delete(Keys().of("verification", begun.id))
    assert (
        driver.apply_callback(CallStatus.BUSY, call_id=claim.call_id).call_status is CallStatus.BUSY
    )
    assert not redis.exists(Keys().of("verification", begun.id))
