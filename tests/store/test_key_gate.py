"""The key gate: a gated call speaks the code only after a key, and is heard exactly with one."""

import pytest
from redis import Redis
from store.builders import driver_with_limits
from store.driver import RING, StoreDriver
from store.limit_cases import NO_GAP
from store.new_verifications import CODE

from otpvoice.core.keys import decrypt_speech
from otpvoice.core.speech import Gate
from otpvoice.core.verification import CallStatus, Verification
from otpvoice.store.models import CallResult, Claim, ReportOutcome
from otpvoice.store.speech_models import CallSpeech, KeyOutcome, KeyPress, SpeechRefusal

NOT_ASKED = KeyPress(KeyOutcome.NOT_ASKED)
PRESSED = KeyPress(KeyOutcome.PRESSED)
ANSWERED = CallStatus.ANSWERED


@pytest.fixture
def driver(redis: Redis) -> StoreDriver:
    """Return a driver whose calls are redialed once, without gaps."""
    return driver_with_limits(redis, gaps=NO_GAP, policy={"max_redials": 1})


def ring(driver: StoreDriver, gate: Gate | None = Gate.DOOR) -> tuple[Verification, Claim]:
    """Create a verification whose gated call is placed."""
    begun = driver.create(ttl=600)
    return begun, driver.dial(gate=gate)


def press(driver: StoreDriver, call: Claim, key: str) -> KeyPress:
    """Press a key during a call."""
    return driver.store.press_key(call.call_id, key)


@pytest.mark.parametrize("key", ["1", "0", "5", "*", "#"])
def test_first_key_speaks_the_code_once(driver: StoreDriver, key: str) -> None:
    """The prompt is spoken as often as it is fetched, and without the code's fetch."""
    begun, call = ring(driver)
    prompts = [driver.store.speech_of_live_call(call.call_id) for _ in range(3)]
    assert all(isinstance(each, CallSpeech) and each.gate is Gate.DOOR for each in prompts)

    pressed = press(driver, call, key)
    assert pressed.outcome is KeyOutcome.SPEAK
    assert pressed.speech
    assert pressed.speech.verification_id == begun.id
    spoken = decrypt_speech(RING, begun.id, pressed.speech.encrypted_speech)
    assert spoken == (CODE, "Asha")
    assert [press(driver, call, again) for again in (key, "1", "9")] == [PRESSED] * 3
    assert driver.store.speech_of_live_call(call.call_id) is SpeechRefusal.FETCHED


def test_key_during_a_call_without_gate_is_not_asked(driver: StoreDriver) -> None:
    """Whether its speech is fetched or not; the same where a status query returns the key."""
    _, plain = ring(driver, None)
    assert [press(driver, plain, key) for key in ("1", "9")] == [NOT_ASKED] * 2
    found = driver.store.speech_of_live_call(plain.call_id)
    assert isinstance(found, CallSpeech)
    assert found.gate is None
    driver.apply_callback(call_id=plain.call_id)

    driver.create("+919812345678")
    asked_by_provider = driver.dial(gate=Gate.QUERY)
    assert [press(driver, asked_by_provider, key) for key in ("1", "9")] == [NOT_ASKED] * 2
    assert driver.explain("+919812345678").blocked_until_ms == 0


@pytest.mark.parametrize("key", ["", "12", "91", "a", "१", " 1", "\n", "%d"])
def test_what_is_no_key_is_not_asked(driver: StoreDriver, key: str) -> None:
    """Such as the empty one of a call in which nothing was pressed."""
    _, call = ring(driver)
    assert press(driver, call, key) == NOT_ASKED
    assert press(driver, call, "1").outcome is KeyOutcome.SPEAK


@pytest.mark.parametrize("call_id", ["", "x", "call_" + "0" * 32, "{otpvoice}:"])
def test_key_of_no_call_is_refused(driver: StoreDriver, call_id: str) -> None:
    ring(driver)
    for key in ("1", "9"):
        assert driver.store.press_key(call_id, key) == KeyPress(KeyOutcome.NO_CALL)


def test_key_before_the_call_is_sent_is_refused(driver: StoreDriver) -> None:
    """Also of a call that returned to the queue: its next line may ask for no key."""
    begun = driver.create()
    claim = driver.claim()
    assert driver.mark_sent(claim, gate=Gate.DOOR)
    driver.record(claim, CallResult(CallStatus.QUEUED, is_unsent=True))
    assert driver.store.press_key(driver.last_call(begun).id, "1") == NOT_ASKED
    assert driver.dial().call_id == claim.call_id
    assert press(driver, claim, "9") == NOT_ASKED


def test_key_after_the_end_speaks_nothing(driver: StoreDriver) -> None:
    """Of the call by a report or by its time, or of its verification."""
    begun, call = ring(driver)
    driver.apply_callback(call_id=call.call_id)
    assert press(driver, call, "1") == KeyPress(KeyOutcome.NOT_LIVE)
    driver.cancel(begun)

    begun, call = ring(driver)
    driver.advance_time(166)
    assert press(driver, call, "1") == KeyPress(KeyOutcome.NOT_LIVE)
    driver.cancel(begun)

    begun, call = ring(driver)
    driver.cancel(begun)
    assert press(driver, call, "1") == KeyPress(KeyOutcome.CLOSED)


@pytest.mark.parametrize(
    ("keys", "heard"), [("", False), ("1", True), ("#", True), ("9", False), ("91", False)]
)
def test_answered_call_is_heard_exactly_with_a_key(
    driver: StoreDriver, keys: str, heard: bool
) -> None:
    """However long a mailbox listened; the denial is no key that asks for the code."""
    begun = driver.create()
    call = driver.dial(heard_after_s=5, gate=Gate.DOOR)
    for key in keys:
        press(driver, call, key)
    driver.apply_callback(call_id=call.call_id, duration_s=50)
    assert driver.get(begun).calls[0].heard is heard


