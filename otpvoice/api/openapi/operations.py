"""The table of operations: what can be asked, and everything that can be answered."""

from typing import Final

from werkzeug.exceptions import NotFound as NoSuchPage
from werkzeug.exceptions import RequestEntityTooLarge

from otpvoice.api import schemas
from otpvoice.api.auth import Forbidden, Unauthorized
from otpvoice.api.errors import InvalidWebhookSecret, UnreadableBody, UnsupportedMediaType
from otpvoice.api.openapi import examples
from otpvoice.api.openapi.model import (
    APP_AUTH,
    CLIENT_AUTH,
    JSON,
    PROVIDER_AUTH,
    Operation,
    ResponseSpec,
)
from otpvoice.core.errors import (
    CallsUnavailable,
    IdempotencyMismatch,
    InvalidNumber,
    InvalidRequest,
    NoCallYet,
    NotFound,
    NumberNotAllowed,
    OverCapacity,
    RateLimited,
    StoreUnavailable,
    TokenExpired,
    TokenInvalid,
    TooLate,
    TooManyWrongCodes,
    VerificationClosed,
)
from otpvoice.core.requests import CallRequest, CheckRequest, CreateRequest, EmptyRequest

_Errors = tuple[type[Exception], ...]
_CREDENTIAL_ERRORS: Final[_Errors] = (Unauthorized, TokenInvalid, TokenExpired, StoreUnavailable)
_BODY_ERRORS: Final[_Errors] = (
    UnreadableBody,
    RequestEntityTooLarge,
    UnsupportedMediaType,
    InvalidRequest,
)
_CALL_ERRORS: Final[_Errors] = (RateLimited, TooManyWrongCodes, OverCapacity, CallsUnavailable)
_CLIENT_OR_APP: Final = (CLIENT_AUTH, APP_AUTH)
_VERIFICATION_PATH: Final = "/v1/verifications/{verification_id}"
_LINKED_OPERATIONS: Final = (
    "get_verification",
    "check_code",
    "ask_for_call",
    "cancel_verification",
)

VERIFICATIONS: Final = (
    Operation(
        name="create_verification",
        method="post",
        path="/v1/verifications",
        tag="verifications",
        summary="Ask for a call that speaks a code",
        description="The same number and `reference` again is the same verification, and makes "
        "sure that a call comes. Another `code` with the same `reference` begins a "
        "new one and ends the old. Another `reference` is another login session: its "
        "verification is pending as well.",
        credentials=(CLIENT_AUTH,),
        parameters=("Idempotency-Key",),
        request=CreateRequest,
        example={"to": "+919876543210", "name": "Asha", "reference": "login-81"},
        responses=(
            ResponseSpec(
                201,
                "It has begun, and its call is queued.",
                (schemas.CreatedVerification,),
                (examples.CREATED,),
                ("Location", "Idempotent-Replayed"),
                links=(*_LINKED_OPERATIONS, "approve_verification"),
            ),
            ResponseSpec(
                200,
                "It is under way already.",
                (schemas.CreatedVerification,),
                (examples.CREATED,),
                ("Location", "Idempotent-Replayed"),
                links=(*_LINKED_OPERATIONS, "approve_verification"),
            ),
        ),
        errors=(
            *_CREDENTIAL_ERRORS,
            Forbidden,
            *_BODY_ERRORS,
            InvalidNumber,
            NumberNotAllowed,
            IdempotencyMismatch,
            *_CALL_ERRORS,
        ),
    ),
    Operation(
        name="get_verification",
        method="get",
        path=_VERIFICATION_PATH,
        tag="verifications",
        summary="Look how it stands",
        description="Its status is no proof, whoever reads it: proof is `valid: true`, or the "
        "receipt.",
        credentials=_CLIENT_OR_APP,
        parameters=("verification_id",),
        responses=(
            ResponseSpec(200, "As it stands.", (schemas.Verification,), (examples.VERIFICATION,)),
        ),
        errors=(*_CREDENTIAL_ERRORS, NotFound),
    ),
    Operation(
        name="check_code",
        method="post",
        path=f"{_VERIFICATION_PATH}/checks",
        tag="verifications",
        summary="Hand a code in",
        description="The first right one ends the verification. A wrong one is 200 with `valid: "
        "false` and costs one of `checks_left`; the same wrong one again costs "
        "nothing. A code that was generated here is compared once a call was sent.",
        credentials=_CLIENT_OR_APP,
        parameters=("verification_id", "Idempotency-Key"),
        request=CheckRequest,
        example={"code": "471102"},
        responses=(
            ResponseSpec(
                200,
                "It was compared.",
                (schemas.CheckedVerification,),
                (examples.CORRECT_CODE, examples.WRONG_CODE),
                ("Idempotent-Replayed",),
            ),
        ),
        errors=(
            *_CREDENTIAL_ERRORS,
            NotFound,
            *_BODY_ERRORS,
            IdempotencyMismatch,
            VerificationClosed,
            NoCallYet,
            TooManyWrongCodes,
        ),
    ),
    Operation(
        name="ask_for_call",
        method="post",
        path=f"{_VERIFICATION_PATH}/calls",
        tag="verifications",
        summary="Ask for another call, or for a delayed one at once",
        description="It speaks the same code. Where one is under way already, nothing is added.",
        credentials=_CLIENT_OR_APP,
        parameters=("verification_id", "Idempotency-Key"),
        request=CallRequest,
        example={"route": "obd"},
        responses=(
            ResponseSpec(
                202,
                "A call comes.",
                (schemas.Verification,),
                (examples.VERIFICATION,),
                ("Idempotent-Replayed",),
            ),
        ),
        errors=(
            *_CREDENTIAL_ERRORS,
            NotFound,
            *_BODY_ERRORS,
            IdempotencyMismatch,
            VerificationClosed,
            TooLate,
            *_CALL_ERRORS,
        ),
    ),
    Operation(
        name="cancel_verification",
        method="post",
        path=f"{_VERIFICATION_PATH}/cancel",
        tag="verifications",
        summary="End it",
        description="Doing it again changes nothing. A call that was placed can not be called "
        "back.",
        credentials=_CLIENT_OR_APP,
        parameters=("verification_id",),
        request=EmptyRequest,
        responses=(
            ResponseSpec(200, "It is canceled.", (schemas.Verification,), (examples.CANCELED,)),
        ),
        errors=(*_CREDENTIAL_ERRORS, NotFound, *_BODY_ERRORS, VerificationClosed),
    ),
    Operation(
        name="approve_verification",
        method="post",
        path=f"{_VERIFICATION_PATH}/approve",
        tag="verifications",
        summary="End it as proven by other means",
        description="For a system that checked its own code. Doing it again changes nothing.",
        credentials=(CLIENT_AUTH,),
        parameters=("verification_id",),
        request=EmptyRequest,
        responses=(
            ResponseSpec(
                200, "It is approved.", (schemas.Verification,), (examples.APPROVED_ELSEWHERE,)
            ),
        ),
        errors=(*_CREDENTIAL_ERRORS, Forbidden, NotFound, *_BODY_ERRORS, VerificationClosed),
    ),
)

