"""Events in the store: queued with the change they tell of, handed out under a lease, bounded."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace
from redis import Redis
from store.conftest import Sent
from store.driver import CODE, NUMBERS, RING, StoreDriver, driver_with_limits, number_identity
from support.service import ASHA

from otpvoice.core.keys import decrypt_number
from otpvoice.core.limits import ClientLimits
from otpvoice.core.verification import CallReason, CallStatus, Status, Verification
from otpvoice.store.models import CallResult, Event
from otpvoice.store.policy import EVENT_LEASE_MS

MOST_WAITING = 10_000
BUDGET = 2_048
"""Bytes of memory for an event that waits."""
WRONG = "999999"


@pytest.fixture
def told(redis: Redis) -> StoreDriver:
    """An exchange where the client "login" is told, and "bank" is not."""
    clients = {"login": ClientLimits(), "bank": ClientLimits()}
    return driver_with_limits(
        redis,
        clients=clients,
        policy={"clients_with_events": frozenset({"login"}), "max_redials": 1},
    )


def due(told: StoreDriver, at_most: int = 100) -> list[Event]:
    """What the client is to be told now."""
    return list(told.store.claim_events({"login": at_most}).events)


def taken(told: StoreDriver) -> list[tuple[str, int]]:
    """The same, each with the version it tells of; all are over then."""
    events = due(told)
    for event in events:
        told.store.ack_event(event, None)
    return [(event.type, event.verification.version) for event in events]


# What is told ------------------------------------------------------------------------------------


def test_a_whole_life_is_told_in_its_order(told: StoreDriver) -> None:
    """Placed, busy, and again after the redial: then approved. The versions say in which order."""
    begun = told.create()
    told.dial_busy()
    told.advance_time(60)
    claim = told.dial()
    told.apply_callback(CallStatus.ANSWERED, call_id=claim.call_id)
    told.check(begun, WRONG)
    told.check(begun, CODE)
    events = sorted(taken(told), key=lambda event: event[1])
    assert [what for what, _ in events] == [
        *("call.placed", "call.busy", "call.placed", "call.answered", "verification.approved"),
    ]
    versions = [version for _, version in events]
    assert versions == sorted({*versions})
    assert versions[-1] == told.get(begun).version
    assert taken(told) == []


ENDS: list[tuple[str, Callable[[StoreDriver, Any], Any]]] = [
    ("approved", lambda told, begun: told.approve(begun)),
    ("canceled", lambda told, begun: told.cancel(begun)),
    ("canceled", lambda told, begun: told.try_create(code="654321", own_code=True)),  # noqa: ARG005
    ("expired", lambda told, begun: told.advance_time(301)),  # noqa: ARG005
    (
        "max_attempts_reached",
        lambda told, begun: [told.check(begun, f"{n:06}") for n in range(5)],
    ),
]


@pytest.mark.parametrize(("status", "end"), ENDS)
def test_every_end_is_told_once_with_its_queued_call(
    told: StoreDriver, status: str, end: Callable[[StoreDriver, Any], Any]
) -> None:
    """However it ends: first the call that is not dialed any more, then the verification."""
    begun = told.create(call_after=200, own_code=True)
    end(told, begun)
    of_call = "expired" if status == "expired" else "canceled"
    events = [event for event in due(told) if event.verification.id == begun.id]
    assert [event.type for event in events] == [f"call.{of_call}", f"verification.{status}"]
    assert events[-1].verification.status is Status(status)
    assert events[-1].verification.version == events[0].verification.version + 1


@pytest.mark.parametrize("status", ["answered", "busy", "no_answer", "failed"])
def test_every_result_of_a_call_is_told(told: StoreDriver, status: str) -> None:
    """What the provider says becomes an event; said twice it is told once."""
    told.create()
    claim = told.dial()
    told.apply_callback(CallStatus(status), call_id=claim.call_id)
    told.apply_callback(CallStatus(status), call_id=claim.call_id)
    assert [what for what, _ in taken(told)] == ["call.placed", f"call.{status}"]


def test_a_call_that_nobody_knows_of_is_told(told: StoreDriver) -> None:
    """`unknown`, and what is known later on."""
    told.create()
    claim = told.dial(CallResult(CallStatus.UNKNOWN, CallReason.PROVIDER_ERROR))
    told.apply_queried_status(CallStatus.ANSWERED, claim.call_id)
    assert [what for what, _ in taken(told)] == ["call.unknown", "call.answered"]


def test_a_claim_that_goes_back_is_not_told(told: StoreDriver) -> None:
    """Queued and dialing are ours: a lease that runs out is nobody else's business."""
    told.create()
    told.claim()
    told.advance_time(21)
    assert taken(told) == []


def test_an_event_shows_the_moment_of_its_change(told: StoreDriver) -> None:
    """However late it is taken: type, version and object belong together."""
    begun = told.create(reference="login-81 अ")
    claim = told.dial()
    told.apply_callback(CallStatus.ANSWERED, call_id=claim.call_id, duration_s=7)
    told.check(begun, CODE)
    told.advance_time(100)
    placed, answered, approved = (event.verification for event in due(told))
    assert [placed.status, answered.status] == [Status.PENDING] * 2
    assert [each.calls[0].status for each in (placed, answered)] == ["placed", "answered"]
    assert answered.calls[0].duration == 7
    assert answered.next_check().allowed
    assert approved.status is Status.APPROVED
    assert approved.ended_at == approved.now
    assert approved.reference == "login-81 अ"
    assert decrypt_number(RING, begun.id, approved.encrypted_number) == ASHA


