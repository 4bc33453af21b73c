"""Sweep, wait and health: what expires on its own, and which dialers run."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest
from redis import Redis
from store.driver import PLACED, RAVI, StoreDriver
from support.service import INDEXES
from support.timing import finishes_within

from otpvoice.core.errors import StoreUnavailable
from otpvoice.core.verification import CallReason, CallStatus, Status
from otpvoice.store import Keys
from otpvoice.store.discovery import connect
from otpvoice.store.models import CallResult
from otpvoice.store.redis_store import RedisStore

QUEUE, DIALING, LIVE, EXPIRING, WAKE, DIALERS, PULL = INDEXES


def stored_status(redis: Redis, verification_id: str) -> str:
    """Return the stored status, without a function that could change it."""
    status = redis.hget(Keys().of("verification", verification_id), "status")
    assert isinstance(status, bytes)
    return status.decode()


# What ends ----------------------------------------------------------------------------------------


def test_sweep_expires_verifications(driver: StoreDriver, redis: Redis) -> None:
    """With their calls and index entries."""
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
    assert redis.zrange(EXPIRING, 0, -1) == [kept.id.removeprefix("vrf_").encode()]
    assert redis.zrange(QUEUE, 0, -1) == [b"login"]
    assert redis.zrange(f"{QUEUE}:login", 0, -1) == [
        kept.calls[0].id.removeprefix("call_").encode()
    ]


def test_lapsed_claim_returns_to_the_queue(driver: StoreDriver) -> None:
    """It was not marked."""
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


def test_lapsed_marked_call_becomes_unknown(driver: StoreDriver) -> None:
    """The number stays locked."""
    begun = driver.create()
    driver.mark_sent(driver.claim())
    driver.advance_time(20)
    call = driver.last_call(begun)
    assert (call.status, call.reason) == (CallStatus.UNKNOWN, CallReason.NO_NEWS)
    assert call.is_live(driver.get(begun).now)
    driver.advance_time(50)
    driver.create(client="bank")
    assert driver.seconds_until_due() == 165 - 70


def test_placed_call_without_report_becomes_unknown(driver: StoreDriver, redis: Redis) -> None:
    """At ``live_until``."""
    begun = driver.create()
    driver.dial()
    driver.advance_time(164)
    assert driver.last_call(begun).status is CallStatus.PLACED
    driver.advance_time(1)
    call = driver.last_call(begun)
    assert (call.status, call.reason) == (CallStatus.UNKNOWN, CallReason.NO_NEWS)
    assert not redis.exists(LIVE)


@pytest.mark.parametrize("result", [CallStatus.BUSY, CallStatus.ANSWERED, CallStatus.FAILED])
def test_sweep_keeps_final_statuses(driver: StoreDriver, result: CallStatus) -> None:
    begun = driver.create()
    claim = driver.dial()
    driver.apply_callback(result, call_id=claim.call_id)
    driver.advance_time(1_000)
    assert driver.last_call(begun).status is result


def test_sweep_brings_locked_call_forward(driver: StoreDriver) -> None:
    """When the claim with the lock has lapsed."""
    driver.create()
    driver.claim()
    held = driver.create(client="bank")
    driver.seconds_until_due()
    driver.advance_time(20)
    driver.claim()
    assert driver.seconds_until_due() == 20
    assert driver.last_call(held).status in {CallStatus.QUEUED, CallStatus.DIALING}


def test_sweep_of_more_than_100_records_has_more(driver: StoreDriver) -> None:
    for n in range(150):
        driver.create(f"+9198123{n:05}", call_after=100, ttl=200)
    driver.advance_time(200, dialer=None)
    assert driver.sweep()
    assert not driver.sweep()
    assert driver.seconds_until_due() == -1


def test_indexes_are_deleted_with_their_last_member(driver: StoreDriver, redis: Redis) -> None:
    driver.create()
    claim = driver.dial()
    assert redis.exists(EXPIRING, LIVE) == 2
    driver.apply_callback(CallStatus.BUSY, call_id=claim.call_id)
    driver.advance_time(300)
    assert redis.exists(QUEUE, DIALING, LIVE, EXPIRING) == 0


# Who is there -------------------------------------------------------------------------------------


def test_dialer_counts_for_30_seconds_after_its_heartbeat(
    driver: StoreDriver, store: RedisStore
) -> None:
    driver.sweep("second")
    assert store.health().dialers == 2
    driver.advance_time(20, dialer="second")
    driver.advance_time(11, dialer=None)
    assert store.health().dialers == 1
    driver.advance_time(20, dialer=None)
    assert store.health().dialers == 0


def test_stopped_dialers_are_removed(driver: StoreDriver, redis: Redis) -> None:
    for n in range(20):
        driver.advance_time(10, dialer=f"dialer {n}")
    assert redis.zcard(DIALERS) <= 7
    assert 0 < redis.pttl(DIALERS) <= 60_000


# Waiting ------------------------------------------------------------------------------------------


@pytest.fixture
def waits(redis_url: str, redis: Redis) -> Iterator[Callable[[], Callable[[], float]]]:
    """Start a dialer's wait; the result returns the seconds until it woke."""
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


