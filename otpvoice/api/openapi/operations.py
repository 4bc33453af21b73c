"""The table of operations: what can be asked, and everything that can be answered."""

from typing import Final

from werkzeug.exceptions import NotFound as NoSuchPage
from werkzeug.exceptions import RequestEntityTooLarge

from otpvoice.api import schemas
from otpvoice.api.auth import Forbidden, Unauthorized
from otpvoice.api.errors import UnreadableBody, UnsupportedMediaType, Untrusted
from otpvoice.api.openapi import examples
from otpvoice.api.openapi.model import (
    APP,
    BACKEND,
    JSON,
    PROVIDER,
    Answer,
    Operation,
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

_Refusals = tuple[type[Exception], ...]
_NO_CREDENTIAL: Final[_Refusals] = (Unauthorized, TokenInvalid, TokenExpired, StoreUnavailable)
_NO_BODY: Final[_Refusals] = (
    UnreadableBody,
    RequestEntityTooLarge,
    UnsupportedMediaType,
    InvalidRequest,
)
_NO_CALL: Final[_Refusals] = (RateLimited, TooManyWrongCodes, OverCapacity, CallsUnavailable)
_ANYBODY: Final = (BACKEND, APP)
_ONE: Final = "/v1/verifications/{verification_id}"
_STEPS: Final = ("get_verification", "check_code", "ask_for_call", "cancel_verification")

VERIFICATIONS: Final = (
    Operation(
        name="create_verification",
        method="post",
        path="/v1/verifications",
        tag="verifications",
        summary="Ask for a call that speaks a code",
        says="The same number and `reference` again is the same verification, and makes sure that "
        "a call comes. Another `code` with the same `reference` begins a new one and ends the old. "
        "Another `reference` is another login session: its verification is pending as well.",
        credentials=(BACKEND,),
        parameters=("Idempotency-Key",),
        request=CreateRequest,
        example={"to": "+919876543210", "name": "Asha", "reference": "login-81"},
        answers=(
            Answer(
                201,
                "It has begun, and its call is queued.",
                (schemas.CreatedVerification,),
                (examples.CREATED,),
                ("Location", "Idempotent-Replayed"),
                links=(*_STEPS, "approve_verification"),
            ),
            Answer(
                200,
                "It is under way already.",
                (schemas.CreatedVerification,),
                (examples.CREATED,),
                ("Location", "Idempotent-Replayed"),
                links=(*_STEPS, "approve_verification"),
            ),
        ),
        refusals=(
            *_NO_CREDENTIAL,
            Forbidden,
            *_NO_BODY,
            InvalidNumber,
            NumberNotAllowed,
            IdempotencyMismatch,
            *_NO_CALL,
        ),
    ),
    Operation(
        name="get_verification",
        method="get",
        path=_ONE,
        tag="verifications",
        summary="Look how it stands",
        says="Its status is no proof, whoever reads it: proof is `valid: true`, or the receipt.",
        credentials=_ANYBODY,
        parameters=("verification_id",),
        answers=(Answer(200, "As it stands.", (schemas.Verification,), (examples.VERIFICATION,)),),
        refusals=(*_NO_CREDENTIAL, NotFound),
    ),
    Operation(
        name="check_code",
        method="post",
        path=f"{_ONE}/checks",
        tag="verifications",
        summary="Hand a code in",
        says="The first right one ends the verification. A wrong one is 200 with `valid: false` "
        "and costs one of `checks_left`; the same wrong one again costs nothing. A code that was "
        "generated here is compared once a call was sent.",
        credentials=_ANYBODY,
        parameters=("verification_id", "Idempotency-Key"),
        request=CheckRequest,
        example={"code": "471102"},
        answers=(
            Answer(
                200,
                "It was compared.",
                (schemas.CheckedVerification,),
                (examples.RIGHT, examples.WRONG),
                ("Idempotent-Replayed",),
            ),
        ),
        refusals=(
            *_NO_CREDENTIAL,
            NotFound,
            *_NO_BODY,
            IdempotencyMismatch,
            VerificationClosed,
            NoCallYet,
            TooManyWrongCodes,
        ),
    ),
    Operation(
        name="ask_for_call",
        method="post",
        path=f"{_ONE}/calls",
        tag="verifications",
        summary="Ask for another call, or for a delayed one at once",
        says="It speaks the same code. Where one is under way already, nothing is added.",
        credentials=_ANYBODY,
        parameters=("verification_id", "Idempotency-Key"),
        request=CallRequest,
        example={"route": "obd"},
        answers=(
            Answer(
                202,
                "A call comes.",
                (schemas.Verification,),
                (examples.VERIFICATION,),
                ("Idempotent-Replayed",),
            ),
        ),
        refusals=(
            *_NO_CREDENTIAL,
            NotFound,
            *_NO_BODY,
            IdempotencyMismatch,
            VerificationClosed,
            TooLate,
            *_NO_CALL,
        ),
    ),
    Operation(
        name="cancel_verification",
        method="post",
        path=f"{_ONE}/cancel",
        tag="verifications",
        summary="End it",
        says="Doing it again changes nothing. A call that was placed can not be called back.",
        credentials=_ANYBODY,
        parameters=("verification_id",),
        request=EmptyRequest,
        answers=(Answer(200, "It is canceled.", (schemas.Verification,), (examples.CANCELED,)),),
        refusals=(*_NO_CREDENTIAL, NotFound, *_NO_BODY, VerificationClosed),
    ),
    Operation(
        name="approve_verification",
        method="post",
        path=f"{_ONE}/approve",
        tag="verifications",
        summary="End it as proven by other means",
        says="For a system that checked its own code. Doing it again changes nothing.",
        credentials=(BACKEND,),
        parameters=("verification_id",),
        request=EmptyRequest,
        answers=(
            Answer(200, "It is approved.", (schemas.Verification,), (examples.APPROVED_ELSEWHERE,)),
        ),
        refusals=(*_NO_CREDENTIAL, Forbidden, NotFound, *_NO_BODY, VerificationClosed),
    ),
)

SERVICE: Final = (
    Operation(
        name="get_receipt_keys",
        method="get",
        path="/.well-known/jwks.json",
        tag="receipts",
        summary="The keys that receipts are verified with",
        answers=(
            Answer(
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
        answers=(Answer(200, "It does.", (schemas.Health,), (schemas.Health(status="ok"),)),),
    ),
    Operation(
        name="is_ready",
        method="get",
        path="/readyz",
        tag="service",
        summary="Whether this process can serve",
        answers=(
            Answer(
                200,
                "It can, though not everything may work.",
                (schemas.Readiness,),
                (schemas.Readiness(status="ok", degraded=["route:obd"]),),
            ),
        ),
        refusals=(StoreUnavailable,),
    ),
    Operation(
        name="get_metrics",
        method="get",
        path="/metrics",
        tag="service",
        summary="What was asked, called, refused and approved, for Prometheus",
        says="For those inside: a proxy keeps others out.",
        answers=(Answer(200, "As it stands.", media=("text/plain",)),),
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
_KEPT: Final = ("ETag", "Cache-Control")
PAGES: Final = tuple(
    Operation(
        name=name,
        method="get",
        path=path,
        tag="documentation",
        summary=summary,
        parameters=(*parameters, "If-None-Match"),
        answers=(
            Answer(200, "Here it is.", media=media, headers=_KEPT),
            Answer(304, "It has not changed.", media=(), headers=_KEPT),
        ),
        refusals=(NoSuchPage,) if parameters else (),
    )
    for name, path, summary, media, parameters in _PAGES
)


_FORMS: Final = ("application/x-www-form-urlencoded", "multipart/form-data")


def callbacks(provider: str) -> tuple[Operation, ...]:
    """The provider's door. ``provider``: its name in the settings."""
    return tuple(
        Operation(
            name=f"receive_callback_by_{method}{suffix}",
            method=method,
            path=f"/webhooks/{provider}{path}",
            tag="callbacks",
            summary="For the provider: what became of a call",
            says="The provider's own words, in any of its shapes; one message or a short list, "
            "in an envelope or not. What names no call is refused with what is missing. Callbacks "
            "settle calls and approve nothing.",
            credentials=credentials,
            parameters=parameters,
            takes=() if method == "get" else (JSON, *_FORMS),
            answers=(
                Answer(
                    200,
                    "It was taken; or the challenge of a new webhook is answered.",
                    (schemas.Received, schemas.ChallengeAnswer),
                    (schemas.Received(status="ok"), schemas.ChallengeAnswer(challenge="a234qwe")),
                ),
            ),
            refusals=(UnreadableBody, Untrusted, RequestEntityTooLarge, StoreUnavailable),
        )
        for path, suffix, credentials, parameters in (
            ("", "", (PROVIDER,), ()),
            ("/{path_token}", "_and_path", (), ("path_token",)),
        )
        for method in ("post", "put", "get")
    )
