"""Denials: a person who did not ask for a call presses 9, and is not called for a while."""

from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry
from redis import Redis
from store.builders import driver_with_limits
from store.driver import RAVI, StoreDriver, number_identity
from store.limit_cases import NO_GAP, refusing
from store.new_verifications import CODE
from support.service import ASHA

from otpvoice.core.speech import Gate
from otpvoice.core.verification import CallReason, CallStatus, EndReason, Status
from otpvoice.store import Keys
from otpvoice.store.functions import StoreMetrics
from otpvoice.store.models import Claim, ReportOutcome
from otpvoice.store.speech_models import KeyOutcome, KeyPress

HOUR = 3_600
PHONE = number_identity(ASHA)
DENIED = KeyPress(KeyOutcome.DENIED)
Denial = Callable[[StoreDriver, Claim], object]


@pytest.fixture
def driver(redis: Redis) -> StoreDriver:
    """Return a driver whose calls are redialed once, without gaps and with events."""
    policy = {"max_redials": 1, "clients_with_events": frozenset({"login"})}
    return driver_with_limits(redis, gaps=NO_GAP, policy=policy)


def deny_by_door(driver: StoreDriver, call: Claim) -> object:
    """Press 9 while the call is live."""
    return driver.store.press_key(call.call_id, "9")


def deny_by_query(driver: StoreDriver, call: Claim) -> object:
    """Report the key after the end of the call."""
    driver.apply_callback(call_id=call.call_id)
    assert driver.due_status_queries()
    return driver.apply_queried_status(CallStatus.ANSWERED, call.call_id, "9").outcome


def deny_by_report(driver: StoreDriver, call: Claim) -> object:
    """Report the end of the call with its key."""
    return driver.apply_callback(call_id=call.call_id, key="9").outcome


BY_DOOR = (Gate.DOOR, deny_by_door, DENIED)
WAYS = {
    "door": BY_DOOR,
    "query": (Gate.QUERY, deny_by_query, ReportOutcome.APPLIED),
    "report": (Gate.QUERY, deny_by_report, ReportOutcome.APPLIED),
}
in_every_way = pytest.mark.parametrize(("gate", "deny", "expected"), WAYS.values(), ids=[*WAYS])


def events_of(driver: StoreDriver) -> list[str]:
    """Return the types of the client's events."""
    return [each.type for each in driver.store.claim_events({"login": 50}).events]


@in_every_way
def test_denial_ends_the_verification_and_blocks_the_number(
    driver: StoreDriver, gate: Gate, deny: Denial, expected: object
) -> None:
    """For every client, for the time of the settings; the heard code is void."""
    begun = driver.create(ttl=600)
    call = driver.dial(gate=gate)
    assert deny(driver, call) == expected
    found = driver.get(begun)
    assert (found.status, found.reason) == (Status.CANCELED, EndReason.DENIED)
    assert driver.check(begun, CODE).outcome == "closed"
    assert not {"speech1", "digest"} & driver.stored_fields("verification", begun.id)
    for client in ("login", "bank"):
        assert refusing(driver.try_create(client=client, reference="new")) == "denial_block"
    assert driver.try_create(RAVI).outcome == "created"
    driver.advance_time(HOUR - 1)
    assert refusing(driver.try_create(reference="new")) == "denial_block"
    driver.advance_time(1)
    assert driver.try_create(reference="new").outcome == "created"


@in_every_way
def test_denial_sends_its_own_event_once(
    driver: StoreDriver, gate: Gate, deny: Denial, expected: object
) -> None:
    """In place of ``verification.canceled``."""
    driver.create()
    call = driver.dial(gate=gate)
    assert deny(driver, call) == expected
    driver.apply_callback(call_id=call.call_id)
    types = events_of(driver)
    assert types.count("verification.denied") == 1
    assert "verification.canceled" not in types


