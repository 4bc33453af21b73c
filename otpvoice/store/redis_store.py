"""The store on Redis or Valkey. Every method but ``wait`` calls one function, in one round trip."""

import secrets
from collections.abc import Iterator, Sequence
from typing import Any, Final

from otpvoice.core.errors import StoreUnavailable
from otpvoice.core.store_port import Idempotency, NewCall, NewVerification, StoreResult
from otpvoice.core.verification import CallReason, EndReason, Route, Status
from otpvoice.store.connections import Connections
from otpvoice.store.decoding import (
    decode_audit_entry,
    decode_claim,
    decode_quarantine,
    decode_record_result,
    decode_report_result,
    decode_result,
    decode_status_query,
    pairs,
    to_fields,
)
from otpvoice.store.events import EventStore
from otpvoice.store.functions import Value
from otpvoice.store.models import (
    AuditEntry,
    CallResult,
    CallUpdate,
    Claim,
    Health,
    RecordResult,
    ReportResult,
    StatusQuery,
    SweepResult,
)
from otpvoice.store.replies import TIMEOUT
from otpvoice.store.schema import UnreadableRecord

_NOT_FOUND: Final = StoreResult("not_found")


class RedisStore(EventStore):
    """Verifications, calls, events and the queue."""

    # The port of the service: see otpvoice.core.store_port.Store ---------------------------------

    def create(self, new: NewVerification) -> StoreResult:
        """Start a verification or return the pending one, and queue its call."""
        keys, limits = new.limit_keys, self.policy.limits
        client = limits.clients.get(new.client)
        return self._call_step(
            "create",
            new.id,
            new.client,
            new.idempotency,
            call_after_ms=new.call_after_ms,
            ttl_ms=new.ttl_ms,
            retention_ms=new.retention_ms,
            queue_margin_ms=new.queue_margin_ms,
            speech=new.encrypted_speech,
            number=new.number_hash,
            ip=keys.address_hash,
            encrypted_number=new.encrypted_number,
            digest=new.code_digest,
            request_digest=new.request_digests,
            route=new.route,
            locale=new.locale,
            flow=new.flow,
            code_length=new.code_length,
            checks_left=new.max_checks,
            own_code=new.own_code,
            test=new.is_test_number,
            live_test=new.is_live_test,
            # Stored for processes whose settings lack the client.
            events=new.client in self.policy.clients_with_events,
            deliver_only=client is not None and client.deliver_only,
            reference=new.reference,
            prefix=keys.prefix_hash,
            area=keys.area,
            region=keys.region,
            reference_hash=keys.reference_hash or None,
            **_call_arguments(new.call),
        )

    def get(self, verification_id: str, client: str) -> StoreResult:
        """Return a verification."""
        return self._call_step("get", verification_id, client)

    def check(
        self,
        verification_id: str,
        client: str,
        length: int,
        digests: list[bytes],
        idempotency: Idempotency | None = None,
    ) -> StoreResult:
        """Count, compare and consume one code."""
        return self._call_step(
            "check", verification_id, client, idempotency, code_length=length, digest=digests
        )

    def close_verification(
        self, verification_id: str, client: str, status: Status, reason: EndReason
    ) -> StoreResult:
        """Cancel or approve a verification."""
        return self._call_step(
            "close_verification", verification_id, client, status=status, reason=reason
        )

    def request_call(
        self,
        verification_id: str,
        client: str,
        call: NewCall,
        idempotency: Idempotency | None = None,
    ) -> StoreResult:
        """Queue a call, or bring a delayed one forward."""
        return self._call_step(
            "request_call",
            verification_id,
            client,
            idempotency,
            flow=call.flow,
            **_call_arguments(call),
        )

    # Calls, for the dialer -----------------------------------------------------------------------

    def claim(self, max_live_calls: int) -> Claim | int:
        """Claim the next due call for :data:`~otpvoice.store.policy.LEASE_MS`.

        Return the milliseconds until the queue is worth reading again if no call is due, -1 if
        the queue is empty. At most ``max_live_calls`` are live at once.
        """
        holder = secrets.token_hex(8)
        reply = self._call("claim", holder=holder, max_live_calls=max_live_calls)
        if b"wait_ms" in reply:
            return int(reply[b"wait_ms"])
        try:
            return decode_claim(holder, reply)
        except UnreadableRecord as error:
            self.quarantine(error)
            return 0

    def mark_sent(
        self,
        claim: Claim,
        live_for_ms: int,
        gaps_ms: Sequence[int],
        heard_after_s: int | None = None,
    ) -> bool:
        """Mark a call as sent, and return whether it may be sent now.

        Args:
            claim: the call. After a true return value it may ring.
            live_for_ms: how long it may be live.
            gaps_ms: the call gap after the first, second and every later call to the number.
            heard_after_s: seconds of conversation in which the code is spoken once, if known.
        """
        reply = self._call(
            "mark_sent",
            call_id=claim.call_id,
            holder=claim.holder,
            live_for_ms=live_for_ms,
            heard_after_s=heard_after_s,
            gap_ms=[*gaps_ms],
        )
        return bool(reply[b"outcome"] == b"marked")

    def record_result(self, claim: Claim, result: CallResult) -> RecordResult:
        """Record the result of a claimed call's request."""
        reply = self._call(
            "record_result",
            call_id=claim.call_id,
            holder=claim.holder,
            status=result.status,
            reason=result.reason,
            raw=result.raw,
            provider_id=result.provider_id,
            unsent=_unsent_kind(result),
            retry_in_ms=result.retry_in_ms,
            route_health=result.route_health or None,
            next_call_id=_new_call_id() if result.next_route else None,
            next_route=result.next_route,
            tried=" ".join([*claim.tried_routes, claim.route]),
        )
        return decode_record_result(reply)

    def report_undialable(self, claim: Claim, reason: str) -> None:
        """Show operators that this process could not place a call because of its settings."""
        self._call("quarantine", undialable=claim.call_id, reason=reason)

    def complete_test_call(self, claim: Claim, duration_s: int) -> bool:
        """End a claimed call to a test number as answered, and return whether it was claimed."""
        reply = self._call(
            "complete_test_call",
            call_id=claim.call_id,
            holder=claim.holder,
            duration_s=duration_s,
        )
        return bool(reply[b"outcome"] == b"answered")

    def sweep(self, dialer: str) -> SweepResult:
        """Expire what has ended, record the dialer's heartbeat, and fetch the audit log."""
        reply = self._call("sweep", dialer=dialer)
        return SweepResult(
            bool(reply[b"has_more"]), tuple(self._audit_entries(reply[b"audit_entries"]))
        )

    def due_status_queries(self, at_most: int) -> list[StatusQuery]:
        """Return the live calls whose status is to be queried now."""
        reply = self._call("claim_status_queries", max_calls=at_most)
        return [*self._decode_each(map(to_fields, reply[b"queries"]), decode_status_query)]

    def wait(self, seconds: float) -> bool:
        """Return true when a call may have become due, or after ``seconds``.

        Requires a client of its own, with a longer timeout than that.
        """

        def wait(connections: Connections) -> None:
            try:
                connections.execute(
                    "BLPOP", self._keys.of("wake"), str(seconds), is_valid=_is_token
                )
            except StoreUnavailable as error:
                if error.reason != TIMEOUT:
                    raise

        self._execute("wait", wait)
        return True

    def apply_report(self, report: CallUpdate) -> ReportResult:
        """Apply a report to its call, if the call is known and its status may change."""
        reply = self._call(
            "apply_report",
            fingerprint=report.fingerprint,
            call_id=report.call_id,
            provider_id=report.provider_ids,
            bridge=report.bridges,
            number=report.number_hash,
            has_bridge=report.has_bridge,
            route=report.route,
            started_at_ms=report.started_at,
            status=report.status,
            reason=report.reason,
            raw=report.raw,
            duration_s=report.duration_s,
            next_call_id=_new_call_id(),
        )
        return decode_report_result(reply)

    def capture(self, call_id: str, encrypted_exchange: bytes) -> None:
        """Keep an exchange with the provider about a live test call."""
        self._call("capture", call_id=call_id, exchange=encrypted_exchange)

    def captured(self, call_id: str) -> list[tuple[int, bytes]]:
        """Return the kept exchanges, each with its time; the oldest first."""
        reply = self._call("get_captured", call_id=call_id)
        return [(int(at), exchange) for at, exchange in pairs(reply[b"exchanges"])]

    def health(self) -> Health:
        """Return whether calls can be placed."""
        reply = self._call("health")
        return Health(
            dialers=int(reply[b"dialers"]),
            closed_routes=tuple(Route(route.decode()) for route in reply[b"closed_routes"]),
            open_breakers=tuple(breaker.decode() for breaker in reply[b"open_breakers"]),
            quarantine=decode_quarantine(reply[b"quarantine"]),
            clock_lead_ms=int(reply[b"clock_lead_ms"]),
        )

    def _call_step(
        self,
        function: str,
        verification_id: str,
        client: str,
        idempotency: Idempotency | None = None,
        **arguments: Value,
    ) -> StoreResult:
        """Return the result of a function about one verification.

        A record that cannot be decoded is quarantined, and the verification is not found.
        """
        reply = self._call(
            function,
            id=verification_id,
            client=client,
            idempotency_key=f"{client}:{idempotency.key_hash}" if idempotency else None,
            body_hash=idempotency.body_hash if idempotency else None,
            **arguments,
        )
        try:
            return decode_result(reply)
        except UnreadableRecord as error:
            self.quarantine(error)
            return _NOT_FOUND

    def _audit_entries(self, texts: Sequence[bytes]) -> Iterator[AuditEntry]:
        for text in texts:
            try:
                yield decode_audit_entry(text)
            except UnreadableRecord as error:
                self.quarantine(error, text)


def _is_token(reply: Any) -> bool:
    """Return whether this can be the reply to ``BLPOP``. Anything else must not end a wait."""
    return reply is None or isinstance(reply, list)


def _call_arguments(call: NewCall) -> dict[str, Value]:
    return {
        "call_id": call.id,
        "bridge": call.bridge,
        "caller_id": call.caller_id,
        "call_route": call.route,
        "call_locale": call.locale,
    }


def _new_call_id() -> str:
    return f"call_{secrets.token_hex(16)}"


def _unsent_kind(result: CallResult) -> str | None:
    """Return the word of ``record_result.lua`` for a call that provably did not ring."""
    if not result.is_unsent:
        return None
    is_refused = result.is_refused or result.reason is CallReason.REFUSED
    return "refused" if is_refused else "unsent"
