"""The store on Redis or Valkey. Every method but ``wait`` is one script and one round trip."""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from redis import Redis

from otpvoice.core.errors import StoreUnavailable
from otpvoice.core.store_port import Idempotency, NewCall, NewVerification, StoreResult
from otpvoice.core.verification import CallReason, EndReason, Route, Status
from otpvoice.metrics.store import StoreMetrics
from otpvoice.store.base import DIALER_LIVENESS_MS, BaseStore
from otpvoice.store.circuit_breaker import CircuitBreaker
from otpvoice.store.connections import Argument, Connections
from otpvoice.store.decoding import (
    decode_audit_entry,
    decode_claim,
    decode_quarantine,
    decode_record_result,
    decode_report_result,
    decode_result,
    decode_status_query,
)
from otpvoice.store.events import EVENT_LEASE_MS, Event, EventBatch, decode_dropped, decode_event
from otpvoice.store.keys import TAG
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
from otpvoice.store.outages import OutageLog
from otpvoice.store.policy import StorePolicy
from otpvoice.store.replies import TIMEOUT
from otpvoice.store.schema import UnreadableRecord

QUEUE_OVERDUE_MS: Final = 60_000
"""A call that could be dialed and has waited this long (ms) says that there are too many."""
LEASE_MS: Final = 20_000
"""A claim's length (ms): longer than all of a dialer's deadlines together."""
_DAY_MS: Final = 86_400_000
START_SLACK_MS: Final = 120_000
"""How far (ms) the start that a provider names may lie from ours."""
STATUS_QUERY_INTERVAL_MS: Final = 15_000
"""Milliseconds between two questions about one call."""
_SWEEP_BATCH: Final = 100
CAPTURE_TTL_MS: Final = 900_000
"""What was said about the call of a trial is kept so long (ms): somebody waits for it."""
_MAX_CAPTURED: Final = 20


