"""Call requests: queue a call, or bring a delayed one forward."""

from store.driver import RAVI, StoreDriver
from store.new_verifications import new_call

from otpvoice.core.store_port import StoreResult
from otpvoice.core.verification import CallStatus, Verification
from otpvoice.store.models import CallResult


def calls_in(answer: StoreResult) -> list[CallStatus]:
    """Return the statuses of a result's calls."""
    assert answer.verification
    return [call.status for call in answer.verification.calls]


def called_once(driver: StoreDriver) -> Verification:
    """Create a verification whose first call was busy, a gap ago."""
    begun = driver.create()
    driver.dial_busy()
    driver.advance_time(60)
    return begun


def test_further_call_is_queued_at_once(driver: StoreDriver) -> None:
    """Without an active call or gap, by the requested route."""
    begun = called_once(driver)
    answer = driver.request_call(begun, "c2c")
    assert answer.outcome == "coming"
    assert calls_in(answer) == [CallStatus.BUSY, CallStatus.QUEUED]
    assert answer.verification
    call = answer.verification.calls[-1]
    assert (call.due_at, call.route) == (answer.verification.now, "c2c")
    assert driver.claim().call_id == call.id


def test_further_call_takes_the_route_of_create(driver: StoreDriver) -> None:
    begun = driver.try_create(route="c2c").verification
    assert begun
    driver.dial_busy()
    driver.advance_time(60)
    driver.request_call(begun)
    assert driver.claim().route == "c2c"


def test_further_call_within_the_gap_is_scheduled(driver: StoreDriver) -> None:
    """At its end, as ``next_call`` showed."""
    begun = driver.create()
    driver.dial_busy()
    predicted = driver.get(begun).next_call()
    answer = driver.request_call(begun)
    assert answer.outcome == "coming"
    assert answer.verification
    assert (predicted.allowed, predicted.reason, predicted.at) == (
        True,
        "call_gap",
        answer.verification.gap_until,
    )
    assert answer.verification.calls[-1].due_at == predicted.at
    assert driver.seconds_until_due() == 60


def test_delayed_call_is_brought_forward(driver: StoreDriver) -> None:
    """No call is added."""
    begun = driver.create(call_after=100)
    assert driver.get(begun).next_call().allowed
    answer = driver.request_call(begun)
    assert answer.outcome == "coming"
    assert answer.verification
    assert answer.verification.version > begun.version
    assert answer.verification.calls[0].due_at == answer.verification.now
    assert calls_in(answer) == [CallStatus.QUEUED]
    assert driver.claim().call_id == begun.calls[0].id


def test_delayed_call_is_brought_forward_to_the_end_of_the_gap(driver: StoreDriver) -> None:
    """And not a second time."""
    begun = driver.create()
    driver.dial_busy()
    driver.try_create(call_after=200)
    answers = [driver.request_call(begun).verification for _ in range(2)]
    for answer in answers:
        assert answer
        assert answer.calls[-1].due_at == answer.gap_until
    first, second = answers
    assert first
    assert second
    assert first.version == second.version


def test_active_call_is_not_doubled(driver: StoreDriver) -> None:
    """Due, dialing, placed, or unknown and live."""
    begun = driver.create()
    assert calls_in(driver.request_call(begun)) == [CallStatus.QUEUED]
    claim = driver.claim()
    assert calls_in(driver.request_call(begun)) == [CallStatus.DIALING]
    driver.mark_sent(claim)
    driver.store.record_result(claim, CallResult(CallStatus.PLACED))
    assert calls_in(driver.request_call(begun)) == [CallStatus.PLACED]
    driver.advance_time(100)
    assert driver.request_call(begun).outcome == "coming"
    assert not driver.get(begun).next_call().allowed
    assert len(driver.get(begun).calls) == 1


def test_unknown_call_after_live_until_allows_another(driver: StoreDriver) -> None:
    begun = driver.create()
    driver.dial()
    driver.advance_time(166)
    assert calls_in(driver.request_call(begun)) == [CallStatus.UNKNOWN, CallStatus.QUEUED]


def test_call_request_beyond_the_margin_is_too_late(driver: StoreDriver) -> None:
    """As ``next_call`` showed."""
    begun = called_once(driver)
    driver.advance_time(181)
    assert driver.get(begun).next_call().reason == "too_late"
    refused = driver.request_call(begun)
    assert refused.outcome == "too_late"
    assert calls_in(refused) == [CallStatus.BUSY]


def test_call_request_with_late_gap_is_too_late(driver: StoreDriver) -> None:
    begun = called_once(driver)
    for _ in range(2):
        driver.request_call(begun)
        driver.dial_busy()
        driver.advance_time(60)
    assert driver.request_call(begun).outcome == "too_late"
    assert driver.get(begun).next_call().reason == "too_late"


def test_call_request_of_other_client_is_not_found(driver: StoreDriver) -> None:
    begun = called_once(driver)
    for verification_id, client in ((begun.id, "bank"), ("vrf_unknown", "login")):
        answer = driver.store.request_call(verification_id, client, new_call())
        assert (answer.outcome, answer.verification) == ("not_found", None)
    assert driver.seconds_until_due() == -1


def test_call_request_after_the_end_is_closed(driver: StoreDriver) -> None:
    begun = called_once(driver)
    driver.cancel(begun)
    assert driver.request_call(begun).outcome == "closed"
    assert driver.seconds_until_due() == -1


def test_call_request_without_dialer_is_refused(driver: StoreDriver) -> None:
    begun = called_once(driver)
    driver.advance_time(31, dialer=None)
    assert driver.request_call(begun).outcome == "calls_unavailable"
    driver.sweep()
    assert driver.request_call(begun).outcome == "coming"


def test_call_request_over_capacity_is_refused(driver: StoreDriver) -> None:
    begun = called_once(driver)
    driver.create(RAVI)
    driver.advance_time(61)
    assert driver.request_call(begun).outcome == "over_capacity"


def test_next_call_predicts_the_outcome(driver: StoreDriver) -> None:
    """At any moment of a verification's life."""
    begun = driver.create(call_after=20)
    said = set()
    for second in range(0, 300, 7):
        seen = driver.get(begun)
        predicted = seen.next_call()
        if second % 3:
            answer = driver.request_call(begun)
            assert answer.verification
            assert (answer.verification.calls != seen.calls) is predicted.allowed
            assert (
                predicted.allowed == (answer.outcome == "coming")
                or predicted.reason == "call_in_progress"
            )
            said.add((answer.outcome, predicted.reason))
        claim = driver.store.claim(200)
        if not isinstance(claim, int) and driver.mark_sent(claim):
            driver.store.record_result(claim, CallResult(CallStatus.PLACED))
        elif second % 5 == 0:
            driver.apply_callback(CallStatus.BUSY, call_id=seen.calls[-1].id)
        driver.advance_time(7)
    assert said == {
        ("coming", None),
        ("coming", "call_gap"),
        ("coming", "call_in_progress"),
        ("too_late", "too_late"),
    }
