"""``/v1/verifications``: request a call, check its code."""

from dataclasses import dataclass
from typing import Any, Final

from msgspec import UNSET

from otpvoice.api import examples, schemas
from otpvoice.api.application import api_endpoint
from otpvoice.api.http import (
    IDEMPOTENCY_KEY,
    ApiRequest,
    ApiResponse,
    Authenticator,
    Principal,
    json_response,
)
from otpvoice.api.openapi import APP_AUTH, CLIENT_AUTH, Operation, ResponseSpec
from otpvoice.core import errors
from otpvoice.core.keys import mask_number
from otpvoice.core.receipts import ReceiptSigner
from otpvoice.core.requests import CallRequest, CheckRequest, CreateRequest, EmptyRequest
from otpvoice.core.service import Result, Verifications
from otpvoice.core.store_port import Idempotency
from otpvoice.logs.context import bind_fields

_CALL_ERRORS: Final = (
    errors.RateLimited,
    errors.TooManyWrongCodes,
    errors.OverCapacity,
    errors.CallsUnavailable,
)
_CLIENT_OR_APP: Final = (CLIENT_AUTH, APP_AUTH)
_COLLECTION: Final = "/v1/verifications"
_ITEM: Final = "/v1/verifications/{verification_id}"
_LINKS: Final = (
    "get_verification",
    "check_code",
    "ask_for_call",
    "cancel_verification",
    "approve_verification",
)


@dataclass(frozen=True, slots=True)
class VerificationResponses:
    """Base of views that respond with a verification."""

    service: Verifications
    authenticator: Authenticator
    receipts: ReceiptSigner
    public_url: str
    """Base of the URLs in responses."""

    def idempotency(self, request: ApiRequest, principal: Principal) -> Idempotency | None:
        """Return what identifies a repeated request; None without an ``Idempotency-Key``."""
        if not request.has_header("Idempotency-Key"):
            return None
        key = request.header("Idempotency-Key")
        if not IDEMPOTENCY_KEY.fullmatch(key):
            raise errors.InvalidRequest(
                "Idempotency-Key must be 1 to 255 visible ASCII characters."
            )
        # An app has keys of its own, so that it cannot replay a request of its client.
        holder = f"{principal.client} app" if principal.is_app else principal.client
        operation = f"{request.method} {request.path}"
        return self.service.request_fingerprint(holder, operation, key, request.body)

    def respond(
        self,
        result: Result,
        principal: Principal,
        schema: type[schemas.Verification] = schemas.Verification,
        http_status: int = 200,
        **members: Any,
    ) -> ApiResponse:
        """Return the verification, as its client or its app may see it."""
        verification, number = result.verification, result.number
        masked = mask_number(number)
        # For all further log lines of this request, including that of its response.
        bind_fields(verification=verification.id, to=masked, number=self.service.log_id(number))
        visible = masked if principal.is_app else number
        body = schema.of(verification, visible, self.public_url, **members)
        response = json_response(body, http_status)
        if result.is_replayed:
            response.headers["Idempotent-Replayed"] = "true"
        return response

    def respond_to_check(
        self, request: ApiRequest, checked: Result, principal: Principal
    ) -> ApiResponse:
        """Return the verification with ``valid``, and with a receipt if the code was right."""
        valid, verification = checked.outcome == "right", checked.verification
        request.record(
            "verification.repeated" if checked.is_replayed else "verification.checked",
            outcome=metric_outcome(checked),
            status=verification.status,
            valid=valid,
        )
        # The receipt depends on the verification alone, so a replay returns the same one.
        receipt = self.receipts.sign(verification, checked.number) if valid else UNSET
        return self.respond(
            checked, principal, schemas.CheckedVerification, valid=valid, receipt=receipt
        )


def metric_outcome(result: Result) -> str:
    """Return the outcome for the metric: a replay is counted as one, whatever it returns."""
    return "replayed" if result.is_replayed else result.outcome


