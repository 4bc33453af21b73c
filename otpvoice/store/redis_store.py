"""The store on Redis or Valkey. Every method but ``wait`` calls one function, in one round trip."""

import secrets
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final, TypeVar

import msgspec
from msgspec import structs

from otpvoice import tracing
from otpvoice.core.errors import StoreUnavailable
from otpvoice.core.speech import Gate
from otpvoice.store.connections import Connections
from otpvoice.store.functions import Fields, to_fields
from otpvoice.store.models import (
    AuditEntry,
    CallResult,
    CallUpdate,
    Claim,
    Event,
    EventBatch,
    Health,
    RecordResult,
    ReportResult,
    StatusQuery,
    SweepResult,
)
from otpvoice.store.replies import TIMEOUT
from otpvoice.store.speech_models import CallSpeech, KeyOutcome, KeyPress, SpeechRefusal
from otpvoice.store.verifications import (
    VerificationStore,
    convert,
    decode_text,
    decoding,
    to_call,
    to_verification,
)

_ENCRYPTED: Final = frozenset({b"encrypted_number", b"encrypted_speech", b"encrypted_transaction"})
_Call = TypeVar("_Call", Claim, StatusQuery)


class RedisStore(VerificationStore):
    """Verifications, calls, events and the queue."""

    # Calls, for the dialer -----------------------------------------------------------------------

    def claim(self, max_live_calls: int) -> Claim | int:
        """Claim the next due call for :data:`~otpvoice.store.policy.LEASE_MS`.

        Return the milliseconds until the queue is worth reading again if no call is due, -1 if
        the queue is empty. At most ``max_live_calls`` are live at once.
        """
        reply = self._call("claim", holder=secrets.token_hex(8), max_live_calls=max_live_calls)
        if b"wait_ms" in reply:
            return int(reply[b"wait_ms"])
        return next(self._decode_each(partial(_decode_call, Claim), [reply]), 0)

    def mark_sent(
        self,
        claim: Claim,
        live_for_ms: int,
        gaps_ms: Sequence[int],
        heard_after_s: int | None = None,
        gate: Gate | None = None,
        *,
        can_cancel: bool = False,
        fetches_speech: bool = False,
    ) -> bool:
        """Mark a call as sent, and return whether it may be sent now.

        Args:
            claim: the call. After a true return value it may ring.
            live_for_ms: how long it may be live.
            gaps_ms: the call gap after the first, second and every later call to the number.
            heard_after_s: seconds of conversation in which the code is spoken once, if known.
            gate: how the key becomes known, if the code is spoken only after one.
            can_cancel: the provider can cancel the call while it is not answered.
            fetches_speech: the provider fetches what the call speaks when it is answered.
        """
        reply = self._call(
            "mark_sent",
            call_id=claim.call_id,
            holder=claim.holder,
            live_for_ms=live_for_ms,
            heard_after_s=heard_after_s,
            gate=gate,
            can_cancel=can_cancel,
            fetches_speech=fetches_speech,
            gap_ms=[*gaps_ms],
        )
        return bool(reply[b"outcome"] == b"marked")

    def record_result(self, claim: Claim, result: CallResult) -> RecordResult:
        """Record the result of a claimed call's request."""
        reply = self._call(
            "record_result",
            call_id=claim.call_id,
            holder=claim.holder,
            **structs.asdict(result),
            next_call_id=_new_call_id(),
            tried=" ".join([*claim.tried_routes, claim.route]),
        )
        return convert(reply, RecordResult)

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
        entries = self._decode_each(_decode_audit_entry, reply[b"audit_entries"])
        return SweepResult(bool(reply[b"has_more"]), tuple(entries))

    def due_status_queries(self, at_most: int) -> list[StatusQuery]:
        """Return the live calls whose status is to be queried now."""
        reply = self._call("claim_status_queries", max_calls=at_most)
        queries = map(to_fields, reply[b"queries"])
        return [*self._decode_each(partial(_decode_call, StatusQuery), queries)]

    def wait(self, seconds: float) -> bool:
        """Return true when a call may have become due, or after ``seconds``.

        Requires a client of its own, with a longer timeout than that.
        """

        def wait(connections: Connections) -> None:
            try:
                # Anything but a token or nothing must not end a wait.
                connections.execute(
                    *("BLPOP", self._keys.of("wake"), str(seconds)),
                    is_valid=lambda reply: reply is None or isinstance(reply, list),
                )
            except StoreUnavailable as error:
                if error.reason != TIMEOUT:
                    raise

        self._execute("wait", wait)
        return True

    def apply_report(self, report: CallUpdate) -> ReportResult:
        """Apply a report to its call, if the call is known and its status may change."""
        arguments = structs.asdict(report)
        reply = self._call(
            "apply_report",
            **arguments,
            next_call_id=_new_call_id(),
            is_traced=tracing.is_on(),
        )
        return convert(reply, ReportResult)

    def speech_of_live_call(self, call_id: str) -> CallSpeech | SpeechRefusal:
        """Return what a live call is to speak, once; otherwise why it speaks nothing."""
        reply = self._call("speech_of_live_call", call_id=call_id)
        outcome = reply[b"outcome"].decode()
        return _decode_speech(reply) if outcome == "found" else SpeechRefusal(outcome)

    def press_key(self, call_id: str, key: str) -> KeyPress:
        """Take a key that was pressed during a gated call; the first one decides.

        :data:`~otpvoice.core.speech.DENIAL_KEY` denies the call. Any other lets it speak the code.
        """
        reply = self._call("press_key", call_id=call_id, key=key)
        outcome = KeyOutcome(reply[b"outcome"].decode())
        return KeyPress(outcome, _decode_speech(reply) if outcome is KeyOutcome.SPEAK else None)

    def mark_unspoken(self, call_id: str) -> None:
        """Mark a call that says nothing, because its speech could not be made a document."""
        self._call("mark_unspoken", call_id=call_id)

    def capture(self, call_id: str, encrypted_exchange: bytes) -> None:
        """Keep an exchange with the provider about a live test call."""
        self._call("capture", call_id=call_id, exchange=encrypted_exchange)

    def captured(self, call_id: str) -> list[tuple[int, bytes]]:
        """Return the kept exchanges, each with its time; the oldest first."""
        found = self._call("get_captured", call_id=call_id)[b"exchanges"]
        return [(int(at), exchange) for at, exchange in zip(found[::2], found[1::2], strict=True)]

    def health(self) -> Health:
        """Return whether calls can be placed."""
        return convert(self._call("health"), Health)

    # Events, for the dispatcher ------------------------------------------------------------------

    def claim_events(self, at_most: Mapping[str, int]) -> EventBatch:
        """Claim due events: of each client at most the given number."""
        holder = secrets.token_hex(8)
        reply = self._call(
            "claim_events",
            holder=holder,
            client=[*at_most],
            max_events=[*at_most.values()],
        )
        events = self._decode_each(partial(_decode_event, holder), reply[b"events"])
        dropped = to_fields(reply[b"dropped"])
        return EventBatch(
            tuple(events), {client.decode(): int(count) for client, count in dropped.items()}
        )

    def ack_event(self, event: Event, retry_in_ms: int | None, *, was_sent: bool = True) -> None:
        """End an event, or retry it after ``retry_in_ms``; unless its lease has lapsed.

        An attempt that was not sent does not count.
        """
        self._call(
            "ack_event",
            id=event.id,
            client=event.client,
            holder=event.holder,
            retry_in_ms=retry_in_ms,
            was_sent=was_sent,
        )


