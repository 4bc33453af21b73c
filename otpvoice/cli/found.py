"""A verification with its calls, as operators see it: told to people and to machines."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from otpvoice.cli.moments import format_clock, format_time, format_utc
from otpvoice.core.verification import Call, Verification

_CODE_SPOKEN: Final = {True: "heard", False: "not heard", None: None}


@dataclass(frozen=True, slots=True)
class FoundVerification:
    """One verification that was found."""

    verification: Verification
    masked_number: str | None
    """Its number; None if the key that sealed it is gone from the ring."""

    def render(self) -> Iterator[str]:
        """It, and below it its calls."""
        it = self.verification
        number = self.masked_number or "a number whose key was dropped from the ring"
        yield f"{it.id}  {_state(it.status, it.reason)}"
        yield f"  {number}, client {it.client}, reference {it.reference or '-'}"
        began = format_time(it.created_at, it.now)
        yield f"  began {began}, {_end(it)}, checks left {it.checks_left}"
        for call in it.calls:
            yield f"  {call.id}  {_state(call.status, call.reason)}"
            yield f"    {', '.join(_call_details(call, it.now))}"

    def serialize(self) -> dict[str, Any]:
        """The same for machines. No code, no digest, no whole number."""
        it = self.verification
        return {
            "id": it.id,
            "client": it.client,
            "to": self.masked_number,
            "status": it.status,
            "reason": it.reason,
            "reference": it.reference,
            "created_at": format_utc(it.created_at),
            "expires_at": format_utc(it.expires_at),
            "ended_at": format_utc(it.ended_at),
            "checks_left": it.checks_left,
            "calls": [_serialize_call(call) for call in it.calls],
        }


def _state(status: str, reason: str | None) -> str:
    return f"{status} ({reason})" if reason else status


def _end(verification: Verification) -> str:
    if verification.ended_at is None:
        return f"expires {format_time(verification.expires_at, verification.now)}"
    return f"ended {format_time(verification.ended_at, verification.now)}"


def _call_details(call: Call, now: int) -> Iterator[str]:
    yield f"{call.route} {call.locale}"
    moments = {
        "due": call.due_at,
        "sent": call.sent_at,
        "placed": call.placed_at,
        "ended": call.ended_at,
    }
    yield from (f"{what} {format_clock(at, now)}" for what, at in moments.items() if at is not None)
    if call.duration is not None:
        yield f"{call.duration} s of talk"
    if heard := _CODE_SPOKEN[call.heard]:
        yield heard
    if call.raw:
        yield f"the provider said {call.raw}"


def _serialize_call(call: Call) -> dict[str, Any]:
    return {
        "id": call.id,
        "status": call.status,
        "reason": call.reason,
        "route": call.route,
        "locale": call.locale,
        "due_at": format_utc(call.due_at),
        "sent_at": format_utc(call.sent_at),
        "placed_at": format_utc(call.placed_at),
        "ended_at": format_utc(call.ended_at),
        "duration": call.duration,
        "heard": call.heard,
        "raw": call.raw,
    }
