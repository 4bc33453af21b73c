"""The server's clock is set back: the functions keep their time and catch up slowly."""

import time
from itertools import pairwise

from redis import Redis
from store.driver import LIVE_FOR_S, RAVI, StoreDriver
from store.new_verifications import CODE

from otpvoice.core.limits import DAY_MS
from otpvoice.core.verification import CallStatus
from otpvoice.store.redis_store import RedisStore

CLOCK = "{otpvoice}:clock"
BACK = 300


def set_back(driver: StoreDriver, seconds: float = BACK) -> None:
    """Set the server's clock back."""
    driver.store.clock_offset_ms -= round(seconds * 1000)


def runs(driver: StoreDriver, seconds: int) -> None:
    """Let the server's clock run, with a heartbeat every second."""
    for _ in range(seconds):
        driver.advance_time(1)


def now(driver: StoreDriver) -> int:
    """Return the functions' time in milliseconds."""
    lead = driver.store.health().clock_lead_ms
    return round(time.time() * 1000) + driver.store.clock_offset_ms + lead


def test_due_call_is_dialed_after_the_clock_went_back(driver: StoreDriver) -> None:
    """A due call stays due, and a later one comes as planned."""
    due, later = driver.create(own_code=True), driver.create(RAVI, call_after=30)
    set_back(driver)
    runs(driver, 2)
    assert driver.dial().verification_id == due.id
    runs(driver, 25)
    assert isinstance(driver.store.claim(200), int)
    runs(driver, 10)
    assert driver.claim().verification_id == later.id


def test_code_lives_no_longer_after_the_clock_went_back(driver: StoreDriver) -> None:
    """60 s of the functions' time, a tenth more of the server's."""
    begun = driver.create(ttl=60, own_code=True)
    other = driver.create(RAVI, ttl=60)
    set_back(driver)
    runs(driver, 59)
    assert driver.check(begun, CODE).outcome == "right"
    runs(driver, 9)
    assert driver.check(other, CODE).outcome == "closed"


def test_time_never_runs_back(driver: StoreDriver, redis: Redis) -> None:
    """By more than the second between two stored times."""
    latest = now(driver)
    for step in (-1.5, 0.2, -300, 0.9, 1.1, -86_400, 4, -0.5, 3, -7, 6, 400, -10, 90_000, -1):
        driver.advance_time(step)
        assert now(driver) >= latest - 1000
        latest = max(latest, now(driver))
    assert 0 < redis.pttl(CLOCK) <= DAY_MS


def test_lead_ends_when_the_clock_is_set_forward(driver: StoreDriver) -> None:
    set_back(driver)
    driver.sweep()
    assert 299_000 <= driver.store.health().clock_lead_ms <= 300_000
    driver.advance_time(BACK)
    assert driver.store.health().clock_lead_ms <= 1000
    assert abs(now(driver) - time.time() * 1000) < 2000


def test_lead_shrinks_by_a_tenth_of_the_time(driver: StoreDriver) -> None:
    """Without a jump."""
    set_back(driver, 10)
    driver.sweep()
    leads = []
    for _ in range(25):
        driver.advance_time(4)
        leads.append(driver.store.health().clock_lead_ms)
    assert all(200 <= a - b <= 600 for a, b in pairwise(leads[:20]))
    assert leads[-1] == 0


def test_clock_set_back_is_logged_once(driver: StoreDriver) -> None:
    """With the seconds; a small correction is not logged."""
    driver.audit_entries.clear()
    set_back(driver, 0.5)
    driver.sweep()
    assert driver.audit_entries == []
    set_back(driver)
    driver.sweep()
    driver.advance_time(2)
    (notice,) = driver.audit_entries
    assert notice.event == "clock.moved_back"
    assert 299 <= notice.details["seconds"] <= 301


def test_promoted_replica_with_older_clock_keeps_the_time(
    driver: StoreDriver, redis: Redis
) -> None:
    """The stored time comes with the data."""
    begun = driver.create(call_after=100)
    driver.advance_time(101)
    other = StoreDriver(RedisStore(redis, clock_offset_ms=-5_000))
    assert other.claim().verification_id == begun.id


def test_full_server_keeps_the_time(driver: StoreDriver, redis: Redis) -> None:
    """Functions that only read store the time at ``maxmemory``."""
    begun = driver.create(own_code=True)
    driver.get(begun)
    redis.config_set("maxmemory", 1)
    try:
        set_back(driver)
        assert driver.get(begun).checks_left == 5
        assert 299_000 <= driver.store.health().clock_lead_ms <= 300_000
    finally:
        redis.config_set("maxmemory", 0)


def test_damaged_stored_time_is_replaced(driver: StoreDriver, redis: Redis) -> None:
    for text in ("", "x", "1 -2", "1e99 3", "9" * 40):
        redis.set(CLOCK, text, px=60_000)
        assert abs(now(driver) - time.time() * 1000) < 2000


def test_status_query_and_end_come_on_time_after_clock_set_back(driver: StoreDriver) -> None:
    begun = driver.create(own_code=True)
    driver.dial()
    set_back(driver)
    runs(driver, 70)
    assert [each.verification_id for each in driver.store.due_status_queries(5)] == [begun.id]
    runs(driver, 140)
    assert driver.get(begun).calls[0].status is CallStatus.UNKNOWN


def set_server(driver: StoreDriver, redis: Redis, seconds: float) -> None:
    """Set the server's clock, by which keys expire as well."""
    driver.store.clock_offset_ms += round(seconds * 1000)
    for key in redis.scan_iter():
        ends = redis.pttl(key)
        if ends > 0:
            redis.pexpire(key, ends - round(seconds * 1000))


def test_lock_holds_after_clock_was_set_back_and_forward(driver: StoreDriver, redis: Redis) -> None:
    """No second call rings early."""
    set_server(driver, redis, -BACK)
    driver.sweep()
    driver.send()
    set_server(driver, redis, BACK)
    driver.advance_time(61)
    driver.create(client="bank")
    assert driver.seconds_until_due() == LIVE_FOR_S - 61
