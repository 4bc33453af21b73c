"""The exceptions of the client. Impossible arguments raise ``ValueError``.

OtpvoiceError
├── ConnectionFailed         no complete response; the request may have taken effect
├── UnexpectedResponse       a response that otpvoice does not send: check the address
├── WaitTimeout              the timeout of wait() or watch() is over    (verification)
└── ApiError                 a problem document                          (problem and its members)
    ├── InvalidRequest       a member is missing, unknown or wrong       (errors)
    ├── Unauthorized         no credential, or an unknown one
    │   └── TokenExpired     a client_token after its expiry
    ├── Forbidden            not allowed with a client_token
    ├── NotFound             no such verification for this credential
    ├── NumberRefused        not a phone number, or not an allowed one
    ├── VerificationClosed   the verification has ended                  (verification)
    ├── NoCallYet            no call was sent, so the user cannot know the code
    ├── TooLate              too little of the code's life is left for a call
    ├── RequestInProgress    the same request is still being processed
    ├── RateLimited          a limit refused the request                 (limit, retry_after)
    │   └── TooManyWrongCodes
    └── Unavailable          the service cannot process it now           (retry_after)

An unknown problem code is raised as the class of its HTTP status, or else as ApiError.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, Final

from otpvoice_client.models import Problem, Verification


class OtpvoiceError(Exception):
    """Base class. No error text contains a code, a number or a credential."""

    is_retryable: ClassVar[bool] = False
    """Whether the same request, with its ``Idempotency-Key``, may succeed when sent again.

    The client has already retried it, as often as its timeout allowed.
    """
    retry_after: int | None = None
    """Seconds to wait before a retry, if the service has sent them."""


class ConnectionFailed(OtpvoiceError):
    """No complete response arrived. The request may have taken effect."""

    is_retryable = True

    def __init__(self, text: str, retry_after: int | None = None) -> None:
        super().__init__(text, retry_after)
        self.retry_after = retry_after

    def __str__(self) -> str:
        return str(self.args[0])


class UnexpectedResponse(OtpvoiceError):
    """A response that otpvoice does not send, such as a redirect, which is never followed."""


class WaitTimeout(OtpvoiceError):
    """The verification did not reach the expected state before the timeout."""

    def __init__(self, verification: Verification) -> None:
        super().__init__(verification)
        self.verification = verification

    def __str__(self) -> str:
        return f"{self.verification.id} is still {self.verification.status}"


class ApiError(OtpvoiceError):
    """A refusal by the service. The text is the problem's ``detail``.

    Args:
        problem: the problem document; the error has its members as attributes.
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.problem = problem
        self.code = problem.code
        self.status = problem.status
        self.detail = problem.detail
        self.request_id = problem.request_id
        self.errors = problem.errors
        self.limit = problem.limit
        self.retry_after = problem.retry_after
        self.verification = problem.verification

    def __str__(self) -> str:
        return self.detail


class InvalidRequest(ApiError):
    """An invalid request, which fails again if sent unchanged."""


class Unauthorized(ApiError):
    """No credential, or an unknown one."""


class TokenExpired(Unauthorized):
    """A ``client_token`` after its expiry."""


class Forbidden(ApiError):
    """A known credential that does not permit this request."""


class NotFound(ApiError):
    """No such verification for this credential: unknown, deleted, or of another client."""


class NumberRefused(ApiError):
    """An invalid number (``invalid_number``), or one not allowed (``number_not_allowed``)."""


class VerificationClosed(ApiError):
    """An ended verification; ``verification`` has its status.

    Do not treat ``approved`` here as proof: another request was first, or the number was approved
    by other means.
    """


class NoCallYet(ApiError):
    """A code that the service generated and no call has spoken yet. It was not compared."""


class TooLate(ApiError):
    """Too little of the code's life is left for another call."""


class RequestInProgress(ApiError):
    """The same request, with the same idempotency key, is still being processed."""

    is_retryable = True


class RateLimited(ApiError):
    """A refusal by a limit. It uses up nothing."""


class TooManyWrongCodes(RateLimited):
    """Too many wrong codes for this number, so no further code is compared."""


class Unavailable(ApiError):
    """The service cannot process the request now.

    With ``store_unavailable`` the request may have taken effect; with other codes it did not.
    """

    is_retryable = True


_CLASSES: Final[Mapping[str | int, type[ApiError]]] = MappingProxyType(
    {
        "token_expired": TokenExpired,
        "invalid_number": NumberRefused,
        "number_not_allowed": NumberRefused,
        "invalid_request": InvalidRequest,
        "idempotency_mismatch": InvalidRequest,
        "verification_closed": VerificationClosed,
        "no_call_yet": NoCallYet,
        "too_late": TooLate,
        "idempotency_in_progress": RequestInProgress,
        "too_many_wrong_codes": TooManyWrongCodes,
        400: InvalidRequest,
        401: Unauthorized,
        403: Forbidden,
        404: NotFound,
        422: InvalidRequest,
        429: RateLimited,
        503: Unavailable,
    }
)
"""By problem code, or else by HTTP status."""


def error_for(problem: Problem) -> ApiError:
    """Return the error of the class that represents a problem document."""
    error = _CLASSES.get(problem.code) or _CLASSES.get(problem.status, ApiError)
    return error(problem)
