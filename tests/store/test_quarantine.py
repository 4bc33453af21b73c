"""Unreadable records are set aside: each is reported once, and everything else goes on."""

import itertools
import json
import time
from collections.abc import Callable, Mapping

import pytest
from redis import Redis
from store.driver import CODE, NUMBERS, RAVI, StoreDriver, driver_with_limits, number_identity
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


def set_asides(driver: StoreDriver) -> Quarantine:
    """What operators are shown."""
    return driver.store.health().quarantine


def dialer_runs_on(driver: StoreDriver) -> None:
    """Do all that a dialer does, and dial another person, as long as calls are due."""
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
    """The record is listed, kept aside, counted, and logged once, however often it is met."""
    for _ in range(3):
        dialer_runs_on(driver)
        driver.advance_time(70)
    redis = driver.store.redis
    assert [each.record for each in set_asides(driver).records] == [record]
    logged = [each for each in driver.audit_entries if each.event == "record.quarantined"]
    assert [each.details["record"] for each in logged] == [record]
    assert redis.exists(f"{PREFIX}quarantined:{record}")
    assert set_asides(driver).quarantined == driver.admin.overview().quarantine.quarantined
    assert set_asides(driver).quarantined == 1


def assert_in_no_index(redis: Redis, record_id: str) -> None:
    """Nothing will look for the record any more."""
    for index in ("queue:login", "dialing", "live", "status_queries", "expiring"):
        assert redis.zscore(PREFIX + index, record_id) is None, index


@pytest.fixture
def driver(redis: Redis) -> StoreDriver:
    """A service that sends events to the client ``login``, without limits of people."""
    open_limits = {"calls_per_number": (), "all_calls_per_number": (), "unverified_per_prefix": ()}
    rules = {"clients_with_events": frozenset({"login"})}
    clients = {"login": ClientLimits()}
    return driver_with_limits(redis, gaps=(0,), policy=rules, clients=clients, **open_limits)


def queued(driver: StoreDriver) -> Verification:
    """A verification whose call waits."""
    return driver.create()


def claimed(driver: StoreDriver) -> Verification:
    """A verification whose call a dialer holds that will never return."""
    begun = driver.create()
    driver.claim()
    return begun


def placed(driver: StoreDriver) -> Verification:
    """A verification whose call may be ringing."""
    begun = driver.create()
    driver.dial()
    return begun


@pytest.mark.parametrize("stage", [queued, claimed, placed])
@pytest.mark.parametrize(("field", "value"), CALL_FIELDS.items(), ids=[*CALL_FIELDS])
def test_call_with_bad_field_is_set_aside(
    driver: StoreDriver,
    redis: Redis,
    stage: Callable[[StoreDriver], Verification],
    field: str,
    value: str | bytes | None,
) -> None:
    """The verification lives on without the call; a further call can be asked for."""
    begun = stage(driver)
    (call,) = begun.calls
    break_field(redis, f"{PREFIX}call:{call.id}", field, value)
    assert_reported_once(driver, f"call:{call.id}")
    assert_in_no_index(redis, call.id)
    found = driver.get(begun)
    assert (found.status, found.calls) == (Status.PENDING, ())
    assert driver.check(begun, CODE).outcome == "right"


@pytest.mark.parametrize("stage", [queued, claimed, placed])
def test_call_of_another_type_is_set_aside(
    driver: StoreDriver, redis: Redis, stage: Callable[[StoreDriver], Verification]
) -> None:
    """So is a record that is no hash at all."""
    begun = stage(driver)
    redis.set(f"{PREFIX}call:{begun.calls[0].id}", "no hash", ex=1000)
    assert_reported_once(driver, f"call:{begun.calls[0].id}")
    assert_in_no_index(redis, begun.calls[0].id)


