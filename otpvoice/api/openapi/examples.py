"""Examples for the document, made by the code that makes the real answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import msgspec
from msgspec.structs import replace
from werkzeug.exceptions import BadRequest, MethodNotAllowed, NotFound, RequestEntityTooLarge

from otpvoice.api import schemas
from otpvoice.api.auth import Forbidden, Unauthorized
from otpvoice.api.errors import (
    UnreadableBody,
    UnsupportedMediaType,
    Untrusted,
    failed,
    refused,
    refused_by_http,
)
from otpvoice.api.serializers import present, present_as
from otpvoice.core import errors
from otpvoice.core.keys import KeyRing
from otpvoice.core.outcome_errors import error_for
from otpvoice.core.receipts import ReceiptSigner
from otpvoice.core.tokens import ClientTokens
from otpvoice.core.verification import Call, CallStatus, EndReason, Route, Status, Verification

_NUMBER: Final = "+919876543210"
_PUBLIC_URL: Final = "https://otp.example.com"
_ASKED_AS: Final = "4f0c2a7be1d94d5f9a3c5e8b7a6d1c20"
_KEY: Final = bytes(32)
_RECEIPTS: Final = ReceiptSigner({"k1": _KEY}, _PUBLIC_URL)
_BEGAN: Final = 1_767_225_600_000
"""2026-01-01T00:00:00Z, in milliseconds."""

_CALL: Final = Call(
    id="call_" + "0b" * 16,
    status=CallStatus.PLACED,
    reason=None,
    route=Route.OBD,
    locale="hi",
    bridge="918068280000",
    caller_id="+918068280000",
    due_at=_BEGAN,
    not_before=0,
    sent_at=_BEGAN,
    live_until=_BEGAN + 165_000,
    placed_at=_BEGAN + 1000,
    ended_at=None,
    duration=None,
    heard=None,
    raw=None,
)
_PENDING: Final = Verification(
    id="vrf_" + "0a" * 16,
    client="login-backend",
    encrypted_number=b"",
    status=Status.PENDING,
    reason=None,
    reference="login-81",
    created_at=_BEGAN,
    expires_at=_BEGAN + 300_000,
    ended_at=None,
    version=3,
    own_code=False,
    code_length=6,
    checks_left=5,
    queue_margin=60_000,
    calls=(_CALL,),
    gap_until=0,
    limit="",
    limit_until=0,
    wrong_codes_until=0,
    now=_BEGAN + 13_000,
)
_QUEUED: Final = replace(
    _CALL, status=CallStatus.QUEUED, sent_at=None, live_until=None, placed_at=None
)
_HEARD: Final = replace(
    _CALL, status=CallStatus.ANSWERED, ended_at=_BEGAN + 40_000, duration=31, heard=True
)
_APPROVED: Final = replace(
    _PENDING, status=Status.APPROVED, ended_at=_BEGAN + 42_000, version=5, calls=(_HEARD,)
)


@dataclass(frozen=True, slots=True)
class _StoreAnswer:
    """What the store says when it refuses."""

    outcome: str
    verification: Verification | None = None
    retry_after_ms: int = 37_000
    is_replayed: bool = False


def show(verification: Verification) -> schemas.Verification:
    """As a client sees it."""
    return present(verification, _NUMBER, _PUBLIC_URL)


VERIFICATION: Final = show(_PENDING)
CREATED: Final = present_as(
    schemas.CreatedVerification,
    _PENDING,
    _NUMBER,
    _PUBLIC_URL,
    client_token=ClientTokens(KeyRing([_KEY])).issue(
        _PENDING.client, _PENDING.id, _PENDING.expires_at
    ),
)
RIGHT: Final = present_as(
    schemas.CheckedVerification,
    _APPROVED,
    _NUMBER,
    _PUBLIC_URL,
    valid=True,
    receipt=_RECEIPTS.sign(_APPROVED, _NUMBER),
)
WRONG: Final = present_as(
    schemas.CheckedVerification,
    replace(_PENDING, checks_left=4, version=4),
    _NUMBER,
    _PUBLIC_URL,
    valid=False,
)
CANCELED: Final = show(
    replace(_APPROVED, status=Status.CANCELED, reason=EndReason.REQUESTED, calls=())
)
KEYS: Final = msgspec.convert(_RECEIPTS.jwk_set(), schemas.KeySet)
APPROVED_ELSEWHERE: Final = show(replace(_APPROVED, reason=EndReason.APPROVED_ELSEWHERE))

_REFUSED: Final = (
    UnreadableBody("The body is not JSON: Expecting value at line 1, column 8."),
    Unauthorized("This API key is not known."),
    errors.TokenInvalid("This client token is not known."),
    errors.TokenExpired("The client token has expired, and its verification with it."),
    Untrusted("Send the webhook's secret as Authorization: Bearer."),
    Forbidden("This is not for apps: it needs the API key of the login backend."),
    UnsupportedMediaType("Send the body as Content-Type: application/json."),
    errors.InvalidRequest.for_field("/code", "must be a string of 4 to 10 ASCII digits"),
    errors.InvalidNumber("No telephone can have this number: check its length and prefix."),
    errors.NumberNotAllowed("Numbers of region US are not called."),
    errors.StoreUnavailable("The store does not answer; nothing was done."),
    *map(
        error_for,
        (
            _StoreAnswer("not_found"),
            _StoreAnswer("closed", _APPROVED),
            _StoreAnswer("no_call_yet", replace(_PENDING, calls=(_QUEUED,))),
            _StoreAnswer("too_late", replace(_PENDING, now=_BEGAN + 290_000)),
            _StoreAnswer("idempotency_mismatch"),
            _StoreAnswer("rate_limited calls_per_number 3/10m"),
            _StoreAnswer("rate_limited wrong_codes_per_number", _PENDING),
            _StoreAnswer("over_capacity"),
            _StoreAnswer("calls_unavailable"),
        ),
    ),
)
_BY_HTTP: Final = (BadRequest(), NotFound(), MethodNotAllowed(["GET"]), RequestEntityTooLarge())
PROBLEMS: Final[Mapping[type[Exception], schemas.ProblemDocument]] = MappingProxyType(
    {
        **{type(error): refused(error, _ASKED_AS, show) for error in _REFUSED},
        **{type(error): refused_by_http(error, _ASKED_AS) for error in _BY_HTTP},
        Exception: failed(_ASKED_AS),
    }
)
"""One refusal of each kind; ``Exception`` is a fault of ours."""
