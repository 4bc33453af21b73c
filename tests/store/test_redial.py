"""A call that did not reach the person is followed by another, with the same code."""

from collections.abc import Callable

import pytest
from redis import Redis
from store.driver import CODE, RING, StoreDriver, driver_with_quotas

from otpvoice.core.keys import decrypt_speech
from otpvoice.core.verification import Call, CallReason, CallStatus, Route, Verification
from otpvoice.store.models import CallResult

MISSED = [CallStatus.BUSY, CallStatus.NO_ANSWER, CallStatus.FAILED]
HEARD_AFTER = 5


@pytest.fixture
def driver(redis: Redis) -> StoreDriver:
    """One redial, with the usual gaps."""
    return driver_with_quotas(redis, max_redials=1)


def called(driver: StoreDriver, **members: float) -> Verification:
    """A verification whose call was placed."""
    begun = driver.create(**members)  # type: ignore[arg-type]
    driver.dial(heard_after_s=HEARD_AFTER)
    return begun


def told(
    driver: StoreDriver, begun: Verification, status: CallStatus, duration: int | None = None
) -> tuple[Call, ...]:
    """The verification's calls once the provider told how the newest ended."""
    newest = driver.get(begun).calls[-1]
    driver.apply_callback(status, call_id=newest.id, duration_s=duration)
    return driver.get(begun).calls


@pytest.mark.parametrize("status", MISSED)
def test_a_missed_call_is_followed_by_another(driver: StoreDriver, status: CallStatus) -> None:
    """At the end of the gap, by the next route, over the same bridge and in the same language."""
    begun = called(driver)
    first, second = told(driver, begun, status)
    assert (second.status, second.route) == (CallStatus.QUEUED, Route.C2C)
    assert first.sent_at
    assert second.due_at == first.sent_at + 60_000
    assert (second.bridge, second.caller_id, second.locale) == (
        first.bridge,
        first.caller_id,
        first.locale,
    )


def test_it_is_not_dialed_inside_the_gap(driver: StoreDriver) -> None:
    """A moment before its end nothing is due; at its end it is."""
    begun = called(driver)
    told(driver, begun, CallStatus.BUSY)
    driver.advance_time(59)
    assert driver.seconds_until_due() == 1
    driver.advance_time(1)
    claim = driver.claim()
    assert claim.route is Route.C2C
    assert driver.mark_sent(claim)


def test_the_gap_is_tested_again_before_it_is_sent(driver: StoreDriver) -> None:
    """Claimed before a call over another bridge left its gap: back in the queue, to its end."""
    mine = driver.create()
    driver.create(client="bank", bridge="918068280001")
    first, second = driver.claim(), driver.claim()
    assert driver.mark_sent(second if first.verification_id == mine.id else first)
    own = first if first.verification_id == mine.id else second
    assert not driver.mark_sent(own)
    call = driver.last_call(mine)
    assert (call.status, call.sent_at) == (CallStatus.QUEUED, None)
    assert call.due_at == driver.get(mine).gap_until
    assert driver.seconds_until_due() == 60
    driver.advance_time(60)
    assert driver.mark_sent(driver.claim())


def test_the_same_code_is_spoken(driver: StoreDriver) -> None:
    """The second call is handed the very seal of the first, with the code that is accepted."""
    begun = driver.create()
    first = driver.dial()
    told(driver, begun, CallStatus.NO_ANSWER)
    driver.advance_time(60)
    second = driver.dial()
    assert second.call_id != first.call_id
    assert second.encrypted_speech == first.encrypted_speech
    assert decrypt_speech(RING, begun.id, second.encrypted_speech)[0] == CODE
    assert driver.check(begun, CODE).outcome == "right"


def test_at_once_where_the_gap_is_over(driver: StoreDriver) -> None:
    """News that took longer than the gap are followed by a call that is due now."""
    begun = called(driver)
    driver.advance_time(100)
    told(driver, begun, CallStatus.BUSY)
    assert driver.claim().verification_id == begun.id


