"""Unreadable records are quarantined: each is reported once, and everything else continues."""

import json
import time
from collections.abc import Callable

import pytest
from redis import Redis
from store import by_number
from store.builders import driver_with_limits
from store.driver import RAVI, StoreDriver, number_identity
from store.new_verifications import NUMBERS
from store.quarantine_cases import (
    PREFIX,
    STAGES,
    assert_in_no_index,
    assert_reported_once,
    break_field,
    quarantine_driver,
    quarantine_of,
    run_dialer,
)
from support.service import ASHA

from otpvoice.core.verification import EndReason, Status, Verification
from otpvoice.store import Keys
from otpvoice.store.redis_store import RedisStore

NOTICES = [
    b"not JSON",
    b"\xff\xfe",
    b"[]",
    b"{}",
    b'{"event": "breaker.opened"}',
    b'{"event": "breaker.opened", "at": "now", "breaker": "conversion_breaker"}',
    b'{"event": "breaker.opened", "at": 99999999999999999, "breaker": "conversion_breaker"}',
    b'{"event": "number.blocked", "at": 1795992042876, "number": {"a": 1}}',
    b'{"event": "number.blocked", "at": 1795992042876, "number": 5}',
    b'{"event": 7, "at": 1795992042876}',
]


@pytest.fixture
def driver(redis: Redis) -> StoreDriver:
    """Return a driver with events and without limits of numbers."""
    return quarantine_driver(redis)


@pytest.mark.parametrize("stage", STAGES)
def test_call_of_another_type_is_quarantined(
    driver: StoreDriver, redis: Redis, stage: Callable[[StoreDriver], Verification]
) -> None:
    begun = stage(driver)
    redis.set(f"{PREFIX}call:{begun.calls[0].id}", "no hash", ex=1000)
    assert_reported_once(driver, f"call:{begun.calls[0].id}")
    assert_in_no_index(redis, begun.calls[0].id)


def test_verification_of_another_type_is_quarantined(driver: StoreDriver, redis: Redis) -> None:
    """The API returns not found."""
    begun = driver.create()
    redis.set(f"{PREFIX}verification:{begun.id}", "no hash", ex=1000)
    assert driver.store.get(begun.id, "login").outcome == "not_found"
    assert_reported_once(driver, f"verification:{begun.id}")


@pytest.mark.parametrize("field", ["total", "first", "slice"])
@pytest.mark.parametrize("value", [None, "", "+", "1.5", "many", b"\xff"])
def test_counter_with_bad_field_starts_again(
    redis: Redis, field: str, value: str | bytes | None
) -> None:
    """The counter of a day serves all calls."""
    driver = driver_with_limits(redis, gaps=(0,), calls_per_day=1000)
    begun = driver.create()
    key = next(redis.scan_iter(f"{PREFIX}counter:day:*")).decode()
    if field == "slice":
        field = next(name.decode() for name, _ in redis.hscan_iter(key) if name.isdigit())
    break_field(redis, key, field, value)
    assert driver.dial().verification_id == begun.id
    for _ in range(3):
        run_dialer(driver)
        driver.advance_time(70)
    assert driver.admin.overview().limits[0].used >= 2


@pytest.mark.parametrize(
    "key",
    [
        "queue",
        "queue:login",
        "live:login",
        "dialers",
        "audit_log",
        "number_lock",
        "waiting_for_number",
    ],
)
def test_key_of_another_type_is_quarantined(driver: StoreDriver, redis: Redis, key: str) -> None:
    """It is replaced at its next use."""
    driver.create()
    name = f"{PREFIX}{key}"
    if key in {"number_lock", "waiting_for_number"}:
        name += f":{NUMBERS.hash(ASHA)}"
    redis.delete(name)
    redis.xadd(name, {"another": "type"})
    redis.expire(name, 1000)
    run_dialer(driver)
    assert driver.try_create("+919822222222").outcome == "created"


