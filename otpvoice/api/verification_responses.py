"""What the views of verifications share: idempotency keys, and responses about one verification."""

from dataclasses import dataclass
from typing import Any

from msgspec import UNSET

from otpvoice.api import schemas
from otpvoice.api.request import IDEMPOTENCY_KEY, ApiRequest, Authenticator, Principal
from otpvoice.api.response import ApiResponse, json_response
from otpvoice.core.errors import InvalidRequest
from otpvoice.core.keys import mask_number
from otpvoice.core.receipts import ReceiptSigner
from otpvoice.core.service import Result, Verifications
from otpvoice.core.store_port import Idempotency
from otpvoice.logs.context import bind_fields


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
            raise InvalidRequest("Idempotency-Key must be 1 to 255 visible ASCII characters.")
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
