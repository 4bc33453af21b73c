"""Unreadable records are quarantined: each is reported once, and everything else continues."""

import itertools
import json
import time
from collections.abc import Callable, Mapping

import pytest
from redis import Redis
from store.builders import driver_with_limits
from store.driver import CODE, NUMBERS, RAVI, StoreDriver, number_identity
from support.service import ASHA

from otpvoice.core.limits import ClientLimits
from otpvoice.core.store_port import Idempotency
from otpvoice.core.verification import CallStatus, Route, Status, Verification
from otpvoice.store.models import CallResult, Quarantine

PREFIX = "{otpvoice}:"
_others = (f"+9198{n:08}" for n in itertools.count())
CALL_FIELDS: Mapping[str, str | bytes | None] = {
    "status": "ringing",
    "verification": None,
    "number": None,
    "route": b"\xff\xfe",
    "locale": None,
    "bridge": "",
    "due_at": "soon",
    "lease_until": "1e999",
    "sent_at": "never",
    "live_until": "9" * 18,
    "not_before": "-1",
    "heard": "maybe",
    "duration": "12.5",
}
VERIFICATION_FIELDS: Mapping[str, str | bytes | None] = {
    "client": None,
    "number": None,
    "encrypted_number": None,
    "status": "open",
    "created_at": "yesterday",
    "expires_at": None,
    "version": "x",
    "code_length": None,
    "checks_left": "many",
    "queue_margin": "",
    "locale": b"\xff",
}
NUMBER_FIELDS: Mapping[str, str] = {
    "gap_until": "tomorrow",
    "gap_calls": "x",
    "gap_last": "",
    "blocked_until": "forever",
    "call call_strange": "now",
    "pending login": "",
    "verification vrf_strange": "then",
}
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


def break_field(redis: Redis, key: str, field: str, value: str | bytes | None) -> None:
    """Write ``value`` into a record; None removes the field."""
    assert redis.exists(key), key
    if value is None:
        redis.hdel(key, field)
    else:
        redis.hset(key, field, value)


def quarantine_of(driver: StoreDriver) -> Quarantine:
    """Return the quarantine that operators see."""
    return driver.store.health().quarantine


def run_dialer(driver: StoreDriver) -> None:
    """Run everything that a dialer does, and call another number, while calls are due."""
    driver.sweep()
    other = driver.create(next(_others))
    for _ in range(20):
        driver.sweep()
        driver.due_status_queries()
        driver.store.claim_events({"login": 10})
        claim = driver.store.claim(200)
        if claim == 0:
            continue
        if isinstance(claim, int):
            break
        if claim.verification_id == other.id:
            assert driver.mark_sent(claim)
            driver.record(claim, CallResult(CallStatus.PLACED))
    assert driver.last_call(other).status is CallStatus.PLACED


def assert_reported_once(driver: StoreDriver, record: str) -> None:
    """Check that the record is listed, kept, counted and logged once."""
    for _ in range(3):
        run_dialer(driver)
        driver.advance_time(70)
    redis = driver.store.redis
    assert [each.record for each in quarantine_of(driver).records] == [record]
    logged = [each for each in driver.audit_entries if each.event == "record.quarantined"]
    assert [each.details["record"] for each in logged] == [record]
    assert redis.exists(f"{PREFIX}quarantined:{record}")
    assert quarantine_of(driver).quarantined == driver.admin.overview().quarantine.quarantined
    assert quarantine_of(driver).quarantined == 1


def assert_in_no_index(redis: Redis, record_id: str) -> None:
    """Check that no index contains the record."""
    for index in ("queue:login", "dialing", "live", "status_queries", "expiring"):
        assert redis.zscore(PREFIX + index, record_id) is None, index


@pytest.fixture
def driver(redis: Redis) -> StoreDriver:
    """Return a driver with events for the client ``login`` and no limits of numbers."""
    open_limits = {"calls_per_number": (), "all_calls_per_number": (), "unverified_per_prefix": ()}
    rules = {"clients_with_events": frozenset({"login"})}
    clients = {"login": ClientLimits()}
    return driver_with_limits(redis, gaps=(0,), policy=rules, clients=clients, **open_limits)


def queued(driver: StoreDriver) -> Verification:
    """Create a verification whose call is queued."""
    return driver.create()


def claimed(driver: StoreDriver) -> Verification:
    """Create a verification whose call is claimed by a dialer that never returns."""
    begun = driver.create()
    driver.claim()
    return begun


def placed(driver: StoreDriver) -> Verification:
    """Create a verification whose call may be ringing."""
    begun = driver.create()
    driver.dial()
    return begun


