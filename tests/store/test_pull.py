"""Pull: who has had no news asks, once in a while, and for as long as it can matter."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis
from store.exchange import RING, Exchange, exchange_with
from world import ASHA, BRIDGE

from otpvoice.core.service import decrypt_number
from otpvoice.core.verification import CallReason, CallStatus, Route, Verification
from otpvoice.store.models import CallResult, News

SILENCE = CallResult(CallStatus.UNKNOWN, CallReason.PROVIDER_ERROR)
MOMENT = 0.01


def asked(exchange: Exchange) -> list[str]:
    """The calls to ask about now."""
    return [pull.call_id for pull in exchange.pulls()]


def placed(exchange: Exchange) -> tuple[Verification, str]:
    """A verification with a placed call, and that call's id."""
    begun = exchange.begins()
    return begun, exchange.dials(CallResult(CallStatus.PLACED, provider_id="70fa87e0")).call_id


def test_a_placed_call_after_callback_wait(redis: Redis) -> None:
    """Not before; its callback has that long to come."""
    exchange = exchange_with(redis, callback_timeout=40_000)
    _, call = placed(exchange)
    exchange.passes(39.9)
    assert asked(exchange) == []
    exchange.passes(0.1)
    assert asked(exchange) == [call]


def test_all_that_the_question_needs(exchange: Exchange) -> None:
    """Ids, route, bridge, number and when it was sent."""
    begun, call_id = placed(exchange)
    exchange.passes(60)
    (pull,) = exchange.pulls()
    call = exchange.call_of(begun)
    assert (pull.call_id, pull.provider_id, pull.bridge) == (call_id, "70fa87e0", BRIDGE)
    assert (pull.route, pull.sent_at) == (Route.OBD, call.sent_at)
    assert decrypt_number(RING, pull.verification_id, pull.encrypted_number) == ASHA


def test_a_call_in_doubt_soon(exchange: Exchange) -> None:
    """Three seconds after the silence; no provider's id is known."""
    exchange.begins()
    call = exchange.dials(SILENCE).call_id
    exchange.passes(2.9)
    assert asked(exchange) == []
    exchange.passes(0.1)
    (pull,) = exchange.pulls()
    assert (pull.call_id, pull.provider_id) == (call, None)


def test_a_dead_dialers_call_too(exchange: Exchange) -> None:
    """Sent for all we know, found by the sweep."""
    _, claim = exchange.sends()
    exchange.passes(20)
    exchange.passes(3)
    assert asked(exchange) == [claim.call_id]


def test_again_every_fifteen_seconds(exchange: Exchange) -> None:
    """As long as no news come."""
    _, call = placed(exchange)
    exchange.passes(60)
    assert asked(exchange) == [call]
    for _ in range(5):
        exchange.passes(14.9)
        assert asked(exchange) == []
        exchange.passes(0.1 + MOMENT)
        assert asked(exchange) == [call]


def test_one_asks_at_a_time(exchange: Exchange) -> None:
    """Of many dialers that look at once, each call is one's."""
    calls = set()
    for n in range(20):
        exchange.begins(f"+91981234{n:04}")
        calls.add(exchange.dials(SILENCE).call_id)
    exchange.passes(3)
    with ThreadPoolExecutor(8) as pool:
        found = [call for part in pool.map(lambda _: asked(exchange), range(24)) for call in part]
    assert len(found) == 20
    assert set(found) == calls


@pytest.mark.parametrize(
    "status", [CallStatus.ANSWERED, CallStatus.BUSY, CallStatus.NO_ANSWER, CallStatus.FAILED]
)
def test_not_when_it_has_ended(exchange: Exchange, status: CallStatus) -> None:
    """By its callback, before the first question or between two."""
    for questions in range(2):
        _, call = placed(exchange)
        exchange.passes(60)
        if questions:
            assert asked(exchange) == [call]
        exchange.hears(status, call_id=call)
        exchange.passes(15)
        assert asked(exchange) == []
        exchange.passes(400)


def test_not_when_it_can_not_be_live_any_more(exchange: Exchange) -> None:
    """From `live_until` on, whether or not anybody swept; also one that is unknown."""
    _, call = placed(exchange)
    exchange.passes(164.9, dialer=None)
    assert asked(exchange) == [call]
    exchange.passes(15, dialer=None)
    assert asked(exchange) == []
    exchange.sweeps()
    exchange.begins(client="bank")
    exchange.dials(SILENCE)
    exchange.passes(166)
    exchange.passes(15)
    assert asked(exchange) == []


def test_though_its_verification_has_ended(exchange: Exchange) -> None:
    """The person was called: how that ended is still of interest."""
    begun, call = placed(exchange)
    exchange.cancels(begun)
    exchange.passes(60)
    assert asked(exchange) == [call]


def test_not_of_a_call_that_goes_back_to_the_queue(exchange: Exchange) -> None:
    """Nothing was sent, nothing is to be learnt."""
    exchange.begins()
    exchange.dials(CallResult(CallStatus.QUEUED, unsent=True, retry_in=1000))
    exchange.passes(61)
    assert asked(exchange) == []


def test_a_reply_that_was_slow_to_be_recorded(exchange: Exchange) -> None:
    """Unknown by its lease, placed after all: it has its `callback_timeout` again."""
    _, claim = exchange.sends()
    exchange.passes(21)
    exchange.records(claim, CallResult(CallStatus.PLACED))
    exchange.passes(59)
    assert asked(exchange) == []
    exchange.passes(1)
    assert asked(exchange) == [claim.call_id]


def test_a_word_that_tells_nothing(exchange: Exchange) -> None:
    """A callback without a result: the provider is asked three seconds later."""
    _, call = placed(exchange)
    exchange.hears(CallStatus.UNKNOWN, call_id=call)
    exchange.passes(3)
    assert asked(exchange) == [call]


def test_what_is_learnt_is_applied(exchange: Exchange, redis: Redis) -> None:
    """As by a callback, and nothing is kept of the message: it may say the same again."""
    begun, call = placed(exchange)
    assert exchange.learns(CallStatus.BUSY, call).news is News.APPLIED
    assert exchange.call_of(begun).status is CallStatus.BUSY
    assert list(redis.scan_iter("*:seen:*")) == []
    assert exchange.learns(CallStatus.BUSY, call).news is News.LATE


def test_the_first_word_counts(exchange: Exchange) -> None:
    """Callback or answer: whichever comes first, the other changes nothing."""
    begun, call = placed(exchange)
    exchange.hears(CallStatus.BUSY, call_id=call)
    assert exchange.learns(CallStatus.ANSWERED, call).news is News.LATE
    assert exchange.call_of(begun).status is CallStatus.BUSY
    exchange.passes(400)
    begun, call = placed(exchange)
    exchange.learns(CallStatus.ANSWERED, call)
    assert exchange.hears(CallStatus.BUSY, call_id=call).news is News.LATE
    assert exchange.call_of(begun).status is CallStatus.ANSWERED


def test_a_record_that_is_gone_is_forgotten(exchange: Exchange, redis: Redis) -> None:
    """The store was told to evict, or `keep` is over."""
    placed(exchange)
    for key in redis.scan_iter("*:call:*"):
        redis.delete(key)
    exchange.passes(60)
    assert asked(exchange) == []
    assert asked(exchange) == []
