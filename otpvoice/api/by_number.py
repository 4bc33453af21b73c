"""``/v1/checks``, ``/v1/approvals`` and ``/v1/lookups``: for callers that keep no id.

Each means the newest verification of a client and a number. The number is in the body, because
addresses are logged.
"""

from dataclasses import dataclass
from typing import Final

from otpvoice.api import examples
from otpvoice.api.application import api_endpoint
from otpvoice.api.http import ApiRequest, ApiResponse
from otpvoice.api.openapi import CLIENT_AUTH, Operation, ResponseSpec
from otpvoice.api.verifications import VerificationResponses
from otpvoice.core import errors
from otpvoice.core.requests import NumberCheckRequest, NumberRequest

_WHICH: Final = (
    "It is the newest verification of your client and this number, pending or ended, or with "
    "`reference` the newest with this reference."
)
_ERRORS: Final = (errors.InvalidNumber, errors.NotFound)
_EXAMPLE: Final = {"to": "+919876543210", "reference": "login-81"}


@dataclass(frozen=True, slots=True)
class NumberViews(VerificationResponses):
    """Views of a number's newest verification."""

    @api_endpoint(
        Operation(
            name="check_code_by_number",
            method="post",
            path="/v1/checks",
            tag="by number",
            summary="Check a code of a number",
            description=f"{_WHICH} Otherwise the same as a check by id: the two share `checks_left`"
            " and all limits.",
            credentials=(CLIENT_AUTH,),
            headers=("Idempotency-Key",),
            request=NumberCheckRequest,
            example={"to": "+919876543210", "code": "471102"},
            responses=(
                ResponseSpec(
                    200,
                    "The code was compared.",
                    (examples.CORRECT_CODE, examples.WRONG_CODE, examples.AUTHORISED_PAYMENT),
                ),
            ),
            errors=(
                *_ERRORS,
                errors.VerificationClosed,
                errors.NoCallYet,
                errors.TooManyWrongCodes,
            ),
        ),
        outcomes=lambda metrics: metrics.checks,
    )
    def check(self, request: ApiRequest) -> ApiResponse:
        principal = self.authenticator.authenticate(request)
        body = request.parse_body(NumberCheckRequest)
        idempotency = self.idempotency(request, principal)
        checked = self.service.check_by_number(principal.client, body, idempotency)
        return self.respond_to_check(request, checked, principal)

    @api_endpoint(
        Operation(
            name="approve_by_number",
            method="post",
            path="/v1/approvals",
            tag="by number",
            summary="Approve the verification of a number that was proven by other means",
            description=f"{_WHICH} Approving it again has no effect.",
            credentials=(CLIENT_AUTH,),
            request=NumberRequest,
            example=_EXAMPLE,
            responses=(
                ResponseSpec(200, "The verification is approved.", (examples.APPROVED_ELSEWHERE,)),
            ),
            errors=(*_ERRORS, errors.VerificationClosed),
        )
    )
    def approve(self, request: ApiRequest) -> ApiResponse:
        principal = self.authenticator.authenticate(request)
        result = self.service.approve_by_number(principal.client, request.parse_body(NumberRequest))
        request.record("verification.approved_elsewhere", status=result.verification.status)
        return self.respond(result, principal)

    @api_endpoint(
        Operation(
            name="look_up_verification",
            method="post",
            path="/v1/lookups",
            tag="by number",
            summary="Retrieve the verification of a number",
            description=f"{_WHICH} Do not rely on `status` to authenticate a user.",
            credentials=(CLIENT_AUTH,),
            request=NumberRequest,
            example=_EXAMPLE,
            responses=(ResponseSpec(200, "The current state.", (examples.VERIFICATION,)),),
            errors=_ERRORS,
        )
    )
    def look_up(self, request: ApiRequest) -> ApiResponse:
        principal = self.authenticator.authenticate(request)
        found = self.service.look_up(principal.client, request.parse_body(NumberRequest))
        return self.respond(found, principal)
