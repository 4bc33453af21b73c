"""How a verification is shown."""

import math
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from otpvoice.api import schemas
from otpvoice.core.verification import Call, NextActions, Status, Verification

_POLL_AFTER_S: Final = 2
"""Seconds between two looks at a pending verification."""

_Schema = TypeVar("_Schema", bound=schemas.Verification)


def serialize(verification: Verification, number: str, public_url: str) -> schemas.Verification:
    """The object of the HTTP contract. ``number``: E.164, as its reader may see it."""
    return serialize_as(schemas.Verification, verification, number, public_url)


def serialize_as(
    schema: type[_Schema], verification: Verification, number: str, public_url: str, **extra: Any
) -> _Schema:
    """The object with the members that this ``shape`` has beyond it."""
    pending = verification.status is Status.PENDING
    return schema(
        id=verification.id,
        url=verification_url(verification, public_url),
        to=number,
        channel="voice",
        status=verification.status,
        reason=verification.reason,
        reference=verification.reference,
        created_at=_timestamp(verification.created_at),
        expires_at=_timestamp(verification.expires_at),
        expires_in=verification.expires_in,
        ended_at=_optional_timestamp(verification.ended_at),
        version=verification.version,
        code_length=verification.code_length,
        checks_left=verification.checks_left,
        poll_after=_POLL_AFTER_S if pending else None,
        calls=[_call(call) for call in verification.calls],
        next=schemas.NextActions(
            check=_next_action(verification.next_check(), verification.now),
            call=_next_action(verification.next_call(), verification.now),
        ),
        **extra,
    )


def verification_url(verification: Verification, public_url: str) -> str:
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
        due_at=_timestamp(call.due_at),
        placed_at=_optional_timestamp(call.placed_at),
        ended_at=_optional_timestamp(call.ended_at),
        duration=call.duration,
        heard=call.heard,
    )


def _next_action(action: NextActions, now: int) -> schemas.NextAction:
    if action.at is None:
        return schemas.NextAction(
            allowed=action.allowed, reason=action.reason, at=None, retry_after=None
        )
    # Rounded up: who comes at the second we named must not be early.
    return schemas.NextAction(
        allowed=action.allowed,
        reason=action.reason,
        at=_timestamp(math.ceil(action.at / 1000) * 1000),
        retry_after=math.ceil((action.at - now) / 1000),
    )


def _optional_timestamp(epoch_ms: int | None) -> datetime | None:
    return None if epoch_ms is None else _timestamp(epoch_ms)


def _timestamp(epoch_ms: int) -> datetime:
    return datetime.fromtimestamp(epoch_ms // 1000, UTC)
