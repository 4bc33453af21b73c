"""What an answered call speaks is returned once, while the call is live and its code of use."""

import pytest
from store.driver import RING, StoreDriver
from store.new_verifications import CODE

from otpvoice.core.keys import decrypt_speech
from otpvoice.core.speech import Gate
from otpvoice.core.verification import CallStatus
from otpvoice.store.models import CallResult
from otpvoice.store.speech_models import CallSpeech, SpeechRefusal


def fetch(driver: StoreDriver, call_id: str) -> CallSpeech | SpeechRefusal:
    """Fetch the speech of a call."""
    return driver.store.speech_of_live_call(call_id)


def test_speech_of_a_placed_call_is_returned_once(driver: StoreDriver) -> None:
    """With all that is needed to speak it."""
    begun = driver.create(locale="hi")
    claim = driver.dial()
    found = fetch(driver, claim.call_id)
    assert isinstance(found, CallSpeech)
    assert decrypt_speech(RING, found.verification_id, found.encrypted_speech) == (CODE, "Asha")
    assert (found.verification_id, found.client, found.locale) == (begun.id, "login", "hi")
    assert found.route == claim.route
    assert [fetch(driver, claim.call_id) for _ in range(3)] == [SpeechRefusal.FETCHED] * 3


def test_speech_is_returned_before_the_reply_is_recorded(driver: StoreDriver) -> None:
    """The phone may be answered before the provider's reply has arrived."""
    driver.create()
    claim = driver.claim()
    assert fetch(driver, claim.call_id) is SpeechRefusal.NOT_LIVE  # not sent yet
    assert driver.mark_sent(claim)
    assert isinstance(fetch(driver, claim.call_id), CallSpeech)


def test_speech_of_an_unknown_call_is_returned(driver: StoreDriver) -> None:
    """A request without a reply may ring the phone all the same."""
    driver.create()
    claim = driver.dial(CallResult(CallStatus.UNKNOWN))
    assert isinstance(fetch(driver, claim.call_id), CallSpeech)


@pytest.mark.parametrize("call_id", ["", "x", "call_" + "0" * 32, "call:x", "{otpvoice}:", "é\n"])
def test_speech_of_no_call_is_refused(driver: StoreDriver, call_id: str) -> None:
    """Whatever the id is made of."""
    driver.create()
    driver.dial()
    assert fetch(driver, call_id) is SpeechRefusal.NO_CALL


def test_speech_of_a_queued_call_is_refused(driver: StoreDriver) -> None:
    """No request for it was sent."""
    begun = driver.create()
    assert fetch(driver, driver.last_call(begun).id) is SpeechRefusal.NOT_LIVE


def test_speech_of_an_ended_call_is_refused(driver: StoreDriver) -> None:
    """Busy, answered, or longer ago than a call lasts."""
    begun = driver.create(ttl=600)
    driver.dial_busy()
    assert fetch(driver, driver.last_call(begun).id) is SpeechRefusal.NOT_LIVE

    driver.create("+919812345678", ttl=600)
    claim = driver.dial()
    driver.advance_time(166)
    assert fetch(driver, claim.call_id) is SpeechRefusal.NOT_LIVE


@pytest.mark.parametrize("end", ["approve", "cancel", "expire"])
def test_speech_of_an_ended_verification_is_refused(driver: StoreDriver, end: str) -> None:
    """Its code is of no use any more, and is deleted."""
    begun = driver.create(ttl=60)
    claim = driver.dial()
    if end == "approve":
        assert driver.check(begun, CODE).outcome == "right"
    elif end == "cancel":
        driver.cancel(begun)
    else:
        driver.advance_time(61, dialer=None)
    assert fetch(driver, claim.call_id) is SpeechRefusal.CLOSED


@pytest.mark.parametrize(
    ("is_fetched", "duration_s", "heard"),
    [
        (True, 30, True),
        (True, 3, False),
        (True, None, None),
        (False, 30, False),
        (False, None, False),
    ],
)
@pytest.mark.parametrize("fetches_speech", [True, False])
def test_answered_call_without_its_speech_was_not_heard(
    driver: StoreDriver,
    is_fetched: bool,
    duration_s: int | None,
    heard: bool | None,
    fetches_speech: bool,
) -> None:
    """However long it lasted. The duration decides about others and those of the release before."""
    begun, claim = driver.create(), driver.claim()
    assert driver.mark_sent(claim, heard_after_s=5, fetches_speech=fetches_speech)
    driver.record(claim, CallResult(CallStatus.PLACED))
    if is_fetched:
        assert isinstance(fetch(driver, claim.call_id), CallSpeech)
    driver.apply_callback(call_id=claim.call_id, duration_s=duration_s)
    by_duration = None if duration_s is None else duration_s >= 5
    assert driver.last_call(begun).heard is (heard if fetches_speech else by_duration)


@pytest.mark.parametrize("gate", [None, Gate.DOOR])
def test_answered_call_whose_speech_was_no_document_was_not_heard(
    driver: StoreDriver, gate: Gate | None
) -> None:
    """However long it lasted, and although a key was pressed."""
    begun, claim = driver.create(), driver.claim()
    assert driver.mark_sent(claim, heard_after_s=5, fetches_speech=True, gate=gate)
    driver.record(claim, CallResult(CallStatus.PLACED))
    assert isinstance(fetch(driver, claim.call_id), CallSpeech)
    if gate:
        assert driver.store.press_key(claim.call_id, "1").speech
    driver.store.mark_unspoken(claim.call_id)
    driver.apply_callback(call_id=claim.call_id, duration_s=30)
    assert driver.last_call(begun).heard is False
