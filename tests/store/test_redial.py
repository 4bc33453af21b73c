"""Redials: a call that did not reach the user is followed by another with the same code."""

from collections.abc import Callable

import pytest
from redis import Redis
from store.builders import driver_with_quotas
from store.driver import RING, StoreDriver
from store.new_verifications import CODE

from otpvoice.core.keys import decrypt_speech
from otpvoice.core.lines import CallerLines
from otpvoice.core.verification import Call, CallReason, CallStatus, Verification
from otpvoice.store.models import CallResult

MISSED = [CallStatus.BUSY, CallStatus.NO_ANSWER, CallStatus.FAILED]
HEARD_AFTER = 5


@pytest.fixture
def driver(redis: Redis) -> StoreDriver:
    """Return a driver with one redial and the usual gaps."""
    return driver_with_quotas(redis, max_redials=1)


def called(driver: StoreDriver, **members: float) -> Verification:
    """Create a verification whose call was placed."""
    begun = driver.create(**members)  # type: ignore[arg-type]
    driver.dial(heard_after_s=HEARD_AFTER)
    return begun


def report_end(
    driver: StoreDriver, begun: Verification, status: CallStatus, duration: int | None = None
) -> tuple[Call, ...]:
    """Report the end of the newest call and return the verification's calls."""
    newest = driver.get(begun).calls[-1]
    driver.apply_callback(status, call_id=newest.id, duration_s=duration)
    return driver.get(begun).calls


@pytest.mark.parametrize("status", MISSED)
def test_missed_call_is_redialed_after_the_gap(driver: StoreDriver, status: CallStatus) -> None:
    """By the next route, with the same caller line and language."""
    begun = called(driver)
    first, second = report_end(driver, begun, status)
    assert (second.status, second.route) == (CallStatus.QUEUED, "c2c")
    assert first.sent_at
    assert second.due_at == first.sent_at + 60_000
    assert (second.bridge, second.caller_id, second.locale) == (
        first.bridge,
        first.caller_id,
        first.locale,
    )


def test_redial_of_a_call_by_another_line_has_the_client_line_again(redis: Redis) -> None:
    """The line of another provider is used for the one call that this provider places."""
    line = ("918068289999", "+911140000000")
    lines = {"obd": CallerLines((line[0],), line[1])}
    driver = driver_with_quotas(redis, max_redials=1, route_lines=lines)
    begun = called(driver)
    own = begun.calls[0].bridge
    first, second = report_end(driver, begun, CallStatus.BUSY)
    assert (first.bridge, first.caller_id) == line
    assert (second.bridge, second.caller_id) == (own, f"+{own}")


def test_redial_waits_for_the_end_of_the_gap(driver: StoreDriver) -> None:
    begun = called(driver)
    report_end(driver, begun, CallStatus.BUSY)
    driver.advance_time(59)
    assert driver.seconds_until_due() == 1
    driver.advance_time(1)
    claim = driver.claim()
    assert claim.route == "c2c"
    assert driver.mark_sent(claim)


def test_redial_is_requeued_when_another_call_left_a_gap(driver: StoreDriver) -> None:
    """Over another caller line, after the claim, by a dialer of the release before."""
    mine = driver.create()
    driver.create(client="bank", bridge="918068280001")
    first = driver.claim()
    driver.drop_number_lock()
    second = driver.claim()
    own, other = (first, second) if first.verification_id == mine.id else (second, first)
    assert driver.mark_sent(other)
    assert not driver.mark_sent(own)
    call = driver.last_call(mine)
    assert (call.status, call.sent_at) == (CallStatus.QUEUED, None)
    assert call.due_at == driver.get(mine).gap_until
    assert driver.seconds_until_due() == 60
    driver.apply_callback(CallStatus.BUSY, call_id=other.call_id)
    driver.advance_time(60)
    assert driver.mark_sent(driver.claim())


