"""Everything a method of the client can raise, besides ValueError for arguments that can not be.

OtpvoiceError
├── ConnectionFailed         no answer came: whether the request took effect is not known
├── UnexpectedAnswer         an answer that otpvoice does not give: is it the right address?
├── StillPending             the time given to wait or watch is over    (verification)
└── ApiError                 a problem document                         (problem and its members)
    ├── InvalidRequest       a member is missing, unknown or wrong      (errors)
    ├── Unauthorized         no credential, or one that is not known
    │   └── TokenExpired     a client_token, past its time
    ├── Forbidden            not with a client_token
    ├── NotFound             no such verification for this credential
    ├── NumberRefused        no number, or none that is called
    ├── Closed               it has ended                               (verification)
    ├── TooLate              too little of the code's life is left for a call
    ├── InProgress           the same request is being answered already
    ├── RateLimited          a limit holds                              (limit, retry_after)
    │   └── TooManyWrongCodes
    └── Unavailable          try again later                            (retry_after)

A code that this client does not know is raised as the class of its status, else as ApiError.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, Final

from otpvoice.client.objects import Problem, Verification


class OtpvoiceError(Exception):
    """Base of all. No text holds a code, a number or a credential."""

    is_repeatable: ClassVar[bool] = False
    """Whether the very same request, with its ``Idempotency-Key``, may succeed if repeated.

    The client has done so already, as often as its time allowed.
    """
    retry_after: int | None = None
    """Seconds to wait before that, if the service has said."""


class ConnectionFailed(OtpvoiceError):
    """No whole answer came. Whether the request took effect is not known."""

    is_repeatable = True

    def __init__(self, text: str, retry_after: int | None = None) -> None:
        super().__init__(text, retry_after)
        self.retry_after = retry_after

    def __str__(self) -> str:
        return str(self.args[0])


class UnexpectedAnswer(OtpvoiceError):
    """Something answered as otpvoice would not. A redirect, which is never followed, is one."""


class StillPending(OtpvoiceError):
    """The verification had not come that far when the time was over."""

    def __init__(self, verification: Verification) -> None:
        super().__init__(verification)
        self.verification = verification

    def __str__(self) -> str:
        return f"{self.verification.id} is still {self.verification.status}"


class ApiError(OtpvoiceError):
    """The service refused. The text is the problem's ``detail``.

    Args:
        problem: what it said; its members are attributes of the error too.
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
    """The request is at fault: sent again as it is, it fails again."""


class Unauthorized(ApiError):
    """No credential, or one that is not known."""


class TokenExpired(Unauthorized):
    """The ``client_token`` is past its time."""


class Forbidden(ApiError):
    """The credential is known, and this is not for it."""


class NotFound(ApiError):
    """No such verification for this credential: unknown, gone, or another's."""


class NumberRefused(ApiError):
    """The number does not exist (``invalid_number``) or is not called (``number_not_allowed``)."""


class Closed(ApiError):
    """The verification has ended; ``verification`` tells how.

    ``approved`` here is no proof: somebody else was first, or it was approved by other means.
    """


class TooLate(ApiError):
    """Too little of the code's life is left for another call."""


class InProgress(ApiError):
    """The same request, under the same key, is still being answered."""

    is_repeatable = True


class RateLimited(ApiError):
    """A limit holds. The refusal used up nothing."""


class TooManyWrongCodes(RateLimited):
    """So many codes of this number were wrong that no further one is compared."""


class Unavailable(ApiError):
    """The service can not do it now.

    Under ``store_unavailable`` it is not known whether the request took effect; under the other
    codes it did not.
    """

    is_repeatable = True


_BY_CODE: Final[Mapping[str, type[ApiError]]] = MappingProxyType(
    {
        "token_expired": TokenExpired,
        "invalid_number": NumberRefused,
        "number_not_allowed": NumberRefused,
        "invalid_request": InvalidRequest,
        "idempotency_mismatch": InvalidRequest,
        "verification_closed": Closed,
        "too_late": TooLate,
        "idempotency_in_progress": InProgress,
        "too_many_wrong_codes": TooManyWrongCodes,
    }
)
_BY_STATUS: Final[Mapping[int, type[ApiError]]] = MappingProxyType(
    {
        400: InvalidRequest,
        401: Unauthorized,
        403: Forbidden,
        404: NotFound,
        422: InvalidRequest,
        429: RateLimited,
        503: Unavailable,
    }
)


def refusal(problem: Problem) -> ApiError:
    """The error that stands for a problem document."""
    kind = _BY_CODE.get(problem.code) or _BY_STATUS.get(problem.status, ApiError)
    return kind(problem)
