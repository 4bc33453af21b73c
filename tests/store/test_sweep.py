"""Sweep, wait and health: what ends without being asked, and who is there."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest
from redis import Redis
from store.driver import PLACED, RAVI, StoreDriver
from support.timing import finishes_within

from otpvoice.core.errors import StoreUnavailable
from otpvoice.core.verification import CallReason, CallStatus, Status
from otpvoice.store.discovery import connect
from otpvoice.store.keys import Keys
from otpvoice.store.models import CallResult
from otpvoice.store.redis_store import RedisStore

QUEUE, DIALING, LIVE, EXPIRING, WAKE, DIALERS, PULL = Keys().indexes


def stored_status(redis: Redis, verification_id: str) -> str:
    """The state as it is stored, without a rule that could end it while reading."""
    status = redis.hget(Keys().of("verification", verification_id), "status")
    assert isinstance(status, bytes)
    return status.decode()


# What ends ---------------------------------------------------------------------------------------


def test_a_sweep_ends_what_is_over(driver: StoreDriver, redis: Redis) -> None:
    """Nobody asked: expired at its end, with its call and its place in the indexes."""
    begun = driver.create(ttl=60)
    kept = driver.create(RAVI)
    driver.advance_time(59)
    assert stored_status(redis, begun.id) == Status.PENDING
    driver.advance_time(1)
    assert stored_status(redis, begun.id) == Status.EXPIRED
    assert stored_status(redis, kept.id) == Status.PENDING
    ended = driver.get(begun)
    assert ended.ended_at == begun.expires_at
    assert (ended.calls[0].status, ended.calls[0].reason) == (
        CallStatus.EXPIRED,
        CallReason.ENDED_FIRST,
    )
    assert redis.zrange(EXPIRING, 0, -1) == [kept.id.encode()]
    assert redis.zrange(QUEUE, 0, -1) == [b"login"]
    assert redis.zrange(f"{QUEUE}:login", 0, -1) == [kept.calls[0].id.encode()]


def test_a_lapsed_claim_goes_back_to_the_queue(driver: StoreDriver) -> None:
    """Not marked, so nothing was sent: any dialer may claim it again."""
    begun = driver.create()
    first = driver.claim()
    driver.advance_time(19)
    assert driver.seconds_until_due() == -1
    driver.advance_time(1)
    assert driver.last_call(begun).status is CallStatus.QUEUED
    second = driver.claim()
    assert (second.call_id, second.requests) == (first.call_id, 0)
    assert second.holder != first.holder
    assert driver.mark_sent(second)


def test_a_lapsed_mark_is_unknown(driver: StoreDriver) -> None:
    """It may have been sent: never again, and the line stays held."""
    begun = driver.create()
    driver.mark_sent(driver.claim())
    driver.advance_time(20)
    call = driver.last_call(begun)
    assert (call.status, call.reason) == (CallStatus.UNKNOWN, CallReason.NO_NEWS)
    assert call.is_live(driver.get(begun).now)
    driver.advance_time(50)
    driver.create(client="bank")
    assert driver.seconds_until_due() == 165 - 70


def test_a_placed_call_without_news_becomes_unknown(driver: StoreDriver, redis: Redis) -> None:
    """At ``live_until``; and with that it leaves the index of live calls."""
    begun = driver.create()
    driver.dial()
    driver.advance_time(164)
    assert driver.last_call(begun).status is CallStatus.PLACED
    driver.advance_time(1)
    call = driver.last_call(begun)
    assert (call.status, call.reason) == (CallStatus.UNKNOWN, CallReason.NO_NEWS)
    assert not redis.exists(LIVE)


@pytest.mark.parametrize("result", [CallStatus.BUSY, CallStatus.ANSWERED, CallStatus.FAILED])
def test_a_sweep_leaves_what_has_ended(driver: StoreDriver, result: CallStatus) -> None:
    """Its state is final."""
    begun = driver.create()
    claim = driver.dial()
    driver.apply_callback(result, call_id=claim.call_id)
    driver.advance_time(1_000)
    assert driver.last_call(begun).status is result


def test_a_sweep_brings_a_held_call_forward(driver: StoreDriver) -> None:
    """When the claim that holds its line lapses, both can be dialed again, one at a time."""
    driver.create()
    driver.claim()
    held = driver.create(client="bank")
    driver.seconds_until_due()
    driver.advance_time(20)
    driver.claim()
    assert driver.seconds_until_due() == 20
    assert driver.last_call(held).status in {CallStatus.QUEUED, CallStatus.DIALING}


def test_a_sweep_tells_if_there_is_more(driver: StoreDriver) -> None:
    """A hundred at a time, so that no sweep keeps the server busy."""
    for n in range(150):
        driver.create(f"+9198123{n:05}", call_after=100, ttl=200)
    driver.advance_time(200, dialer=None)
    assert driver.sweep()
    assert not driver.sweep()
    assert driver.seconds_until_due() == -1


def test_indexes_go_with_their_last_member(driver: StoreDriver, redis: Redis) -> None:
    """After the whole life of a verification only records with an end are left."""
    driver.create()
    claim = driver.dial()
    assert redis.exists(EXPIRING, LIVE) == 2
    driver.apply_callback(CallStatus.BUSY, call_id=claim.call_id)
    driver.advance_time(300)
    assert redis.exists(QUEUE, DIALING, LIVE, EXPIRING) == 0


# Who is there ------------------------------------------------------------------------------------


def test_dialers_are_counted_while_they_are_heard_of(
    driver: StoreDriver, store: RedisStore
) -> None:
    """For 30 s after their last sweep."""
    driver.sweep("second")
    assert store.health().dialers == 2
    driver.advance_time(20, dialer="second")
    driver.advance_time(11, dialer=None)
    assert store.health().dialers == 1
    driver.advance_time(20, dialer=None)
    assert store.health().dialers == 0


def test_silent_dialers_are_forgotten(driver: StoreDriver, redis: Redis) -> None:
    """Each process is a new one, so that old ones must not pile up."""
    for n in range(20):
        driver.advance_time(10, dialer=f"dialer {n}")
    assert redis.zcard(DIALERS) <= 7
    assert 0 < redis.pttl(DIALERS) <= 60_000


# Waiting -----------------------------------------------------------------------------------------


@pytest.fixture
def waits(redis_url: str, redis: Redis) -> Iterator[Callable[[], Callable[[], float]]]:
    """Starts a dialer's wait; what it gives tells how long it took to be woken, in seconds."""
    client = connect(redis_url, timeout_s=10)
    threads: list[threading.Thread] = []

    def start() -> Callable[[], float]:
        woken: list[float] = []

        def wait() -> None:
            RedisStore(client).wait(5)
            woken.append(time.monotonic())

        redis.delete(WAKE)
        threads.append(threading.Thread(target=wait))
        threads[-1].start()
        while not redis.info("clients")["blocked_clients"]:
            time.sleep(0.001)
        began = time.monotonic()

        def took() -> float:
            threads[-1].join()
            return woken[0] - began

        return took

    yield start
    redis.lpush(WAKE, "the end of the test")
    for thread in threads:
        thread.join()
    redis.delete(WAKE)
    client.close()