def _new_call_id() -> str:
    return f"call_{secrets.token_hex(16)}"


def _decode_call(kind: type[_Call], reply: Fields) -> _Call:
    """Decode a call as ``claim.lua`` and ``claim_status_queries.lua`` return it.

    Raises:
        UnreadableRecord: a value cannot be decoded.
    """
    with decoding(f"call:{_text(reply[b'call_id'])}"):
        members = _decode_fields(reply)
        members["tried_routes"] = members.get("tried_routes", "").split()
        return msgspec.convert(members, kind, strict=False)


def _decode_speech(reply: Fields) -> CallSpeech:
    return msgspec.convert(_decode_fields(reply), CallSpeech, strict=False)


def _decode_fields(reply: Fields) -> dict[str, Any]:
    """Decode a reply by name. What is encrypted stays as it is."""
    encrypted = {name.decode(): reply.pop(name) for name in _ENCRYPTED & reply.keys()}
    members: dict[str, Any] = decode_text(reply)
    return members | encrypted


def _decode_audit_entry(text: bytes) -> AuditEntry:
    """Decode one entry of the audit log.

    Raises:
        UnreadableRecord: it has another format.
    """
    with decoding("audit_log", text):
        entry = msgspec.json.decode(text, type=dict[str, Any])
        return msgspec.convert(entry | {"details": entry}, AuditEntry)


def _decode_event(holder: str, flat: Sequence[Any]) -> Event:
    """Decode one event of ``claim_events.lua``.

    Raises:
        UnreadableRecord: the event cannot be delivered.
    """
    claimed = to_fields(flat)
    with decoding(f"event:{_text(claimed[b'id'])}"):
        event = to_fields(claimed[b"event"])
        snapshot = msgspec.json.decode(event[b"snapshot"], type=dict[str, Any])
        calls = [to_call(call) for call in snapshot.get("calls", ())]
        encrypted = {name.decode(): claimed[name] for name in _ENCRYPTED & claimed.keys()}
        return Event(
            id=claimed[b"id"].decode(),
            client=claimed[b"client"].decode(),
            type=event[b"type"].decode(),
            verification=to_verification(snapshot, encrypted, calls),
            attempts=int(event[b"attempts"]),
            holder=holder,
            traceparent=claimed.get(b"traceparent", b"").decode() or None,
        )


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
