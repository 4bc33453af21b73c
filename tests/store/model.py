"""A small model of the store: its rules once more, without Redis, in seconds."""

from collections import Counter
from collections.abc import Iterator

from store.driver import GAPS, LEASE_S, RAVI
from store.model_records import (
    ATTEMPTS,
    ENDED,
    HEARD_AFTER,
    LIVE_FOR,
    OVERDUE,
    PENDING_PER_NUMBER,
    RESULTS,
    C,
    Line,
    ModelCall,
    ModelVerification,
)
from support.service import ASHA

from otpvoice.core.verification import CallReason, CallStatus, Status
from otpvoice.store.models import CallResult


class Model:
    """The rules of the store in plain lists, with a search for each question."""

    def __init__(self) -> None:
        self.now = 0.0
        self.verifications: list[ModelVerification] = []
        self.lines = {ASHA: Line(), RAVI: Line()}

    def calls(self) -> Iterator[ModelCall]:
        """Yield every call."""
        return (call for verification in self.verifications for call in verification.calls)

    def queued(self) -> list[ModelCall]:
        """Return the calls in the queue."""
        return [call for call in self.calls() if call.status is C.QUEUED]

    def pending(self, client: str, to: str) -> list[ModelVerification]:
        """Return the pending verifications, the oldest first."""
        mine = [v for v in self.verifications if (v.client, v.to) == (client, to)]
        return [v for v in mine if v.status is Status.PENDING]

    def is_overdue(self, client: str) -> bool:
        """Return whether a call of this client has waited too long."""
        mine = [call for call in self.queued() if call.of.client == client]
        return any(self.now - call.score > OVERDUE for call in mine)

    def make_room(
        self, pending: list[ModelVerification], ip: str | None
    ) -> tuple[ModelVerification | None, float]:
        """Return the verification to supersede for one more, or until when there is no room."""
        if len(pending) < PENDING_PER_NUMBER:
            return None, 0
        unsent = [v for v in pending if not any(call.sent for call in v.calls)]
        if not unsent:
            return None, min(v.created + v.ttl for v in pending)
        held = Counter(v.ip for v in unsent)
        return max(unsent, key=lambda v: (held[v.ip], v.ip == ip, -v.created)), 0

    def gap_of(self, call: ModelCall) -> float:
        """Return until when the gap postpones a call."""
        gap = self.lines[call.of.to].gap_until
        return 0 if gap == call.own_gap else gap

    # Changes -------------------------------------------------------------------------------------

    def release(self, call: ModelCall) -> None:
        """Release the line, so calls that waited for it are due."""
        line = self.lines[call.of.to]
        if line.holder is call:
            line.holder = None
        for other in line.waiting:
            other.score = self.now
        line.waiting.clear()

    def move(self, call: ModelCall, status: CallStatus) -> bool:
        """Change the status of a call if its status allows it."""
        backward = {C.QUEUED, C.CANCELED, C.EXPIRED}
        allowed = {
            C.QUEUED: {C.DIALING, C.CANCELED, C.EXPIRED},
            C.DIALING: {C.PLACED, C.UNKNOWN} | RESULTS | backward,
            C.PLACED: {C.UNKNOWN} | RESULTS,
            C.UNKNOWN: {C.PLACED} | RESULTS,
        }
        if status not in allowed.get(call.status, set()) or (status in backward and call.sent):
            return False
        call.status = status
        if status in ENDED:
            self.release(call)
        return True

    def queue(self, verification: ModelVerification, due: float) -> None:
        """Queue one more call."""
        verification.calls.append(ModelCall(verification, due, due))

    def requeue(self, call: ModelCall, due: float) -> None:
        """Return a call to the queue."""
        if self.move(call, C.QUEUED):
            self.release(call)
            call.due = call.score = call.not_before = due
            call.holder = ""

    def finish(self, verification: ModelVerification, status: Status) -> None:
        """End a verification and its unsent calls."""
        verification.status = status
        if status is Status.APPROVED:
            line = self.lines[verification.to]
            line.gap_until, line.sent = 0, 0
        for call in verification.calls:
            self.move(call, C.EXPIRED if status is Status.EXPIRED else C.CANCELED)

    def sweep(self) -> None:
        """Apply what follows from the time alone."""
        for verification in self.verifications:
            over = verification.created + verification.ttl <= self.now
            if verification.status is Status.PENDING and over:
                self.finish(verification, Status.EXPIRED)
        for call in list(self.calls()):
            if call.status is C.DIALING and call.lease_until <= self.now:
                if call.sent:
                    self.move(call, C.UNKNOWN)
                else:
                    self.requeue(call, self.now)
        for call in list(self.calls()):
            if call.sent and call.live_until <= self.now and call.status in {C.PLACED, C.UNKNOWN}:
                call.status = C.UNKNOWN
                if self.lines[call.of.to].holder is call:
                    self.release(call)

    # Steps ---------------------------------------------------------------------------------------

    def create(self, new: ModelVerification, call_after: float) -> str:
        """Return the outcome of a create."""
        pending = self.pending(new.client, new.to)
        old = next((v for v in pending if v.reference == new.reference), None)
        stale = old is not None and (
            (new.own_code and old.code != new.code) or old.payment != new.payment
        )
        due = max(self.now + call_after, self.lines[new.to].gap_until)
        refusal = "over_capacity" if self.is_overdue(new.client) else ""
        if old and not stale:
            if old.under_way(self.now):
                return "existing"
            if due <= old.last_due:
                if len(old.calls) >= ATTEMPTS:
                    return "rate_limited attempts_per_verification"
                if not refusal:
                    self.queue(old, due)
                return refusal or "existing"
        superseded, full_until = (old, 0.0) if old else self.make_room(pending, new.ip)
        if full_until:
            refusal = "rate_limited pending_per_number"
        if due > new.last_due and due - new.last_due >= full_until - self.now:
            refusal = "call_gap"
        if superseded and (stale or not refusal):
            self.finish(superseded, Status.CANCELED)
        if refusal:
            return refusal
        self.verifications.append(new)
        self.queue(new, due)
        return "created"

    def call(self, verification: ModelVerification) -> str:
        """Return the outcome of a request for a call."""
        if verification.status is not Status.PENDING:
            return "closed"
        due = max(self.now, self.lines[verification.to].gap_until)
        call = verification.under_way(self.now)
        if call:
            due = max(due, call.not_before)
            if call.status is C.QUEUED and call.due > due:
                call.due = call.score = due
            return "coming"
        if due > verification.last_due:
            return "too_late"
        if len(verification.calls) >= ATTEMPTS:
            return "rate_limited attempts_per_verification"
        if self.is_overdue(verification.client):
            return "over_capacity"
        self.queue(verification, due)
        return "coming"

    def check(self, verification: ModelVerification, code: str, payment: str = "") -> str:
        """Return the outcome of a check."""
        if verification.status is not Status.PENDING:
            return "closed"
        if not verification.own_code and not any(call.sent for call in verification.calls):
            return "no_call_yet"
        if (code, payment) == (verification.code, verification.payment):
            self.finish(verification, Status.APPROVED)
            return "right"
        if f"{code} {payment}" not in verification.wrong:
            verification.wrong.add(f"{code} {payment}")
            verification.checks_left -= 1
            if verification.checks_left == 0:
                self.finish(verification, Status.MAX_ATTEMPTS_REACHED)
        return "wrong"

    def may_dial(self, call: ModelCall) -> bool:
        """Return whether a due call may be claimed."""
        return (
            self.now <= call.of.dial_by
            and self.gap_of(call) <= self.now
            and not self.held_by_another(call)
        )

    def held_by_another(self, call: ModelCall) -> bool:
        """Return whether another call has the line."""
        line = self.lines[call.of.to]
        return line.holder not in {None, call} and line.held_until > self.now

    def hold(self, call: ModelCall) -> None:
        """Postpone or expire a due call that may not be dialed."""
        line, gap = self.lines[call.of.to], self.gap_of(call)
        if self.now > call.of.dial_by:
            self.move(call, C.EXPIRED)
        elif gap > self.now:
            call.due = call.score = gap
            if gap > call.of.dial_by:
                self.move(call, C.EXPIRED)
        else:
            line.waiting.add(call)
            call.score = min(line.held_until, call.of.dial_by)

    def claim(self, call: ModelCall, holder: str) -> None:
        """Lease the call to a dialer."""
        self.move(call, C.DIALING)
        call.holder, call.lease_until = holder, self.now + LEASE_S
        self.take_line(call, call.lease_until)

    def take_line(self, call: ModelCall, until: float) -> None:
        """Lock the number for a call."""
        line = self.lines[call.of.to]
        line.holder, line.held_until = call, until

    def mark(self, call: ModelCall, holder: str) -> bool:
        """Return whether the call may be sent, and mark it."""
        mine = call.status is C.DIALING and call.holder == holder and not call.sent
        if not mine or call.lease_until <= self.now or call.of.status is not Status.PENDING:
            return False
        line = self.lines[call.of.to]
        if self.gap_of(call) > self.now:
            self.requeue(call, line.gap_until)
            return False
        line.sent += 1
        call.gap_before = line.gap_until
        line.gap_until = call.gap_after = self.now + GAPS[min(line.sent, len(GAPS)) - 1]
        call.sent, call.live_until = True, self.now + LIVE_FOR
        self.take_line(call, call.live_until)
        return True

    def give_back(self, call: ModelCall, refused: bool) -> None:
        """Undo the sent mark. The gap stays if the provider refused the call."""
        line = self.lines[call.of.to]
        if call.gap_after is not None and line.gap_until == call.gap_after:
            line.sent -= 1
            if not refused:
                holds = line.sent or call.gap_before > self.now
                line.gap_until = call.gap_before if holds else 0
        if call.gap_after is not None and refused:
            call.own_gap = call.gap_after
        call.sent, call.live_until, call.gap_after = False, 0, None

    def record(self, call: ModelCall, holder: str, result: CallResult) -> CallStatus | None:
        """Record the result of a request, and return the status of the call."""
        if call.holder != holder:
            return None
        pending = call.of.status is Status.PENDING
        if result.is_unsent and call.status not in ENDED:
            self.give_back(call, result.is_refused or result.reason is CallReason.REFUSED)
        status = result.status
        if status is C.QUEUED and call.status is not C.DIALING:
            status = C.FAILED
        elif status is C.QUEUED and not pending:
            status = C.EXPIRED if call.of.status is Status.EXPIRED else C.CANCELED
        elif status is C.PLACED and call.sent and call.live_until <= self.now:
            status = C.UNKNOWN
        if status is C.QUEUED:
            self.requeue(call, self.now + result.retry_in_ms / 1000)
            return call.status
        moved = self.move(call, status)
        in_time = pending and self.now <= call.of.last_due
        free = not call.of.under_way(self.now) and len(call.of.calls) < ATTEMPTS
        if moved and result.next_route and in_time and free:
            self.queue(call.of, self.now)
            call.of.calls[-1].own_gap = call.own_gap
        return call.status

    def settle(
        self, call: ModelCall, status: CallStatus, duration: int, *, may_redial: bool
    ) -> bool:
        """Apply a report, and return whether it changed the call.

        ``may_redial``: the number declined few calls.
        """
        if not call.sent or not self.move(call, status):
            return False
        if status is C.ANSWERED:
            call.heard = duration >= HEARD_AFTER
        verification = call.of
        missed = status in {C.BUSY, C.NO_ANSWER, C.FAILED} or call.heard is False
        due = max(self.now, self.lines[verification.to].gap_until)
        if (
            missed
            and may_redial
            and verification.status is Status.PENDING
            and verification.max_redials < 1
            and due <= verification.last_due
            and not verification.under_way(self.now)
            and len(verification.calls) < ATTEMPTS
        ):
            verification.max_redials += 1
            self.queue(verification, due)
        return True