@pytest.mark.parametrize(
    ("duration", "heard"), [(HEARD_AFTER - 1, False), (HEARD_AFTER, True), (None, None)]
)
def test_an_answered_call_is_followed_only_if_the_code_was_not_heard(
    driver: StoreDriver, duration: int | None, heard: bool | None
) -> None:
    """Hung up before the code was spoken: false, and again. True or not known: no more."""
    begun = called(driver)
    first, *further = told(driver, begun, CallStatus.ANSWERED, duration)
    assert (first.status, first.heard, first.duration) == (CallStatus.ANSWERED, heard, duration)
    assert len(further) == (1 if heard is False else 0)


def test_without_the_flows_text_nobody_knows_what_was_heard(driver: StoreDriver) -> None:
    """However short: null, and no redial."""
    begun = driver.create()
    driver.dial()
    (call,) = told(driver, begun, CallStatus.ANSWERED, 0)
    assert call.heard is None


@pytest.mark.parametrize("status", MISSED)
def test_only_an_answer_is_heard(driver: StoreDriver, status: CallStatus) -> None:
    """A busy phone hears nothing, and nothing is said of it."""
    begun = called(driver)
    assert told(driver, begun, status, 30)[0].heard is None


def test_news_that_tell_nothing_redial_nothing(driver: StoreDriver) -> None:
    """Unknown may still ring; but the result that comes later counts."""
    begun = called(driver)
    assert len(told(driver, begun, CallStatus.UNKNOWN)) == 1
    assert len(told(driver, begun, CallStatus.BUSY)) == 2


@pytest.mark.parametrize(
    "result",
    [
        CallResult(CallStatus.UNKNOWN, CallReason.PROVIDER_ERROR),
        CallResult(CallStatus.FAILED, CallReason.REFUSED, is_unsent=True),
    ],
)
def test_no_answer_of_ours_redials(driver: StoreDriver, result: CallResult) -> None:
    """A silence may ring; a refusal has routes of its own to try. Only news redial."""
    begun = driver.create()
    driver.dial(result)
    driver.advance_time(61)
    assert len(driver.get(begun).calls) == 1


def test_a_dead_dialers_call_is_not_redialed(driver: StoreDriver) -> None:
    """Nor is one without news when its time is over."""
    begun, _ = driver.send()
    driver.advance_time(21)
    driver.advance_time(200)
    (call,) = driver.get(begun).calls
    assert call.status is CallStatus.UNKNOWN


def test_at_most_so_many(redis: Redis) -> None:
    """`max_redials` more; then nothing comes by itself."""
    driver = driver_with_quotas(redis, max_redials=2, gaps=(0,))
    begun = driver.create()
    for _ in range(3):
        driver.dial_busy()
    assert driver.seconds_until_due() == -1
    assert len(driver.get(begun).calls) == 3


def test_calls_asked_for_are_not_counted(driver: StoreDriver) -> None:
    """One that the user wanted in between leaves the redial; and the redial leaves the wish."""
    begun = called(driver, ttl=600)
    told(driver, begun, CallStatus.BUSY)
    driver.advance_time(60)
    driver.dial_busy()
    assert driver.request_call(begun).outcome == "coming"
    driver.advance_time(60)
    driver.dial_busy()
    assert len(driver.get(begun).calls) == 3


def test_none_without_the_setting(redis: Redis) -> None:
    """`max_redials = 0`."""
    driver = driver_with_quotas(redis, max_redials=0)
    begun = called(driver)
    assert len(told(driver, begun, CallStatus.BUSY)) == 1


def test_routes_go_round(redis: Redis) -> None:
    """After the last of the settings' routes the first follows."""
    driver = driver_with_quotas(redis, max_redials=3, gaps=(0,))
    begun = driver.create(ttl=600)
    for _ in range(4):
        driver.dial_busy()
    assert [call.route for call in driver.get(begun).calls] == [
        Route.OBD,
        Route.C2C,
        Route.OBD,
        Route.C2C,
    ]


