"""What the store's refusals mean to the one who asked."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from otpvoice.core.errors import (
    CallsUnavailable,
    IdempotencyMismatch,
    InvalidRequest,
    NotFound,
    OtpvoiceError,
    OverCapacity,
    RateLimited,
    TooLate,
    VerificationClosed,
)
from otpvoice.core.steps import Answer

_RETRY_CALLS: Final = 5
"""Seconds after which it is worth asking again when nobody dials."""


def refusal(answer: Answer) -> OtpvoiceError:
    """The error that says what ``answer.outcome`` means to the one who asked."""
    outcome, _, limit = answer.outcome.partition(" ")
    error = _rate_limited(answer, limit) if limit else _REFUSALS[outcome](answer)
    error.verification = answer.verification
    return error


def _call_gap(answer: Answer) -> RateLimited:
    return RateLimited(
        "The number was called moments ago, and the next call would come too late.",
        limit="call_gap",
        retry_after=-(-answer.number // 1000),
    )


def _rate_limited(answer: Answer, limit: str) -> RateLimited:
    detail = f"The number was called as often as {limit} allows without an approval."
    return RateLimited(detail, limit=limit, retry_after=-(-answer.number // 1000))


_REFUSALS: Final[Mapping[str, Callable[[Answer], OtpvoiceError]]] = MappingProxyType(
    {
        "not_found": lambda _: NotFound("There is no such verification."),
        "closed": lambda _: VerificationClosed("The verification has ended."),
        "too_late": lambda _: TooLate("The code ends before a call could speak it."),
        "wrong_length": lambda _: InvalidRequest.at("/code", "must be as long as code_length says"),
        "idempotency_mismatch": lambda _: IdempotencyMismatch(
            "This Idempotency-Key came with another body before."
        ),
        "call_gap": _call_gap,
        "over_capacity": lambda _: OverCapacity(
            "Too many calls wait already.", retry_after=_RETRY_CALLS
        ),
        "calls_unavailable": lambda _: CallsUnavailable(
            "Nobody places calls now.", retry_after=_RETRY_CALLS
        ),
    }
)
