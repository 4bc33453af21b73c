"""Keys, denials and reports of gated calls compared with a model, in random sequences."""

import time
from dataclasses import dataclass

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from redis import Redis
from store.builders import driver_with_limits, run_machine
from store.driver import LIVE_FOR_S, StoreDriver
from store.limit_cases import NO_GAP

from otpvoice.core.speech import Gate
from otpvoice.core.verification import CallStatus, EndReason, Status, Verification
from otpvoice.store.models import ReportOutcome
from otpvoice.store.speech_models import CallSpeech

BLOCK_S = 400
STEP_S = 0.27
"""Between two steps, so that no deadline is met exactly."""
KEYS = st.sampled_from(["1", "5", "#", "9", "9", "", "12"])


@dataclass
class Model:
    """One verification with one call, and the number's block."""

    gate: Gate | None
    sent: float
    ends: float
    status: Status = Status.PENDING
    key: str = ""
    heard: bool | None = None
    answered: bool = False
    spoken: bool = False

    def is_live(self, now: float) -> bool:
        """Return whether the call may be connected."""
        return not self.answered and now < self.sent + LIVE_FOR_S


class Machine(RuleBasedStateMachine):
    """Takes each step in the store and in the model. No call is redialed."""

    redis: Redis

    def __init__(self) -> None:
        super().__init__()
        self.redis.flushdb()
        policy = {"denial_block_ms": BLOCK_S * 1000}
        self.driver: StoreDriver = driver_with_limits(self.redis, gaps=NO_GAP, policy=policy)
        self.base = time.time() + 3_600
        self.now = 0.0
        self.blocked_until = 0.0
        self.call: Model | None = None
        self.begun: Verification | None = None
        self.call_id = ""

    def advance(self, seconds: float) -> None:
        """Set both clocks."""
        self.now += seconds
        self.driver.stop_clock(self.base + self.now)
        self.driver.sweep()

    def step(self, seconds: float = STEP_S) -> Model:
        """Let time pass, and return the model of the call."""
        self.advance(seconds)
        assert self.call
        if self.call.status is Status.PENDING and self.call.ends <= self.now:
            self.call.status = Status.EXPIRED
        return self.call

    def deny(self, call: Model) -> bool:
        """Return whether a denial has an effect."""
        call.key = "9"
        if call.status is Status.APPROVED:
            return False
        if call.status is Status.PENDING:
            call.status = Status.CANCELED
        self.blocked_until = max(self.blocked_until, self.now + BLOCK_S)
        return True

    @rule(gate=st.sampled_from([*Gate, None]), ttl=st.sampled_from([120, 600]))
    @precondition(lambda self: not (self.call and self.call.is_live(self.now)))
    def ring(self, gate: Gate | None, ttl: float) -> None:
        """Start another verification; none if the number is blocked."""
        self.advance(STEP_S)
        reference = str(self.now)
        found = self.driver.try_create(reference=reference, ttl=ttl)
        assert (found.outcome == "rate_limited denial_block") == (self.blocked_until > self.now)
        if found.verification and found.outcome == "created":
            self.begun = found.verification
            self.call_id = self.driver.dial(heard_after_s=5, gate=gate).call_id
            self.call = Model(gate, self.now, self.now + ttl)

    @rule(key=KEYS)
    @precondition(lambda self: self.call)
    def press(self, key: str) -> None:
        """Press a key at the door."""
        call = self.step()
        is_live, is_denial = call.is_live(self.now), key == "9"
        if call.gate is not Gate.DOOR or len(key) != 1:
            expected = "not_asked"
        elif call.key:
            expected = "pressed"
        elif not (is_live or (is_denial and call.answered)):
            expected = "not_live"
        elif is_denial:
            expected = "denied" if self.deny(call) else "closed"
        elif call.status is not Status.PENDING:
            expected = "closed"
        else:
            expected, call.key, call.spoken = "speak", key, True
        pressed = self.driver.store.press_key(self.call_id, key)
        assert (pressed.outcome, bool(pressed.speech)) == (expected, expected == "speak")

    @rule()
    @precondition(lambda self: self.call)
    def fetch(self) -> None:
        """Fetch what the call speaks: the prompt again and again, or the code once."""
        call = self.step()
        is_due = call.is_live(self.now) and call.status is Status.PENDING and not call.key
        found = self.driver.store.speech_of_live_call(self.call_id)
        assert isinstance(found, CallSpeech) == (is_due and not call.spoken)
        call.spoken |= isinstance(found, CallSpeech) and call.gate is not Gate.DOOR

    @rule(key=st.sampled_from([None, "", "1", "9"]), duration=st.sampled_from([2, 30]))
    @precondition(lambda self: self.call)
    def report(self, key: str | None, duration: int) -> None:
        """Report that the call was answered, maybe with its key."""
        call = self.step()
        was_answered, was_heard, first = call.answered, call.heard, not call.key
        call.answered = True
        if call.gate is None:
            call.heard = call.heard if was_answered else duration >= 5
        elif call.heard is None:
            known = call.key or key
            if known is None and call.gate is Gate.DOOR:
                known = ""
            call.key = known or ""
            call.heard = None if known is None else known not in {"", "9"}
            if call.key == "9" and first:
                self.deny(call)
        changes = not was_answered or was_heard != call.heard
        applied = self.driver.apply_callback(call_id=self.call_id, key=key, duration_s=duration)
        assert applied.outcome == (ReportOutcome.APPLIED if changes else ReportOutcome.LATE)

    @rule(is_approved=st.booleans())
    @precondition(lambda self: self.call)
    def close(self, is_approved: bool) -> None:
        """End the verification as its client."""
        call = self.step()
        assert self.begun
        if call.status is Status.PENDING:
            call.status = Status.APPROVED if is_approved else Status.CANCELED
        (self.driver.approve if is_approved else self.driver.cancel)(self.begun)

    @rule(seconds=st.sampled_from([10, 130, 170, 410]))
    @precondition(lambda self: self.call)
    def wait(self, seconds: int) -> None:
        """Let time pass."""
        self.step(seconds)

    @invariant()
    @precondition(lambda self: self.call)
    def call_agrees(self) -> None:
        """Compare the verification, its call, the block, and whether the key is asked for."""
        call = self.call
        assert call
        assert self.begun
        found = self.driver.get(self.begun)
        (seen,) = found.calls
        assert (found.status, seen.heard) == (call.status, call.heard)
        assert (seen.status is CallStatus.ANSWERED) == call.answered
        if found.reason is EndReason.DENIED:
            assert (call.key, call.status) == ("9", Status.CANCELED)
        limits = self.driver.explain()
        left_ms = max(0, limits.blocked_until_ms - limits.now_ms)
        assert abs(left_ms / 1000 - max(0.0, self.blocked_until - self.now)) < STEP_S
        awaits_key = call.gate is Gate.QUERY and call.answered and call.heard is None
        asked = [each.call_id for each in self.driver.due_status_queries()]
        if call.answered and not awaits_key:
            assert self.call_id not in asked


def test_gate_agrees_with_its_model(redis: Redis) -> None:
    """Keys, reports, ends and time, in any order."""
    Machine.redis = redis
    run_machine(Machine, examples=14)
