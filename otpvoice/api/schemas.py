"""Response bodies of the API. The OpenAPI document is generated from these classes.

Members are sent in the order of their definition. New members and new words may be added, so
clients must ignore unknown ones.
"""

import math
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, Self

import msgspec
from msgspec import UNSET, Meta, UnsetType

from otpvoice.core import transactions
from otpvoice.core import verification as domain
from otpvoice.core.errors import FieldError
from otpvoice.core.verification import CallReason, CallStatus, EndReason, NextReason, Status

VERIFICATION_ID: dict[str, Any] = {
    "pattern": "^vrf_[0-9a-f]{32}$",
    "examples": ["vrf_" + "0a" * 16],
}
"""JSON Schema of a verification's id."""
_POLL_AFTER_S: Final = 2
"""Recommended interval between two reads of a pending verification."""

Timestamp = Annotated[datetime, Meta(tz=True)]
"""RFC 3339, whole seconds, UTC."""
NonNegative = Annotated[int, Meta(ge=0)]


class ResponseSchema(msgspec.Struct, frozen=True):
    """The JSON object of a response."""


class Call(ResponseSchema, frozen=True):
    """One phone call of a verification."""

    id: Annotated[str, Meta(extra_json_schema={"pattern": "^call_[0-9a-f]{32}$"})]
    status: CallStatus
    reason: CallReason | None
    route: Annotated[str, Meta(description="The name of the call's route in the settings.")]
    locale: Annotated[
        str, Meta(description="Language of the call: the key of its flow or text in the settings.")
    ]
    caller_id: Annotated[str, Meta(description="Number that the phone displays.")]
    due_at: Annotated[Timestamp, Meta(description="When the call is, or was, due.")]
    placed_at: Annotated[Timestamp | None, Meta(description="When the provider accepted the call.")]
    ended_at: Timestamp | None
    duration: Annotated[NonNegative | None, Meta(description="Duration of the call in seconds.")]
    heard: Annotated[
        bool | None,
        Meta(
            description="Whether the call lasted long enough for the code to be spoken once, or "
            "with a key gate, whether a key was pressed to hear it; null if unknown."
        ),
    ]

    @classmethod
    def of(cls, call: domain.Call) -> Self:
        """Build the response object of a call."""
        return cls(
            id=call.id,
            status=call.status,
            reason=call.reason,
            route=call.route,
            locale=call.locale,
            caller_id=call.caller_id,
            due_at=_timestamp(call.due_at),
            placed_at=None if call.placed_at is None else _timestamp(call.placed_at),
            ended_at=None if call.ended_at is None else _timestamp(call.ended_at),
            duration=call.duration,
            heard=call.heard,
        )


class NextAction(ResponseSchema, frozen=True):
    """Whether an action is possible now. If not, or not at once, `reason` and `at` explain it."""

    allowed: bool
    reason: NextReason | None
    at: Timestamp | None
    retry_after: Annotated[int | None, Meta(description="Seconds until `at`.")]

    @classmethod
    def of(cls, action: domain.NextAction, now: int) -> Self:
        """Build the response object of an action; ``now`` is in milliseconds since 1970."""
        if action.at is None:
            return cls(allowed=action.allowed, reason=action.reason, at=None, retry_after=None)
        # Rounded up, so that a request at the named second is not early.
        return cls(
            allowed=action.allowed,
            reason=action.reason,
            at=_timestamp(math.ceil(action.at / 1000) * 1000),
            retry_after=math.ceil((action.at - now) / 1000),
        )


class NextActions(ResponseSchema, frozen=True):
    """Actions that are possible next."""

    check: Annotated[NextAction, Meta(description="Check a code.")]
    call: Annotated[NextAction, Meta(description="Request a call, or a delayed call at once.")]


class Transaction(ResponseSchema, frozen=True):
    """The payment that a code authorises."""

    amount: Annotated[str, Meta(description="As the create sent it.")]
    currency: Annotated[str, Meta(description="ISO 4217.")]
    payee: Annotated[str, Meta(description="As it is spoken.")]

    @classmethod
    def of(cls, transaction: transactions.Transaction) -> Self:
        """Build the response object of a transaction."""
        return cls(transaction.amount, transaction.currency, transaction.payee)


