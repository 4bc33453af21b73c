"""The whole store compared with a model of it, in random sequences."""

import time
from typing import Any

import hypothesis.strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
)
from redis import Redis
from store.builders import driver_with_limits, run_machine
from store.driver import GAPS, RAVI, StoreDriver
from store.expiry import wrongly_endless
from store.model import Model
from store.model_records import (
    ATTEMPTS,
    ENDED,
    HEARD_AFTER,
    LIVE_FOR,
    PENDING_PER_NUMBER,
    RESULTS,
    C,
    ModelCall,
    ModelVerification,
)
from support.service import ASHA, INDEXES

from otpvoice.core.store_port import StoreResult
from otpvoice.core.verification import CallReason, CallStatus, Status, Verification
from otpvoice.store.models import CallResult, Claim, ReportOutcome

STEP = 0.2764
"""Seconds between two steps. No small multiple is near a whole number, as deadlines are: at a
deadline itself the clocks of model and store may differ."""
RETRY = CallResult(C.QUEUED, is_unsent=True, retry_in_ms=20_000)
BACK_OFF = CallResult(C.QUEUED, is_unsent=True, is_refused=True, retry_in_ms=20_000)
UNREACHED = CallResult(C.FAILED, CallReason.PROVIDER_ERROR, is_unsent=True, next_route="c2c")
OTHER_ROUTE = CallResult(C.FAILED, CallReason.REFUSED, is_unsent=True, next_route="c2c")
NO_ROUTE = CallResult(C.FAILED, CallReason.REFUSED, is_unsent=True)
OUTCOMES = [
    *(CallResult(C.PLACED), CallResult(C.UNKNOWN), RETRY, BACK_OFF),
    *(OTHER_ROUTE, NO_ROUTE, UNREACHED),
]
NUMBERS = st.sampled_from([ASHA, ASHA, RAVI])
CLIENTS = st.sampled_from(["login", "login", "bank"])
REFERENCES = [None, "login-81", "login-82", "login-83"]
ADDRESSES = st.sampled_from([None, "203.0.113.1", "203.0.113.2"])