@dataclass(frozen=True, slots=True)
class VerificationViews(VerificationResponses):
    """Views of the verification resource."""

    @api_endpoint(
        Operation(
            name="create_verification",
            method="post",
            path=_COLLECTION,
            tag="verifications",
            summary="Request a call that speaks a code",
            description="A create with the same number and `reference` returns the pending "
            "verification and ensures that a call is placed. With the same `reference` and "
            "another `code`, it ends the pending verification and creates a new one. Another "
            "`reference` is another login session: both verifications stay pending. Another "
            "`transaction` is another verification, as another `code` is.",
            credentials=(CLIENT_AUTH,),
            headers=("Idempotency-Key",),
            request=CreateRequest,
            example={"to": "+919876543210", "name": "Asha", "reference": "login-81"},
            responses=tuple(
                ResponseSpec(
                    status,
                    description,
                    (examples.CREATED, examples.CREATED_PAYMENT),
                    ("Location",),
                    links=_LINKS,
                )
                for status, description in (
                    (201, "The verification was created and its call is queued."),
                    (200, "The verification was already pending."),
                )
            ),
            errors=(errors.InvalidNumber, errors.NumberNotAllowed, *_CALL_ERRORS),
        ),
        outcomes=lambda metrics: metrics.creates,
    )
    def create(self, request: ApiRequest) -> ApiResponse:
        principal = self.authenticator.authenticate(request)
        body = request.parse_body(CreateRequest)
        created = self.service.create(principal.client, body, self.idempotency(request, principal))
        verification = created.verification
        outcome = metric_outcome(created)
        request.record(
            "verification.created" if outcome == "created" else "verification.repeated",
            outcome=outcome,
            status=verification.status,
        )
        token = self.authenticator.tokens.issue(
            verification.client, verification.id, verification.expires_at
        )
        response = self.respond(
            created,
            principal,
            schemas.CreatedVerification,
            201 if created.outcome == "created" else 200,
            client_token=token,
        )
        response.headers["Location"] = f"{self.public_url}{_COLLECTION}/{verification.id}"
        return response

    @api_endpoint(
        Operation(
            name="get_verification",
            path=_ITEM,
            tag="verifications",
            summary="Retrieve a verification",
            description="Do not rely on `status` to authenticate a user. Only `valid: true` from "
            "a check, or a verified receipt, proves the number.",
            credentials=_CLIENT_OR_APP,
            responses=(ResponseSpec(200, "The current state.", (examples.VERIFICATION,)),),
        )
    )
    def get(self, request: ApiRequest, verification_id: str) -> ApiResponse:
        principal = self.authenticator.authenticate(request, verification_id)
        found = self.service.get(principal.client, verification_id)
        return self.respond(found, principal)

    @api_endpoint(
        Operation(
            name="check_code",
            method="post",
            path=f"{_ITEM}/checks",
            tag="verifications",
            summary="Check a code",
            description="The first correct code ends the verification. A wrong code returns 200 "
            "with `valid: false` and decrements `checks_left`; the same wrong code again does not. "
            "A generated code is not compared before a call has been sent. A verification with a "
            "`transaction` needs the same one in each check: without it, or with another one, the "
            "code is wrong.",
            credentials=_CLIENT_OR_APP,
            headers=("Idempotency-Key",),
            request=CheckRequest,
            example={"code": "471102"},
            responses=(
                ResponseSpec(
                    200,
                    "The code was compared.",
                    (examples.CORRECT_CODE, examples.WRONG_CODE, examples.AUTHORISED_PAYMENT),
                ),
            ),
            errors=(errors.NoCallYet, errors.TooManyWrongCodes),
        ),
        outcomes=lambda metrics: metrics.checks,
    )
    def check(self, request: ApiRequest, verification_id: str) -> ApiResponse:
        principal = self.authenticator.authenticate(request, verification_id)
        body = request.parse_body(CheckRequest)
        checked = self.service.check(
            principal.client, verification_id, body, self.idempotency(request, principal)
        )
        return self.respond_to_check(request, checked, principal)

    @api_endpoint(
        Operation(
            name="ask_for_call",
            method="post",
            path=f"{_ITEM}/calls",
            tag="verifications",
            summary="Request another call, or a delayed call at once",
            description="The call speaks the same code. If a call is in progress, none is added.",
            credentials=_CLIENT_OR_APP,
            headers=("Idempotency-Key",),
            request=CallRequest,
            example={"route": "obd"},
            responses=(
                ResponseSpec(202, "A call is queued or in progress.", (examples.VERIFICATION,)),
            ),
            errors=(errors.TooLate, *_CALL_ERRORS),
        ),
        outcomes=lambda metrics: metrics.call_requests,
    )
    def request_call(self, request: ApiRequest, verification_id: str) -> ApiResponse:
        principal = self.authenticator.authenticate(request, verification_id)
        body = request.parse_body(CallRequest)
        if body.route and principal.is_app:
            raise errors.InvalidRequest.for_field("/route", "cannot be set by apps")
        result = self.service.request_call(
            principal.client, verification_id, body, self.idempotency(request, principal)
        )
        request.record(
            "verification.repeated" if result.is_replayed else "verification.call_requested",
            outcome=metric_outcome(result),
            status=result.verification.status,
        )
        return self.respond(result, principal, http_status=202)

    @api_endpoint(
        Operation(
            name="cancel_verification",
            method="post",
            path=f"{_ITEM}/cancel",
            tag="verifications",
            summary="Cancel a verification",
            description="Canceling it again has no effect. A call that was already placed rings "
            "all the same, unless its provider can cancel it: then its status becomes `canceled` "
            "a moment later.",
            credentials=_CLIENT_OR_APP,
            request=EmptyRequest,
            responses=(ResponseSpec(200, "The verification is canceled.", (examples.CANCELED,)),),
        )
    )
    def cancel(self, request: ApiRequest, verification_id: str) -> ApiResponse:
        principal = self.authenticator.authenticate(request, verification_id)
        request.parse_body(EmptyRequest)
        result = self.service.cancel(principal.client, verification_id)
        request.record("verification.canceled", status=result.verification.status)
        return self.respond(result, principal)

    @api_endpoint(
        Operation(
            name="approve_verification",
            method="post",
            path=f"{_ITEM}/approve",
            tag="verifications",
            summary="Approve a verification that was proven by other means",
            description="For a system that checked its own code. Approving it again has no effect.",
            credentials=(CLIENT_AUTH,),
            request=EmptyRequest,
            responses=(
                ResponseSpec(200, "The verification is approved.", (examples.APPROVED_ELSEWHERE,)),
            ),
        )
    )
    def approve(self, request: ApiRequest, verification_id: str) -> ApiResponse:
        principal = self.authenticator.authenticate(request)
        request.parse_body(EmptyRequest)
        result = self.service.approve(principal.client, verification_id)
        request.record("verification.approved_elsewhere", status=result.verification.status)
        return self.respond(result, principal)
