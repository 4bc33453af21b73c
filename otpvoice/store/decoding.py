"""From the functions' replies to the values of the core and the store."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from enum import StrEnum
from typing import Annotated, Any, Final, TypedDict

import msgspec

from otpvoice.core.store_port import StoreResult
from otpvoice.core.verification import (
    Call,
    CallReason,
    CallStatus,
    EndReason,
    Verification,
    parse_route,
)
from otpvoice.store.models import (
    AuditEntry,
    Claim,
    Event,
    Quarantine,
    QuarantineEntry,
    RecordResult,
    ReportOutcome,
    ReportResult,
    StatusQuery,
)
from otpvoice.store.schema import UnreadableRecord, decoding

Fields = dict[bytes, Any]
"""A reply or a record by name. Values of a record are bytes."""
AUDIT_LOG: Final = "audit_log"
"""Key of the audit log, without the prefix."""
_EventName = Annotated[str, msgspec.Meta(pattern=r"^[a-z_]{1,32}\.[a-z_]{1,32}$")]
_Time = Annotated[int, msgspec.Meta(ge=0, lt=10**14)]


class _AuditDetails(TypedDict, total=False):
    """The members of an audit entry. Members of another release are left out."""

    number: str
    to: str
    operator: str
    query: str
    record: str
    reason: str
    breaker: str
    open_for: float
    ended: int
    approved: int
    checks: int
    wrong: int
    seconds: float
    verifications: int
    results: int


def to_fields(flat: Sequence[Any]) -> Fields:
    """Return ``[name, value, ...]`` as a mapping."""
    return dict(pairs(flat))


def pairs(flat: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
    """Return ``[name, value, ...]`` as pairs."""
    return zip(flat[::2], flat[1::2], strict=True)


def decode_result(reply: Fields) -> StoreResult:
    """Decode what ``Verifications.result()`` returns.

    Raises:
        UnreadableRecord: the verification, or one of its calls.
    """
    outcome = reply[b"outcome"].decode()
    replayed, _, first_outcome = outcome.partition(" ")
    is_replayed = replayed == "replayed"
    return StoreResult(
        outcome=first_outcome if is_replayed else outcome,
        verification=_decode_verification(reply) if b"id" in reply else None,
        retry_after_ms=reply.get(b"retry_after_ms", 0),
        is_replayed=is_replayed,
    )


def _decode_verification(reply: Fields) -> Verification:
    calls = [_decode_call(row) for row in reply[b"calls"]]
    with decoding(f"verification:{_text(reply[b'id'])}"):
        fields = to_fields(reply[b"verification"])
        return _to_verification(
            {
                **_texts(fields),
                "id": reply[b"id"].decode(),
                "gap_until": reply.get(b"gap_until_ms", 0),
                "limit": reply.get(b"limit", b"").decode(),
                "limit_until": reply.get(b"limit_until_ms", 0),
                "wrong_codes_until": reply.get(b"wrong_codes_until_ms", 0),
                "now": reply[b"now_ms"],
            },
            fields[b"encrypted_number"],
            calls,
        )


def _to_verification(
    members: Mapping[str, Any], encrypted_number: bytes, calls: Iterable[Call]
) -> Verification:
    known = _without_unknown_reason(members, EndReason)
    members = known | {"encrypted_number": encrypted_number, "calls": [*calls]}
    return msgspec.convert(members, Verification, strict=False)


def _decode_call(row: Sequence[bytes]) -> Call:
    members = _texts(to_fields(row))
    with decoding(f"call:{members['id']}"):
        return _to_call(members)


def _to_call(members: Mapping[str, Any]) -> Call:
    defaults = {"not_before": 0, "caller_id": f"+{members['bridge']}"}
    known = _without_unknown_reason(members, CallReason)
    route = parse_route(members["route"])
    return msgspec.convert(defaults | known | {"route": route}, Call, strict=False)


def decode_claim(holder: str, reply: Fields) -> Claim:
    """Decode the claimed call of ``claim.lua``.

    Raises:
        UnreadableRecord: the call cannot be dialed.
    """
    with decoding(f"call:{_text(reply[b'call_id'])}"):
        call, verification = to_fields(reply[b"call"]), to_fields(reply[b"verification"])
        return Claim(
            call_id=reply[b"call_id"].decode(),
            holder=holder,
            verification_id=reply[b"verification_id"].decode(),
            client=verification[b"client"].decode(),
            encrypted_number=verification[b"encrypted_number"],
            number_hash=verification[b"number"].decode(),
            encrypted_speech=reply[b"speech"],
            route=parse_route(call[b"route"].decode()),
            locale=call[b"locale"].decode(),
            flow_id=_optional(call, b"flow"),
            bridge=call[b"bridge"].decode(),
            tried_routes=tuple(call.get(b"tried", b"").decode().split()),
            requests=int(call.get(b"requests", b"0")),
            is_test=b"test" in verification,
            is_live_test=b"live_test" in verification,
        )


def decode_record_result(reply: Fields) -> RecordResult:
    """Decode the reply of ``record_result.lua``."""
    outcome = reply[b"outcome"].decode()
    status = None if outcome == "lost" else CallStatus(outcome)
    return RecordResult(status, reply[b"route_change"].decode())


def decode_status_query(query: Fields) -> StatusQuery:
    """Decode one query of ``claim_status_queries.lua``.

    Raises:
        UnreadableRecord: the call cannot be queried.
    """
    with decoding(f"call:{_text(query[b'call_id'])}"):
        call = to_fields(query[b"call"])
        return StatusQuery(
            call_id=query[b"call_id"].decode(),
            route=parse_route(call[b"route"].decode()),
            bridge=call[b"bridge"].decode(),
            provider_id=_optional(call, b"provider_id"),
            sent_at=int(call[b"sent_at"]),
            verification_id=query[b"verification_id"].decode(),
            encrypted_number=query[b"encrypted_number"],
            number_hash=call[b"number"].decode(),
        )


def decode_report_result(reply: Fields) -> ReportResult:
    """Decode the reply of ``apply_report.lua``."""
    outcome = ReportOutcome(reply[b"outcome"].decode())
    if b"call_id" not in reply:
        return ReportResult(outcome)
    return ReportResult(
        outcome=outcome,
        call_id=reply[b"call_id"].decode(),
        call_status=CallStatus(reply[b"status"].decode()),
        verification_id=reply[b"verification_id"].decode(),
        is_live_test=reply[b"live_test"] == b"1",
    )


def decode_event(holder: str, claimed: Fields) -> Event:
    """Decode one event of ``claim_events.lua``.

    Raises:
        UnreadableRecord: the event cannot be delivered.
    """
    with decoding(f"event:{_text(claimed[b'id'])}"):
        event = to_fields(claimed[b"event"])
        snapshot = msgspec.json.decode(event[b"snapshot"], type=dict[str, Any])
        calls = [_to_call(call) for call in snapshot.get("calls", ())]
        return Event(
            id=claimed[b"id"].decode(),
            client=claimed[b"client"].decode(),
            type=event[b"type"].decode(),
            verification=_to_verification(snapshot, claimed[b"encrypted_number"], calls),
            attempts=int(event[b"attempts"]),
            holder=holder,
        )


def decode_audit_entry(text: bytes) -> AuditEntry:
    """Decode one entry of the audit log.

    Raises:
        UnreadableRecord: it has another format.
    """
    with decoding(AUDIT_LOG):
        details = msgspec.json.decode(text, type=dict[str, str | int | float | None])
        return AuditEntry(
            msgspec.convert(details.pop("event"), _EventName),
            msgspec.convert(details.pop("at"), _Time),
            msgspec.convert(details, _AuditDetails),
        )


def decode_quarantine(summary: Sequence[Any]) -> Quarantine:
    """Decode what ``Records.quarantine_summary()`` returns, without unreadable entries."""
    fields = to_fields(summary)
    found: dict[str, list[QuarantineEntry]] = {"quarantine": [], "undialable": []}
    for name, text, at in fields[b"entries"]:
        with suppress(UnreadableRecord), decoding("quarantine"):
            entry = msgspec.json.decode(text, type=dict[str, str])
            found[name.decode()].append(QuarantineEntry(entry["record"], entry["reason"], at))
    return Quarantine(
        quarantined=fields[b"quarantined"],
        undialable=fields[b"undialable"],
        records=tuple(found["quarantine"]),
        calls=tuple(found["undialable"]),
    )


def _texts(fields: Fields) -> dict[str, str]:
    """Decode names and values. Binary values become nonsense that no one reads."""
    return {name.decode(): _text(value) for name, value in fields.items()}


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _optional(fields: Fields, name: bytes) -> str | None:
    value = fields.get(name)
    return None if value is None else str(value.decode())


def _without_unknown_reason(members: Mapping[str, Any], reasons: type[StrEnum]) -> dict[str, Any]:
    """Leave out a reason that only another release knows: the status is enough."""
    is_known = members.get("reason") in {None, *reasons}
    return {name: value for name, value in members.items() if is_known or name != "reason"}
