"""Store interface (port) that the service uses, and the errors that its outcomes mean."""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, Protocol

from msgspec import Struct

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
from otpvoice.core.limits import LIMITS, WRONG_CODES, setting_name
from otpvoice.core.verification import EndReason, Status, Verification

_RETRY_CALLS_AFTER_S: Final = 5


class NewCall(Struct, frozen=True):
    """A call to queue. A missing ``route`` or ``locale`` is the verification's."""

    id: str
    route: str | None
    locale: str | None
    bridge: str
    """The caller line. The store chooses another one of a client with several."""
    caller_id: str
    flow: str | None = None
    """The provider's id of the flow for ``locale``."""


class Idempotency(Struct, frozen=True):
    """Keyed hashes that identify a repeated request."""

    key_hash: str
    """Of the client's idempotency key."""
    body_hash: str


class LimitKeys(Struct, frozen=True):
    """Attributes of a number and its user that several numbers can share. Limits count by them."""

    prefix_hash: str
    area: str
    """In clear: ``+919876``."""
    region: str
    address_hash: str | None
    """Of the end user's address."""
    reference_hash: str
    """Empty without a reference."""


class NewVerification(Struct, frozen=True):
    """A verification to create."""

    id: str
    client: str
    number_hash: str
    encrypted_number: bytes
    encrypted_speech: bytes
    code_digest: bytes
    request_digests: list[bytes]
    """Of client, number, code and transaction, one for each ring key: they identify a repeated
    create."""
    own_code: bool
    reference: str | None
    route: str
    locale: str
    code_length: int
    max_checks: int
    call_after_ms: int
    ttl_ms: int
    retention_ms: int
    queue_margin_ms: int
    call: NewCall
    limit_keys: LimitKeys
    is_test_number: bool = False
    """The call is simulated."""
    is_live_test: bool = False
    """One real call without redial, whose exchange with the provider is captured."""
    idempotency: Idempotency | None = None
    flow: str | None = None
    """The provider's id of the flow, stored for dialers without the client's settings."""
    encrypted_transaction: bytes | None = None
    transaction_digests: list[bytes] = []
    """Of client, number and transaction, one for each ring key. Another transaction is another
    verification."""


class NewestOf(Struct, frozen=True):
    """Means the newest verification of a client and a number, pending or ended."""

    number_hash: str
    reference: str | None = None
    """Only verifications with this reference; None: with any or none."""
    reference_hash: str = ""
    """Empty without a reference."""


class StoreResult(Struct, frozen=True):
    """The outcome of a store operation, and the verification after it."""

    outcome: str
    verification: Verification | None = None
    """None if this client has no such verification."""
    retry_after_ms: int = 0
    is_replayed: bool = False
    """The outcome is that of the first request with this idempotency key."""


class Store(Protocol):
    """Atomic operations, each of which takes effect at most once.

    Every operation raises ``StoreUnavailable``. Those with ``idempotency`` can also return
    ``idempotency_mismatch``. A ``verification`` is an id, or the newest of a number.
    """

    def create(self, new: NewVerification) -> StoreResult:
        """Create a verification and queue its call, or return the pending one.

        Outcomes: ``created``, ``existing``, ``call_gap`` and ``rate_limited <limit>`` (both with
        ``retry_after_ms``), ``over_capacity``, ``calls_unavailable``.
        """

    def get(self, verification: str | NewestOf, client: str) -> StoreResult:
        """Return a verification, expiring it if it is over. Outcomes: ``found``, ``not_found``."""

    def check(
        self,
        verification: str | NewestOf,
        client: str,
        length: int,
        digests: list[bytes],
        idempotency: Idempotency | None = None,
    ) -> StoreResult:
        """Compare a code's digests: of its id and code, or of client, number hash and code.

        With a transaction they are also of that.

        Outcomes: ``right``, ``wrong``, ``wrong_length``, ``closed``, ``not_found``; not compared
        and not counted: ``no_call_yet`` (a generated code, and no call was sent) and
        ``rate_limited <limit>`` (with ``retry_after_ms``).
        """

    def close_verification(
        self, verification: str | NewestOf, client: str, status: Status, reason: EndReason
    ) -> StoreResult:
        """End a verification.

        Outcomes: ``ended`` (now or before, with this status), ``closed`` (with another status),
        ``not_found``.
        """

    def request_call(
        self,
        verification_id: str,
        client: str,
        call: NewCall,
        idempotency: Idempotency | None = None,
    ) -> StoreResult:
        """Queue a call, or bring a delayed one forward.

        Outcomes: ``coming``, ``closed``, ``too_late``, ``rate_limited <limit>`` (with
        ``retry_after_ms``), ``over_capacity``, ``calls_unavailable``, ``not_found``.
        """


def error_for(result: StoreResult) -> OtpvoiceError:
    """Return the error that an unsuccessful outcome means for the client."""
    outcome, _, limit = result.outcome.partition(" ")
    error = _rate_limited(result, limit) if limit else _OUTCOME_ERRORS[outcome](result)
    error.verification = result.verification
    return error


def _rate_limited(result: StoreResult, limit: str) -> RateLimited:
    setting = setting_name(limit)
    kind = TooManyWrongCodes if setting == WRONG_CODES else RateLimited
    retry_after = math.ceil(result.retry_after_ms / 1000)
    return kind(LIMITS[setting].message, limit=limit, retry_after=retry_after)


_OUTCOME_ERRORS: Final[Mapping[str, Callable[[StoreResult], OtpvoiceError]]] = MappingProxyType(
    {
        "not_found": lambda _: NotFound(),
        "closed": lambda _: VerificationClosed("The verification has ended."),
        "no_call_yet": lambda _: NoCallYet(
            "No call was sent for this verification yet, so its code cannot be known."
        ),
        "too_late": lambda _: TooLate("The code expires before a call could speak it."),
        "wrong_length": lambda _: InvalidRequest.for_field(
            "/code", "must have as many digits as code_length says"
        ),
        "idempotency_mismatch": lambda _: IdempotencyMismatch(
            "This Idempotency-Key was used with another body."
        ),
        "call_gap": lambda result: _rate_limited(result, "call_gap"),
        "over_capacity": lambda _: OverCapacity(
            "Too many calls are waiting.", retry_after=_RETRY_CALLS_AFTER_S
        ),
        "calls_unavailable": lambda _: CallsUnavailable(
            "No dialer is running.", retry_after=_RETRY_CALLS_AFTER_S
        ),
    }
)