@pytest.mark.parametrize("stage", [queued, claimed, placed])
@pytest.mark.parametrize(
    ("field", "value"), VERIFICATION_FIELDS.items(), ids=[*VERIFICATION_FIELDS]
)
def test_verification_with_bad_field_is_set_aside(
    driver: StoreDriver,
    redis: Redis,
    stage: Callable[[StoreDriver], Verification],
    field: str,
    value: str | bytes | None,
) -> None:
    """Its id is unknown from then on, its calls are not dialed, and the number can ask again."""
    begun = stage(driver)
    break_field(redis, f"{PREFIX}verification:{begun.id}", field, value)
    assert driver.store.get(begun.id, "login").outcome == "not_found"
    assert driver.check(begun, CODE).outcome == "not_found"
    dialer_runs_on(driver)
    driver.advance_time(200)
    dialer_runs_on(driver)
    assert_in_no_index(redis, begun.id)
    assert_in_no_index(redis, begun.calls[0].id)
    assert [each.record for each in set_asides(driver).records] == [f"verification:{begun.id}"]
    assert driver.try_create().outcome == "created"


def test_line_of_a_placed_call_stays_held(driver: StoreDriver, redis: Redis) -> None:
    """The phone may be ringing: no second call is dialed before it cannot ring any more."""
    begun = placed(driver)
    redis.hset(f"{PREFIX}call:{begun.calls[0].id}", "due_at", "soon")
    assert driver.request_call(begun).outcome == "coming"
    assert 150 <= driver.seconds_until_due() <= 165
    driver.advance_time(166)
    assert driver.claim().verification_id == begun.id


def test_verification_of_another_type_is_set_aside(driver: StoreDriver, redis: Redis) -> None:
    """The API answers not found for it, and serves all others."""
    begun = driver.create()
    redis.set(f"{PREFIX}verification:{begun.id}", "no hash", ex=1000)
    assert driver.store.get(begun.id, "login").outcome == "not_found"
    assert_reported_once(driver, f"verification:{begun.id}")


@pytest.mark.parametrize(("field", "value"), NUMBER_FIELDS.items(), ids=[*NUMBER_FIELDS])
def test_number_with_bad_field_is_set_aside(
    driver: StoreDriver, redis: Redis, field: str, value: str
) -> None:
    """The call is dialed, and the number is known anew."""
    begun = driver.create()
    break_field(redis, f"{PREFIX}number:{NUMBERS.hash(ASHA)}", field, value)
    assert driver.claim().verification_id == begun.id
    assert_reported_once(driver, f"number:{NUMBERS.hash(ASHA)}")


def test_call_by_a_route_of_two_words_is_set_aside(driver: StoreDriver, redis: Redis) -> None:
    """It is not marked as sent: what is counted of it could not be read."""
    begun = driver.create()
    claim = driver.claim()
    break_field(redis, f"{PREFIX}call:{claim.call_id}", "route", "two words")
    assert not driver.mark_sent(claim)
    assert_reported_once(driver, f"call:{claim.call_id}")
    assert driver.get(begun).calls == ()


@pytest.mark.parametrize("value", ["+", "1+2", "++1"])
def test_number_with_call_at_no_time_does_without_that_call(
    driver: StoreDriver, redis: Redis, value: str
) -> None:
    """Its form is that of a time, as far as one look at its characters tells."""
    begun = driver.create()
    redis.hset(f"{PREFIX}number:{NUMBERS.hash(ASHA)}", "call call_strange", value)
    driver.dial()
    assert driver.request_call(begun).outcome == "coming"
    assert driver.try_create(reference="another").outcome == "created"
    dialer_runs_on(driver)


@pytest.mark.parametrize("field", ["total", "first", "slice"])
@pytest.mark.parametrize("value", [None, "", "+", "1.5", "many", b"\xff"])
def test_tally_with_bad_field_is_counted_anew(
    redis: Redis, field: str, value: str | bytes | None
) -> None:
    """Calls of everybody are counted in the tally of a day, so that it must stop nobody's."""
    driver = driver_with_limits(redis, gaps=(0,), calls_per_day=1000)
    begun = driver.create()
    key = next(redis.scan_iter(f"{PREFIX}counter:day:*")).decode()
    if field == "slice":
        field = next(name.decode() for name, _ in redis.hscan_iter(key) if name.isdigit())
    break_field(redis, key, field, value)
    assert driver.dial().verification_id == begun.id
    for _ in range(3):
        dialer_runs_on(driver)
        driver.advance_time(70)
    assert driver.admin.overview().limits[0].used >= 2


