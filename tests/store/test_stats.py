"""Statistics for the console: each change once, in its bucket, and with an expiry."""

from collections import Counter

import pytest
from redis import Redis
from store.builders import driver_with_quotas
from store.driver import RAVI, StoreDriver
from store.new_verifications import CODE
from support.service import ASHA, BRIDGE

from otpvoice.core.speech import DENIAL_KEY, Gate
from otpvoice.core.verification import CallReason, CallStatus
from otpvoice.store import Keys
from otpvoice.store.models import CallResult
from otpvoice.store.policy import STATS_BUCKET_MS
from otpvoice.store.stats import BUCKETS_PER_DAY, Bucket, StatsReader

DAY = 86_400
AREA = "+919876"


def buckets(driver: StoreDriver) -> list[Bucket]:
    """Return the last day, as the console reads it."""
    now = driver.admin.overview().now
    return StatsReader(driver.store.redis).last_day(now)


def counted(driver: StoreDriver) -> Counter[str]:
    """Return all counts of the last day."""
    return sum((Counter(each.counts) for each in buckets(driver)), Counter[str]())


def by_line(driver: StoreDriver) -> Counter[str]:
    """Return the same by caller line."""
    return sum((Counter(each.line_counts) for each in buckets(driver)), Counter[str]())


def by_area(driver: StoreDriver) -> Counter[str]:
    """Return the same by area."""
    return sum((Counter(each.area_counts) for each in buckets(driver)), Counter[str]())


def test_login_is_counted_once(driver: StoreDriver) -> None:
    """Created, placed, answered, approved; with both durations and the area."""
    begun = driver.create()
    claim = driver.dial()
    driver.advance_time(25)
    driver.apply_callback(CallStatus.ANSWERED, call_id=claim.call_id, duration_s=12)
    driver.check(begun, CODE)
    assert counted(driver) == {
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


def test_denied_verification_is_counted_as_denied(driver: StoreDriver) -> None:
    """Its status is canceled, but its client did not cancel it."""
    driver.create()
    driver.store.press_key(driver.dial(gate=Gate.DOOR).call_id, DENIAL_KEY)
    found = counted(driver)
    assert (found["verification denied"], found["verification canceled"]) == (1, 0)


def test_calls_that_rang_are_counted_by_line(driver: StoreDriver) -> None:
    """Each once; a failed call says nothing about the line."""
    for n, status in enumerate([*CallStatus]):
        if status in {"answered", "busy", "no_answer", "failed"}:
            to = f"+9198123456{n:02}"
            driver.create(to)
            claim = driver.dial()
            for _ in range(2):
                driver.apply_callback(status, call_id=claim.call_id, to=to)
    assert by_line(driver) == {f"{BRIDGE} answered": 1, f"{BRIDGE} unanswered": 2}


def test_repetitions_are_not_counted(driver: StoreDriver) -> None:
    """A second create, callback and correct code."""
    begun = driver.create()
    driver.try_create()
    claim = driver.dial()
    for _ in range(2):
        driver.apply_callback(CallStatus.ANSWERED, call_id=claim.call_id)
        driver.check(begun, CODE)
    found = counted(driver)
    assert (found["created"], found["call obd answered"], found["verification approved"]) == (
        1,
        1,
        1,
    )


@pytest.mark.parametrize("status", [CallStatus.BUSY, CallStatus.NO_ANSWER, CallStatus.FAILED])
def test_each_result_of_a_call_is_counted(driver: StoreDriver, status: CallStatus) -> None:
    driver.create()
    claim = driver.dial()
    driver.apply_callback(status, call_id=claim.call_id)
    assert counted(driver) == {"created": 1, "call obd placed": 1, f"call obd {status}": 1}


def test_call_with_early_callback_is_counted_as_placed_once(driver: StoreDriver) -> None:
    _, claim = driver.send()
    driver.apply_callback(CallStatus.BUSY, call_id=claim.call_id)
    driver.record(claim, CallResult(CallStatus.PLACED))
    assert counted(driver) == {"created": 1, "call obd placed": 1, "call obd busy": 1}


def test_unknown_call_is_counted_as_placed_when_reported(driver: StoreDriver) -> None:
    _, claim = driver.send()
    driver.record(claim, CallResult(CallStatus.UNKNOWN, CallReason.NO_NEWS))
    assert counted(driver)["call obd placed"] == 0
    driver.apply_callback(CallStatus.ANSWERED, call_id=claim.call_id)
    assert counted(driver)["call obd placed"] == 1


def test_refused_call_is_not_counted_as_placed(driver: StoreDriver) -> None:
    _, claim = driver.send()
    driver.record(claim, CallResult(CallStatus.FAILED, CallReason.REFUSED))
    assert counted(driver) == {"created": 1, "call obd refused": 1}


def test_undialed_calls_are_counted_separately(driver: StoreDriver) -> None:
    """Superseded verifications are not failures."""
    driver.create(call_after=100)
    newer = driver.create(code="654321", own_code=True, call_after=100)
    driver.cancel(newer)
    assert counted(driver) == {
        "created": 2,
        "call obd canceled": 2,
        "verification superseded": 1,
        "verification canceled": 1,
    }
    assert by_area(driver) == {f"{AREA} ended": 1}


def test_test_numbers_are_not_counted(driver: StoreDriver, redis: Redis) -> None:
    begun = driver.create(is_test=True)
    driver.check(begun, CODE)
    assert counted(driver) == {}
    assert [*redis.scan_iter("*:stats:*"), *redis.scan_iter("*:area_stats:*")] == []


def test_counts_belong_to_buckets_of_five_minutes(driver: StoreDriver) -> None:
    """After a day they are no longer shown."""
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


def test_buckets_expire_after_26_hours(driver: StoreDriver, redis: Redis) -> None:
    begun = driver.create()
    driver.approve(begun)
    ends = [
        redis.pttl(key) for kind in ("stats", "area_stats") for key in redis.keys(f"*:{kind}:*")
    ]
    assert len(ends) == 2
    assert all(25.9 * 3_600_000 < end <= 26 * 3_600_000 for end in ends)


def test_areas_are_bounded(redis: Redis) -> None:
    """Further areas count as "other"."""
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


def test_statistics_contain_no_number(driver: StoreDriver) -> None:
    """Only the area: all but the last six digits."""
    driver.check(driver.create_answered(), CODE)
    now = buckets(driver)[-1]
    found = " ".join([*now.counts, *now.area_counts])
    assert AREA in found
    assert ASHA[:8] not in found
