"""What the store's refusals mean to the one who asked."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from otpvoice.core.errors import (
    CallsUnavailable,
    IdempotencyMismatch,
    InvalidRequest,
    NoCallYet,
    NotFound,
    OtpvoiceError,
    OverCapacity,
    RateLimited,
    TooLate,
    TooManyWrongCodes,
    VerificationClosed,
)
from otpvoice.core.limits import LIMITS, WRONG_CODES, setting_of
from otpvoice.core.store_port import StoreResult

_RETRY_CALLS: Final = 5
"""Seconds after which it is worth asking again when nobody dials."""


def refusal(answer: StoreResult) -> OtpvoiceError:
    """The error that says what ``answer.outcome`` means to the one who asked."""
    outcome, _, limit = answer.outcome.partition(" ")
    error = _rate_limited(answer, limit) if limit else _REFUSALS[outcome](answer)
    error.verification = answer.verification
    return error


def _rate_limited(answer: StoreResult, limit: str) -> RateLimited:
    setting = setting_of(limit)
    kind = TooManyWrongCodes if setting == WRONG_CODES else RateLimited
    return kind(LIMITS[setting], limit=limit, retry_after=-(-answer.number // 1000))


_REFUSALS: Final[Mapping[str, Callable[[StoreResult], OtpvoiceError]]] = MappingProxyType(
    {
        "not_found": lambda _: NotFound(),
        "closed": lambda _: VerificationClosed("The verification has ended."),
        "no_call_yet": lambda _: NoCallYet(
            "No call was sent for this verification yet, so its code cannot be known."
        ),
        "too_late": lambda _: TooLate("The code ends before a call could speak it."),
        "wrong_length": lambda _: InvalidRequest.at("/code", "must be as long as code_length says"),
        "idempotency_mismatch": lambda _: IdempotencyMismatch(
            "This Idempotency-Key came with another body before."
        ),
        "call_gap": lambda answer: _rate_limited(answer, "call_gap"),
        "over_capacity": lambda _: OverCapacity(
            "Too many calls wait already.", retry_after=_RETRY_CALLS
        ),
        "calls_unavailable": lambda _: CallsUnavailable(
            "Nobody places calls now.", retry_after=_RETRY_CALLS
        ),
    }
)
