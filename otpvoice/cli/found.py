"""A verification with its calls, as operators see it: told to people and to machines."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from otpvoice.cli.moments import clock, iso, when
from otpvoice.core.verification import Call, Verification

_HEARD: Final = {True: "heard", False: "not heard", None: None}


@dataclass(frozen=True, slots=True)
class Found:
    """One verification that was found."""

    verification: Verification
    masked: str | None
    """Its number; None if the key that sealed it is gone from the ring."""

    def tell(self) -> Iterator[str]:
        """It, and below it its calls."""
        it = self.verification
        number = self.masked or "a number whose key was dropped from the ring"
        yield f"{it.id}  {_state(it.status, it.reason)}"
        yield f"  {number}, client {it.client}, reference {it.reference or '-'}"
        yield f"  began {when(it.created_at, it.now)}, {_end(it)}, checks left {it.checks_left}"
        for call in it.calls:
            yield f"  {call.id}  {_state(call.status, call.reason)}"
            yield f"    {', '.join(_details(call, it.now))}"

    def document(self) -> dict[str, Any]:
        """The same for machines. No code, no digest, no whole number."""
        it = self.verification
        return {
            "id": it.id,
            "client": it.client,
            "to": self.masked,
            "status": it.status,
            "reason": it.reason,
            "reference": it.reference,
            "created_at": iso(it.created_at),
            "expires_at": iso(it.expires_at),
            "ended_at": iso(it.ended_at),
            "checks_left": it.checks_left,
            "calls": [_call_document(call) for call in it.calls],
        }


def _state(status: str, reason: str | None) -> str:
    return f"{status} ({reason})" if reason else status


def _end(verification: Verification) -> str:
    if verification.ended_at is None:
        return f"expires {when(verification.expires_at, verification.now)}"
    return f"ended {when(verification.ended_at, verification.now)}"


def _details(call: Call, now: int) -> Iterator[str]:
    yield f"{call.route} {call.locale}"
    moments = {
        "due": call.due_at,
        "sent": call.sent_at,
        "placed": call.placed_at,
        "ended": call.ended_at,
    }
    yield from (f"{what} {clock(at, now)}" for what, at in moments.items() if at is not None)
    if call.duration is not None:
        yield f"{call.duration} s of talk"
    if heard := _HEARD[call.heard]:
        yield heard
    if call.raw:
        yield f"the provider said {call.raw}"


def _call_document(call: Call) -> dict[str, Any]:
    return {
        "id": call.id,
        "status": call.status,
        "reason": call.reason,
        "route": call.route,
        "locale": call.locale,
        "due_at": iso(call.due_at),
        "sent_at": iso(call.sent_at),
        "placed_at": iso(call.placed_at),
        "ended_at": iso(call.ended_at),
        "duration": call.duration,
        "heard": call.heard,
        "raw": call.raw,
    }