def test_the_object_is_the_one_that_answers_show(told: StoreDriver) -> None:
    """What an answer shows right after the change, the event shows as well, member for member."""
    begun = told.create(reference="login-81", ip="203.0.113.7")
    told.dial_busy()
    (last,) = [event for event in due(told) if event.type == "call.busy"]
    told.cancel(begun)
    answer = told.get(begun)
    (canceled,) = [event for event in due(told) if event.type == "verification.canceled"]
    raws = {call.id: call.raw for call in answer.calls}
    shown = canceled.verification
    assert {call.id: call.raw for call in shown.calls} == dict.fromkeys(raws)
    assert replace(shown, now=answer.now, calls=answer.calls) == answer
    assert last.verification.next_call().reason == "call_gap"


def test_nobody_is_told_without_an_address(told: StoreDriver, redis: Redis) -> None:
    """A client that takes no events has none waiting."""
    begun = told.create(client="bank")
    claim = told.dial()
    told.apply_callback(CallStatus.ANSWERED, call_id=claim.call_id)
    told.check(begun, CODE)
    assert [key for key in redis.scan_iter() if b":event" in key] == []


def test_nothing_secret_waits(told: StoreDriver, redis: Redis) -> None:
    """Neither number nor code, digest or seal of it, nor what the number is called in names."""
    begun = told.create()
    told.dial()
    told.check(begun, CODE)
    for key in redis.scan_iter("*:event:*"):
        fields = redis.hgetall(key)
        text = repr(fields).encode()
        snapshot = json.loads(redis.hget(key, "snapshot") or "")
        assert b"encrypted_number" not in text
        digests = RING.digests("check", begun.id, CODE)
        for secret in (ASHA, f"'{CODE}'", NUMBERS.hash(ASHA), *map(repr, digests)):
            assert secret.encode() not in text
        assert not {"digest", "request_digest", "wrong_digests", "number", "ip"} & {*snapshot}


def test_many_right_codes_are_one_event(told: StoreDriver) -> None:
    """The first wins; the others change nothing, and so there is nothing to tell."""
    begun = told.create_answered()
    for _ in range(20):
        told.check(begun, CODE)
    assert [what for what, _ in taken(told)].count("verification.approved") == 1


# Who tells ---------------------------------------------------------------------------------------


def test_a_taken_event_is_one_ones_until_its_lease_ends(told: StoreDriver) -> None:
    """Then another one gets it, under the same id and with one more try."""
    told.approve(told.create())
    first = due(told)
    assert due(told) == []
    told.store.clock_offset_ms += EVENT_LEASE_MS + 100
    again = due(told)
    assert [event.id for event in again] == [event.id for event in first]
    assert [event.attempts for event in first + again] == [1, 1, 2, 2]
    told.store.ack_event(first[0], None)  # too late: it is not theirs any more
    told.store.clock_offset_ms += EVENT_LEASE_MS + 100
    assert len(due(told)) == 2


def test_what_failed_comes_again_at_its_time(told: StoreDriver) -> None:
    """Not before the pause is over."""
    told.approve(told.create())
    for event in due(told):
        told.store.ack_event(event, 5_000)
    told.store.clock_offset_ms += 4_900
    assert due(told) == []
    told.store.clock_offset_ms += 200
    assert len(due(told)) == 2


def test_no_more_are_handed_out_than_wanted(told: StoreDriver) -> None:
    """The rest waits for whoever is free."""
    for n in range(3):
        told.approve(told.create(f"+91981234567{n}"))
    assert [len(due(told, at_most)) for at_most in (0, 2, 100)] == [0, 2, 4]


def test_forgotten_verifications_have_no_number_left(told: StoreDriver) -> None:
    """What an operator erased is not kept alive by an event."""
    told.create()
    told.admin.forget(number_identity(ASHA), by="operator")
    events = due(told)
    assert [event.type for event in events] == ["call.canceled", "verification.canceled"]
    assert all(event.verification.encrypted_number == b"" for event in events)


# Bounds ------------------------------------------------------------------------------------------


def test_a_client_that_takes_nothing_fills_no_memory(told: StoreDriver, redis: Redis) -> None:
    """From 10 000 on nothing more waits; what is dropped is counted, and told once."""
    waiting = {f"evt_{n}": n for n in range(MOST_WAITING - 1)}
    redis.zadd("{otpvoice}:events:login", waiting)
    told.approve(told.create(call_after=100))
    told.cancel(told.create("+919812345678", call_after=100))
    assert len([*redis.scan_iter("*:event:*")]) == 1
    for dropped in ({"login": 3}, {}):
        assert told.store.claim_events({"login": 0}).dropped == dropped
    while redis.zcard("{otpvoice}:events:login") > 1:
        due(told, 1000)  # names without a record are swept away
    assert redis.zcard("{otpvoice}:events:login") == 1


def test_memory_of_an_event(told: StoreDriver, redis: Redis) -> None:
    """At most 2 KiB for one of a verification with two calls."""
    begun = told.create(reference="5f0c8f0e-8e1c-4c55-9d4f-2f4f3a1e7c11")
    told.dial_busy()
    told.advance_time(60)
    told.dial()
    told.approve(begun)
    sizes = [redis.memory_usage(key, samples=0) or 0 for key in redis.scan_iter("*:event:*")]
    print(f"{len(sizes)} events: {sizes} bytes")
    assert max(sizes) <= BUDGET


def test_a_change_with_an_event_is_one_round_trip(told: StoreDriver, sent: Sent) -> None:
    """As without: the script that changes queues what is to be told."""
    told.check(told.create(own_code=True), CODE)  # both rules are known by now
    begun: list[Verification] = []
    assert sent(lambda: begun.append(told.create("+919812345679", own_code=True))) == ["FCALL"]
    assert sent(lambda: told.check(begun[0], CODE)) == ["FCALL"]
    assert ("verification.approved", told.get(begun[0]).version) in taken(told)