def test_redial_speaks_the_same_code(driver: StoreDriver) -> None:
    """From the same ciphertext."""
    begun = driver.create()
    first = driver.dial()
    report_end(driver, begun, CallStatus.NO_ANSWER)
    driver.advance_time(60)
    second = driver.dial()
    assert second.call_id != first.call_id
    assert second.encrypted_speech == first.encrypted_speech
    assert decrypt_speech(RING, begun.id, second.encrypted_speech)[0] == CODE
    assert driver.check(begun, CODE).outcome == "right"


def test_redial_after_the_gap_is_due_now(driver: StoreDriver) -> None:
    begun = called(driver)
    driver.advance_time(100)
    report_end(driver, begun, CallStatus.BUSY)
    assert driver.claim().verification_id == begun.id


@pytest.mark.parametrize(
    ("duration", "heard"), [(HEARD_AFTER - 1, False), (HEARD_AFTER, True), (None, None)]
)
def test_answered_call_is_redialed_only_if_not_heard(
    driver: StoreDriver, duration: int | None, heard: bool | None
) -> None:
    """Not if heard is true or unknown."""
    begun = called(driver)
    first, *further = report_end(driver, begun, CallStatus.ANSWERED, duration)
    assert (first.status, first.heard, first.duration) == (CallStatus.ANSWERED, heard, duration)
    assert len(further) == (1 if heard is False else 0)


def test_answered_call_without_flow_text_is_not_redialed(driver: StoreDriver) -> None:
    """`heard` is null."""
    begun = driver.create()
    driver.dial()
    (call,) = report_end(driver, begun, CallStatus.ANSWERED, 0)
    assert call.heard is None


@pytest.mark.parametrize("status", MISSED)
def test_heard_is_null_for_other_results(driver: StoreDriver, status: CallStatus) -> None:
    begun = called(driver)
    assert report_end(driver, begun, status, 30)[0].heard is None


def test_unknown_status_is_not_redialed(driver: StoreDriver) -> None:
    """The later result is."""
    begun = called(driver)
    assert len(report_end(driver, begun, CallStatus.UNKNOWN)) == 1
    assert len(report_end(driver, begun, CallStatus.BUSY)) == 2


@pytest.mark.parametrize(
    "result",
    [
        CallResult(CallStatus.UNKNOWN, CallReason.PROVIDER_ERROR),
        CallResult(CallStatus.FAILED, CallReason.REFUSED, is_unsent=True),
    ],
)
def test_recorded_result_is_not_redialed(driver: StoreDriver, result: CallResult) -> None:
    """Only a report redials."""
    begun = driver.create()
    driver.dial(result)
    driver.advance_time(61)
    assert len(driver.get(begun).calls) == 1


def test_call_of_killed_dialer_is_not_redialed(driver: StoreDriver) -> None:
    """Nor one without a report at the end of its live time."""
    begun, _ = driver.send()
    driver.advance_time(21)
    driver.advance_time(200)
    (call,) = driver.get(begun).calls
    assert call.status is CallStatus.UNKNOWN


def test_redials_are_bounded_by_max_redials(redis: Redis) -> None:
    driver = driver_with_quotas(redis, max_redials=2, gaps=(0,))
    begun = driver.create()
    for _ in range(3):
        driver.dial_unanswered()
    assert driver.seconds_until_due() == -1
    assert len(driver.get(begun).calls) == 3


def test_requested_calls_do_not_count_as_redials(driver: StoreDriver) -> None:
    begun = called(driver, ttl=600)
    report_end(driver, begun, CallStatus.BUSY)
    driver.advance_time(60)
    driver.dial_busy()
    assert driver.request_call(begun).outcome == "coming"
    driver.advance_time(60)
    driver.dial_busy()
    assert len(driver.get(begun).calls) == 3


def test_zero_max_redials_prevents_redials(redis: Redis) -> None:
    driver = driver_with_quotas(redis, max_redials=0)
    begun = called(driver)
    assert len(report_end(driver, begun, CallStatus.BUSY)) == 1


