"""Everything the service can say no with.

OtpvoiceError                 with the verification it is about, if there is one
├── RequestRefused            the request itself is at fault       (faults: what and where)
│   ├── InvalidRequest        a member is missing, unknown or wrong
│   ├── IdempotencyMismatch   the key came with another body before
│   └── NumberRefused
│       ├── InvalidNumber     `to` is no phone number
│       └── NumberNotAllowed  `to` is a number that is not called
├── TokenRefused              a client token opens nothing
│   ├── TokenInvalid          none of ours, or changed on its way
│   └── TokenExpired          its time is over
├── NotFound                  no such verification for this client
├── Conflict                  the verification is not in a state for this
│   ├── VerificationClosed
│   ├── NoCallYet             no call was sent, so that nobody can know the generated code
│   └── TooLate               not enough of the code's life is left for a call
├── RateLimited               a limit holds                        (limit, retry_after)
│   └── TooManyWrongCodes     the number's limit of guesses
└── Unavailable               try again later                      (retry_after)
    ├── StoreUnavailable      the store cannot serve: nothing is known (reason, reply)
    ├── OverCapacity          calls wait too long already
    └── CallsUnavailable      nobody is there to place calls

Errors carry evidence and never an HTTP status: `otpvoice.api.errors` turns them into answers.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from otpvoice.core.verification import Verification


class OtpvoiceError(Exception):
    """Base of all refusals. The text is written for the one who reads the answer."""

    verification: Verification | None = None
    """The verification it is about."""
    number: str | None = None
    """The number of that verification, E.164."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong member of a request."""

    pointer: str
    """RFC 6901; empty for the whole document."""
    detail: str


class RequestRefused(OtpvoiceError):
    """The request is at fault; sent again as it is, it fails again."""

    def __init__(self, detail: str, field_errors: Sequence[FieldError] = ()) -> None:
        super().__init__(detail)
        self.field_errors = tuple(field_errors)


class InvalidRequest(RequestRefused):
    """A member is missing, unknown or wrong."""

    @classmethod
    def for_field(cls, pointer: str, detail: str) -> "InvalidRequest":
        """The refusal of the one member at ``pointer``."""
        return cls(f"{pointer} {detail}", [FieldError(pointer, detail)])


class IdempotencyMismatch(RequestRefused):
    """A request's idempotency key came with another body before."""


class NumberRefused(RequestRefused):
    """The member ``to`` is at fault."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail, [FieldError("/to", detail)])


class InvalidNumber(NumberRefused):
    """The text is no phone number that exists."""


class NumberNotAllowed(NumberRefused):
    """The number exists; its region, type or prefix is not called."""


class TokenRefused(OtpvoiceError):
    """A client token opens nothing."""


class TokenInvalid(TokenRefused):
    """It is none of ours, or it was changed on its way."""


class TokenExpired(TokenRefused):
    """It is ours, and its time is over."""


class NotFound(OtpvoiceError):
    """No such verification for this client: unknown, gone, or another's."""

    def __init__(self, detail: str = "There is no such verification.") -> None:
        super().__init__(detail)


class Conflict(OtpvoiceError):
    """The verification's state does not allow it."""


class VerificationClosed(Conflict):
    """The verification has ended."""


class NoCallYet(Conflict):
    """A generated code was checked before a call was sent; neither compared nor counted."""


class TooLate(Conflict):
    """A call could not come in time to be of use."""


class RateLimited(OtpvoiceError):
    """A limit refuses. It used up nothing.

    Args:
        detail: what holds, for the reader.
        limit: the setting's name.
        retry_after: seconds until it would not refuse.
    """

    def __init__(self, detail: str, *, limit: str, retry_after: int) -> None:
        super().__init__(detail)
        self.limit = limit
        self.retry_after = retry_after


class TooManyWrongCodes(RateLimited):
    """So many codes of this number were wrong that no further one is compared."""


class Unavailable(OtpvoiceError):
    """The service can not do it now; ``retry_after`` is in seconds."""

    def __init__(self, detail: str, *, retry_after: int = 1) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class StoreUnavailable(Unavailable):
    """The store cannot serve. Whether the request took effect is not known.

    Args:
        detail: for the client.
        reason: for operators, such as ``timeout`` or ``no permission``; holds no secret.
        reply: first word of the error reply, such as ``NOPERM``; empty if there was none.
        is_lost: the connection failed, or what came was no reply.
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
    """Calls that could be dialed wait too long already; nothing was queued."""


class CallsUnavailable(Unavailable):
    """No dialer is alive to place the call; nothing was queued."""