def test_mailbox_leads_to_a_redial_and_a_key_does_not(driver: StoreDriver) -> None:
    """Of a screening assistant, too: it answers, listens and hangs up."""
    begun, call = ring(driver)
    driver.apply_callback(call_id=call.call_id, duration_s=50)
    assert [each.status for each in driver.get(begun).calls] == ["answered", "queued"]
    again = driver.dial(gate=Gate.DOOR)
    assert press(driver, again, "1").outcome is KeyOutcome.SPEAK
    driver.apply_callback(call_id=again.call_id, duration_s=50)
    assert [each.heard for each in driver.get(begun).calls] == [False, True]


# The key by a status query ---------------------------------------------------------------------


def answered(driver: StoreDriver) -> tuple[Verification, Claim]:
    """Create a verification whose call was answered, and whose key is not known yet."""
    begun, call = ring(driver, Gate.QUERY)
    driver.apply_callback(call_id=call.call_id, duration_s=50)
    assert driver.get(begun).calls[0].heard is None
    return begun, call


def query(driver: StoreDriver, call: Claim, key: str | None) -> ReportOutcome:
    """Apply the reply to a status query."""
    return driver.apply_queried_status(ANSWERED, call.call_id, key).outcome


def test_key_of_an_answered_call_is_queried_at_once(driver: StoreDriver) -> None:
    """And then not again."""
    begun, call = answered(driver)
    assert [each.call_id for each in driver.due_status_queries()] == [call.call_id]
    assert query(driver, call, "1") is ReportOutcome.APPLIED
    found = driver.get(begun)
    assert [(each.status, each.heard) for each in found.calls] == [(ANSWERED, True)]
    driver.advance_time(16)
    assert driver.due_status_queries() == []
    assert query(driver, call, "") is ReportOutcome.LATE
    assert query(driver, call, "9") is ReportOutcome.LATE
    assert driver.explain().blocked_until_ms == 0


def test_key_that_becomes_known_later_is_an_event(redis: Redis) -> None:
    """The client heard of the answer before, and not of the key."""
    driver = driver_with_limits(redis, policy={"clients_with_events": frozenset({"login"})})
    _, call = answered(driver)
    query(driver, call, "1")
    events = driver.store.claim_events({"login": 10}).events
    answers = [each for each in events if each.type == "call.answered"]
    assert [each.verification.calls[0].heard for each in answers] == [None, True]


def test_answered_call_without_a_key_is_redialed(driver: StoreDriver) -> None:
    begun, call = answered(driver)
    assert query(driver, call, "") is ReportOutcome.APPLIED
    calls = driver.get(begun).calls
    assert [(each.status, each.heard) for each in calls] == [("answered", False), ("queued", None)]
    assert query(driver, call, "1") is ReportOutcome.LATE
    assert len(driver.get(begun).calls) == 2


def test_unknown_key_is_queried_until_the_call_is_given_up(driver: StoreDriver) -> None:
    """Then it stays unknown, and nothing is redialed."""
    begun, call = answered(driver)
    queries = 0
    for _ in range(16):
        for each in driver.due_status_queries():
            assert each.call_id == call.call_id
            assert query(driver, call, None) is ReportOutcome.LATE
            queries += 1
        driver.advance_time(15)
    assert queries == 11
    found = driver.get(begun)
    assert [(each.status, each.heard) for each in found.calls] == [(ANSWERED, None)]


def test_report_that_has_the_key_needs_no_query(driver: StoreDriver) -> None:
    """Such as the status query of a call whose callback is lost."""
    begun, call = ring(driver, Gate.QUERY)
    driver.advance_time(61)
    assert [each.call_id for each in driver.due_status_queries()] == [call.call_id]
    assert query(driver, call, "#") is ReportOutcome.APPLIED
    assert driver.get(begun).calls[0].heard is True
    assert driver.due_status_queries() == []


def test_early_report_keeps_its_key(driver: StoreDriver) -> None:
    """It arrived before the provider's reply that names the call."""
    begun = driver.create()
    claim = driver.claim()
    assert driver.mark_sent(claim, gate=Gate.QUERY)
    early = driver.apply_callback(provider_ids=("p-1",), started_at=None, key="")
    assert early.outcome is ReportOutcome.EARLY
    driver.record(claim, CallResult(CallStatus.PLACED, provider_id="p-1"))
    assert driver.get(begun).calls[0].heard is False


def test_key_of_a_call_without_gate_changes_nothing(driver: StoreDriver) -> None:
    """The call's length decides, as before; a caller may press keys in every call."""
    begun = driver.create()
    call = driver.dial(heard_after_s=5)
    driver.apply_callback(call_id=call.call_id, duration_s=50, key="9")
    found = driver.get(begun)
    assert (found.status, found.calls[0].heard) == ("pending", True)
    assert query(driver, call, "") is ReportOutcome.LATE


def test_call_of_the_release_before_is_heard_by_its_length(driver: StoreDriver) -> None:
    """Its record has no gate, although the settings have one by now."""
    begun = driver.create()
    call = driver.dial(heard_after_s=5)
    assert not {"gate", "key"} & driver.stored_fields("call", call.call_id)
    assert isinstance(driver.store.speech_of_live_call(call.call_id), CallSpeech)
    assert driver.store.speech_of_live_call(call.call_id) is SpeechRefusal.FETCHED
    driver.apply_callback(call_id=call.call_id, duration_s=50)
    assert driver.get(begun).calls[0].heard is True
    assert driver.due_status_queries() == []
