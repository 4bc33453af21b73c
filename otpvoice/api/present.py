"""How a verification is shown."""

from datetime import UTC, datetime
from typing import Any, Final

from otpvoice.core.verification import Call, Next, Status, Verification

_POLL_AFTER: Final = 2
"""Seconds between two looks at a pending verification."""


def present(verification: Verification, number: str, public_url: str) -> dict[str, Any]:
    """The object of the HTTP contract. ``number``: E.164, as its reader may see it."""
    pending = verification.status is Status.PENDING
    return {
        "id": verification.id,
        "url": url_of(verification, public_url),
        "to": number,
        "channel": "voice",
        "status": verification.status,
        "reason": verification.reason,
        "reference": verification.reference,
        "created_at": _time(verification.created_at),
        "expires_at": _time(verification.expires_at),
        "expires_in": verification.expires_in,
        "ended_at": _time(verification.ended_at),
        "version": verification.version,
        "code_length": verification.code_length,
        "checks_left": verification.checks_left,
        "poll_after": _POLL_AFTER if pending else None,
        "calls": [_call(call) for call in verification.calls],
        "next": {
            "check": _next(verification.next_check(), verification.now),
            "call": _next(verification.next_call(), verification.now),
        },
    }


def url_of(verification: Verification, public_url: str) -> str:
    """Where the verification is found."""
    return f"{public_url}/v1/verifications/{verification.id}"


def _call(call: Call) -> dict[str, Any]:
    return {
        "id": call.id,
        "status": call.status,
        "reason": call.reason,
        "route": call.route,
        "locale": call.locale,
        "caller_id": call.caller_id,
        "due_at": _time(call.due_at),
        "placed_at": _time(call.placed_at),
        "ended_at": _time(call.ended_at),
        "duration": call.duration,
        "heard": call.heard,
    }


def _next(step: Next, now: int) -> dict[str, Any]:
    # Rounded up: who comes at the second we named must not be early.
    at = None if step.at is None else -(-step.at // 1000) * 1000
    return {
        "allowed": step.allowed,
        "reason": step.reason,
        "at": _time(at),
        "retry_after": None if step.at is None else -(-(step.at - now) // 1000),
    }


def _time(milliseconds: int | None) -> str | None:
    if milliseconds is None:
        return None
    return datetime.fromtimestamp(milliseconds // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
