"""Events in the store: written with their change, claimed under a lease, bounded."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace
from redis import Redis
from store.builders import driver_with_limits
from store.conftest import Sent
from store.driver import RING, StoreDriver, number_identity
from store.new_verifications import CODE, NUMBERS
from support.service import ASHA

from otpvoice.core.keys import decrypt_number, with_transaction
from otpvoice.core.limits import ClientLimits
from otpvoice.core.transactions import Transaction
from otpvoice.core.verification import CallReason, CallStatus, Status, Verification
from otpvoice.store.models import CallResult, Event
from otpvoice.store.policy import EVENT_LEASE_MS

MOST_WAITING = 10_000
BUDGET = 2_048
"""Bytes of memory for an event that waits."""
WRONG = "999999"


@pytest.fixture
def subscribed(redis: Redis) -> StoreDriver:
    """Return a driver whose client "login" receives events and whose client "bank" does not."""
    clients = {"login": ClientLimits(), "bank": ClientLimits()}
    return driver_with_limits(
        redis,
        clients=clients,
        policy={"clients_with_events": frozenset({"login"}), "max_redials": 1},
    )


def due(subscribed: StoreDriver, at_most: int = 100) -> list[Event]:
    """Return the events that can be claimed now."""
    return list(subscribed.store.claim_events({"login": at_most}).events)


def claimed(subscribed: StoreDriver) -> list[tuple[str, int]]:
    """Claim and acknowledge the due events; return their types and versions."""
    events = due(subscribed)
    for event in events:
        subscribed.store.ack_event(event, None)
    return [(event.type, event.verification.version) for event in events]


# Written events -----------------------------------------------------------------------------------


def test_events_of_a_whole_life_are_ordered_by_version(subscribed: StoreDriver) -> None:
    """Placed, busy, placed again, and approved."""
    begun = subscribed.create()
    subscribed.dial_busy()
    subscribed.advance_time(60)
    claim = subscribed.dial()
    subscribed.apply_callback(CallStatus.ANSWERED, call_id=claim.call_id)
    subscribed.check(begun, WRONG)
    subscribed.check(begun, CODE)
    events = sorted(claimed(subscribed), key=lambda event: event[1])
    assert [what for what, _ in events] == [
        *("call.placed", "call.busy", "call.placed", "call.answered", "verification.approved"),
    ]
    versions = [version for _, version in events]
    assert versions == sorted({*versions})
    assert versions[-1] == subscribed.get(begun).version
    assert claimed(subscribed) == []


ENDS: list[tuple[str, Callable[[StoreDriver, Any], Any]]] = [
    ("approved", lambda subscribed, begun: subscribed.approve(begun)),
    ("canceled", lambda subscribed, begun: subscribed.cancel(begun)),
    ("canceled", lambda subscribed, begun: subscribed.try_create(code="654321", own_code=True)),  # noqa: ARG005
    ("expired", lambda subscribed, begun: subscribed.advance_time(301)),  # noqa: ARG005
    (
        "max_attempts_reached",
        lambda subscribed, begun: [subscribed.check(begun, f"{n:06}") for n in range(5)],
    ),
]


@pytest.mark.parametrize(("status", "end"), ENDS)
def test_every_end_emits_one_event_after_its_call(
    subscribed: StoreDriver, status: str, end: Callable[[StoreDriver, Any], Any]
) -> None:
    """First the canceled call, then the verification."""
    begun = subscribed.create(call_after=200, own_code=True)
    end(subscribed, begun)
    of_call = "expired" if status == "expired" else "canceled"
    events = [event for event in due(subscribed) if event.verification.id == begun.id]
    assert [event.type for event in events] == [f"call.{of_call}", f"verification.{status}"]
    assert events[-1].verification.status is Status(status)
    assert events[-1].verification.version == events[0].verification.version + 1


@pytest.mark.parametrize("status", ["answered", "busy", "no_answer", "failed"])
def test_every_result_of_a_call_emits_one_event(subscribed: StoreDriver, status: str) -> None:
    """Also if it is reported twice."""
    subscribed.create()
    claim = subscribed.dial()
    subscribed.apply_callback(CallStatus(status), call_id=claim.call_id)
    subscribed.apply_callback(CallStatus(status), call_id=claim.call_id)
    assert [what for what, _ in claimed(subscribed)] == ["call.placed", f"call.{status}"]


def test_unknown_call_emits_event(subscribed: StoreDriver) -> None:
    """And its later result."""
    subscribed.create()
    claim = subscribed.dial(CallResult(CallStatus.UNKNOWN, CallReason.PROVIDER_ERROR))
    subscribed.apply_queried_status(CallStatus.ANSWERED, claim.call_id)
    assert [what for what, _ in claimed(subscribed)] == ["call.unknown", "call.answered"]


def test_requeued_claim_emits_no_event(subscribed: StoreDriver) -> None:
    """Queued and dialing are internal."""
    subscribed.create()
    subscribed.claim()
    subscribed.advance_time(21)
    assert claimed(subscribed) == []


def test_event_has_the_snapshot_of_its_change(subscribed: StoreDriver) -> None:
    """However late it is claimed."""
    begun = subscribed.create(reference="login-81 अ")
    claim = subscribed.dial()
    subscribed.apply_callback(CallStatus.ANSWERED, call_id=claim.call_id, duration_s=7)
    subscribed.check(begun, CODE)
    subscribed.advance_time(100)
    placed, answered, approved = (event.verification for event in due(subscribed))
    assert [placed.status, answered.status] == [Status.PENDING] * 2
    assert [each.calls[0].status for each in (placed, answered)] == ["placed", "answered"]
    assert answered.calls[0].duration == 7
    assert answered.next_check().allowed
    assert approved.status is Status.APPROVED
    assert approved.ended_at == approved.now
    assert approved.reference == "login-81 अ"
    assert decrypt_number(RING, begun.id, approved.encrypted_number) == ASHA


def test_event_shows_the_same_object_as_a_response(subscribed: StoreDriver) -> None:
    """Field for field."""
    begun = subscribed.create(reference="login-81", ip="203.0.113.7")
    subscribed.dial_busy()
    (last,) = [event for event in due(subscribed) if event.type == "call.busy"]
    subscribed.cancel(begun)
    answer = subscribed.get(begun)
    (canceled,) = [event for event in due(subscribed) if event.type == "verification.canceled"]
    raws = {call.id: call.raw for call in answer.calls}
    shown = canceled.verification
    assert {call.id: call.raw for call in shown.calls} == dict.fromkeys(raws)
    assert replace(shown, now=answer.now, calls=answer.calls) == answer
    assert last.verification.next_call().reason == "call_gap"


def test_event_has_the_transaction_encrypted(subscribed: StoreDriver) -> None:
    """It is not in the snapshot, but read from the record when the event is claimed."""
    begun = subscribed.create(transaction=Transaction("2500.00", "INR", "ACME Stores"))
    subscribed.dial()
    (placed,) = due(subscribed)
    assert placed.verification.encrypted_transaction == begun.encrypted_transaction
    assert with_transaction(RING, placed.verification).transaction == Transaction(
        "2500.00", "INR", "ACME Stores"
    )


def test_client_without_events_has_none_pending(subscribed: StoreDriver, redis: Redis) -> None:
    begun = subscribed.create(client="bank")
    claim = subscribed.dial()
    subscribed.apply_callback(CallStatus.ANSWERED, call_id=claim.call_id)
    subscribed.check(begun, CODE)
    assert [key for key in redis.scan_iter() if b":event" in key] == []


def test_pending_event_contains_no_secret(subscribed: StoreDriver, redis: Redis) -> None:
    """Neither number nor code, nor digest, ciphertext or hash of them."""
    begun = subscribed.create()
    subscribed.dial()
    subscribed.check(begun, CODE)
    for key in redis.scan_iter("*:event:*"):
        fields = redis.hgetall(key)
        text = repr(fields).encode()
        snapshot = json.loads(redis.hget(key, "snapshot") or "")
        assert b"encrypted_number" not in text
        digests = RING.digests("check", begun.id, CODE)
        for secret in (ASHA, f"'{CODE}'", NUMBERS.hash(ASHA), *map(repr, digests)):
            assert secret.encode() not in text
        assert not {"digest", "request_digest", "wrong_digests", "number", "ip"} & {*snapshot}


def test_parallel_correct_codes_emit_one_event(subscribed: StoreDriver) -> None:
    begun = subscribed.create_answered()
    for _ in range(20):
        subscribed.check(begun, CODE)
    assert [what for what, _ in claimed(subscribed)].count("verification.approved") == 1


# Writers ------------------------------------------------------------------------------------------


def test_claimed_event_is_exclusive_until_its_lease_ends(subscribed: StoreDriver) -> None:
    """Then another process gets it with one more attempt."""
    subscribed.approve(subscribed.create())
    first = due(subscribed)
    assert due(subscribed) == []
    subscribed.store.clock_offset_ms += EVENT_LEASE_MS + 100
    again = due(subscribed)
    assert [event.id for event in again] == [event.id for event in first]
    assert [event.attempts for event in first + again] == [1, 1, 2, 2]
    subscribed.store.ack_event(first[0], None)  # another process has claimed it
    subscribed.store.clock_offset_ms += EVENT_LEASE_MS + 100
    assert len(due(subscribed)) == 2


def test_failed_event_is_due_again_after_its_pause(subscribed: StoreDriver) -> None:
    subscribed.approve(subscribed.create())
    for event in due(subscribed):
        subscribed.store.ack_event(event, 5_000)
    subscribed.store.clock_offset_ms += 4_900
    assert due(subscribed) == []
    subscribed.store.clock_offset_ms += 200
    assert len(due(subscribed)) == 2


def test_claim_returns_at_most_the_requested_events(subscribed: StoreDriver) -> None:
    for n in range(3):
        subscribed.approve(subscribed.create(f"+91981234567{n}"))
    assert [len(due(subscribed, at_most)) for at_most in (0, 2, 100)] == [0, 2, 4]


def test_event_of_erased_verification_has_no_number(subscribed: StoreDriver) -> None:
    subscribed.create()
    subscribed.admin.forget(number_identity(ASHA), by="operator")
    events = due(subscribed)
    assert [event.type for event in events] == ["call.canceled", "verification.canceled"]
    assert all(event.verification.encrypted_number == b"" for event in events)


# Bounds -------------------------------------------------------------------------------------------


def test_pending_events_are_bounded_at_10000(subscribed: StoreDriver, redis: Redis) -> None:
    """Dropped ones are counted and reported once."""
    waiting = {f"evt_{n}": n for n in range(MOST_WAITING - 1)}
    redis.zadd("{otpvoice}:events:login", waiting)
    subscribed.approve(subscribed.create(call_after=100))
    subscribed.cancel(subscribed.create("+919812345678", call_after=100))
    assert len([*redis.scan_iter("*:event:*")]) == 1
    for dropped in ({"login": 3}, {}):
        assert subscribed.store.claim_events({"login": 0}).dropped == dropped
    while redis.zcard("{otpvoice}:events:login") > 1:
        due(subscribed, 1000)  # a claim removes ids without a record
    assert redis.zcard("{otpvoice}:events:login") == 1


def test_memory_of_an_event_is_at_most_2_kib(subscribed: StoreDriver, redis: Redis) -> None:
    """With two calls."""
    begun = subscribed.create(reference="5f0c8f0e-8e1c-4c55-9d4f-2f4f3a1e7c11")
    subscribed.dial_busy()
    subscribed.advance_time(60)
    subscribed.dial()
    subscribed.approve(begun)
    sizes = [redis.memory_usage(key, samples=0) or 0 for key in redis.scan_iter("*:event:*")]
    print(f"{len(sizes)} events: {sizes} bytes")
    assert max(sizes) <= BUDGET


def test_change_with_event_is_one_round_trip(subscribed: StoreDriver, sent: Sent) -> None:
    """The function that makes the change writes the event."""
    subscribed.check(subscribed.create(own_code=True), CODE)  # both functions are loaded
    begun: list[Verification] = []
    assert sent(lambda: begun.append(subscribed.create("+919812345679", own_code=True))) == [
        "FCALL"
    ]
    assert sent(lambda: subscribed.check(begun[0], CODE)) == ["FCALL"]
    assert ("verification.approved", subscribed.get(begun[0]).version) in claimed(subscribed)
