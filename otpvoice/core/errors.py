"""Errors of the domain.

OtpvoiceError                 with the verification it is about, if there is one
├── RequestRefused            the request itself is invalid        (field_errors)
│   ├── InvalidRequest        a member is missing, unknown or wrong
│   ├── IdempotencyMismatch   the key was used with another body
│   └── NumberRefused
│       ├── InvalidNumber     `to` is not a phone number
│       └── NumberNotAllowed  `to` is a number that is not called
├── TokenRefused              a client token is not accepted
│   ├── TokenInvalid          not issued by this service, or changed
│   └── TokenExpired          issued by this service and expired
├── NotFound                  this client has no such verification
├── Conflict                  the verification's state does not allow the request
│   ├── VerificationClosed
│   ├── NoCallYet             no call was sent, so the generated code is unknown
│   └── TooLate               the code expires before a call could speak it
├── RateLimited               a limit refuses                      (limit, retry_after)
│   └── TooManyWrongCodes     the number's limit of wrong codes
└── Unavailable               the service cannot do it now         (retry_after)
    ├── StoreUnavailable      the store cannot serve: the result is unknown (reason, reply)
    ├── OverCapacity          queued calls wait too long
    └── CallsUnavailable      no dialer is running

Errors have no HTTP status: `otpvoice.api.errors` maps them to problem documents.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from otpvoice.core.verification import Verification


class OtpvoiceError(Exception):
    """Base of all domain errors. The text is for the client."""

    verification: Verification | None = None
    number: str | None = None
    """The verification's number, E.164."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """One invalid member of a request."""

    pointer: Annotated[str, Meta(description="RFC 6901; empty for the whole document.")]
    detail: str


class RequestRefused(OtpvoiceError):
    """The request is invalid and fails again if it is repeated."""

    def __init__(self, detail: str, field_errors: Sequence[FieldError] = ()) -> None:
        super().__init__(detail)
        self.field_errors = tuple(field_errors)


class InvalidRequest(RequestRefused):
    """A member is missing, unknown or wrong."""

    @classmethod
    def for_field(cls, pointer: str, detail: str) -> "InvalidRequest":
        """Return the error of one member."""
        return cls(f"{pointer} {detail}", [FieldError(pointer, detail)])


class IdempotencyMismatch(RequestRefused):
    """The request's idempotency key was used with another body."""


class NumberRefused(RequestRefused):
    """The member ``to`` is refused."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail, [FieldError("/to", detail)])


class InvalidNumber(NumberRefused):
    """The text is not a phone number that exists."""


class NumberNotAllowed(NumberRefused):
    """The number's region, type or prefix is not called."""


class TokenRefused(OtpvoiceError):
    """A client token is not accepted."""


class TokenInvalid(TokenRefused):
    """The token was not issued by this service, or was changed."""


class TokenExpired(TokenRefused):
    """The token was issued by this service and has expired."""


class NotFound(OtpvoiceError):
    """This client has no such verification: unknown, deleted, or another client's."""

    def __init__(self, detail: str = "There is no such verification.") -> None:
        super().__init__(detail)


class Conflict(OtpvoiceError):
    """The verification's state does not allow the request."""


class VerificationClosed(Conflict):
    """The verification has ended."""


class NoCallYet(Conflict):
    """A generated code was submitted before a call was sent; neither compared nor counted."""


class TooLate(Conflict):
    """The code expires before a call could speak it."""


class RateLimited(OtpvoiceError):
    """A limit refuses the request, which used no capacity.

    Args:
        detail: the reason, for the client.
        limit: the limit's label.
        retry_after: seconds until the limit allows the request.
    """

    def __init__(self, detail: str, *, limit: str, retry_after: int) -> None:
        super().__init__(detail)
        self.limit = limit
        self.retry_after = retry_after


class TooManyWrongCodes(RateLimited):
    """The number's limit of wrong codes is reached, so no code is compared."""


class Unavailable(OtpvoiceError):
    """The service cannot do it now. ``retry_after`` is in seconds."""

    def __init__(self, detail: str, *, retry_after: int = 1) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class StoreUnavailable(Unavailable):
    """The store cannot serve. It is unknown whether the request took effect.

    Args:
        detail: for the client.
        reason: for operators, such as ``timeout`` or ``no permission``; contains no secret.
        reply: first word of the error reply, such as ``NOPERM``; empty if there was none.
        is_lost: the connection failed, or the reply was malformed.
        is_partial: other functions may be served.
    """

    def __init__(
        self,
        detail: str,
        *,
        reason: str = "",
        reply: str = "",
        is_lost: bool = False,
        is_partial: bool = False,
    ) -> None:
        super().__init__(detail)
        self.reason = reason
        self.reply = reply
        self.is_lost = is_lost
        self.is_partial = is_partial


class OverCapacity(Unavailable):
    """Queued calls wait too long; nothing was queued."""


class CallsUnavailable(Unavailable):
    """No dialer is running; nothing was queued."""