def test_number_with_bad_field_keeps_its_block(driver: StoreDriver, redis: Redis) -> None:
    """Who does not want to be called is not called because something else cannot be read."""
    driver.create()
    driver.admin.block(number_identity(ASHA), 3600, "operator")
    redis.hset(f"{PREFIX}number:{NUMBERS.hash(ASHA)}", "gap_until", "tomorrow")
    assert driver.try_create(reference="another").outcome == "rate_limited block"
    assert driver.admin.explain(number_identity(ASHA)).blocked_until > 0


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
def test_key_of_another_type_is_set_aside(driver: StoreDriver, redis: Redis, key: str) -> None:
    """Indexes and what belongs to one person: the key is replaced at its next use."""
    begun = driver.create()
    name = f"{PREFIX}{key}"
    if key == "speech":
        name += f":{begun.id}"
    if key in {"number_lock", "waiting_for_number"}:
        name += f":{begun.calls[0].bridge}:{NUMBERS.hash(ASHA)}"
    redis.delete(name)
    redis.xadd(name, {"another": "type"})
    redis.expire(name, 1000)
    dialer_runs_on(driver)
    assert driver.try_create("+919822222222").outcome == "created"


@pytest.mark.parametrize("notice", NOTICES)
def test_notice_that_cannot_be_decoded_is_set_aside(
    driver: StoreDriver, redis: Redis, notice: bytes
) -> None:
    """The notices after it reach the log."""
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
    (listed,) = set_asides(driver).records
    assert listed.record == "audit_log"


