"""The Python client for login backends: ask for a call, check the code, once.

``docs/python-client.md`` goes from the task to the code. This package needs ``requests`` and
nothing else of otpvoice.
"""

from otpvoice.client.client import Client
from otpvoice.client.errors import (
    ApiError,
    ConnectionFailed,
    Forbidden,
    InvalidRequest,
    NoCallYet,
    NotFound,
    NumberRefused,
    OtpvoiceError,
    RateLimited,
    RequestInProgress,
    TokenExpired,
    TooLate,
    TooManyWrongCodes,
    Unauthorized,
    Unavailable,
    UnexpectedResponse,
    VerificationClosed,
    WaitTimeout,
)
from otpvoice.client.models import (
    Call,
    CheckResult,
    FieldError,
    NextAction,
    NextActions,
    Problem,
    Verification,
)

__all__ = [
    "ApiError",
    "Call",
    "CheckResult",
    "Client",
    "ConnectionFailed",
    "FieldError",
    "Forbidden",
    "InvalidRequest",
    "NextAction",
    "NextActions",
    "NoCallYet",
    "NotFound",
    "NumberRefused",
    "OtpvoiceError",
    "Problem",
    "RateLimited",
    "RequestInProgress",
    "TokenExpired",
    "TooLate",
    "TooManyWrongCodes",
    "Unauthorized",
    "Unavailable",
    "UnexpectedResponse",
    "Verification",
    "VerificationClosed",
    "WaitTimeout",
]