@pytest.mark.parametrize("notice", NOTICES)
def test_undecodable_audit_entry_is_quarantined(
    driver: StoreDriver, redis: Redis, notice: bytes
) -> None:
    """The entries after it reach the log."""
    redis.rpush(f"{PREFIX}audit_log", notice)
    redis.expire(f"{PREFIX}audit_log", 1000)
    driver.admin.block(number_identity(RAVI), 60, "operator")
    driver.sweep()
    driver.sweep()
    assert [each.event for each in driver.audit_entries] == [
        "number.blocked",
        "record.quarantined",
    ]
    assert redis.lrange(f"{PREFIX}quarantined:audit_log", 0, -1) == [notice]
    (listed,) = quarantine_of(driver).records
    assert listed.record == "audit_log"


@pytest.mark.parametrize("field", ["total", "first", "slice"])
@pytest.mark.parametrize("value", [None, "", "1.5", "many", "9" * 19, "-" + "9" * 19])
def test_counter_with_bad_field_is_counted_down(
    redis: Redis, field: str, value: str | None
) -> None:
    """It never becomes a key without an end."""
    driver = driver_with_limits(redis, gaps=(0,), calls_per_day=1000)
    begun = driver.create()
    key = next(redis.scan_iter(f"{PREFIX}counter:day:*")).decode()
    if field == "slice":
        field = next(name.decode() for name, _ in redis.hscan_iter(key) if name.isdigit())
    break_field(redis, key, field, value)
    driver.cancel(begun)
    assert redis.pttl(key) != -1
    driver.create()
    assert driver.admin.overview().limits[0].used >= 1


@pytest.mark.parametrize("value", [None, "", "+", "1.5", "many", "nan", b"\xff", "9" * 400])
@pytest.mark.parametrize("field", ["created_at", "client", "number"])
def test_verification_with_bad_field_is_passed_over_by_number(
    driver: StoreDriver, redis: Redis, field: str, value: str | bytes | None
) -> None:
    """The one before it is the newest then, and a new one can be created."""
    older = driver.create(reference="older")
    driver.advance_time(1)
    begun = driver.create(reference="newer")
    break_field(redis, Keys().of("verification", begun.id), field, value)
    found = by_number.look_up(driver).verification
    assert found
    assert found.id == older.id
    assert by_number.look_up(driver, reference="newer").outcome == "not_found"
    driver.create(reference="newest")
    assert (field == "created_at") == (len(quarantine_of(driver).records) == 1)


@pytest.mark.parametrize("version", ["x", "9" * 18, "9" * 19])
def test_version_that_cannot_be_counted_is_quarantined(redis: Redis, version: str) -> None:
    """The end of a lease changes the call alone. The verification must not begin again."""
    driver = StoreDriver(RedisStore(redis))
    begun = driver.create()
    assert driver.mark_sent(driver.claim())
    redis.hset(Keys().of("verification", begun.id), "version", version)
    driver.advance_time(30)
    assert not redis.exists(Keys().of("verification", begun.id))
    assert_reported_once(driver, f"verification:{begun.id}")


@pytest.mark.parametrize("lost", ["deleted", "unreadable", "of another type"])
@pytest.mark.parametrize("is_dialed", [True, False])
def test_number_record_that_replaces_a_lost_one_expires(
    driver: StoreDriver, redis: Redis, lost: str, *, is_dialed: bool
) -> None:
    """With the verification that wrote it, so that operators find it by number."""
    begun = driver.create()
    if is_dialed:
        driver.dial()
    key = Keys().of("number", NUMBERS.hash(ASHA))
    if lost == "unreadable":
        redis.hset(key, "gap_until", "soon")
    else:
        redis.delete(key)
    if lost == "of another type":
        redis.set(key, "no hash", ex=1000)
    driver.close(begun, Status.APPROVED, EndReason.APPROVED_ELSEWHERE)
    kept_ms = redis.pttl(Keys().of("verification", begun.id))
    assert kept_ms - 5_000 < redis.pttl(key) <= kept_ms


@pytest.mark.parametrize("member", [b"call_without_record", b"\xff\xfe", b"", b"a b:c"])
def test_queue_member_without_record_leaves_the_queue(
    driver: StoreDriver, redis: Redis, member: bytes
) -> None:
    """Nothing is quarantined."""
    for index in ("queue", "queue:login", "dialing", "live", "status_queries", "expiring"):
        redis.zadd(f"{PREFIX}{index}", {member: time.time() * 1000 - 100})
    run_dialer(driver)
    for index in ("queue", "queue:login"):
        assert not redis.zscore(f"{PREFIX}{index}", member)
    assert not quarantine_of(driver).records