@pytest.mark.parametrize("member", ["snapshot", "attempts", "type", "verification"])
@pytest.mark.parametrize("value", [None, b"\xff", b"{}", b"[1, 2]", b"[[[]]]"])
def test_event_with_bad_member_is_set_aside(
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
    """Nothing is to be set aside."""
    for index in ("queue", "queue:login", "dialing", "live", "status_queries", "expiring"):
        redis.zadd(f"{PREFIX}{index}", {member: time.time() * 1000 - 100})
    dialer_runs_on(driver)
    for index in ("queue", "queue:login"):
        assert not redis.zscore(f"{PREFIX}{index}", member)
    assert not set_asides(driver).records


def test_call_with_strange_id_is_set_aside(driver: StoreDriver, redis: Redis) -> None:
    """An id in bytes that are no text reaches no log and no answer as it is."""
    begun = driver.create()
    strange = PREFIX.encode() + b"call:\xff\xfe"
    redis.copy(f"{PREFIX}call:{begun.calls[0].id}", strange)  # type: ignore[arg-type]
    redis.zadd(f"{PREFIX}queue:login", {b"\xff\xfe": time.time() * 1000 - 100})
    dialer_runs_on(driver)
    assert [each.record for each in set_asides(driver).records] == ["call:??"]
    assert redis.exists(PREFIX.encode() + b"quarantined:call:\xff\xfe")


@pytest.mark.parametrize("field", ["body", "id", "outcome"])
def test_idempotent_request_with_unreadable_answer_is_done_anew(
    driver: StoreDriver, redis: Redis, field: str
) -> None:
    """A remembered answer that cannot be read is as good as none."""
    key = Idempotency("a key", "a body")
    begun = driver.try_create(idempotency=key).verification
    assert begun
    redis.hdel(f"{PREFIX}idempotency:login:a key", field)
    assert driver.try_create(idempotency=key).outcome == "existing"


def test_operator_finds_other_verifications(driver: StoreDriver, redis: Redis) -> None:
    """A search leaves out what cannot be read."""
    begun, other = driver.create(reference="1"), driver.create(client="bank")
    redis.hset(f"{PREFIX}verification:{begun.id}", "status", "open")
    assert [each.id for each in driver.admin.find_by_number(number_identity(ASHA), "op")] == [
        other.id
    ]


def test_refusals_that_cannot_be_decoded_are_set_aside(driver: StoreDriver, redis: Redis) -> None:
    """What holds a number can still be explained."""
    driver.admin.block(number_identity(ASHA), 3600, "operator")
    assert driver.try_create().outcome == "rate_limited block"
    redis.lpush(f"{PREFIX}refusals:{NUMBERS.hash(ASHA)}", "no JSON")
    assert driver.explain().refusals == ()
    assert driver.explain().blocked_until
    assert [each.record for each in set_asides(driver).records] == [
        f"refusals:{NUMBERS.hash(ASHA)}"
    ]


def test_reason_of_another_release_is_left_out(driver: StoreDriver, redis: Redis) -> None:
    """A word that only a newer release knows is no reason to lose the record."""
    begun = driver.create()
    driver.cancel(begun)
    redis.hset(f"{PREFIX}verification:{begun.id}", "reason", "denied")
    redis.hset(f"{PREFIX}call:{begun.calls[0].id}", "reason", "voicemail")
    found = driver.get(begun)
    assert (found.status, found.reason, found.calls[0].reason) == (Status.CANCELED, None, None)
    assert not set_asides(driver).records


def test_route_of_another_release_is_shown_as_it_is(driver: StoreDriver, redis: Redis) -> None:
    """The dialer decides about the call; see tests/dialer/test_undialable.py."""
    begun = driver.create()
    redis.hset(f"{PREFIX}call:{begun.calls[0].id}", "route", "sip")
    assert driver.last_call(begun).route == "sip"
    assert driver.claim().route == "sip"


def test_route_state_that_cannot_be_read_is_set_aside(driver: StoreDriver, redis: Redis) -> None:
    """The route counts as open."""
    redis.hset(f"{PREFIX}route:obd", "closed_until", "soon")
    redis.expire(f"{PREFIX}route:obd", 1000)
    assert driver.create()
    assert driver.claim().route is Route.OBD
    assert_reported_once(driver, "route:obd")


def test_quarantine_is_bounded_and_ends(driver: StoreDriver, redis: Redis) -> None:
    """A thousand entries are listed at most, and a week later nothing is left."""
    for n in range(1100):
        redis.set(f"{PREFIX}call:broken{n}", "x", ex=1000)
        redis.zadd(f"{PREFIX}dialing", {f"broken{n}": 1})
    while driver.sweep():
        pass
    assert redis.zcard(f"{PREFIX}quarantine") == 1000
    assert len(set_asides(driver).records) == 10
    week = 7 * 86_400_000
    kept = [*redis.scan_iter(f"{PREFIX}quarantine*", count=5000)]
    assert len(kept) == 1101
    assert all(0 < redis.pttl(key) <= week for key in kept)


def test_no_value_of_a_record_is_reported(driver: StoreDriver, redis: Redis) -> None:
    """The broken value could be a code or a number."""
    begun = driver.create()
    redis.hset(f"{PREFIX}call:{begun.calls[0].id}", "due_at", "code 471102")
    redis.rpush(f"{PREFIX}audit_log", '{"event": "code 471102"}')
    redis.expire(f"{PREFIX}audit_log", 1000)
    dialer_runs_on(driver)
    driver.sweep()
    reported = json.dumps([dict(each.details) for each in driver.audit_entries])
    reported += str(set_asides(driver))
    assert "set aside" not in reported
    assert "471102" not in reported
    assert len(set_asides(driver).records) == 2


def test_recent_counts_end_after_a_quarter_of_an_hour(driver: StoreDriver, redis: Redis) -> None:
    """``/readyz`` and the metrics recover by themselves; doctor lists the record for a week."""
    redis.set(f"{PREFIX}call:broken", "x", ex=1000)
    for index, member in (("queue", "login"), ("queue:login", "broken")):
        redis.zadd(f"{PREFIX}{index}", {member: 1})
    assert driver.seconds_until_due() == -1
    assert set_asides(driver).quarantined == 1
    driver.advance_time(15 * 60 + 1)
    assert set_asides(driver).quarantined == 0
    assert len(set_asides(driver).records) == 1