@pytest.mark.parametrize("stage", [queued, claimed, placed])
@pytest.mark.parametrize(("field", "value"), CALL_FIELDS.items(), ids=[*CALL_FIELDS])
def test_call_with_bad_field_is_quarantined(
    driver: StoreDriver,
    redis: Redis,
    stage: Callable[[StoreDriver], Verification],
    field: str,
    value: str | bytes | None,
) -> None:
    """The verification stays pending, and a further call can be requested."""
    begun = stage(driver)
    (call,) = begun.calls
    break_field(redis, f"{PREFIX}call:{call.id}", field, value)
    assert_reported_once(driver, f"call:{call.id}")
    assert_in_no_index(redis, call.id)
    found = driver.get(begun)
    assert (found.status, found.calls) == (Status.PENDING, ())
    assert driver.check(begun, CODE).outcome == "right"


@pytest.mark.parametrize("stage", [queued, claimed, placed])
def test_call_of_another_type_is_quarantined(
    driver: StoreDriver, redis: Redis, stage: Callable[[StoreDriver], Verification]
) -> None:
    begun = stage(driver)
    redis.set(f"{PREFIX}call:{begun.calls[0].id}", "no hash", ex=1000)
    assert_reported_once(driver, f"call:{begun.calls[0].id}")
    assert_in_no_index(redis, begun.calls[0].id)


@pytest.mark.parametrize("stage", [queued, claimed, placed])
@pytest.mark.parametrize(
    ("field", "value"), VERIFICATION_FIELDS.items(), ids=[*VERIFICATION_FIELDS]
)
def test_verification_with_bad_field_is_quarantined(
    driver: StoreDriver,
    redis: Redis,
    stage: Callable[[StoreDriver], Verification],
    field: str,
    value: str | bytes | None,
) -> None:
    """Its id is unknown, its calls are not dialed, and the number can be verified again."""
    begun = stage(driver)
    break_field(redis, f"{PREFIX}verification:{begun.id}", field, value)
    assert driver.store.get(begun.id, "login").outcome == "not_found"
    assert driver.check(begun, CODE).outcome == "not_found"
    run_dialer(driver)
    driver.advance_time(200)
    run_dialer(driver)
    assert_in_no_index(redis, begun.id)
    assert_in_no_index(redis, begun.calls[0].id)
    assert [each.record for each in quarantine_of(driver).records] == [f"verification:{begun.id}"]
    assert driver.try_create().outcome == "created"


def test_number_of_quarantined_placed_call_stays_locked(driver: StoreDriver, redis: Redis) -> None:
    """The phone may be ringing."""
    begun = placed(driver)
    redis.hset(f"{PREFIX}call:{begun.calls[0].id}", "due_at", "soon")
    assert driver.request_call(begun).outcome == "coming"
    assert 150 <= driver.seconds_until_due() <= 165
    driver.advance_time(166)
    assert driver.claim().verification_id == begun.id


def test_verification_of_another_type_is_quarantined(driver: StoreDriver, redis: Redis) -> None:
    """The API returns not found."""
    begun = driver.create()
    redis.set(f"{PREFIX}verification:{begun.id}", "no hash", ex=1000)
    assert driver.store.get(begun.id, "login").outcome == "not_found"
    assert_reported_once(driver, f"verification:{begun.id}")


@pytest.mark.parametrize(("field", "value"), NUMBER_FIELDS.items(), ids=[*NUMBER_FIELDS])
def test_number_with_bad_field_is_quarantined(
    driver: StoreDriver, redis: Redis, field: str, value: str
) -> None:
    """The call is dialed, and the number gets a new record."""
    begun = driver.create()
    break_field(redis, f"{PREFIX}number:{NUMBERS.hash(ASHA)}", field, value)
    assert driver.claim().verification_id == begun.id
    assert_reported_once(driver, f"number:{NUMBERS.hash(ASHA)}")


def test_call_by_a_route_with_a_space_is_quarantined(driver: StoreDriver, redis: Redis) -> None:
    """Its metric could not be parsed."""
    begun = driver.create()
    claim = driver.claim()
    break_field(redis, f"{PREFIX}call:{claim.call_id}", "route", "two words")
    assert not driver.mark_sent(claim)
    assert_reported_once(driver, f"call:{claim.call_id}")
    assert driver.get(begun).calls == ()


@pytest.mark.parametrize("value", ["+", "1+2", "++1"])
def test_number_with_invalid_call_time_ignores_that_call(
    driver: StoreDriver, redis: Redis, value: str
) -> None:
    """Its characters look like a time."""
    begun = driver.create()
    redis.hset(f"{PREFIX}number:{NUMBERS.hash(ASHA)}", "call call_strange", value)
    driver.dial()
    assert driver.request_call(begun).outcome == "coming"
    assert driver.try_create(reference="another").outcome == "created"
    run_dialer(driver)


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


def test_number_with_bad_field_keeps_its_block(driver: StoreDriver, redis: Redis) -> None:
    driver.create()
    driver.admin.block(number_identity(ASHA), 3600, "operator")
    redis.hset(f"{PREFIX}number:{NUMBERS.hash(ASHA)}", "gap_until", "tomorrow")
    assert driver.try_create(reference="another").outcome == "rate_limited block"
    assert driver.admin.explain(number_identity(ASHA)).blocked_until_ms > 0