@in_every_way
def test_queued_calls_of_every_client_are_not_dialed(
    driver: StoreDriver, gate: Gate, deny: Denial, expected: object
) -> None:
    """Their verifications stay pending: the code may have come by SMS."""
    own = driver.create()
    call = driver.dial(gate=gate)
    waiting = driver.create(client="bank", own_code=True)
    delayed = driver.create(client="bank", reference="2", call_after=60, own_code=True)
    assert deny(driver, call) == expected
    for begun in (waiting, delayed):
        other = driver.last_call(begun)
        assert (other.status, other.reason) == (CallStatus.CANCELED, CallReason.REFUSED)
        assert driver.check(begun, CODE).outcome == "right"
    assert len(driver.get(own).calls) == 1
    driver.advance_time(200)
    assert driver.seconds_until_due() == -1


def test_claimed_call_of_another_client_is_not_sent(driver: StoreDriver) -> None:
    """The denial came between its claim and its request."""
    driver.create()
    denied = driver.dial(gate=Gate.DOOR)
    driver.advance_time(166)  # the number is free again, and the call's key comes late
    other = driver.create(client="bank")
    claim = driver.claim()
    driver.apply_queried_status(CallStatus.ANSWERED, denied.call_id)
    assert deny_by_door(driver, denied) == DENIED
    assert not driver.mark_sent(claim)
    assert driver.last_call(other).reason is CallReason.REFUSED


def test_denial_counts_once_whatever_follows(driver: StoreDriver) -> None:
    """9 twice, 9 then 1, and the reports of the call's end."""
    registry = CollectorRegistry()
    driver.store.metrics = StoreMetrics(registry)
    begun = driver.create()
    call = driver.dial(gate=Gate.DOOR)
    assert deny_by_door(driver, call) == DENIED
    until = driver.explain().blocked_until_ms
    driver.advance_time(1)
    for key in ("9", "1"):
        assert driver.store.press_key(call.call_id, key) == KeyPress(KeyOutcome.PRESSED)
    driver.apply_callback(call_id=call.call_id, key="9")
    assert driver.get(begun).calls[0].heard is False
    assert driver.explain().blocked_until_ms == until
    assert registry.get_sample_value("otpvoice_denials_total", {"client": "login"}) == 1
    driver.sweep()
    denials = [each for each in driver.audit_entries if each.event == "call.denied"]
    assert [each.details["verification"] for each in denials] == [begun.id]


@pytest.mark.parametrize("key", ["1", "#"])
def test_denial_after_another_key_is_ignored(driver: StoreDriver, key: str) -> None:
    """The person heard the code, and may press what the voice says later."""
    begun = driver.create()
    call = driver.dial(gate=Gate.DOOR)
    assert driver.store.press_key(call.call_id, key).outcome is KeyOutcome.SPEAK
    assert driver.store.press_key(call.call_id, "9") == KeyPress(KeyOutcome.PRESSED)
    assert driver.check(begun, CODE).outcome == "right"
    assert driver.explain().blocked_until_ms == 0


@in_every_way
def test_denial_after_an_approval_changes_nothing(
    driver: StoreDriver, gate: Gate, deny: Denial, expected: object
) -> None:
    """The person proved the number, for example by the code of an SMS."""
    begun = driver.create()
    call = driver.dial(gate=gate)
    driver.approve(begun)
    result = deny(driver, call)
    assert result == (KeyPress(KeyOutcome.CLOSED) if expected == DENIED else expected)
    assert driver.get(begun).status is Status.APPROVED
    assert driver.explain().blocked_until_ms == 0
    assert "verification.denied" not in events_of(driver)


