"""How a verification is shown."""

from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from otpvoice.api import schemas
from otpvoice.core.verification import Call, NextActions, Status, Verification

_POLL_AFTER: Final = 2
"""Seconds between two looks at a pending verification."""

_Shape = TypeVar("_Shape", bound=schemas.Verification)


def present(verification: Verification, number: str, public_url: str) -> schemas.Verification:
    """The object of the HTTP contract. ``number``: E.164, as its reader may see it."""
    return present_as(schemas.Verification, verification, number, public_url)


def present_as(
    shape: type[_Shape], verification: Verification, number: str, public_url: str, **further: Any
) -> _Shape:
    """The object with the members that this ``shape`` has beyond it."""
    pending = verification.status is Status.PENDING
    return shape(
        id=verification.id,
        url=url_of(verification, public_url),
        to=number,
        channel="voice",
        status=verification.status,
        reason=verification.reason,
        reference=verification.reference,
        created_at=_moment(verification.created_at),
        expires_at=_moment(verification.expires_at),
        expires_in=verification.expires_in,
        ended_at=_maybe(verification.ended_at),
        version=verification.version,
        code_length=verification.code_length,
        checks_left=verification.checks_left,
        poll_after=_POLL_AFTER if pending else None,
        calls=[_call(call) for call in verification.calls],
        next=schemas.Steps(
            check=_step(verification.next_check(), verification.now),
            call=_step(verification.next_call(), verification.now),
        ),
        **further,
    )


def url_of(verification: Verification, public_url: str) -> str:
    """Where the verification is found."""
    return f"{public_url}/v1/verifications/{verification.id}"


def _call(call: Call) -> schemas.Call:
    return schemas.Call(
        id=call.id,
        status=call.status,
        reason=call.reason,
        route=call.route,
        locale=call.locale,
        caller_id=call.caller_id,
        due_at=_moment(call.due_at),
        placed_at=_maybe(call.placed_at),
        ended_at=_maybe(call.ended_at),
        duration=call.duration,
        heard=call.heard,
    )


def _step(step: NextActions, now: int) -> schemas.Step:
    if step.at is None:
        return schemas.Step(allowed=step.allowed, reason=step.reason, at=None, retry_after=None)
    # Rounded up: who comes at the second we named must not be early.
    return schemas.Step(
        allowed=step.allowed,
        reason=step.reason,
        at=_moment(-(-step.at // 1000) * 1000),
        retry_after=-(-(step.at - now) // 1000),
    )


def _maybe(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else _moment(milliseconds)


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds // 1000, UTC)
