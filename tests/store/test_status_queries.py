"""Pull: who has had no news asks, once in a while, and for as long as it can matter."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis
from store.driver import RING, StoreDriver, driver_with_quotas
from support.service import ASHA, BRIDGE

from otpvoice.core.keys import decrypt_number
from otpvoice.core.verification import CallReason, CallStatus, Route, Verification
from otpvoice.store.models import CallResult, ReportOutcome

SILENCE = CallResult(CallStatus.UNKNOWN, CallReason.PROVIDER_ERROR)
MOMENT = 0.01


def asked(driver: StoreDriver) -> list[str]:
    """The calls to ask about now."""
    return [pull.call_id for pull in driver.due_status_queries()]


def placed(driver: StoreDriver) -> tuple[Verification, str]:
    """A verification with a placed call, and that call's id."""
    begun = driver.create()
    return begun, driver.dial(CallResult(CallStatus.PLACED, provider_id="70fa87e0")).call_id


def test_a_placed_call_after_callback_wait(redis: Redis) -> None:
    """Not before; its callback has that long to come."""
    driver = driver_with_quotas(redis, callback_timeout_ms=40_000)
    _, call = placed(driver)
    driver.advance_time(39.9)
    assert asked(driver) == []
    driver.advance_time(0.1)
    assert asked(driver) == [call]


def test_all_that_the_question_needs(driver: StoreDriver) -> None:
    """Ids, route, bridge, number and when it was sent."""
    begun, call_id = placed(driver)
    driver.advance_time(60)
    (pull,) = driver.due_status_queries()
    call = driver.last_call(begun)
    assert (pull.call_id, pull.provider_id, pull.bridge) == (call_id, "70fa87e0", BRIDGE)
    assert (pull.route, pull.sent_at) == (Route.OBD, call.sent_at)
    assert decrypt_number(RING, pull.verification_id, pull.encrypted_number) == ASHA


def test_a_call_in_doubt_soon(driver: StoreDriver) -> None:
    """Three seconds after the silence; no provider's id is known."""
    driver.create()
    call = driver.dial(SILENCE).call_id
    driver.advance_time(2.9)
    assert asked(driver) == []
    driver.advance_time(0.1)
    (pull,) = driver.due_status_queries()
    assert (pull.call_id, pull.provider_id) == (call, None)


def test_a_dead_dialers_call_too(driver: StoreDriver) -> None:
    """Sent for all we know, found by the sweep."""
    _, claim = driver.send()
    driver.advance_time(20)
    driver.advance_time(3)
    assert asked(driver) == [claim.call_id]


def test_again_every_fifteen_seconds(driver: StoreDriver) -> None:
    """As long as no news come."""
    _, call = placed(driver)
    driver.advance_time(60)
    assert asked(driver) == [call]
    for _ in range(5):
        driver.advance_time(14.9)
        assert asked(driver) == []
        driver.advance_time(0.1 + MOMENT)
        assert asked(driver) == [call]


def test_one_asks_at_a_time(driver: StoreDriver) -> None:
    """Of many dialers that look at once, each call is one's."""
    calls = set()
    for n in range(20):
        driver.create(f"+91981234{n:04}")
        calls.add(driver.dial(SILENCE).call_id)
    driver.advance_time(3)
    with ThreadPoolExecutor(8) as pool:
        found = [call for part in pool.map(lambda _: asked(driver), range(24)) for call in part]
    assert len(found) == 20
    assert set(found) == calls


@pytest.mark.parametrize(
    "status", [CallStatus.ANSWERED, CallStatus.BUSY, CallStatus.NO_ANSWER, CallStatus.FAILED]
)
def test_not_when_it_has_ended(driver: StoreDriver, status: CallStatus) -> None:
    """By its callback, before the first question or between two."""
    for questions in range(2):
        _, call = placed(driver)
        driver.advance_time(60)
        if questions:
            assert asked(driver) == [call]
        driver.apply_callback(status, call_id=call)
        driver.advance_time(15)
        assert asked(driver) == []
        driver.advance_time(400)


def test_not_when_it_can_not_be_live_any_more(driver: StoreDriver) -> None:
    """From `live_until` on, whether or not anybody swept; also one that is unknown."""
    _, call = placed(driver)
    driver.advance_time(164.9, dialer=None)
    assert asked(driver) == [call]
    driver.advance_time(15, dialer=None)
    assert asked(driver) == []
    driver.sweep()
    driver.create(client="bank")
    driver.dial(SILENCE)
    driver.advance_time(166)
    driver.advance_time(15)
    assert asked(driver) == []


def test_though_its_verification_has_ended(driver: StoreDriver) -> None:
    """The person was called: how that ended is still of interest."""
    begun, call = placed(driver)
    driver.cancel(begun)
    driver.advance_time(60)
    assert asked(driver) == [call]


def test_not_of_a_call_that_goes_back_to_the_queue(driver: StoreDriver) -> None:
    """Nothing was sent, nothing is to be learnt."""
    driver.create()
    driver.dial(CallResult(CallStatus.QUEUED, is_unsent=True, retry_in_ms=1000))
    driver.advance_time(61)
    assert asked(driver) == []


def test_a_reply_that_was_slow_to_be_recorded(driver: StoreDriver) -> None:
    """Unknown by its lease, placed after all: it has its `callback_timeout` again."""
    _, claim = driver.send()
    driver.advance_time(21)
    driver.record(claim, CallResult(CallStatus.PLACED))
    driver.advance_time(59)
    assert asked(driver) == []
    driver.advance_time(1)
    assert asked(driver) == [claim.call_id]


def test_a_word_that_tells_nothing(driver: StoreDriver) -> None:
    """A callback without a result: the provider is asked three seconds later."""
    _, call = placed(driver)
    driver.apply_callback(CallStatus.UNKNOWN, call_id=call)
    driver.advance_time(3)
    assert asked(driver) == [call]


def test_what_is_learnt_is_applied(driver: StoreDriver, redis: Redis) -> None:
    """As by a callback, and nothing is kept of the message: it may say the same again."""
    begun, call = placed(driver)
    assert driver.apply_queried_status(CallStatus.BUSY, call).outcome is ReportOutcome.APPLIED
    assert driver.last_call(begun).status is CallStatus.BUSY
    assert list(redis.scan_iter("*:callback_seen:*")) == []
    assert driver.apply_queried_status(CallStatus.BUSY, call).outcome is ReportOutcome.LATE


def test_the_first_word_counts(driver: StoreDriver) -> None:
    """Callback or answer: whichever comes first, the other changes nothing."""
    begun, call = placed(driver)
    driver.apply_callback(CallStatus.BUSY, call_id=call)
    assert driver.apply_queried_status(CallStatus.ANSWERED, call).outcome is ReportOutcome.LATE
    assert driver.last_call(begun).status is CallStatus.BUSY
    driver.advance_time(400)
    begun, call = placed(driver)
    driver.apply_queried_status(CallStatus.ANSWERED, call)
    assert driver.apply_callback(CallStatus.BUSY, call_id=call).outcome is ReportOutcome.LATE
    assert driver.last_call(begun).status is CallStatus.ANSWERED


def test_a_record_that_is_gone_is_forgotten(driver: StoreDriver, redis: Redis) -> None:
    """The store was told to evict, or `keep` is over."""
    placed(driver)
    for key in redis.scan_iter("*:call:*"):
        redis.delete(key)
    driver.advance_time(60)
    assert asked(driver) == []
    assert asked(driver) == []
