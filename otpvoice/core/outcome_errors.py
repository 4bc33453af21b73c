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
from otpvoice.core.limits import LIMIT_MESSAGES, WRONG_CODES, setting_name
from otpvoice.core.store_port import StoreResult

_RETRY_CALLS_AFTER_S: Final = 5
"""Seconds after which it is worth asking again when nobody dials."""


def error_for(result: StoreResult) -> OtpvoiceError:
    """The error that says what ``answer.outcome`` means to the one who asked."""
    outcome, _, limit = result.outcome.partition(" ")
    error = _rate_limited(result, limit) if limit else _OUTCOME_ERRORS[outcome](result)
    error.verification = result.verification
    return error


def _rate_limited(result: StoreResult, limit: str) -> RateLimited:
    setting = setting_name(limit)
    kind = TooManyWrongCodes if setting == WRONG_CODES else RateLimited
    return kind(LIMIT_MESSAGES[setting], limit=limit, retry_after=-(-result.retry_after_ms // 1000))


_OUTCOME_ERRORS: Final[Mapping[str, Callable[[StoreResult], OtpvoiceError]]] = MappingProxyType(
    {
        "not_found": lambda _: NotFound(),
        "closed": lambda _: VerificationClosed("The verification has ended."),
        "no_call_yet": lambda _: NoCallYet(
            "No call was sent for this verification yet, so its code cannot be known."
        ),
        "too_late": lambda _: TooLate("The code ends before a call could speak it."),
        "wrong_length": lambda _: InvalidRequest.for_field(
            "/code", "must be as long as code_length says"
        ),
        "idempotency_mismatch": lambda _: IdempotencyMismatch(
            "This Idempotency-Key came with another body before."
        ),
        "call_gap": lambda answer: _rate_limited(answer, "call_gap"),
        "over_capacity": lambda _: OverCapacity(
            "Too many calls wait already.", retry_after=_RETRY_CALLS_AFTER_S
        ),
        "calls_unavailable": lambda _: CallsUnavailable(
            "Nobody places calls now.", retry_after=_RETRY_CALLS_AFTER_S
        ),
    }
)