class Machine(RuleBasedStateMachine):
    """Takes each step in the store and in the model."""

    redis: Redis

    def __init__(self) -> None:
        super().__init__()
        self.redis.flushdb()
        self.driver: StoreDriver = driver_with_limits(
            self.redis,
            gaps=GAPS,
            policy={"max_redials": 1},
            pending_per_number=PENDING_PER_NUMBER,
            attempts_per_verification=ATTEMPTS,
        )
        self.model = Model()
        self.ids: dict[ModelVerification, str] = {}
        self.claims: list[tuple[Claim, ModelCall]] = []
        self.marked: list[tuple[Claim, ModelCall]] = []
        self.ended: dict[str, CallStatus] = {}
        self.codes = iter(range(100_000, 999_999))
        self.base = time.time() + 3_600
        self.driver.stop_clock(self.base)
        self.driver.sweep()

    def ticks(self, seconds: float = 0) -> None:
        """Set both clocks for the next step."""
        self.model.now += seconds + STEP
        self.driver.stop_clock(self.base + self.model.now)

    def one_of(self, index: int) -> ModelVerification:
        """Return a verification, more often a new one."""
        known = self.model.verifications
        return known[-1 - index % len(known)]

    @rule(
        to=NUMBERS,
        client=CLIENTS,
        own=st.sampled_from([None, None, "111111", "222222"]),
        reference=st.sampled_from(REFERENCES),
        ip=ADDRESSES,
        call_after=st.sampled_from([0, 0, 40]),
        ttl=st.sampled_from([300, 300, 120, 600]),
    )
    def creates(
        self,
        to: str,
        client: str,
        own: str | None,
        reference: str | None,
        ip: str | None,
        call_after: int,
        ttl: int,
    ) -> None:
        """With or without an own code, of one of the login sessions, for now or later."""
        self.ticks()
        code = own or str(next(self.codes))
        new = ModelVerification(client, to, code, reference, self.model.now, ttl)
        new.ip, new.own_code = ip, own is not None
        expected = self.model.create(new, call_after)
        answer = self.driver.try_create(
            to,
            client=client,
            code=code,
            own_code=own is not None,
            reference=reference,
            ip=ip,
            call_after=call_after,
            ttl=ttl,
        )
        assert answer.outcome == expected
        if expected == "created":
            assert answer.verification
            self.ids[new] = answer.verification.id

    @rule(
        to=NUMBERS,
        client=CLIENTS,
        references=st.permutations(REFERENCES),
        addresses=st.lists(ADDRESSES, min_size=3, max_size=3),
        call_after=st.sampled_from([0, 40]),
    )
    def creates_for_three_sessions(
        self,
        to: str,
        client: str,
        references: list[str | None],
        addresses: list[str | None],
        call_after: int,
    ) -> None:
        """One more than may be pending."""
        for reference, ip in zip(references, addresses, strict=False):
            self.creates(to, client, None, reference, ip, call_after, 300)

    @precondition(lambda self: self.model.verifications)
    @rule(index=st.integers(0, 3), code=st.sampled_from(["right", "000000", "000001", "111111"]))
    def checks(self, index: int, code: str) -> None:
        """The right code, or a wrong one, perhaps again."""
        self.ticks()
        verification = self.one_of(index)
        given = verification.code if code == "right" else code
        digests = self.driver.ring.digests("check", self.ids[verification], given)
        answer = self.driver.store.check(
            self.ids[verification], verification.client, len(given), digests
        )
        assert answer.outcome == self.model.check(verification, given)

    @precondition(lambda self: self.model.verifications)
    @rule(index=st.integers(0, 3), status=st.sampled_from([Status.CANCELED, Status.APPROVED]))
    def ends(self, index: int, status: Status) -> None:
        """The client cancels or approves."""
        self.ticks()
        verification = self.one_of(index)
        before = verification.status
        real = self.load(verification)
        answer = (
            self.driver.cancel(real) if status is Status.CANCELED else (self.driver.approve(real))
        )
        assert answer.outcome == ("ended" if before in {Status.PENDING, status} else "closed")
        if before is Status.PENDING:
            self.model.finish(verification, status)

    @precondition(lambda self: self.model.verifications)
    @rule(index=st.integers(0, 3))
    def calls(self, index: int) -> None:
        """The client requests a call."""
        self.ticks()
        verification = self.one_of(index)
        answer: StoreResult = self.driver.request_call(self.load(verification))
        assert answer.outcome == self.model.call(verification)

    @rule()
    def claims_all(self) -> None:
        """Each call that may be dialed is claimed, and no other."""
        self.ticks()
        by_id = {call.id: call for call in self.model.calls()}
        while isinstance(claim := self.driver.store.claim(200), Claim):
            call = by_id[claim.call_id]
            assert call.status is C.QUEUED
            assert call.score <= self.model.now
            assert self.model.may_dial(call)
            self.model.claim(call, claim.holder)
            self.claims.append((claim, call))
        # A call that expires makes those due that wait for its number; they are postponed again.
        while due := [call for call in self.model.queued() if call.score <= self.model.now]:
            for call in due:
                assert not self.model.may_dial(call)
                self.model.hold(call)
        scores = [call.score for call in self.model.queued()]
        expected = (min(scores) - self.model.now) * 1000 if scores else -1
        assert abs(claim - expected) < 1000 * STEP

    @precondition(lambda self: self.claims)
    @rule(index=st.integers(0, 3))
    def marks(self, index: int) -> None:
        """A dialer marks a claimed call as sent."""
        self.ticks()
        claim, call = self.claims.pop(index % len(self.claims))
        marked = self.driver.mark_sent(claim, live_for_s=LIVE_FOR, heard_after_s=HEARD_AFTER)
        assert marked == self.model.mark(call, claim.holder)
        if marked:
            self.marked.append((claim, call))

    @rule()
    def sends_all(self) -> None:
        """Send every call that may be sent; otherwise a search rarely gets past dialing."""
        self.claims_all()
        while self.claims:
            self.marks(0)

    @precondition(lambda self: self.marked)
    @rule(index=st.integers(0, 3), result=st.sampled_from(OUTCOMES))
    def records(self, index: int, result: CallResult) -> None:
        """A dialer records a result, soon or late."""
        self.ticks()
        claim, call = self.marked.pop(index % len(self.marked))
        recorded = self.driver.record(claim, result)
        assert recorded.status == self.model.record(call, claim.holder, result)

    @precondition(lambda self: any(True for _ in self.model.calls()))
    @rule(
        index=st.integers(0, 5),
        status=st.sampled_from([*RESULTS, C.UNKNOWN]),
        duration=st.sampled_from([3, 9]),
    )
    def settles(self, index: int, status: CallStatus, duration: int) -> None:
        """A report of the provider arrives, correct or not."""
        self.ticks()
        calls = list(self.model.calls())
        call = calls[-1 - index % len(calls)]
        settled = self.driver.apply_callback(
            status, call_id=call.id, to=call.of.to, duration_s=duration
        )
        may_redial = self.driver.explain(call.of.to).allows_redials
        applied = self.model.settle(call, status, duration, may_redial=may_redial)
        assert settled.outcome is (ReportOutcome.APPLIED if applied else ReportOutcome.LATE)

    @rule(rounds=st.sampled_from([1, 1, 2, 3, 6, 12]))
    def passes(self, rounds: int) -> None:
        """Time passes, and a dialer sweeps."""
        self.ticks(20 * rounds)
        self.driver.sweep()
        self.model.sweep()

    def members(self, index: str) -> set[str]:
        """Return the members of an index."""
        members: Any = self.redis.zrange(index, 0, -1)
        return {member.decode() for member in members}

    def each_client_is_indexed_by_its_first_call(self, queue: str) -> None:
        """Check that each client has the due time of its first call."""
        clients: Any = self.redis.zrange(queue, 0, -1, withscores=True)
        for client, due in clients:
            first: Any = self.redis.zrange(f"{queue}:{client.decode()}", 0, 0, withscores=True)
            assert [score for _, score in first] == [due]

    def load(self, verification: ModelVerification) -> Verification:
        """Return the verification from the store."""
        seen = self.driver.store.get(self.ids[verification], verification.client).verification
        assert seen
        return seen

    @invariant()
    def calls_and_verifications_are_equal(self) -> None:
        """An ended call does not change.

        Invariants run in the order of their names. This one is first: it learns the ids.
        """
        for verification in self.model.verifications:
            real = self.load(verification)
            assert real.status is verification.status
            assert real.checks_left == verification.checks_left
            for call, seen in zip(verification.calls, real.calls, strict=True):
                call.id = seen.id
                assert (seen.status, seen.heard) == (call.status, call.heard)
                assert abs(seen.due_at / 1000 - self.base - call.due) < STEP
                assert self.ended.get(seen.id, seen.status) == seen.status
                if seen.status in ENDED:
                    self.ended[seen.id] = seen.status

    @invariant()
    def one_live_call_for_a_number(self) -> None:
        """A number has one live call over all clients."""
        for to in (ASHA, RAVI):
            mine = [v for v in self.model.verifications if v.to == to]
            looks = [self.load(verification) for verification in mine]
            assert sum(call.is_live(seen.now) for seen in looks for call in seen.calls) <= 1

    @invariant()
    def indexes_have_their_members(self) -> None:
        """The queue has the queued calls, the leases those being dialed. Other keys expire."""
        queue, dialing = INDEXES[:2]
        by_status = {s: {c.id for c in self.model.calls() if c.status is s} for s in C}
        waiting = {
            client: {f"call_{bare_id}" for bare_id in self.members(f"{queue}:{client}")}
            for client in ("login", "bank")
        }
        assert waiting["login"] | waiting["bank"] == by_status[C.QUEUED]
        assert self.members(queue) == {client for client in waiting if waiting[client]}
        assert self.members(dialing) == by_status[C.DIALING]
        self.each_client_is_indexed_by_its_first_call(queue)
        assert not wrongly_endless(self.redis)


def test_store_agrees_with_the_model(redis: Redis) -> None:
    """Clients, dialers, the provider and time, in any order."""
    Machine.redis = redis
    run_machine(Machine, examples=25)
