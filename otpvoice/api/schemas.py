"""The bodies of the answers, typed: what is sent and what the API's document says are one.

Members are sent in this order. Words and members may be added: who reads ignores unknown ones.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from otpvoice.core.verification import (
    CallReason,
    CallStatus,
    EndReason,
    NextReason,
    Status,
)

VERIFICATION_ID: dict[str, Any] = {
    "pattern": "^vrf_[0-9a-f]{32}$",
    "examples": ["vrf_" + "0a" * 16],
}
"""The JSON Schema of a verification's id."""

Timestamp = Annotated[datetime, Meta(tz=True)]
"""RFC 3339, whole seconds, UTC."""
NonNegative = Annotated[int, Meta(ge=0)]


class ResponseSchema(msgspec.Struct, frozen=True):
    """The JSON object of an answer."""


class Call(ResponseSchema, frozen=True):
    """One phone call for a verification."""

    id: Annotated[str, Meta(extra_json_schema={"pattern": "^call_[0-9a-f]{32}$"})]
    status: CallStatus
    reason: CallReason | None
    route: Annotated[str, Meta(description="The route of the call: `obd`, `c2c`.")]
    locale: Annotated[str, Meta(description="The language that speaks, as the operator named it.")]
    caller_id: Annotated[str, Meta(description="The number that the phone shows.")]
    due_at: Annotated[Timestamp, Meta(description="When it is, or was, to be dialed.")]
    placed_at: Annotated[
        Timestamp | None, Meta(description="When it was handed to the telephone company.")
    ]
    ended_at: Timestamp | None
    duration: Annotated[NonNegative | None, Meta(description="Seconds of conversation.")]
    heard: Annotated[
        bool | None,
        Meta(
            description="Whether the conversation was long enough for the code to be spoken once; "
            "null when that is not known."
        ),
    ]


class NextAction(ResponseSchema, frozen=True):
    """Whether a step is allowed now; if not, or not at once, why and when."""

    allowed: bool
    reason: NextReason | None
    at: Timestamp | None
    retry_after: Annotated[int | None, Meta(description="Seconds until `at`.")]


class NextActions(ResponseSchema, frozen=True):
    """What may be done next."""

    check: Annotated[NextAction, Meta(description="Handing in a code.")]
    call: Annotated[
        NextAction, Meta(description="Asking for a call, or for a delayed one at once.")
    ]


class Verification(ResponseSchema, frozen=True):
    """One request to prove a number."""

    id: Annotated[str, Meta(extra_json_schema=VERIFICATION_ID)]
    url: Annotated[str, Meta(description="Where it is found.", extra_json_schema={"format": "uri"})]
    to: Annotated[str, Meta(description="E.164; masked for apps, as in `+91******3210`.")]
    channel: Literal["voice"]
    status: Status
    reason: EndReason | None
    reference: Annotated[str | None, Meta(description="The caller's own, as it was given.")]
    created_at: Timestamp
    expires_at: Annotated[Timestamp, Meta(description="The end of the code's life.")]
    expires_in: Annotated[NonNegative, Meta(description="Seconds of life left; 0 when ended.")]
    ended_at: Timestamp | None
    version: Annotated[int, Meta(ge=1, description="Grows with every change.")]
    code_length: Annotated[int, Meta(ge=4, le=10)]
    checks_left: NonNegative
    poll_after: Annotated[
        int | None, Meta(description="Seconds between two looks; null when ended.")
    ]
    calls: Annotated[list[Call], Meta(description="Oldest first.")]
    next: NextActions


class CreatedVerification(Verification, frozen=True):
    """The verification of a create."""

    client_token: Annotated[
        str, Meta(description="Opens this one verification to an app, which gets no API key.")
    ]


class CheckedVerification(Verification, frozen=True):
    """The verification after a check. It is proof only with `valid: true`, or by its receipt."""

    valid: Annotated[bool, Meta(description="Whether this very code was accepted.")]
    receipt: Annotated[
        str | UnsetType,
        Meta(description="With `valid: true`: a signed JWT that proves it to other backends."),
    ] = UNSET


class FieldError(ResponseSchema, frozen=True):
    """One wrong member of a request."""

    pointer: Annotated[str, Meta(description="RFC 6901; empty for the whole document.")]
    detail: str


class ProblemDocument(ResponseSchema, frozen=True):
    """A refusal (RFC 9457). Switch on `code`; `detail` is for people."""

    type: Annotated[
        str,
        Meta(description="Where it is explained.", extra_json_schema={"format": "uri-reference"}),
    ]
    title: str
    status: Annotated[int, Meta(ge=400, le=599, description="The HTTP status.")]
    detail: str
    instance: Annotated[str, Meta(description="`urn:request:` and the answer's Request-Id.")]
    code: str
    errors: Annotated[list[FieldError] | UnsetType, Meta(description="The members at fault.")] = (
        UNSET
    )
    limit: Annotated[
        str | UnsetType, Meta(description="The setting that refuses; apps are not told.")
    ] = UNSET
    retry_after: Annotated[int | UnsetType, Meta(description="Seconds; as Retry-After.")] = UNSET
    verification: Annotated[
        Verification | UnsetType, Meta(description="There whenever there is one.")
    ] = UNSET


class CallbackAck(ResponseSchema, frozen=True):
    """A callback was taken."""

    status: Literal["ok"]


class ChallengeResponse(ResponseSchema, frozen=True):
    """What the provider wants to hear from a new webhook."""

    challenge: str


class Health(ResponseSchema, frozen=True):
    """This process lives."""

    status: Literal["ok"]


class Readiness(ResponseSchema, frozen=True):
    """This process can serve."""

    status: Literal["ok"]
    degraded: Annotated[
        list[str],
        Meta(
            description="What does not work and keeps nobody from checking codes: `dialer`, "
            "`route:obd`, the name of a breaker, `quarantine` (unreadable records of the store), "
            "`undialable_calls` (a dialer's settings lack what a call needs)."
        ),
    ]


class PublicKey(ResponseSchema, frozen=True):
    """A key that receipts are verified with (RFC 8037, section 2)."""

    x: str
    kty: Literal["OKP"]
    crv: Literal["Ed25519"]
    kid: str
    use: Literal["sig"]
    alg: Literal["EdDSA"]


class KeySet(ResponseSchema, frozen=True):
    """Keys that receipts are verified with (RFC 7517, section 5)."""

    keys: list[PublicKey]