def test_a_single_route_is_its_own_next(redis: Redis) -> None:
    """With one route in the settings it is dialed again by that; one that is gone goes first."""
    driver = driver_with_quotas(redis, max_redials=2, gaps=(0,), routes=(Route.C2C,))
    begun = driver.create(ttl=600)
    driver.dial_busy()
    driver.dial_busy()
    assert [call.route for call in driver.get(begun).calls][1:] == [Route.C2C, Route.C2C]


def approved(driver: StoreDriver, begun: Verification) -> None:
    """By the right code."""
    driver.check(begun, CODE)


def used_up(driver: StoreDriver, begun: Verification) -> None:
    """By wrong codes."""
    for wrong in range(5):
        driver.check(begun, f"99999{wrong}")


def over(driver: StoreDriver, _: Verification) -> None:
    """By time."""
    driver.advance_time(301, dialer=None)


@pytest.mark.parametrize("end", [approved, StoreDriver.approve, StoreDriver.cancel, used_up, over])
def test_none_after_the_end(
    driver: StoreDriver, end: Callable[[StoreDriver, Verification], object]
) -> None:
    """The person is not called for what is over; the news are still taken."""
    begun = called(driver)
    end(driver, begun)
    (call,) = told(driver, begun, CallStatus.BUSY)
    assert call.status is CallStatus.BUSY


def test_a_waiting_redial_ends_with_its_verification(driver: StoreDriver) -> None:
    """Approved meanwhile: it is canceled and never dialed."""
    begun = called(driver)
    told(driver, begun, CallStatus.BUSY)
    driver.check(begun, CODE)
    assert driver.last_call(begun).status is CallStatus.CANCELED
    assert driver.seconds_until_due() == -1


def test_not_when_it_would_come_too_late(driver: StoreDriver) -> None:
    """At the last moment that leaves the margin: yes. A moment after: no."""
    for seconds, calls in ((239, 2), (241, 1)):
        begun = called(driver)
        driver.advance_time(seconds, dialer=None)
        assert len(told(driver, begun, CallStatus.BUSY)) == calls
        driver.cancel(begun)
        driver.advance_time(100_000)


def test_not_when_the_gap_ends_too_late(driver: StoreDriver) -> None:
    """The gap counts: due at its end, not now."""
    begun = called(driver, ttl=100)
    assert len(told(driver, begun, CallStatus.BUSY)) == 1


def test_not_beside_another_call(driver: StoreDriver) -> None:
    """One is queued already, because the older call's time was over when it was asked for."""
    begun = called(driver)
    driver.advance_time(166)
    assert driver.last_call(begun).status is CallStatus.UNKNOWN
    driver.request_call(begun)
    first = driver.get(begun).calls[0]
    driver.apply_callback(CallStatus.BUSY, call_id=first.id)
    seen = driver.get(begun)
    assert [call.status for call in seen.calls] == [CallStatus.BUSY, CallStatus.QUEUED]


def test_the_same_news_redial_once(driver: StoreDriver) -> None:
    """A callback that comes ten times, and the pull that says the same."""
    begun = called(driver)
    (call,) = driver.get(begun).calls
    for _ in range(10):
        driver.apply_callback(CallStatus.BUSY, call_id=call.id)
        driver.apply_callback(CallStatus.BUSY, call_id=call.id, message="the same")
        driver.apply_queried_status(CallStatus.BUSY, call.id)
    assert len(driver.get(begun).calls) == 2


def test_a_refused_redial_goes_on_by_the_other_route(driver: StoreDriver) -> None:
    """A redial has both routes before it, and the other route is no redial."""
    begun = called(driver)
    told(driver, begun, CallStatus.BUSY)
    driver.advance_time(60)
    claim = driver.claim()
    assert claim.tried_routes == ()
    driver.mark_sent(claim)
    driver.record(
        claim,
        CallResult(CallStatus.FAILED, CallReason.REFUSED, is_unsent=True, next_route=Route.OBD),
    )
    assert driver.claim().route is Route.OBD
