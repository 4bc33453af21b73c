"""From the scripts' replies to the core's values."""

from collections.abc import Sequence
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
    Quarantine,
    QuarantineEntry,
    RecordResult,
    ReportOutcome,
    ReportResult,
    StatusQuery,
)
from otpvoice.store.schema import UnreadableRecord, decoding

Fields = dict[bytes, bytes]
AUDIT_LOG: Final = "audit_log"
"""The key of the notices, without the prefix."""
_EventName = Annotated[str, msgspec.Meta(pattern=r"^[a-z_]{1,32}\.[a-z_]{1,32}$")]
_Time = Annotated[int, msgspec.Meta(ge=0, lt=10**14)]


class _AuditDetails(TypedDict, total=False):
    """The members of a notice. Others, of another release, are left out."""

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


def decode_result(reply: Sequence[Any]) -> StoreResult:
    """The reply of ``answer()`` in ``_verifications.lua``."""
    outcome, now, number, *rest = reply
    verification = decode_verification(now, *rest) if rest else None
    again, _, before = outcome.decode().partition(" ")
    if again == "replayed":
        return StoreResult(before, verification, number, is_replayed=True)
    return StoreResult(outcome.decode(), verification, number)


def decode_verification(
    now: int,
    gap_until: int,
    limit: bytes,
    limit_until: int,
    wrong_codes_until: int,
    key: bytes,
    flat: Sequence[bytes],
    *calls: Any,
) -> Verification:
    """The record as the scripts return it.

    Raises:
        UnreadableRecord: it, or one of its calls.
    """
    # A call's own key may have gone where the store was told to evict.
    rows = zip(calls[::2], calls[1::2], strict=True)
    found = [decode_call(call, to_fields(row)) for call, row in rows if row]
    with decoding(f"verification:{_id(key)}"):
        fields = to_fields(flat)
        read = {
            **_drop_unknown_reason(_decode_fields(fields), EndReason),
            "id": key.decode(),
            "encrypted_number": fields[b"encrypted_number"],
            "calls": found,
            "gap_until": gap_until,
            "limit": limit.decode(),
            "limit_until": limit_until,
            "wrong_codes_until": wrong_codes_until,
            "now": now,
        }
        return msgspec.convert(read, Verification, strict=False)


def decode_call(key: bytes, fields: Fields) -> Call:
    """One call's record.

    Raises:
        UnreadableRecord: it has another form.
    """
    with decoding(f"call:{_id(key)}"):
        read = {
            "not_before": 0,
            "caller_id": f"+{fields[b'bridge'].decode()}",
            **_drop_unknown_reason(_decode_fields(fields), CallReason),
            "id": key.decode(),
            "route": parse_route(fields[b"route"].decode()),
        }
        return msgspec.convert(read, Call, strict=False)


def decode_claim(
    holder: str,
    call_key: bytes,
    call_flat: Sequence[bytes],
    key: bytes,
    flat: Sequence[bytes],
    encrypted_speech: bytes,
) -> Claim:
    """The reply of ``claim.lua`` when it hands a call over.

    Raises:
        UnreadableRecord: the call cannot be dialed.
    """
    with decoding(f"call:{_id(call_key)}"):
        call, verification = to_fields(call_flat), to_fields(flat)
        return Claim(
            call_id=call_key.decode(),
            holder=holder,
            verification_id=key.decode(),
            client=verification[b"client"].decode(),
            encrypted_number=verification[b"encrypted_number"],
            number_hash=verification[b"number"].decode(),
            encrypted_speech=encrypted_speech,
            route=parse_route(call[b"route"].decode()),
            locale=call[b"locale"].decode(),
            flow_id=_optional_text(call, b"flow"),
            bridge=call[b"bridge"].decode(),
            tried_routes=tuple(call.get(b"tried", b"").decode().split()),
            requests=int(call.get(b"requests", b"0")),
            is_test=b"test" in verification,
            is_live_test=b"live_test" in verification,
        )


def decode_record_result(status: bytes, route_change: bytes) -> RecordResult:
    """The reply of ``record.lua``."""
    known = None if status == b"lost" else CallStatus(status.decode())
    return RecordResult(known, route_change.decode())


def decode_status_query(
    key: bytes, flat: Sequence[bytes], verification: bytes, encrypted_number: bytes
) -> StatusQuery:
    """One call of ``pull.lua``'s reply.

    Raises:
        UnreadableRecord: nobody can ask about it.
    """
    with decoding(f"call:{_id(key)}"):
        fields = to_fields(flat)
        return StatusQuery(
            call_id=key.decode(),
            route=parse_route(fields[b"route"].decode()),
            bridge=fields[b"bridge"].decode(),
            provider_id=_optional_text(fields, b"provider_id"),
            sent_at=int(fields[b"sent_at"]),
            verification_id=verification.decode(),
            encrypted_number=encrypted_number,
            number_hash=fields[b"number"].decode(),
        )


def decode_report_result(
    outcome: bytes,
    call: bytes | None = None,
    status: bytes = b"",
    verification: bytes = b"",
    live_test: bytes = b"",
) -> ReportResult:
    """The reply of ``settle.lua``."""
    if call is None:
        return ReportResult(ReportOutcome(outcome.decode()))
    return ReportResult(
        *(
            ReportOutcome(outcome.decode()),
            call.decode(),
            CallStatus(status.decode()),
            verification.decode(),
        ),
        is_live_test=live_test == b"1",
    )


def decode_audit_entry(text: bytes) -> AuditEntry:
    """Decode one of ``sweep.lua``'s notices.

    Raises:
        UnreadableRecord: it has another form.
    """
    with decoding(AUDIT_LOG):
        details = msgspec.json.decode(text, type=dict[str, str | int | float | None])
        return AuditEntry(
            msgspec.convert(details.pop("event"), _EventName),
            msgspec.convert(details.pop("at"), _Time),
            msgspec.convert(details, _AuditDetails),
        )


def decode_quarantine(reply: Sequence[Any]) -> Quarantine:
    """Decode what ``records.recent()`` returns; an entry that cannot be read is left out."""
    (quarantined, undialable), entries = reply
    found: dict[str, list[QuarantineEntry]] = {"quarantine": [], "undialable": []}
    for name, text, at in entries:
        with suppress(UnreadableRecord), decoding("quarantine"):
            entry = msgspec.json.decode(text, type=dict[str, str])
            found[name.decode()].append(QuarantineEntry(entry["record"], entry["reason"], at))
    return Quarantine(
        *(quarantined, undialable),
        records=tuple(found["quarantine"]),
        calls=tuple(found["undialable"]),
    )


def to_fields(flat: Sequence[bytes]) -> Fields:
    """``[field, value, ...]`` as the mapping it stands for."""
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _decode_fields(fields: Fields) -> dict[str, str]:
    """What is no text, as a digest, comes out as nonsense, and is read by nobody."""
    return {name.decode(): value.decode("utf-8", "replace") for name, value in fields.items()}


def _drop_unknown_reason(fields: dict[str, str], reasons: type[StrEnum]) -> dict[str, str]:
    """Leave out a reason that only another release knows: the status says enough."""
    if fields.get("reason") not in {None, *reasons}:
        del fields["reason"]
    return fields


def _id(key: bytes) -> str:
    return key.decode("utf-8", "replace")


def _optional_text(fields: Fields, name: bytes) -> str | None:
    value = fields.get(name)
    return None if value is None else value.decode()