class RedisStore(BaseStore):
    """Where verifications, calls and the queue live.

    Args:
        keep: how long a record is kept after its code's life, in milliseconds.
        The others: see :class:`otpvoice.store.base.Rulebook`.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        retention_ms: int,
        policy: StorePolicy | None = None,
        tag: str = TAG,
        clock_offset_ms: int = 0,
        metrics: StoreMetrics | None = None,
        circuit_breaker: CircuitBreaker | None = None,
        outage_log: OutageLog | None = None,
    ) -> None:
        super().__init__(
            redis,
            policy=policy,
            tag=tag,
            clock_offset_ms=clock_offset_ms,
            metrics=metrics,
            circuit_breaker=circuit_breaker,
            outage_log=outage_log,
        )
        self._retention_ms = retention_ms

    # What clients ask for ------------------------------------------------------------------------

    def create(self, new: NewVerification) -> StoreResult:
        """See :class:`otpvoice.core.store_port.Store`."""
        keys = [
            self._keys.number(new.number_hash),
            self._keys.verification(new.id),
            self._keys.speech(new.id),
            self._idempotency_key(new.client, new.idempotency),
            self._keys.reference(new.limit_keys.reference_hash),
        ]
        fields: list[Argument] = [
            *("encrypted_number", new.encrypted_number),
            *("digest", new.code_digest, "request_digest", new.request_digests[0]),
            *("route", new.route, "locale", new.locale),
            *(("flow", new.flow) if new.flow else ()),
            *("code_length", new.code_length, "checks_left", new.max_checks),
            *(("own_code", 1) if new.own_code else ()),
            *(("test", 1) if new.is_test_number else ()),
            *(("live_test", 1) if new.is_live_test else ()),
            *self._client_fields(new.client),
            *(("reference", new.reference) if new.reference is not None else ()),
        ]
        arguments: list[Argument] = [
            *(
                new.id,
                new.client,
                new.number_hash,
                int(new.own_code),
                new.call_after_ms,
                new.ttl_ms,
            ),
            *(new.retention_ms, new.queue_margin_ms, DIALER_LIVENESS_MS, QUEUE_OVERDUE_MS),
            *(*_call(new.call), new.encrypted_speech),
            *(_body(new.idempotency), _DAY_MS),
            *(new.limit_keys.prefix_hash, new.limit_keys.area, new.limit_keys.region),
            *(_or_empty(new.limit_keys.address_hash), new.limit_keys.reference_hash),
            *(len(new.request_digests), *new.request_digests, *fields),
        ]
        return self._decode_result(self._fcall("create", keys, arguments))

    def get(self, verification_id: str, client: str) -> StoreResult:
        """See :class:`otpvoice.core.store_port.Store`."""
        return self._call_step("get", verification_id, client)

    def check(
        self,
        verification_id: str,
        client: str,
        length: int,
        digests: list[bytes],
        idempotency: Idempotency | None = None,
    ) -> StoreResult:
        """See :class:`otpvoice.core.store_port.Store`."""
        return self._call_idempotent(
            "check", verification_id, client, idempotency, length, *digests
        )

    def close_verification(
        self, verification_id: str, client: str, status: Status, reason: EndReason
    ) -> StoreResult:
        """See :class:`otpvoice.core.store_port.Store`."""
        return self._call_step("close_verification", verification_id, client, status, reason)

    def request_call(
        self,
        verification_id: str,
        client: str,
        call: NewCall,
        idempotency: Idempotency | None = None,
    ) -> StoreResult:
        """See :class:`otpvoice.core.store_port.Store`."""
        arguments = (DIALER_LIVENESS_MS, QUEUE_OVERDUE_MS, *_call(call), _or_empty(call.flow))
        return self._call_idempotent(
            "request_call", verification_id, client, idempotency, *arguments
        )

    # What the dialer does ------------------------------------------------------------------------

    def claim(self, max_live_calls: int) -> Claim | int:
        """The next due call, for :data:`LEASE`; or the milliseconds until it is worth asking.

        -1: the queue is empty. ``live_calls``: how many calls may be live at once.
        """
        holder = secrets.token_hex(8)
        _, wait, *claimed = self._fcall("claim", [], [holder, LEASE_MS, max_live_calls])
        if not claimed:
            return int(wait)
        try:
            return decode_claim(holder, *claimed)
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
        """Whether the call may be sent now. From a true answer on, it may ring.

        ``live_for``: how long it may be live, and ``gaps``: after the first, second and every
        later call to a number; milliseconds. ``heard_after``: seconds of conversation in which
        the code is spoken once, if that is known.
        """
        arguments = [claim.call_id, claim.holder, live_for_ms, _or_empty(heard_after_s), *gaps_ms]
        outcome, _ = self._fcall("mark_sent", [], arguments)
        return bool(outcome == b"marked")

    def record_result(self, claim: Claim, result: CallResult) -> RecordResult:
        """Writes down what became of a claimed call."""
        next_id = f"call_{secrets.token_hex(16)}" if result.next_route else ""
        tried = " ".join([*claim.tried_routes, claim.route])
        arguments: list[Argument] = [
            *(claim.call_id, claim.holder, result.status, _or_empty(result.reason)),
            *(_or_empty(result.raw), _or_empty(result.provider_id), _unsent_kind(result)),
            *(result.retry_in_ms, self._retention_ms, next_id, _or_empty(result.next_route), tried),
            result.route_health,
        ]
        status, _, change = self._fcall("record_result", [], arguments)
        return decode_record_result(status, change)

    def report_undialable(self, claim: Claim, reason: str) -> None:
        """Show operators that this process could not place a call because of its settings."""
        self._fcall("quarantine", [], ["undialable", claim.call_id, reason, ""])

    def complete_test_call(self, claim: Claim, duration_s: int) -> bool:
        """Ends a claimed call to a test number as answered; whether it was still this holder's.

        ``duration``: seconds that it would have taken.
        """
        outcome, _ = self._fcall(
            "complete_test_call", [], [claim.call_id, claim.holder, duration_s]
        )
        return bool(outcome == b"answered")

    def sweep(self, dialer: str) -> SweepResult:
        """Ends what is over, says that ``dialer`` lives, and fetches what the log is to be told."""
        _, swept, *notices = self._fcall(
            "sweep", [], [dialer, 2 * DIALER_LIVENESS_MS, _SWEEP_BATCH]
        )
        return SweepResult(swept >= _SWEEP_BATCH, tuple(self._audit_entries(notices)))

    def due_status_queries(self, at_most: int) -> list[StatusQuery]:
        """Live calls to ask the provider about now; each once in :data:`PULL_EVERY`."""
        _, *found = self._fcall("claim_status_queries", [], [STATUS_QUERY_INTERVAL_MS, at_most])
        pulls: list[StatusQuery] = []
        for at in range(0, len(found), 4):
            try:
                pulls.append(decode_status_query(*found[at : at + 4]))
            except UnreadableRecord as error:
                self.quarantine(error)
        return pulls

    def wait(self, seconds: float) -> bool:
        """Return true when a call may have become due, or after ``seconds``.

        Needs a client of its own, with a longer timeout than that.
        """

        def wait(connections: Connections) -> None:
            try:
                connections.execute("BLPOP", self._keys.wake, str(seconds), is_valid=_is_token)
            except StoreUnavailable as error:
                if error.reason != TIMEOUT:
                    raise

        self._execute("wait", wait)
        return True

    # What clients are told -----------------------------------------------------------------------

    def claim_events(self, at_most: Mapping[str, int]) -> EventBatch:
        """Due events for :data:`EVENT_LEASE`, of each client ``at_most`` so many."""
        holder = secrets.token_hex(8)
        wanted = [word for each in at_most.items() for word in each]
        _, dropped, *taken = self._fcall("claim_events", [], [holder, EVENT_LEASE_MS, *wanted])
        events: list[Event] = []
        for at in range(0, len(taken), 3):
            try:
                events.append(decode_event(holder, *taken[at : at + 3]))
            except UnreadableRecord as error:
                self.quarantine(error)
        return EventBatch(tuple(events), decode_dropped(dropped))

    def ack_event(self, event: Event, retry_in_ms: int | None) -> None:
        """It is over, or tried again after so many milliseconds; unless its lease was over."""
        arguments = [event.id, event.client, event.holder, _or_empty(retry_in_ms), 1]
        self._fcall("ack_event", [], arguments)

    def release_event(self, event: Event) -> None:
        """Make an event due again at once. It was not sent, so this is not counted as a try."""
        self._fcall("ack_event", [], [event.id, event.client, event.holder, 0, 0])

    # What the provider tells ---------------------------------------------------------------------

    def apply_report(self, report: CallUpdate) -> ReportResult:
        """Applies a report to its call, if it can be told which, and if its state may change."""
        keys = [
            self._keys.callback_seen(report.fingerprint or "-"),
            *(self._keys.provider_call(provider_id) for provider_id in report.provider_ids),
            *(self._keys.early_report(provider_id) for provider_id in report.provider_ids),
            *(self._keys.number_lock(bridge, number) for bridge, number in report.destinations),
        ]
        provider_id = report.provider_ids[0] if report.provider_ids else None
        arguments = [
            *(_DAY_MS if report.fingerprint else 0, _or_empty(report.call_id)),
            len(report.provider_ids),
            *(_or_empty(report.route), _or_empty(report.started_at), START_SLACK_MS),
            *(report.status, _or_empty(report.reason), _or_empty(report.raw)),
            *(_or_empty(report.duration_s), _or_empty(provider_id), self._retention_ms),
            *(f"call_{secrets.token_hex(16)}", _or_empty(report.number_hash)),
        ]
        news, _, *call = self._fcall("apply_report", keys, arguments)
        return decode_report_result(news, *call)

    def capture(self, call_id: str, sealed: bytes) -> None:
        """Keeps what was said about the call of a trial, for :data:`OVERHEARD_FOR`."""
        self._fcall("capture", [], [call_id, sealed, CAPTURE_TTL_MS, _MAX_CAPTURED])

    def captured(self, call_id: str) -> list[tuple[int, bytes]]:
        """What :meth:`overhear` was given, each with the moment when; the oldest first."""
        _, *heard = self._fcall("get_captured", [], [call_id])
        return [(int(at), sealed) for at, sealed in zip(heard[::2], heard[1::2], strict=True)]

    def health(self) -> Health:
        """Whether anybody dials, by which routes not, and which breakers are open."""
        reply = self._fcall("health", [], [DIALER_LIVENESS_MS])
        _, alive, closed, breakers, set_aside, clock_lead = reply
        return Health(
            dialers=int(alive),
            closed_routes=tuple(Route(route.decode()) for route in closed),
            open_breakers=tuple(breaker.decode() for breaker in breakers),
            quarantine=decode_quarantine(set_aside),
            clock_lead_ms=int(clock_lead),
        )

    def _client_fields(self, client: str) -> Iterator[Argument]:
        """What the record has to say of its client to processes whose settings lack it."""
        if client in self.policy.clients_with_events:
            yield from ("events", 1)
        if client in self.policy.limits.clients and self.policy.limits.clients[client].deliver_only:
            yield from ("deliver_only", 1)

    def _audit_entries(self, texts: Sequence[bytes]) -> Iterator[AuditEntry]:
        for text in texts:
            try:
                yield decode_audit_entry(text)
            except UnreadableRecord as error:
                self.quarantine(error, text)

    def _decode_result(self, reply: Sequence[Any]) -> StoreResult:
        """Decode the reply of a step; what cannot be read is set aside and not found."""
        try:
            return decode_result(reply)
        except UnreadableRecord as error:
            self.quarantine(error)
            return StoreResult("not_found")

    def _call_step(
        self, name: str, verification_id: str, client: str, *rest: Argument
    ) -> StoreResult:
        keys = [self._keys.verification(verification_id)]
        return self._decode_result(self._fcall(name, keys, [verification_id, client, *rest]))

    def _call_idempotent(
        self,
        name: str,
        verification_id: str,
        client: str,
        idempotency: Idempotency | None,
        *rest: Argument,
    ) -> StoreResult:
        """A step that is done once for each idempotency key."""
        keys = [
            self._keys.verification(verification_id),
            self._idempotency_key(client, idempotency),
        ]
        arguments = [verification_id, client, _body(idempotency), _DAY_MS, *rest]
        return self._decode_result(self._fcall(name, keys, arguments))

    def _idempotency_key(self, client: str, idempotency: Idempotency | None) -> str:
        return self._keys.idempotency(client, idempotency.key_hash if idempotency else "")


def _is_token(reply: object) -> bool:
    """Return whether this can be the reply to ``BLPOP``. Anything else must not end a wait."""
    return reply is None or isinstance(reply, list)


def _call(call: NewCall) -> tuple[Argument, ...]:
    return (call.id, _or_empty(call.route), _or_empty(call.locale), call.bridge, call.caller_id)


def _unsent_kind(result: CallResult) -> str:
    """Return the word of ``record.lua`` for a call that provably did not ring."""
    if not result.is_unsent:
        return ""
    return "refused" if result.is_refused or result.reason is CallReason.REFUSED else "unsent"


def _body(idempotency: Idempotency | None) -> str:
    return idempotency.body_hash if idempotency else ""


def _or_empty(value: str | int | None) -> Argument:
    return "" if value is None else value
