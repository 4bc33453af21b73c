"""Records with a field of another form are quarantined, and everything else continues."""

from collections.abc import Callable, Mapping

import pytest
from redis import Redis
from store.driver import RAVI, StoreDriver, number_identity
from store.new_verifications import CODE, NUMBERS
from store.quarantine_cases import (
    PREFIX,
    STAGES,
    assert_in_no_index,
    assert_reported_once,
    break_field,
    placed,
    quarantine_driver,
    quarantine_of,
    run_dialer,
)
from support.service import ASHA

from otpvoice.core.speech import Gate
from otpvoice.core.store_port import Idempotency
from otpvoice.core.verification import Status, Verification

CALL_FIELDS: Mapping[str, str | bytes | None] = {
    "status": "ringing",
    "verification": None,
    "number": None,
    "route": b"\xff\xfe",
    "locale": b"\xff",
    "bridge": "",
    "due_at": "soon",
    "lease_until": "1e999",
    "sent_at": "never",
    "live_until": "9" * 18,
    "not_before": "-1",
    "heard": "maybe",
    "duration": "12.5",
    "gate": "side",
    "key": "12",
}
VERIFICATION_FIELDS: Mapping[str, str | bytes | None] = {
    "client": None,
    "number": None,
    "encrypted_number": None,
    "status": "open",
    "created_at": "yesterday",
    "expires_at": None,
    "version": "x",
    "code_length": "",
    "checks_left": "many",
    "queue_margin": "",
    "locale": b"\xff",
    "traceparent": "00-my trace",
}
NUMBER_FIELDS: Mapping[str, str] = {
    "gap_until": "tomorrow",
    "gap_calls": "x",
    "gap_last": "",
    "blocked_until": "forever",
    "blocked_by": "someone",
    "call_strange": "now",
    "pending login": "",
    "vrf_strange": "then",
}


@pytest.fixture
def driver(redis: Redis) -> StoreDriver:
    """Return a driver with events and without limits of numbers."""
    return quarantine_driver(redis)


@pytest.mark.parametrize("stage", STAGES)
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


@pytest.mark.parametrize("stage", STAGES)
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
    redis.hset(f"{PREFIX}number:{NUMBERS.hash(ASHA)}", "call_strange", value)
    driver.dial()
    assert driver.request_call(begun).outcome == "coming"
    assert driver.try_create(reference="another").outcome == "created"
    run_dialer(driver)


def test_number_with_bad_field_keeps_its_block(driver: StoreDriver, redis: Redis) -> None:
    driver.create()
    driver.admin.block(number_identity(ASHA), 3600, "operator")
    redis.hset(f"{PREFIX}number:{NUMBERS.hash(ASHA)}", "gap_until", "tomorrow")
    assert driver.try_create(reference="another").outcome == "rate_limited block"
    assert driver.admin.explain(number_identity(ASHA)).blocked_until_ms > 0


def test_number_with_bad_field_keeps_the_block_of_a_denial(
    driver: StoreDriver, redis: Redis
) -> None:
    """And who caused it."""
    driver.create()
    assert driver.store.press_key(driver.dial(gate=Gate.DOOR).call_id, "9").outcome == "denied"
    redis.hset(f"{PREFIX}number:{NUMBERS.hash(ASHA)}", "gap_until", "tomorrow")
    assert driver.try_create(reference="another").outcome == "rate_limited denial_block"


def test_number_of_quarantined_placed_call_stays_locked(driver: StoreDriver, redis: Redis) -> None:
    """The phone may be ringing."""
    begun = placed(driver)
    redis.hset(f"{PREFIX}call:{begun.calls[0].id}", "due_at", "soon")
    assert driver.request_call(begun).outcome == "coming"
    assert 150 <= driver.seconds_until_due() <= 165
    driver.advance_time(166)
    assert driver.claim().verification_id == begun.id


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


def test_reason_of_another_release_is_left_out(driver: StoreDriver, redis: Redis) -> None:
    """The record stays readable."""
    begun = driver.create()
    driver.cancel(begun)
    redis.hset(f"{PREFIX}verification:{begun.id}", "reason", "disputed")
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
    assert driver.claim().route == "obd"
    assert_reported_once(driver, "route:obd")
