"""Blocks: an operator forbids calls to a number."""

from collections.abc import Callable

import pytest
from redis import Redis
from store.builders import driver_with_limits
from store.driver import RAVI, StoreDriver, number_identity
from store.limit_cases import DAY, NO_GAP, refusing, stored
from store.new_verifications import CODE
from support.service import ASHA

from otpvoice.core.limits import ClientLimits
from otpvoice.core.verification import CallReason, CallStatus
from otpvoice.store.models import CallResult

PHONE = number_identity(ASHA)
HOUR = 3_600
REFUSED = CallResult(CallStatus.FAILED, CallReason.REFUSED, is_unsent=True, next_route="c2c")
RETRY = CallResult(CallStatus.QUEUED, is_unsent=True, retry_in_ms=1_000)


@pytest.fixture
def driver(redis: Redis) -> StoreDriver:
    """Return a driver without limits or gaps, with a deliver-only client."""
    clients = {"app": ClientLimits(deliver_only=True)}
    return driver_with_limits(redis, gaps=NO_GAP, policy={"max_redials": 1}, clients=clients)


def blocks(driver: StoreDriver, seconds: int = HOUR) -> int:
    """Block the number and return how many queued calls were canceled."""
    return driver.admin.block(PHONE, seconds, "root")


def test_blocked_number_is_refused_until_the_end(driver: StoreDriver) -> None:
    """By create and calls, for every client."""
    begun = driver.create(ttl=600)
    driver.dial_busy()
    driver.cancel(driver.create(client="bank"))
    blocks(driver, 300)
    for client in ("login", "bank", "app"):
        answer = driver.try_create(client=client, reference="another")
        assert refusing(answer) == "block"
        assert 295_000 <= answer.retry_after_ms <= 300_000
    assert refusing(driver.request_call(begun)) == "block"
    assert driver.get(begun).next_call().reason == "rate_limited"
    driver.advance_time(298)
    assert refusing(driver.request_call(begun)) == "block"
    driver.advance_time(2)
    assert driver.request_call(begun).outcome == "coming"


def test_block_leaves_other_numbers(driver: StoreDriver) -> None:
    """Also the next number."""
    blocks(driver)
    for to in (RAVI, "+919876543211"):
        assert driver.try_create(to).outcome == "created"


def test_block_cancels_queued_calls(driver: StoreDriver) -> None:
    """Of all clients; their verifications stay pending."""
    now = driver.create(own_code=True)
    later = driver.create(client="bank", call_after=60, own_code=True)
    other = driver.create(RAVI)
    assert blocks(driver) == 2
    for begun in (now, later):
        call = driver.last_call(begun)
        assert (call.status, call.reason) == (CallStatus.CANCELED, CallReason.REFUSED)
        assert driver.check(begun, CODE).outcome == "right"
    assert driver.claim().verification_id == other.id
    assert driver.seconds_until_due() == -1


def test_block_releases_capacity_of_canceled_calls(redis: Redis) -> None:
    """They never rang."""
    driver = driver_with_limits(redis, gaps=NO_GAP, calls_per_day=1)
    driver.create()
    blocks(driver)
    assert driver.try_create(RAVI).outcome == "created"


def test_claimed_call_of_blocked_number_is_not_sent(driver: StoreDriver) -> None:
    """The sent mark is refused."""
    begun = driver.create()
    claim = driver.claim()
    blocks(driver)
    assert not driver.mark_sent(claim)
    call = driver.last_call(begun)
    assert (call.status, call.reason) == (CallStatus.CANCELED, CallReason.REFUSED)
    assert driver.seconds_until_due() == -1


@pytest.mark.parametrize("result", [REFUSED, RETRY])
def test_block_stops_next_route_and_retry(driver: StoreDriver, result: CallResult) -> None:
    """Neither is dialed."""
    begun = driver.create()
    claim = driver.claim()
    assert driver.mark_sent(claim)
    blocks(driver)
    driver.record(claim, result)
    driver.advance_time(2)
    assert driver.seconds_until_due() == -1
    assert {call.status for call in driver.get(begun).calls} <= {
        CallStatus.CANCELED, CallStatus.FAILED
    }  # fmt: skip


def test_placed_call_of_blocked_number_is_not_redialed(driver: StoreDriver) -> None:
    """The placed call itself cannot be recalled."""
    begun = driver.create()
    placed = driver.dial()
    assert blocks(driver) == 0
    driver.apply_callback(CallStatus.BUSY, call_id=placed.call_id)
    assert len(driver.get(begun).calls) == 1


def test_unblock_allows_calls_at_once(driver: StoreDriver) -> None:
    """Both actions are audited."""
    blocks(driver)
    driver.admin.block(PHONE, 0, "root")
    assert driver.try_create().outcome == "created"
    assert driver.explain().blocked_until_ms == 0
    driver.sweep()
    first, second = (each for each in driver.audit_entries if "blocked" in each.event)
    assert (first.event, first.details["seconds"]) == ("number.blocked", HOUR)
    assert second.event == "number.unblocked"
    for entry in (first, second):
        assert entry.details["operator"] == "root"
        assert entry.details["to"] == "+91******3210"


def test_unblock_of_unblocked_number_creates_no_record(driver: StoreDriver, redis: Redis) -> None:
    """Also of an unknown number."""
    driver.admin.block(PHONE, 0, "root")
    assert not list(redis.scan_iter("*:number:*"))


def test_newer_block_replaces_older(driver: StoreDriver) -> None:
    """With a longer or a shorter one."""
    for seconds in (HOUR, 60, 30 * DAY):
        blocks(driver, seconds)
        seen = driver.explain()
        assert seconds * 1000 - 5_000 <= seen.blocked_until_ms - seen.now_ms <= seconds * 1000


@pytest.mark.parametrize(
    "step",
    [
        lambda driver: driver.admin.forget(PHONE, "root"),
        lambda driver: driver.admin.clear(PHONE, "root"),
        lambda driver: driver.advance_time(8 * DAY),
    ],
    ids=["forget", "clear", "a week"],
)
def test_block_survives(driver: StoreDriver, step: Callable[[StoreDriver], object]) -> None:
    """Erasure, clearing, and a week."""
    driver.create()
    blocks(driver, 30 * DAY)
    step(driver)
    assert refusing(driver.try_create()) == "block"


def test_unknown_number_can_be_blocked(driver: StoreDriver, redis: Redis) -> None:
    """The record expires with the block."""
    assert blocks(driver, 30 * DAY) == 0
    [key] = redis.scan_iter("*:number:*")
    assert 30 * DAY * 1000 - 5_000 <= redis.pttl(key) <= 30 * DAY * 1000
    before = stored(redis)
    assert refusing(driver.try_create()) == "block"
    assert stored(redis) == before
