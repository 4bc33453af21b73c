"""Call: makes sure that a call comes, and soon."""

from store.driver import RAVI, StoreDriver, new_call

from otpvoice.core.store_port import StoreResult
from otpvoice.core.verification import CallStatus, Route, Verification
from otpvoice.store.models import CallResult


def calls_in(answer: StoreResult) -> list[CallStatus]:
    """The states of the calls that an answer shows."""
    assert answer.verification
    return [call.status for call in answer.verification.calls]


def called_once(driver: StoreDriver) -> Verification:
    """A verification whose first call met a busy phone, a gap ago."""
    begun = driver.create()
    driver.dial_busy()
    driver.advance_time(60)
    return begun


def test_a_further_call_is_queued_at_once(driver: StoreDriver) -> None:
    """When nothing is under way and no gap holds; with the wished route."""
    begun = called_once(driver)
    answer = driver.request_call(begun, Route.C2C)
    assert answer.outcome == "coming"
    assert calls_in(answer) == [CallStatus.BUSY, CallStatus.QUEUED]
    assert answer.verification
    call = answer.verification.calls[-1]
    assert (call.due_at, call.route) == (answer.verification.now, Route.C2C)
    assert driver.claim().call_id == call.id


def test_the_route_is_the_verifications_if_none_is_wished(driver: StoreDriver) -> None:
    """As create had it."""
    begun = driver.try_create(route=Route.C2C).verification
    assert begun
    driver.dial_busy()
    driver.advance_time(60)
    driver.request_call(begun)
    assert driver.claim().route is Route.C2C


def test_inside_the_gap_it_is_scheduled(driver: StoreDriver) -> None:
    """At its end, which ``next_call`` had told."""
    begun = driver.create()
    driver.dial_busy()
    told = driver.get(begun).next_call()
    answer = driver.request_call(begun)
    assert answer.outcome == "coming"
    assert answer.verification
    assert (told.allowed, told.reason, told.at) == (True, "call_gap", answer.verification.gap_until)
    assert answer.verification.calls[-1].due_at == told.at
    assert driver.seconds_until_due() == 60


def test_a_delayed_call_is_brought_forward(driver: StoreDriver) -> None:
    """No call is added; it is due now."""
    begun = driver.create(call_after=100)
    assert driver.get(begun).next_call().allowed
    answer = driver.request_call(begun)
    assert answer.outcome == "coming"
    assert answer.verification
    assert answer.verification.version > begun.version
    assert answer.verification.calls[0].due_at == answer.verification.now
    assert calls_in(answer) == [CallStatus.QUEUED]
    assert driver.claim().call_id == begun.calls[0].id


def test_a_delayed_call_is_brought_forward_as_far_as_the_gap(driver: StoreDriver) -> None:
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


def test_a_call_under_way_is_enough(driver: StoreDriver) -> None:
    """Due, dialing, placed or unknown and live: nothing is added."""
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


def test_an_unknown_call_that_can_not_be_live_is_not_enough(driver: StoreDriver) -> None:
    """After ``live_until`` a further one comes."""
    begun = driver.create()
    driver.dial()
    driver.advance_time(166)
    assert calls_in(driver.request_call(begun)) == [CallStatus.UNKNOWN, CallStatus.QUEUED]


def test_too_late(driver: StoreDriver) -> None:
    """Less than the margin of its life is left: refused, as ``next_call`` had told."""
    begun = called_once(driver)
    driver.advance_time(181)
    assert driver.get(begun).next_call().reason == "too_late"
    refused = driver.request_call(begun)
    assert refused.outcome == "too_late"
    assert calls_in(refused) == [CallStatus.BUSY]


def test_a_gap_that_ends_too_late_is_too_late(driver: StoreDriver) -> None:
    """Judged by the moment when it would be dialed."""
    begun = called_once(driver)
    for _ in range(2):
        driver.request_call(begun)
        driver.dial_busy()
        driver.advance_time(60)
    assert driver.request_call(begun).outcome == "too_late"
    assert driver.get(begun).next_call().reason == "too_late"


def test_no_call_for_another_client(driver: StoreDriver) -> None:
    """As with an unknown id."""
    begun = called_once(driver)
    for verification_id, client in ((begun.id, "bank"), ("vrf_unknown", "login")):
        answer = driver.store.request_call(verification_id, client, new_call())
        assert (answer.outcome, answer.verification) == ("not_found", None)
    assert driver.seconds_until_due() == -1


def test_no_call_for_what_has_ended(driver: StoreDriver) -> None:
    """It is closed."""
    begun = called_once(driver)
    driver.cancel(begun)
    assert driver.request_call(begun).outcome == "closed"
    assert driver.seconds_until_due() == -1


def test_refused_when_nobody_dials(driver: StoreDriver) -> None:
    """No dialer was heard of for 30 s; with one again, it is taken."""
    begun = called_once(driver)
    driver.advance_time(31, dialer=None)
    assert driver.request_call(begun).outcome == "calls_unavailable"
    driver.sweep()
    assert driver.request_call(begun).outcome == "coming"


def test_refused_when_too_many_wait(driver: StoreDriver) -> None:
    """Another number's call has been due for more than a minute."""
    begun = called_once(driver)
    driver.create(RAVI)
    driver.advance_time(61)
    assert driver.request_call(begun).outcome == "over_capacity"


def test_what_next_call_tells_is_what_happens(driver: StoreDriver) -> None:
    """At any moment of a verification's life, with or without calls."""
    begun = driver.create(call_after=20)
    said = set()
    for second in range(0, 300, 7):
        seen = driver.get(begun)
        told = seen.next_call()
        if second % 3:
            answer = driver.request_call(begun)
            assert answer.verification
            assert (answer.verification.calls != seen.calls) is told.allowed
            assert told.allowed == (answer.outcome == "coming") or told.reason == "call_in_progress"
            said.add((answer.outcome, told.reason))
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