def test_due_call_wakes_a_dialer(
    driver: StoreDriver, waits: Callable[[], Callable[[], float]]
) -> None:
    took = waits()
    driver.create()
    assert took() < PROMPT


def test_call_due_before_the_head_wakes_a_dialer(
    driver: StoreDriver, waits: Callable[[], Callable[[], float]]
) -> None:
    driver.create(call_after=100)
    took = waits()
    driver.create(RAVI, call_after=50)
    assert took() < PROMPT


def test_call_brought_forward_wakes_a_dialer(
    driver: StoreDriver, waits: Callable[[], Callable[[], float]]
) -> None:
    begun = driver.create(call_after=100)
    took = waits()
    driver.request_call(begun)
    assert took() < PROMPT


def test_released_lock_wakes_a_dialer(
    driver: StoreDriver, waits: Callable[[], Callable[[], float]]
) -> None:
    driver.create()
    claim = driver.claim()
    driver.mark_sent(claim, gaps=(0,))
    driver.create(client="bank")
    driver.seconds_until_due()
    took = waits()
    driver.apply_callback(CallStatus.BUSY, call_id=claim.call_id)
    assert took() < PROMPT


def test_lapsed_claim_wakes_a_dialer(
    driver: StoreDriver, waits: Callable[[], Callable[[], float]]
) -> None:
    driver.create()
    driver.claim()
    took = waits()
    driver.advance_time(20)
    assert took() < PROMPT


def test_freed_live_call_wakes_a_dialer(
    driver: StoreDriver, waits: Callable[[], Callable[[], float]]
) -> None:
    driver.create()
    claim = driver.claim()
    driver.mark_sent(claim)
    driver.store.record_result(claim, PLACED)
    driver.create(RAVI)
    assert isinstance(driver.store.claim(1), int)
    took = waits()
    driver.apply_callback(CallStatus.BUSY, call_id=claim.call_id)
    assert took() < PROMPT


def test_next_route_wakes_a_dialer(
    driver: StoreDriver, waits: Callable[[], Callable[[], float]]
) -> None:
    driver.create()
    claim = driver.claim()
    driver.mark_sent(claim)
    took = waits()
    refused = CallResult(CallStatus.FAILED, is_unsent=True, next_route=claim.route)
    driver.store.record_result(claim, refused)
    assert took() < PROMPT


def test_wait_ends_after_its_time(redis_url: str) -> None:
    client = connect(redis_url, timeout_s=10)
    began = time.monotonic()
    with finishes_within(0.6):
        RedisStore(client).wait(0.1)
    assert time.monotonic() - began > 0.09
    client.close()


def test_wait_without_store_is_unavailable() -> None:
    client = connect("redis://127.0.0.1:1/0")
    with pytest.raises(StoreUnavailable):
        RedisStore(client).wait(1)
    client.close()


def test_wake_tokens_are_bounded_at_100(driver: StoreDriver, redis: Redis) -> None:
    for n in range(130):
        driver.create(f"+9198123{n:05}")
    assert redis.llen(WAKE) == 100
    assert 0 < redis.pttl(WAKE) <= 60_000