class Verification(ResponseSchema, frozen=True):
    """One request to prove a phone number."""

    id: Annotated[str, Meta(extra_json_schema=VERIFICATION_ID)]
    url: Annotated[
        str, Meta(description="URL of this object.", extra_json_schema={"format": "uri"})
    ]
    to: Annotated[str, Meta(description="Number, E.164; masked for apps, as in `+91******3210`.")]
    channel: Literal["voice"]
    status: Status
    reason: EndReason | None
    reference: Annotated[str | None, Meta(description="The client's reference, unchanged.")]
    transaction: Annotated[
        Transaction | None, Meta(description="The payment that the code authorises.")
    ]
    created_at: Timestamp
    expires_at: Annotated[Timestamp, Meta(description="When the code expires.")]
    expires_in: Annotated[NonNegative, Meta(description="Seconds until then; 0 when ended.")]
    ended_at: Timestamp | None
    version: Annotated[int, Meta(ge=1, description="Increases with every change.")]
    code_length: Annotated[int, Meta(ge=4, le=10)]
    checks_left: NonNegative
    poll_after: Annotated[
        int | None, Meta(description="Seconds to wait between two reads; null when ended.")
    ]
    calls: Annotated[list[Call], Meta(description="Oldest first.")]
    next: NextActions

    @classmethod
    def of(
        cls, verification: domain.Verification, number: str, public_url: str, **extra: Any
    ) -> Self:
        """Build the response object of a verification.

        Args:
            verification: the record.
            number: E.164, as the caller may see it.
            public_url: base of the object's URL.
            extra: the members that a subclass adds.
        """
        return cls(
            id=verification.id,
            url=f"{public_url}/v1/verifications/{verification.id}",
            to=number,
            channel="voice",
            status=verification.status,
            reason=verification.reason,
            reference=verification.reference,
            transaction=Transaction.of(paid) if (paid := verification.transaction) else None,
            created_at=_timestamp(verification.created_at),
            expires_at=_timestamp(verification.expires_at),
            expires_in=verification.expires_in,
            ended_at=None if verification.ended_at is None else _timestamp(verification.ended_at),
            version=verification.version,
            code_length=verification.code_length,
            checks_left=verification.checks_left,
            poll_after=_POLL_AFTER_S if verification.status is Status.PENDING else None,
            calls=[Call.of(call) for call in verification.calls],
            next=NextActions(
                check=NextAction.of(verification.next_check(), verification.now),
                call=NextAction.of(verification.next_call(), verification.now),
            ),
            **extra,
        )


class CreatedVerification(Verification, frozen=True):
    """The verification after a create."""

    client_token: Annotated[
        str, Meta(description="Opens this verification to an app, which must not have an API key.")
    ]


class CheckedVerification(Verification, frozen=True):
    """The verification after a check. It proves the number only with `valid: true`."""

    valid: Annotated[bool, Meta(description="Whether this code was accepted.")]
    receipt: Annotated[
        str | UnsetType,
        Meta(description="With `valid: true`: a signed JWT that other backends can verify."),
    ] = UNSET


class ProblemDocument(ResponseSchema, frozen=True):
    """An error (RFC 9457). Switch on `code`; `detail` is for people."""

    type: Annotated[
        str,
        Meta(description="Documentation.", extra_json_schema={"format": "uri"}),
    ]
    title: str
    status: Annotated[int, Meta(ge=400, le=599, description="The HTTP status.")]
    detail: str
    instance: Annotated[str, Meta(description="`urn:request:` and the Request-Id.")]
    code: str
    errors: Annotated[list[FieldError] | UnsetType, Meta(description="Invalid members.")] = UNSET
    limit: Annotated[
        str | UnsetType, Meta(description="Setting that refused the request; not sent to apps.")
    ] = UNSET
    retry_after: Annotated[int | UnsetType, Meta(description="Seconds; as Retry-After.")] = UNSET
    verification: Annotated[
        Verification | UnsetType, Meta(description="The verification, if there is one.")
    ] = UNSET


class Event(ResponseSchema, frozen=True):
    """A change of a verification or a call, as a client's `event_url` receives it."""

    type: str
    timestamp: Annotated[Timestamp, Meta(description="When it changed.")]
    sequence: Annotated[int, Meta(ge=1, description="`version` of the verification.")]
    data: Annotated[
        Verification, Meta(description="At the time of the change, with a masked number.")
    ]


class CallbackAck(ResponseSchema, frozen=True):
    """A callback was accepted."""

    status: Literal["ok"]


class ChallengeResponse(ResponseSchema, frozen=True):
    """The response to the provider's challenge of a new webhook."""

    challenge: str


class Health(ResponseSchema, frozen=True):
    """The process is alive."""

    status: Literal["ok"]


class Readiness(ResponseSchema, frozen=True):
    """The process can serve requests."""

    status: Literal["ok"]
    degraded: Annotated[
        list[str],
        Meta(
            description="Parts that do not work, while checks still do: `dialer`, `route:obd`, the "
            "name of an open circuit breaker, `quarantine` (unreadable records in the store), "
            "`undialable_calls` (a dialer's settings lack what a call needs)."
        ),
    ]


class PublicKey(ResponseSchema, frozen=True):
    """A key to verify receipts with: P-256 (RFC 7518, section 6.2) or Ed25519 (RFC 8037)."""

    kty: Literal["EC", "OKP"]
    crv: Literal["P-256", "Ed25519"]
    x: str
    kid: str
    use: Literal["sig"]
    alg: Literal["ES256", "EdDSA"]
    y: str | UnsetType = UNSET
    """Of P-256 only."""


class KeySet(ResponseSchema, frozen=True):
    """Keys to verify receipts with (RFC 7517, section 5)."""

    keys: list[PublicKey]


def _timestamp(epoch_ms: int) -> datetime:
    return datetime.fromtimestamp(epoch_ms // 1000, UTC)
