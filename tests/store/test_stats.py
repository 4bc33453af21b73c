"""What the rules book for the console: each change once, where it belongs, and with an end."""

from collections import Counter

import pytest
from redis import Redis
from store.driver import CODE, RAVI, StoreDriver, driver_with_quotas
from support.service import ASHA

from otpvoice.core.verification import CallReason, CallStatus
from otpvoice.store.keys import Keys
from otpvoice.store.models import CallResult
from otpvoice.store.policy import STATS_BUCKET_MS
from otpvoice.store.stats import BUCKETS_PER_DAY, Bucket, StatsReader

DAY = 86_400
AREA = "+919876"


def buckets(driver: StoreDriver) -> list[Bucket]:
    """The last day, as the console reads it."""
    now = driver.admin.overview().now
    return StatsReader(driver.store.redis).last_day(now)


def booked(driver: StoreDriver) -> Counter[str]:
    """All that happened in the last day."""
    return sum((Counter(each.counts) for each in buckets(driver)), Counter[str]())


def by_area(driver: StoreDriver) -> Counter[str]:
    """The same by the beginnings of numbers."""
    return sum((Counter(each.area_counts) for each in buckets(driver)), Counter[str]())


def test_a_login_is_booked_once(driver: StoreDriver) -> None:
    """Asked for, placed, answered, approved; how long both took; and where."""
    begun = driver.create()
    claim = driver.dial()
    driver.advance_time(25)
    driver.apply_callback(CallStatus.ANSWERED, call_id=claim.call_id, duration_s=12)
    driver.check(begun, CODE)
    assert booked(driver) == {
        "created": 1,
        "call obd placed": 1,
        "call obd answered": 1,
        "answer 3": 1,  # 25 s, of which 12 were talk: within 15
        "verification approved": 1,
        "approval 2": 1,
    }
    assert by_area(driver) == {
        f"{AREA} {what}": 1 for what in ("placed", "answered", "ended", "approved")
    }


def test_what_is_said_twice_is_booked_once(driver: StoreDriver) -> None:
    """A second create of the same, a second callback, a second right code."""
    begun = driver.create()
    driver.try_create()
    claim = driver.dial()
    for _ in range(2):
        driver.apply_callback(CallStatus.ANSWERED, call_id=claim.call_id)
        driver.check(begun, CODE)
    found = booked(driver)
    assert (found["created"], found["call obd answered"], found["verification approved"]) == (
        1,
        1,
        1,
    )


@pytest.mark.parametrize("status", [CallStatus.BUSY, CallStatus.NO_ANSWER, CallStatus.FAILED])
def test_each_end_of_a_call_is_booked(driver: StoreDriver, status: CallStatus) -> None:
    """The provider took it, and tells its end; nobody answered, so that no time is told."""
    driver.create()
    claim = driver.dial()
    driver.apply_callback(status, call_id=claim.call_id)
    assert booked(driver) == {"created": 1, "call obd placed": 1, f"call obd {status}": 1}


def test_a_callback_that_overtakes_the_reply_is_booked_once(driver: StoreDriver) -> None:
    """It was placed all the same, and the late reply places it no second time."""
    _, claim = driver.send()
    driver.apply_callback(CallStatus.BUSY, call_id=claim.call_id)
    driver.record(claim, CallResult(CallStatus.PLACED))
    assert booked(driver) == {"created": 1, "call obd placed": 1, "call obd busy": 1}


def test_a_call_without_a_reply_is_placed_when_it_is_known(driver: StoreDriver) -> None:
    """Unknown at first; the provider's news says that it had it."""
    _, claim = driver.send()
    driver.record(claim, CallResult(CallStatus.UNKNOWN, CallReason.NO_NEWS))
    assert booked(driver)["call obd placed"] == 0
    driver.apply_callback(CallStatus.ANSWERED, call_id=claim.call_id)
    assert booked(driver)["call obd placed"] == 1


def test_a_call_that_the_provider_refused_was_not_placed(driver: StoreDriver) -> None:
    """It costs nothing."""
    _, claim = driver.send()
    driver.record(claim, CallResult(CallStatus.FAILED, CallReason.REFUSED))
    assert booked(driver) == {"created": 1, "call obd refused": 1}


def test_what_was_never_dialed_is_told_apart(driver: StoreDriver) -> None:
    """Canceled with its verification; and superseded ones are no failures."""
    driver.create(call_after=100)
    newer = driver.create(code="654321", own_code=True, call_after=100)
    driver.cancel(newer)
    assert booked(driver) == {
        "created": 2,
        "call obd canceled": 2,
        "verification superseded": 1,
        "verification canceled": 1,
    }
    assert by_area(driver) == {f"{AREA} ended": 1}


def test_test_numbers_are_not_booked(driver: StoreDriver, redis: Redis) -> None:
    """Nobody was called, and nobody was proven."""
    begun = driver.create(is_test=True)
    driver.check(begun, CODE)
    assert booked(driver) == {}
    assert [*redis.scan_iter("*:stats:*"), *redis.scan_iter("*:area_stats:*")] == []


def test_each_moment_has_its_bucket(driver: StoreDriver) -> None:
    """Five minutes later it is another one; after a day it is shown no more."""
    driver.create()
    driver.advance_time(STATS_BUCKET_MS / 1000)
    driver.create(RAVI)
    earlier, later = (each.counts for each in buckets(driver)[-2:])
    assert earlier == {"created": 1}
    assert later["created"] == 1
    driver.advance_time(DAY - STATS_BUCKET_MS / 1000)
    found = buckets(driver)
    assert len(found) == BUCKETS_PER_DAY
    assert sum(each.counts.get("created", 0) for each in found) == 1


def test_buckets_end_after_26_hours(driver: StoreDriver, redis: Redis) -> None:
    """Nothing is kept for longer than it is shown, and two hours for clocks and questions."""
    begun = driver.create()
    driver.approve(begun)
    ends = [
        redis.pttl(key) for kind in ("stats", "area_stats") for key in redis.keys(f"*:{kind}:*")
    ]
    assert len(ends) == 2
    assert all(25.9 * 3_600_000 < end <= 26 * 3_600_000 for end in ends)


def test_areas_are_bounded(redis: Redis) -> None:
    """Calls all over the world fill no memory: the rest is "other", and the sum is true."""
    driver = driver_with_quotas(redis, gaps=(0,))
    many = 300
    for n in range(many):
        driver.cancel(driver.create(f"+91{6000 + n}123456"))
    found = by_area(driver)
    assert found["other ended"] == many - 256
    assert found.total() == many
    bucket = driver.admin.overview().now // STATS_BUCKET_MS
    size = redis.memory_usage(Keys().of("area_stats", bucket), samples=0) or 0
    print(f"{size} bytes")
    assert size < 40_000


def test_a_number_stands_nowhere_in_it(driver: StoreDriver) -> None:
    """Only its beginning, all but the last six digits."""
    driver.check(driver.create_answered(), CODE)
    now = buckets(driver)[-1]
    found = " ".join([*now.counts, *now.area_counts])
    assert AREA in found
    assert ASHA[:8] not in found
