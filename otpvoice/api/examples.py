"""Example bodies of the OpenAPI document, made by the code that makes real responses."""

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec.structs import replace
from werkzeug.exceptions import (
    BadRequest,
    MethodNotAllowed,
    NotFound,
    PreconditionFailed,
    RequestEntityTooLarge,
)

from otpvoice.api import schemas
from otpvoice.api.errors import (
    Forbidden,
    InvalidWebhookSecret,
    Unauthorized,
    UnreadableBody,
    UnsupportedMediaType,
    internal_problem,
    problem_for,
    problem_for_http,
)
from otpvoice.core import errors
from otpvoice.core.keys import ClientTokens, KeyRing
from otpvoice.core.receipts import ReceiptSigner
from otpvoice.core.store_port import StoreResult, error_for
from otpvoice.core.transactions import Transaction
from otpvoice.core.verification import Call, CallStatus, EndReason, Status, Verification

_NUMBER: Final = "+919876543210"
_PUBLIC_URL: Final = "https://otp.example.com"
_REQUEST_ID: Final = "4f0c2a7be1d94d5f9a3c5e8b7a6d1c20"
_KEY: Final = bytes(32)
_RECEIPTS: Final = ReceiptSigner({"k1": _KEY}, _PUBLIC_URL)
_CREATED_AT_MS: Final = 1_767_225_600_000
"""2026-01-01T00:00:00Z, in milliseconds."""

_PLACED_CALL: Final = Call(
    id="call_" + "0b" * 16,
    status=CallStatus.PLACED,
    route="obd",
    locale="hi",
    bridge="918068280000",
    caller_id="+918068280000",
    due_at=_CREATED_AT_MS,
    not_before=0,
    sent_at=_CREATED_AT_MS,
    live_until=_CREATED_AT_MS + 165_000,
    placed_at=_CREATED_AT_MS + 1000,
)
_PENDING: Final = Verification(
    id="vrf_" + "0a" * 16,
    client="login-backend",
    encrypted_number=b"",
    status=Status.PENDING,
    reference="login-81",
    created_at=_CREATED_AT_MS,
    expires_at=_CREATED_AT_MS + 300_000,
    version=3,
    code_length=6,
    checks_left=5,
    queue_margin=60_000,
    calls=(_PLACED_CALL,),
    gap_until=0,
    limit="",
    limit_until=0,
    wrong_codes_until=0,
    now=_CREATED_AT_MS + 13_000,
)
_QUEUED_CALL: Final = replace(
    _PLACED_CALL, status=CallStatus.QUEUED, sent_at=None, live_until=None, placed_at=None
)
_ANSWERED_CALL: Final = replace(
    _PLACED_CALL,
    status=CallStatus.ANSWERED,
    ended_at=_CREATED_AT_MS + 40_000,
    duration=31,
    heard=True,
)
_APPROVED: Final = replace(
    _PENDING,
    status=Status.APPROVED,
    ended_at=_CREATED_AT_MS + 42_000,
    version=5,
    calls=(_ANSWERED_CALL,),
)


def _example(verification: Verification) -> schemas.Verification:
    return schemas.Verification.of(verification, _NUMBER, _PUBLIC_URL)


def _refused(outcome: str, verification: Verification | None = None) -> errors.OtpvoiceError:
    return error_for(StoreResult(outcome, verification, retry_after_ms=37_000))


def _problem(error: errors.OtpvoiceError) -> schemas.ProblemDocument:
    verification = _example(error.verification) if error.verification else None
    return problem_for(error, _REQUEST_ID, _PUBLIC_URL, verification)


VERIFICATION: Final = _example(_PENDING)
CREATED: Final = schemas.CreatedVerification.of(
    _PENDING,
    _NUMBER,
    _PUBLIC_URL,
    client_token=ClientTokens(KeyRing([_KEY])).issue(
        _PENDING.client, _PENDING.id, _PENDING.expires_at
    ),
)
CORRECT_CODE: Final = schemas.CheckedVerification.of(
    _APPROVED,
    _NUMBER,
    _PUBLIC_URL,
    valid=True,
    receipt=_RECEIPTS.sign(_APPROVED, _NUMBER),
)
WRONG_CODE: Final = schemas.CheckedVerification.of(
    replace(_PENDING, checks_left=4, version=4), _NUMBER, _PUBLIC_URL, valid=False
)
CANCELED: Final = _example(
    replace(_APPROVED, status=Status.CANCELED, reason=EndReason.REQUESTED, calls=())
)
_PAYMENT: Final = Transaction("2500.00", "INR", "ACME Stores")
_AUTHORISED: Final = replace(_APPROVED, transaction=_PAYMENT)
CREATED_PAYMENT: Final = replace(CREATED, transaction=schemas.Transaction.of(_PAYMENT))
AUTHORISED_PAYMENT: Final = schemas.CheckedVerification.of(
    _AUTHORISED,
    _NUMBER,
    _PUBLIC_URL,
    valid=True,
    receipt=_RECEIPTS.sign(_AUTHORISED, _NUMBER),
)
APPROVED_ELSEWHERE: Final = _example(replace(_APPROVED, reason=EndReason.APPROVED_ELSEWHERE))
KEYS: Final = msgspec.convert(_RECEIPTS.jwk_set, schemas.KeySet)

_DOMAIN_ERRORS: Final = (
    UnreadableBody("The body is not JSON: Expecting value at line 1, column 8."),
    Unauthorized("This API key is not known. Check the key, or create a new one."),
    errors.TokenInvalid("This client token is not known."),
    errors.TokenExpired("The client token has expired, and its verification with it."),
    InvalidWebhookSecret("Send the webhook's secret as Authorization: Bearer."),
    Forbidden("Apps cannot call this endpoint: it requires the client's API key."),
    UnsupportedMediaType("Send the body as Content-Type: application/json."),
    errors.InvalidRequest.for_field("/code", "must be a string of 4 to 10 ASCII digits"),
    errors.InvalidNumber("This number cannot exist: check its length and prefix."),
    errors.NumberNotAllowed("Numbers of region US are not called."),
    errors.StoreUnavailable("The store does not answer; nothing was done."),
    _refused("not_found"),
    _refused("closed", _APPROVED),
    _refused("no_call_yet", replace(_PENDING, calls=(_QUEUED_CALL,))),
    _refused("too_late", replace(_PENDING, now=_CREATED_AT_MS + 290_000)),
    _refused("idempotency_mismatch"),
    _refused("rate_limited calls_per_number 3/10m"),
    _refused("rate_limited wrong_codes_per_number", _PENDING),
    _refused("over_capacity"),
    _refused("calls_unavailable"),
)
_HTTP_ERRORS: Final = (
    *(BadRequest(), NotFound(), MethodNotAllowed(["GET"])),
    *(PreconditionFailed(), RequestEntityTooLarge()),
)
PROBLEM_EXAMPLES: Final[Mapping[type[Exception], schemas.ProblemDocument]] = {
    **{type(error): _problem(error) for error in _DOMAIN_ERRORS},
    **{type(error): problem_for_http(error, _REQUEST_ID, _PUBLIC_URL) for error in _HTTP_ERRORS},
    Exception: internal_problem(_REQUEST_ID, _PUBLIC_URL),
}
"""One problem document for each error; ``Exception`` is an internal error."""