SERVICE: Final = (
    Operation(
        name="get_receipt_keys",
        method="get",
        path="/.well-known/jwks.json",
        tag="receipts",
        summary="The keys that receipts are verified with",
        responses=(
            ResponseSpec(
                200,
                "A JWK Set (RFC 7517).",
                (schemas.KeySet,),
                (examples.KEYS,),
                ("Cache-Control",),
            ),
        ),
    ),
    Operation(
        name="is_alive",
        method="get",
        path="/healthz",
        tag="service",
        summary="Whether this process lives",
        responses=(
            ResponseSpec(200, "It does.", (schemas.Health,), (schemas.Health(status="ok"),)),
        ),
    ),
    Operation(
        name="is_ready",
        method="get",
        path="/readyz",
        tag="service",
        summary="Whether this process can serve",
        responses=(
            ResponseSpec(
                200,
                "It can, though not everything may work.",
                (schemas.Readiness,),
                (schemas.Readiness(status="ok", degraded=["route:obd"]),),
            ),
        ),
        errors=(StoreUnavailable,),
    ),
    Operation(
        name="get_metrics",
        method="get",
        path="/metrics",
        tag="service",
        summary="What was asked, called, refused and approved, for Prometheus",
        description="For those inside: a proxy keeps others out.",
        responses=(ResponseSpec(200, "As it stands.", media_types=("text/plain",)),),
    ),
)

_PAGES: Final = (
    ("get_front_page", "/", "Where to read on, as a page or as JSON", ("text/html", JSON), ()),
    ("get_document", "/openapi.json", "This document", (JSON,), ()),
    ("get_page", "/docs", "A page to read this document in, and to try it", ("text/html",), ()),
    ("get_errors_page", "/docs/errors", "What each `code` of a refusal means", ("text/html",), ()),
    (
        "get_page_file",
        "/docs/{file}",
        "What the pages are made of",
        ("text/css", "text/javascript", "image/png"),
        ("file",),
    ),
)
_CACHE_HEADERS: Final = ("ETag", "Cache-Control")
PAGES: Final = tuple(
    Operation(
        name=name,
        method="get",
        path=path,
        tag="documentation",
        summary=summary,
        parameters=(*parameters, "If-None-Match"),
        responses=(
            ResponseSpec(200, "Here it is.", media_types=media, headers=_CACHE_HEADERS),
            ResponseSpec(304, "It has not changed.", media_types=(), headers=_CACHE_HEADERS),
        ),
        errors=(NoSuchPage,) if parameters else (),
    )
    for name, path, summary, media, parameters in _PAGES
)


_FORMS: Final = ("application/x-www-form-urlencoded", "multipart/form-data")


def callback_operations(provider: str) -> tuple[Operation, ...]:
    """The provider's door. ``provider``: its name in the settings."""
    return tuple(
        Operation(
            name=f"receive_callback_by_{method}{suffix}",
            method=method,
            path=f"/webhooks/{provider}{path}",
            tag="callbacks",
            summary="For the provider: what became of a call",
            description="The provider's own words, in any of its shapes; one message or a short "
            "list, in an envelope or not. What names no call is refused with what is "
            "missing. Callbacks settle calls and approve nothing.",
            credentials=credentials,
            parameters=parameters,
            accepts=() if method == "get" else (JSON, *_FORMS),
            responses=(
                ResponseSpec(
                    200,
                    "It was taken; or the challenge of a new webhook is answered.",
                    (schemas.CallbackAck, schemas.ChallengeResponse),
                    (
                        schemas.CallbackAck(status="ok"),
                        schemas.ChallengeResponse(challenge="a234qwe"),
                    ),
                ),
            ),
            errors=(UnreadableBody, InvalidWebhookSecret, RequestEntityTooLarge, StoreUnavailable),
        )
        for path, suffix, credentials, parameters in (
            ("", "", (PROVIDER_AUTH,), ()),
            ("/{path_token}", "_and_path", (), ("path_token",)),
        )
        for method in ("post", "put", "get")
    )
