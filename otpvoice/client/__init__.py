"""The Python client for login backends: ask for a call, check the code, once.

``docs/python-client.md`` goes from the task to the code. This package needs ``requests`` and
nothing else of otpvoice.
"""

from otpvoice.client.client import Client
from otpvoice.client.errors import (
    ApiError,
    Closed,
    ConnectionFailed,
    Forbidden,
    InProgress,
    InvalidRequest,
    NoCallYet,
    NotFound,
    NumberRefused,
    OtpvoiceError,
    RateLimited,
    StillPending,
    TokenExpired,
    TooLate,
    TooManyWrongCodes,
    Unauthorized,
    Unavailable,
    UnexpectedAnswer,
)
from otpvoice.client.objects import Call, Check, Fault, Next, Problem, Step, Verification

__all__ = [
    "ApiError",
    "Call",
    "Check",
    "Client",
    "Closed",
    "ConnectionFailed",
    "Fault",
    "Forbidden",
    "InProgress",
    "InvalidRequest",
    "Next",
    "NoCallYet",
    "NotFound",
    "NumberRefused",
    "OtpvoiceError",
    "Problem",
    "RateLimited",
    "Step",
    "StillPending",
    "TokenExpired",
    "TooLate",
    "TooManyWrongCodes",
    "Unauthorized",
    "Unavailable",
    "UnexpectedAnswer",
    "Verification",
]