@pytest.mark.parametrize(
    "key",
    [
        "queue",
        "queue:login",
        "live:login",
        "dialers",
        "audit_log",
        "speech",
        "number_lock",
        "waiting_for_number",
    ],
)
def test_key_of_another_type_is_quarantined(driver: StoreDriver, redis: Redis, key: str) -> None:
    """It is replaced at its next use."""
    begun = driver.create()
    name = f"{PREFIX}{key}"
    if key == "speech":
        name += f":{begun.id}"
    if key in {"number_lock", "waiting_for_number"}:
        name += f":{begun.calls[0].bridge}:{NUMBERS.hash(ASHA)}"
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


@pytest.mark.parametrize("member", ["snapshot", "attempts", "type", "verification"])
@pytest.mark.parametrize("value", [None, b"\xff", b"{}", b"[1, 2]", b"[[[]]]"])
def test_event_with_bad_member_is_quarantined(
    driver: StoreDriver, redis: Redis, member: str, value: bytes | None
) -> None:
    """The events after it are delivered."""
    first, second = driver.create(reference="1"), driver.create(RAVI)
    driver.cancel(first)
    driver.cancel(second)
    event = f"evt_{first.id.removeprefix('vrf_')}_{driver.get(first).version}"
    break_field(redis, f"{PREFIX}event:{event}", member, value)
    taken = driver.store.claim_events({"login": 10}).events
    assert event not in {each.id for each in taken}
    assert second.id in {each.verification.id for each in taken}
    assert redis.exists(f"{PREFIX}quarantined:event:{event}")
    assert not driver.store.claim_events({"login": 10}).events


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
    strange = PREFIX.encode() + b"call:\xff\xfe"
    redis.copy(f"{PREFIX}call:{begun.calls[0].id}", strange)  # type: ignore[arg-type]
    redis.zadd(f"{PREFIX}queue:login", {b"\xff\xfe": time.time() * 1000 - 100})
    run_dialer(driver)
    assert [each.record for each in quarantine_of(driver).records] == ["call:??"]
    assert redis.exists(PREFIX.encode() + b"quarantined:call:\xff\xfe")


@pytest.mark.parametrize("field", ["body", "id", "outcome"])
def test_request_with_unreadable_idempotency_record_has_effects(
    driver: StoreDriver, redis: Redis, field: str
) -> None:
    key = Idempotency("a key", "a body")
    begun = driver.try_create(idempotency=key).verification
    assert begun
    redis.hdel(f"{PREFIX}idempotency:login:a key", field)
    assert driver.try_create(idempotency=key).outcome == "existing"


def test_find_leaves_out_unreadable_verifications(driver: StoreDriver, redis: Redis) -> None:
    begun, other = driver.create(reference="1"), driver.create(client="bank")
    redis.hset(f"{PREFIX}verification:{begun.id}", "status", "open")
    assert [each.id for each in driver.admin.find_by_number(number_identity(ASHA), "op")] == [
        other.id
    ]


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


def test_reason_of_another_release_is_left_out(driver: StoreDriver, redis: Redis) -> None:
    """The record stays readable."""
    begun = driver.create()
    driver.cancel(begun)
    redis.hset(f"{PREFIX}verification:{begun.id}", "reason", "denied")
    redis.hset(f"{PREFIX}call:{begun.calls[0].id}", "reason", "voicemail")
    found = driver.get(begun)
    assert (found.status, found.reason, found.calls[0].reason) == (Status.CANCELED, None, None)
    assert not quarantine_of(driver).records


def test_route_of_another_release_is_shown_as_it_is(driver: StoreDriver, redis: Redis) -> None:
    """The dialer decides about the call; see tests/dialer/test_undialable.py."""
    begun = driver.create()
    redis.hset(f"{PREFIX}call:{begun.calls[0].id}", "route", "sip")
    assert driver.last_call(begun).route == "sip"
    assert driver.claim().route == "sip"


def test_unreadable_route_state_is_quarantined(driver: StoreDriver, redis: Redis) -> None:
    """The route counts as open."""
    redis.hset(f"{PREFIX}route:obd", "closed_until", "soon")
    redis.expire(f"{PREFIX}route:obd", 1000)
    assert driver.create()
    assert driver.claim().route is Route.OBD
    assert_reported_once(driver, "route:obd")


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
    redis.set(f"{PREFIX}call:broken", "x", ex=1000)
    for index, member in (("queue", "login"), ("queue:login", "broken")):
        redis.zadd(f"{PREFIX}{index}", {member: 1})
    assert driver.seconds_until_due() == -1
    assert quarantine_of(driver).quarantined == 1
    driver.advance_time(15 * 60 + 1)
    assert quarantine_of(driver).quarantined == 0
    assert len(quarantine_of(driver).records) == 1