def test_call_with_undecodable_id_is_quarantined(driver: StoreDriver, redis: Redis) -> None:
    """Its bytes reach no log and no response."""
    begun = driver.create()
    strange = PREFIX.encode() + b"call:call_\xff\xfe"
    redis.copy(f"{PREFIX}call:{begun.calls[0].id}", strange)  # type: ignore[arg-type]
    redis.zadd(f"{PREFIX}queue:login", {b"\xff\xfe": time.time() * 1000 - 100})
    run_dialer(driver)
    assert [each.record for each in quarantine_of(driver).records] == ["call:call_??"]
    assert redis.exists(PREFIX.encode() + b"quarantined:call:call_\xff\xfe")


def test_undecodable_refusals_are_quarantined(driver: StoreDriver, redis: Redis) -> None:
    """The limits of the number can still be explained."""
    driver.admin.block(number_identity(ASHA), 3600, "operator")
    assert driver.try_create().outcome == "rate_limited block"
    redis.lpush(f"{PREFIX}refusals:{NUMBERS.hash(ASHA)}", "no JSON")
    assert driver.explain().refusals == ()
    assert driver.explain().blocked_until_ms
    assert [each.record for each in quarantine_of(driver).records] == [
        f"refusals:{NUMBERS.hash(ASHA)}"
    ]


def test_quarantine_is_bounded_and_expires(driver: StoreDriver, redis: Redis) -> None:
    """A thousand entries, for a week."""
    for n in range(1100):
        redis.set(f"{PREFIX}call:broken{n}", "x", ex=1000)
        redis.zadd(f"{PREFIX}dialing", {f"broken{n}": 1})
    while driver.sweep():
        pass
    assert redis.zcard(f"{PREFIX}quarantine") == 1000
    assert len(quarantine_of(driver).records) == 10
    week = 7 * 86_400_000
    kept = [*redis.scan_iter(f"{PREFIX}quarantine*", count=5000)]
    assert len(kept) == 1101
    assert all(0 < redis.pttl(key) <= week for key in kept)


def test_no_value_of_a_record_is_reported(driver: StoreDriver, redis: Redis) -> None:
    """It could be a code or a number."""
    begun = driver.create()
    redis.hset(f"{PREFIX}call:{begun.calls[0].id}", "due_at", "code 471102")
    redis.rpush(f"{PREFIX}audit_log", '{"event": "code 471102"}')
    redis.expire(f"{PREFIX}audit_log", 1000)
    run_dialer(driver)
    driver.sweep()
    reported = json.dumps([dict(each.details) for each in driver.audit_entries])
    reported += str(quarantine_of(driver))
    assert "set aside" not in reported
    assert "471102" not in reported
    assert len(quarantine_of(driver).records) == 2


def test_recent_counts_end_after_a_quarter_of_an_hour(driver: StoreDriver, redis: Redis) -> None:
    """``/readyz`` and the metrics recover; doctor lists the record for a week."""
    redis.set(f"{PREFIX}call:call_broken", "x", ex=1000)
    for index, member in (("queue", "login"), ("queue:login", "broken")):
        redis.zadd(f"{PREFIX}{index}", {member: 1})
    assert driver.seconds_until_due() == -1
    assert quarantine_of(driver).quarantined == 1
    driver.advance_time(15 * 60 + 1)
    assert quarantine_of(driver).quarantined == 0
    assert len(quarantine_of(driver).records) == 1


def test_names_that_are_not_utf8_hide_no_record(driver: StoreDriver, redis: Redis) -> None:
    """A record with a field of another writer is read, and a foreign entry breaks no list."""
    begun = driver.create()
    redis.hset(f"{PREFIX}call:{begun.calls[0].id}", b"\xff\xfe", "x")
    redis.hset(f"{PREFIX}verification:{begun.id}", b"\xff\xfe", "x")
    assert driver.get(begun).calls[0].id == begun.calls[0].id
    entry = b'{"record":"call:\xff","reason":"x"}'
    redis.zadd(f"{PREFIX}quarantine", {entry: driver.get(begun).now})
    redis.expire(f"{PREFIX}quarantine", 60)
    assert [each.record for each in quarantine_of(driver).records] == ["call:?"]