@pytest.mark.parametrize("end", ["cancel", "expire", "forget"])
@in_every_way
def test_denial_after_another_end_blocks_the_number(
    driver: StoreDriver, gate: Gate, deny: Denial, expected: object, end: str
) -> None:
    """The verification keeps its end."""
    begun = driver.create(ttl=120)
    call = driver.dial(gate=gate)
    if end == "cancel":
        driver.cancel(begun)
    elif end == "expire":
        driver.advance_time(121)
    before = driver.get(begun)
    if end == "forget":
        driver.store.redis.delete(Keys().of("verification", begun.id))
        if deny is deny_by_query:
            return  # without its number, the call's status cannot be queried
    assert deny(driver, call) == expected
    assert driver.explain().blocked_until_ms > 0
    if end != "forget":
        found = driver.get(begun)
        assert (found.status, found.reason) == (before.status, before.reason)
    assert "verification.denied" not in events_of(driver)


def test_denial_right_after_hanging_up_counts(driver: StoreDriver) -> None:
    """The report of the call's end may arrive first; its redial is canceled."""
    begun = driver.create()
    call = driver.dial(gate=Gate.DOOR)
    driver.apply_callback(call_id=call.call_id, duration_s=3)
    assert [each.status for each in driver.get(begun).calls] == ["answered", "queued"]
    assert deny_by_door(driver, call) == DENIED
    assert [each.status for each in driver.get(begun).calls] == ["answered", "canceled"]
    assert driver.get(begun).reason is EndReason.DENIED


def test_denial_of_a_call_that_was_not_answered_is_refused(driver: StoreDriver) -> None:
    begun = driver.create()
    call = driver.dial(gate=Gate.DOOR)
    driver.apply_callback(CallStatus.BUSY, call_id=call.call_id)
    assert deny_by_door(driver, call) == KeyPress(KeyOutcome.NOT_LIVE)
    assert driver.get(begun).status is Status.PENDING


def test_denial_of_a_block_of_no_length_only_ends_the_verification(redis: Redis) -> None:
    driver = driver_with_limits(redis, gaps=NO_GAP, policy={"denial_block_ms": 0})
    begun = driver.create()
    assert deny_by_door(driver, driver.dial(gate=Gate.DOOR)) == DENIED
    assert driver.get(begun).reason is EndReason.DENIED
    assert driver.try_create().outcome == "created"


def test_denial_without_a_block_leaves_the_calls_of_others(redis: Redis) -> None:
    """Nobody denied those of another client."""
    driver = driver_with_limits(redis, gaps=NO_GAP, policy={"denial_block_ms": 0})
    driver.create()
    denied = driver.dial(gate=Gate.DOOR)
    other = driver.create(client="bank")
    assert deny_by_door(driver, denied) == DENIED
    assert driver.last_call(other).status is CallStatus.QUEUED
    driver.apply_callback(call_id=denied.call_id)
    assert driver.dial().verification_id == other.id


def test_denial_keeps_an_operators_longer_block(driver: StoreDriver) -> None:
    """And an operator's block replaces that of a denial."""
    driver.create()
    call = driver.dial(gate=Gate.DOOR)
    driver.admin.block(PHONE, 2 * HOUR, "root")
    assert deny_by_door(driver, call) == DENIED
    driver.advance_time(HOUR + 1)
    assert refusing(driver.try_create(reference="new")) == "block"

    driver.admin.block(PHONE, 0, "root")
    driver.create(reference="new")
    assert deny_by_door(driver, driver.dial(gate=Gate.DOOR)) == DENIED
    assert refusing(driver.try_create(reference="newer")) == "denial_block"
    driver.admin.block(PHONE, 10, "root")
    assert refusing(driver.try_create(reference="newer")) == "block"
    driver.advance_time(11)
    assert driver.try_create(reference="newer").outcome == "created"


def test_operator_lifts_the_block_of_a_denial(driver: StoreDriver) -> None:
    driver.create()
    assert deny_by_door(driver, driver.dial(gate=Gate.DOOR)) == DENIED
    explained = {each.limit: each.until_ms for each in driver.explain().limits}
    assert explained["denial_block"] == driver.explain().blocked_until_ms > 0
    driver.admin.block(PHONE, 0, "root")
    assert "denial_block" not in {each.limit for each in driver.explain().limits}
    assert driver.try_create(reference="new").outcome == "created"