PROMPT = 2.0


def test_a_due_call_wakes(driver: StoreDriver, waits: Callable[[], Callable[[], float]]) -> None:
    """A create is dialed at once, not at the next look."""
    took = waits()
    driver.create()
    assert took() < PROMPT


def test_a_call_due_sooner_than_the_head_wakes(
    driver: StoreDriver, waits: Callable[[], Callable[[], float]]
) -> None:
    """Whoever sleeps knows the head of the queue only."""
    driver.create(call_after=100)
    took = waits()
    driver.create(RAVI, call_after=50)
    assert took() < PROMPT


def test_a_call_brought_forward_wakes(
    driver: StoreDriver, waits: Callable[[], Callable[[], float]]
) -> None:
    """The user does not want to wait for the SMS any longer."""
    begun = driver.create(call_after=100)
    took = waits()
    driver.request_call(begun)
    assert took() < PROMPT


def test_a_released_line_wakes(
    driver: StoreDriver, waits: Callable[[], Callable[[], float]]
) -> None:
    """The call that waited for it is due now."""
    driver.create()
    claim = driver.claim()
    driver.mark_sent(claim, gaps=(0,))
    driver.create(client="bank")
    driver.seconds_until_due()
    took = waits()
    driver.apply_callback(CallStatus.BUSY, call_id=claim.call_id)
    assert took() < PROMPT


def test_a_lapsed_claim_wakes(
    driver: StoreDriver, waits: Callable[[], Callable[[], float]]
) -> None:
    """Another dialer takes over."""
    driver.create()
    driver.claim()
    took = waits()
    driver.advance_time(20)
    assert took() < PROMPT


def test_a_place_among_the_live_calls_wakes(
    driver: StoreDriver, waits: Callable[[], Callable[[], float]]
) -> None:
    """A due call that only waited for one of them to end."""
    driver.create()
    claim = driver.claim()
    driver.mark_sent(claim)
    driver.store.record_result(claim, PLACED)
    driver.create(RAVI)
    assert isinstance(driver.store.claim(1), int)
    took = waits()
    driver.apply_callback(CallStatus.BUSY, call_id=claim.call_id)
    assert took() < PROMPT


def test_the_next_route_wakes(
    driver: StoreDriver, waits: Callable[[], Callable[[], float]]
) -> None:
    """A refused call's follower is dialed at once."""
    driver.create()
    claim = driver.claim()
    driver.mark_sent(claim)
    took = waits()
    refused = CallResult(CallStatus.FAILED, is_unsent=True, next_route=claim.route)
    driver.store.record_result(claim, refused)
    assert took() < PROMPT


def test_a_wait_ends_by_itself(redis_url: str) -> None:
    """After the time it was given, and without a fault."""
    client = connect(redis_url, timeout_s=10)
    began = time.monotonic()
    with finishes_within(0.6):
        RedisStore(client).wait(0.1)
    assert time.monotonic() - began > 0.09
    client.close()


def test_a_wait_without_a_store() -> None:
    """It is told as any other step's failure."""
    client = connect("redis://127.0.0.1:1/0")
    with pytest.raises(StoreUnavailable):
        RedisStore(client).wait(1)
    client.close()


def test_tokens_do_not_pile_up(driver: StoreDriver, redis: Redis) -> None:
    """However many calls come due while nobody waits, a hundred wake all dialers there are."""
    for n in range(130):
        driver.create(f"+9198123{n:05}")
    assert redis.llen(WAKE) == 100
    assert 0 < redis.pttl(WAKE) <= 60_000
