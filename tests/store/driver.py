"""A driver that calls a real store as clients, dialers, the provider and operators do.

Durations are in seconds as in the contract, times in milliseconds as in the store.
"""

import itertools
import math
import time
from collections.abc import Sequence
from typing import Any

from store.new_verifications import NUMBERS, VerificationSpec, limit_keys_of, new_call
from support.service import ASHA, BRIDGE

from otpvoice.core.keys import KeyRing, mask_number
from otpvoice.core.speech import Gate
from otpvoice.core.store_port import Idempotency, StoreResult
from otpvoice.core.transactions import Transaction
from otpvoice.core.verification import (
    Call,
    CallStatus,
    EndReason,
    Status,
    Verification,
)
from otpvoice.store import Keys
from otpvoice.store.admin import AdminStore, NumberIdentity, NumberLimits
from otpvoice.store.models import (
    AuditEntry,
    CallResult,
    CallUpdate,
    Claim,
    RecordResult,
    ReportResult,
    StatusQuery,
)
from otpvoice.store.redis_store import RedisStore

RAVI = "+919812345678"
RING = KeyRing([b"the first ring key of the tests!"])
GAPS = (60, 60, 300)
LIVE_FOR_S = 165
LEASE_S = 20
RETENTION_MS = 7 * 86_400_000
PLACED = CallResult(CallStatus.PLACED)
_messages = itertools.count()


