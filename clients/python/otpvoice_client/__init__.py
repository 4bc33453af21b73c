"""Python client of otpvoice for login backends: request a call, and check the code.

``docs/python-client.md`` of the service is the guide.
"""

from otpvoice_client.client import Client
from otpvoice_client.errors import (
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
from otpvoice_client.models import (
    Call,
    CheckResult,
    FieldError,
    NextAction,
    NextActions,
    Problem,
    Transaction,
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
    "Transaction",
    "Unauthorized",
    "Unavailable",
    "UnexpectedResponse",
    "Verification",
    "VerificationClosed",
    "WaitTimeout",
]
