"""From the scripts' replies to the core's values."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Final, TypedDict

import msgspec

from otpvoice.core.verification import (
    Call,
    CallReason,
    CallStatus,
    EndReason,
    Verification,
    parse_route,
)
from otpvoice.store.models import (
    Claim,
    News,
    Notice,
    Pull,
    Recorded,
    SetAside,
    SetAsides,
    Settled,
)
from otpvoice.store.schema import UnreadableRecord, decoding

Fields = dict[bytes, bytes]
NOTICES: Final = "notices"
"""The key of the notices, without the prefix."""
_EventName = Annotated[str, msgspec.Meta(pattern=r"^[a-z_]{1,32}\.[a-z_]{1,32}$")]
_Time = Annotated[int, msgspec.Meta(ge=0, lt=10**14)]


class _Details(TypedDict, total=False):
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


@dataclass(frozen=True, slots=True)
class Answer:
    """What a script did, and the verification as it then stood."""

    outcome: str
    verification: Verification | None
    retry_after_ms: int
    """The figure that belongs to the outcome, if one does."""
    is_replayed: bool = False
    """The outcome is what it was when the same request came first."""


def read_answer(reply: Sequence[Any]) -> Answer:
    """The reply of ``answer()`` in ``_verifications.lua``."""
    outcome, now, number, *rest = reply
    verification = read_verification(now, *rest) if rest else None
    again, _, before = outcome.decode().partition(" ")
    if again == "replayed":
        return Answer(before, verification, number, is_replayed=True)
    return Answer(outcome.decode(), verification, number)


def read_verification(
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
    found = [read_call(call, fields_of(row)) for call, row in rows if row]
    with decoding(f"verification:{_id(key)}"):
        fields = fields_of(flat)
        read = {
            **_known_reason(_texts(fields), EndReason),
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


def read_call(key: bytes, fields: Fields) -> Call:
    """One call's record.

    Raises:
        UnreadableRecord: it has another form.
    """
    with decoding(f"call:{_id(key)}"):
        read = {
            "not_before": 0,
            "caller_id": f"+{fields[b'bridge'].decode()}",
            **_known_reason(_texts(fields), CallReason),
            "id": key.decode(),
            "route": parse_route(fields[b"route"].decode()),
        }
        return msgspec.convert(read, Call, strict=False)


def read_claim(
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
        call, verification = fields_of(call_flat), fields_of(flat)
        return Claim(
            call_id=call_key.decode(),
            holder=holder,
            verification_id=key.decode(),
            client=verification[b"client"].decode(),
            encrypted_number=verification[b"encrypted_number"],
            number_name=verification[b"number"].decode(),
            encrypted_speech=encrypted_speech,
            route=parse_route(call[b"route"].decode()),
            locale=call[b"locale"].decode(),
            flow_id=_text(call, b"flow"),
            bridge=call[b"bridge"].decode(),
            tried=tuple(call.get(b"tried", b"").decode().split()),
            requests=int(call.get(b"requests", b"0")),
            is_test=b"test" in verification,
            is_trial=b"trial" in verification,
        )


def read_recorded(status: bytes, route_change: bytes) -> Recorded:
    """The reply of ``record.lua``."""
    known = None if status == b"lost" else CallStatus(status.decode())
    return Recorded(known, route_change.decode())


def read_pull(
    key: bytes, flat: Sequence[bytes], verification: bytes, encrypted_number: bytes
) -> Pull:
    """One call of ``pull.lua``'s reply.

    Raises:
        UnreadableRecord: nobody can ask about it.
    """
    with decoding(f"call:{_id(key)}"):
        fields = fields_of(flat)
        return Pull(
            call_id=key.decode(),
            route=parse_route(fields[b"route"].decode()),
            bridge=fields[b"bridge"].decode(),
            provider_id=_text(fields, b"provider_id"),
            sent_at=int(fields[b"sent_at"]),
            verification_id=verification.decode(),
            encrypted_number=encrypted_number,
            number_name=fields[b"number"].decode(),
        )


def read_settled(
    news: bytes,
    call: bytes | None = None,
    status: bytes = b"",
    verification: bytes = b"",
    trial: bytes = b"",
) -> Settled:
    """The reply of ``settle.lua``."""
    if call is None:
        return Settled(News(news.decode()))
    return Settled(
        *(News(news.decode()), call.decode(), CallStatus(status.decode()), verification.decode()),
        is_trial=trial == b"1",
    )


def read_notice(text: bytes) -> Notice:
    """Decode one of ``sweep.lua``'s notices.

    Raises:
        UnreadableRecord: it has another form.
    """
    with decoding(NOTICES):
        details = msgspec.json.decode(text, type=dict[str, str | int | float | None])
        return Notice(
            msgspec.convert(details.pop("event"), _EventName),
            msgspec.convert(details.pop("at"), _Time),
            msgspec.convert(details, _Details),
        )


def read_set_aside(reply: Sequence[Any]) -> SetAsides:
    """Decode what ``records.recent()`` returns; an entry that cannot be read is left out."""
    (quarantined, undialable), entries = reply
    found: dict[str, list[SetAside]] = {"quarantine": [], "undialable": []}
    for name, text, at in entries:
        with suppress(UnreadableRecord), decoding("quarantine"):
            entry = msgspec.json.decode(text, type=dict[str, str])
            found[name.decode()].append(SetAside(entry["record"], entry["why"], at))
    return SetAsides(
        *(quarantined, undialable),
        records=tuple(found["quarantine"]),
        calls=tuple(found["undialable"]),
    )


def fields_of(flat: Sequence[bytes]) -> Fields:
    """``[field, value, ...]`` as the mapping it stands for."""
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _texts(fields: Fields) -> dict[str, str]:
    """What is no text, as a digest, comes out as nonsense, and is read by nobody."""
    return {name.decode(): value.decode("utf-8", "replace") for name, value in fields.items()}


def _known_reason(fields: dict[str, str], reasons: type[StrEnum]) -> dict[str, str]:
    """Leave out a reason that only another release knows: the status says enough."""
    if fields.get("reason") not in {None, *reasons}:
        del fields["reason"]
    return fields


def _id(key: bytes) -> str:
    return key.decode("utf-8", "replace")


def _text(fields: Fields, name: bytes) -> str | None:
    value = fields.get(name)
    return None if value is None else value.decode()