class StoreDriver:
    """Calls the store, with default values for what a test does not set.

    Args:
        store: the store under test.
        ring: the key ring of this process.
        gaps: after the first, second and every later call to a number.
    """

    def __init__(
        self, store: RedisStore, ring: KeyRing = RING, gaps: Sequence[float] = GAPS
    ) -> None:
        self.store = store
        self._admin = AdminStore(
            store.redis, policy=store.policy, circuit_breaker=store.circuit_breaker
        )
        self.ring = ring
        self.gaps = gaps
        self.audit_entries: list[AuditEntry] = []
        self.sweep()

    def advance_time(self, seconds: float, dialer: str | None = "dialer") -> None:
        """Advance the clock; then ``dialer`` sweeps, unless it is None."""
        self.store.clock_offset_ms += round(seconds * 1000)
        if dialer:
            self.sweep(dialer)

    def stop_clock(self, at: float) -> None:
        """Set the functions' time, a later one, at which it stands for the next 0.9 seconds.

        The server's clock seems to have been set back, so the functions wait until it catches up.
        """
        caught_up_ms = round(time.time() * 1000) + 900  # from a second on, they store it anew
        lead_ms = round(at * 1000) - caught_up_ms
        self.store.redis.set(Keys().of("clock"), f"{caught_up_ms} {lead_ms}", px=3_600_000)

    # Clients -------------------------------------------------------------------------------------

    def try_create(self, to: str = ASHA, **members: Any) -> StoreResult:
        """Create a verification and return the result, whatever its outcome.

        ``members``: those of :class:`VerificationSpec`.
        """
        return self.store.create(VerificationSpec(to, **members).build(self.ring))

    def create(self, to: str = ASHA, **members: Any) -> Verification:
        """Create a verification and expect success."""
        answer = self.try_create(to, **members)
        assert answer.outcome == "created"
        assert answer.verification
        return answer.verification

    def check(
        self,
        verification: Verification,
        code: str,
        client: str = "",
        idempotency: Idempotency | None = None,
        transaction: Transaction | None = None,
    ) -> StoreResult:
        """Submit one code, with a digest for each key of the ring."""
        bound = (transaction.canonical,) if transaction else ()
        digests = self.ring.digests("check", verification.id, code, *bound)
        client = client or verification.client
        return self.store.check(verification.id, client, len(code), digests, idempotency)

    def request_call(
        self,
        verification: Verification,
        route: str | None = None,
        bridge: str = BRIDGE,
        idempotency: Idempotency | None = None,
    ) -> StoreResult:
        """Request a further call, or the delayed one now."""
        call = new_call(route, bridge)
        return self.store.request_call(verification.id, verification.client, call, idempotency)

    def cancel(self, verification: Verification) -> StoreResult:
        """Cancel a verification as its client."""
        return self.close(verification, Status.CANCELED, EndReason.REQUESTED)

    def approve(self, verification: Verification) -> StoreResult:
        """Approve a verification as its client."""
        return self.close(verification, Status.APPROVED, EndReason.APPROVED_ELSEWHERE)

    def close(self, verification: Verification, status: Status, reason: EndReason) -> StoreResult:
        """End a verification as its client."""
        return self.store.close_verification(verification.id, verification.client, status, reason)

    def get(self, verification: Verification) -> Verification:
        """Return the verification as it is now."""
        found = self.store.get(verification.id, verification.client).verification
        assert found
        return found

    def last_call(self, verification: Verification) -> Call:
        """Return its newest call as it is now."""
        return self.get(verification).calls[-1]

    # Dialer --------------------------------------------------------------------------------------

    def claim(self) -> Claim:
        """Claim the next due call."""
        claim = self.store.claim(200)
        assert isinstance(claim, Claim), f"nothing is due for {claim} ms"
        return claim

    def seconds_until_due(self) -> int:
        """Expect no due call; return the seconds until the next claim, or -1 for an empty queue."""
        wait = self.store.claim(200)
        assert isinstance(wait, int), f"{wait} is due"
        return wait if wait < 0 else math.ceil(wait / 1000)

    def mark_sent(
        self,
        claim: Claim,
        gaps: Sequence[float] | None = None,
        live_for_s: float = LIVE_FOR_S,
        heard_after_s: int | None = None,
        gate: Gate | None = None,
        *,
        fetches_speech: bool = False,
    ) -> bool:
        """Mark a claimed call as sent."""
        lengths = [round(gap * 1000) for gap in (self.gaps if gaps is None else gaps)]
        live_for_ms = round(live_for_s * 1000)
        return self.store.mark_sent(
            claim, live_for_ms, lengths, heard_after_s, gate, fetches_speech=fetches_speech
        )

    def record(self, claim: Claim, result: CallResult) -> RecordResult:
        """Record a result."""
        return self.store.record_result(claim, result)

    def send(self, to: str = ASHA, **members: Any) -> tuple[Verification, Claim]:
        """Create a verification whose call is marked as sent; return it with its claim."""
        begun, claim = self.create(to, **members), self.claim()
        assert (claim.verification_id, self.mark_sent(claim)) == (begun.id, True)
        return begun, claim

    def place(
        self, provider_id: str | None = None, **members: Any
    ) -> tuple[Verification, Claim, int]:
        """Create a verification whose call is placed; return it, its claim and when it was sent."""
        begun = self.create(**members)
        claim = self.dial(CallResult(CallStatus.PLACED, provider_id=provider_id))
        sent_at = self.last_call(begun).sent_at
        assert sent_at
        return begun, claim, sent_at

    def create_answered(self, to: str = ASHA, **members: Any) -> Verification:
        """Create a verification whose call was answered, so that its code is compared."""
        begun, claim = self.send(to, **members)
        self.record(claim, PLACED)
        self.apply_callback(call_id=claim.call_id, to=to)
        return begun

    def dial(
        self,
        result: CallResult = PLACED,
        heard_after_s: int | None = None,
        gate: Gate | None = None,
    ) -> Claim:
        """Claim, mark and record the next due call."""
        claim = self.claim()
        assert self.mark_sent(claim, heard_after_s=heard_after_s, gate=gate)
        self.store.record_result(claim, result)
        return claim

    def dial_busy(self, to: str = ASHA) -> Claim:
        """Dial the next due call, to a busy phone."""
        claim = self.dial()
        settled = self.apply_callback(CallStatus.BUSY, call_id=claim.call_id, to=to)
        assert settled.call_status is CallStatus.BUSY
        return claim

    def dial_unanswered(self, to: str = ASHA) -> Claim:
        """Dial the next due call, to a phone that nobody answers."""
        claim = self.dial()
        self.apply_callback(CallStatus.NO_ANSWER, call_id=claim.call_id, to=to)
        return claim

    def sweep(self, dialer: str = "dialer") -> bool:
        """Sweep once; return whether there is more."""
        swept = self.store.sweep(dialer)
        self.audit_entries.extend(swept.audit_entries)
        return swept.has_more

    def due_status_queries(self) -> list[StatusQuery]:
        """Return the calls whose status is due for a query."""
        return self.store.due_status_queries(32)

    # Operators -----------------------------------------------------------------------------------

    @property
    def admin(self) -> AdminStore:
        """Return the operator's side of the same store, at the same time."""
        self._admin.clock_offset_ms = self.store.clock_offset_ms
        return self._admin

    def explain(self, to: str = ASHA) -> NumberLimits:
        """Return the limits that apply to a number."""
        return self.admin.explain(number_identity(to))

    def stored_fields(self, kind: str, name: str) -> set[str]:
        """Return the names of the fields of a record."""
        fields: Any = self.store.redis.hkeys(Keys().of(kind, name))
        return {field.decode() for field in fields}

    def drop_number_lock(self, to: str = ASHA) -> None:
        """Remove the lock that the release before does not set: it has one for each line."""
        self.store.redis.delete(Keys().of("number_lock", NUMBERS.hash(to)))

    # Provider ------------------------------------------------------------------------------------

    def apply_callback(
        self,
        status: CallStatus = CallStatus.ANSWERED,
        *,
        to: str = "",
        bridges: tuple[str, ...] = (BRIDGE,),
        message: str = "",
        **members: Any,
    ) -> ReportResult:
        """Apply a callback; each is a new message unless ``message`` names one.

        Without ``to`` it is about Asha's number, or about none if it names our call.
        """
        number = to or ("" if members.get("call_id") else ASHA)
        report = CallUpdate(
            fingerprint=message or f"message {next(_messages)}",
            bridges=bridges,
            status=status,
            raw=status.upper(),
            number_hash=NUMBERS.hash(number) if number else None,
            **members,
        )
        return self.store.apply_report(report)

    def apply_queried_status(
        self, status: CallStatus, call_id: str, key: str | None = None
    ) -> ReportResult:
        """Apply the reply to a status query."""
        report = CallUpdate(
            fingerprint=None,
            call_id=call_id,
            status=status,
            raw=status.upper(),
            duration_s=7,
            key=key,
        )
        return self.store.apply_report(report)


def number_identity(to: str) -> NumberIdentity:
    """Return a number as operators identify it."""
    shares = limit_keys_of(to, None, None)
    return NumberIdentity(NUMBERS.hash(to), shares.prefix_hash, shares.area, mask_number(to))