def test_redial_takes_the_next_route_in_turn(redis: Redis) -> None:
    driver = driver_with_quotas(redis, max_redials=3, gaps=(0,))
    begun = driver.create(ttl=600)
    for _ in range(4):
        driver.dial_unanswered()
    assert [call.route for call in driver.get(begun).calls] == [
        "obd",
        "c2c",
        "obd",
        "c2c",
    ]


def test_redial_with_one_route_takes_it_again(redis: Redis) -> None:
    """A removed route is followed by the first one."""
    driver = driver_with_quotas(redis, max_redials=2, gaps=(0,), routes=("c2c",))
    begun = driver.create(ttl=600)
    driver.dial_unanswered()
    driver.dial_unanswered()
    assert [call.route for call in driver.get(begun).calls][1:] == ["c2c", "c2c"]


def approved(driver: StoreDriver, begun: Verification) -> None:
    """Approve it by the correct code."""
    driver.check(begun, CODE)


def used_up(driver: StoreDriver, begun: Verification) -> None:
    """End it by wrong codes."""
    for wrong in range(5):
        driver.check(begun, f"99999{wrong}")


def over(driver: StoreDriver, _: Verification) -> None:
    """Let it expire."""
    driver.advance_time(301, dialer=None)


@pytest.mark.parametrize("end", [approved, StoreDriver.approve, StoreDriver.cancel, used_up, over])
def test_report_after_the_end_does_not_redial(
    driver: StoreDriver, end: Callable[[StoreDriver, Verification], object]
) -> None:
    """The report is applied."""
    begun = called(driver)
    end(driver, begun)
    (call,) = report_end(driver, begun, CallStatus.BUSY)
    assert call.status is CallStatus.BUSY


def test_queued_redial_is_canceled_with_its_verification(driver: StoreDriver) -> None:
    begun = called(driver)
    report_end(driver, begun, CallStatus.BUSY)
    driver.check(begun, CODE)
    assert driver.last_call(begun).status is CallStatus.CANCELED
    assert driver.seconds_until_due() == -1


def test_redial_leaves_the_queue_margin(driver: StoreDriver) -> None:
    """At the last moment it is queued, after it not."""
    for seconds, calls in ((239, 2), (241, 1)):
        begun = called(driver)
        driver.advance_time(seconds, dialer=None)
        assert len(report_end(driver, begun, CallStatus.BUSY)) == calls
        driver.cancel(begun)
        driver.advance_time(100_000)


def test_redial_with_gap_beyond_the_margin_is_not_queued(driver: StoreDriver) -> None:
    begun = called(driver, ttl=100)
    assert len(report_end(driver, begun, CallStatus.BUSY)) == 1


def test_redial_is_not_queued_next_to_another_call(driver: StoreDriver) -> None:
    """A further call was requested after the older call's live time."""
    begun = called(driver)
    driver.advance_time(166)
    assert driver.last_call(begun).status is CallStatus.UNKNOWN
    driver.request_call(begun)
    first = driver.get(begun).calls[0]
    driver.apply_callback(CallStatus.BUSY, call_id=first.id)
    seen = driver.get(begun)
    assert [call.status for call in seen.calls] == [CallStatus.BUSY, CallStatus.QUEUED]


def test_repeated_report_redials_once(driver: StoreDriver) -> None:
    """Ten callbacks and a status query."""
    begun = called(driver)
    (call,) = driver.get(begun).calls
    for _ in range(10):
        driver.apply_callback(CallStatus.BUSY, call_id=call.id)
        driver.apply_callback(CallStatus.BUSY, call_id=call.id, message="the same")
        driver.apply_queried_status(CallStatus.BUSY, call.id)
    assert len(driver.get(begun).calls) == 2


def test_refused_redial_takes_the_other_route(driver: StoreDriver) -> None:
    """The other route is no redial."""
    begun = called(driver)
    report_end(driver, begun, CallStatus.BUSY)
    driver.advance_time(60)
    claim = driver.claim()
    assert claim.tried_routes == ()
    driver.mark_sent(claim)
    driver.record(
        claim,
        CallResult(CallStatus.FAILED, CallReason.REFUSED, is_unsent=True, next_route="obd"),
    )
    assert driver.claim().route == "obd"
