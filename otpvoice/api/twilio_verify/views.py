"""Operations of Twilio Verify v2 as operations of the service."""

from dataclasses import dataclass
from typing import Final

from structlog.contextvars import bind_contextvars

from otpvoice.api.application import api_endpoint
from otpvoice.api.errors import Unauthorized
from otpvoice.api.openapi import Operation
from otpvoice.api.request import ApiRequest, Principal
from otpvoice.api.response import ApiResponse, json_response
from otpvoice.api.twilio_verify.parameters import Parameters, parse_credentials, parse_form
from otpvoice.api.twilio_verify.resources import (
    CheckResource,
    Owner,
    VerificationResource,
    verification_id,
)
from otpvoice.core.errors import (
    InvalidRequest,
    NoCallYet,
    NotFound,
    OtpvoiceError,
    VerificationClosed,
)
from otpvoice.core.keys import KeyHashes, mask_number
from otpvoice.core.requests import CheckRequest, CreateRequest
from otpvoice.core.service import Result, Verifications
from otpvoice.core.speech import CODE_PATTERN
from otpvoice.core.verification import Status, Verification

PREFIX: Final = "/twilio/"
_SERVICE: Final = "/twilio/v2/Services/{service}"
_MIN_CODE_LENGTH, _MAX_CODE_LENGTH = 4, 10
"""As Twilio documents the parameter ``Code``."""


def _operation(name: str, method: str, path: str) -> Operation:
    """Return an operation for the router. The OpenAPI document leaves it out.

    Twilio publishes the document of its API, and the SDKs are generated from it.
    """
    return Operation(f"twilio_{name}", path, "twilio_verify", "", (), method)


@dataclass(frozen=True, slots=True)
class TwilioVerifyViews:
    """Views under ``/twilio/v2``."""

    service: Verifications
    keys: KeyHashes
    """Of API keys, by client."""
    public_url: str

    @api_endpoint(
        _operation("create_verification", "post", f"{_SERVICE}/Verifications"),
        count=lambda metrics, client, outcome: metrics.creates(client, outcome).inc(),
    )
    def create(self, request: ApiRequest, service: str) -> ApiResponse:
        """Create a verification, or return the pending one of the number."""
        client, owner = self._authenticate(request, service)
        created = self.service.create(client, _parse_create(parse_form(request)))
        request.record(
            "verification.created" if created.outcome == "created" else "verification.repeated",
            outcome=created.outcome,
            status=created.verification.status,
        )
        return self._respond(created, owner, 201)

    @api_endpoint(
        _operation("check_code", "post", f"{_SERVICE}/VerificationCheck"),
        count=lambda metrics, client, outcome: metrics.checks(client, outcome).inc(),
    )
    def check(self, request: ApiRequest, service: str) -> ApiResponse:
        """Check a code. One that cannot be right is not compared and not counted."""
        client, owner = self._authenticate(request, service)
        form = parse_form(request)
        code, sid = form.require("Code"), form.require("VerificationSid")
        if not _MIN_CODE_LENGTH <= len(code) <= _MAX_CODE_LENGTH:
            raise InvalidRequest.for_field("/Code", "must be 4 to 10 characters")
        if not CODE_PATTERN.fullmatch(code):
            found = self._find_pending(client, sid)
            return self._respond_to_check(found.verification, found.number, owner, valid=False)
        try:
            checked = self.service.check(client, verification_id(sid), CheckRequest(code=code))
        except (InvalidRequest, NoCallYet) as error:  # another length; no call was sent
            verification, number = _evidence(error)
            return self._respond_to_check(verification, number, owner, valid=False)
        valid = checked.outcome == "right"
        request.record(
            "verification.checked",
            outcome=checked.outcome,
            status=checked.verification.status,
            valid=valid,
        )
        return self._respond_to_check(checked.verification, checked.number, owner, valid=valid)

    @api_endpoint(_operation("fetch_verification", "get", f"{_SERVICE}/Verifications/{{sid}}"))
    def fetch(self, request: ApiRequest, service: str, sid: str) -> ApiResponse:
        """Return a pending verification."""
        client, owner = self._authenticate(request, service)
        return self._respond(self._find_pending(client, sid), owner)

    @api_endpoint(_operation("update_verification", "post", f"{_SERVICE}/Verifications/{{sid}}"))
    def update(self, request: ApiRequest, service: str, sid: str) -> ApiResponse:
        """Cancel or approve a verification."""
        client, owner = self._authenticate(request, service)
        status = parse_form(request).require("Status")
        if status == Status.CANCELED:
            end, event = self.service.cancel, "verification.canceled"
        elif status == Status.APPROVED:
            end, event = self.service.approve, "verification.approved_elsewhere"
        else:
            raise InvalidRequest.for_field("/Status", "must be canceled or approved")
        try:
            ended = end(client, verification_id(sid))
        except VerificationClosed as error:
            raise NotFound from error
        request.record(event, status=ended.verification.status)
        return self._respond(ended, owner)

    def _authenticate(self, request: ApiRequest, service: str | None) -> tuple[str, Owner]:
        """Return the client, and its names for its account and service.

        Raises:
            Unauthorized: the password is no API key.
        """
        user, key = parse_credentials(request)
        client = self.keys.holder_of(key)
        if client is None:
            raise Unauthorized("The password is not a known API key.")
        bind_contextvars(client=client)
        request.principal = Principal(client)
        return client, Owner(user if user.startswith("AC") else None, service)

    def _find_pending(self, client: str, sid: str) -> Result:
        found = self.service.get(client, verification_id(sid))
        if found.verification.status is not Status.PENDING:
            raise NotFound
        return found

    def _respond(self, result: Result, owner: Owner, http_status: int = 200) -> ApiResponse:
        self._bind(result.verification, result.number)
        body = VerificationResource.of(result, owner, f"{self.public_url}{PREFIX}v2")
        return json_response(body, http_status)

    def _respond_to_check(
        self, verification: Verification, number: str, owner: Owner, *, valid: bool
    ) -> ApiResponse:
        self._bind(verification, number)
        return json_response(CheckResource.of(verification, number, owner, valid=valid))

    def _bind(self, verification: Verification, number: str) -> None:
        """Name the verification in all further log lines of this request."""
        bind_contextvars(
            verification=verification.id,
            to=mask_number(number),
            number=self.service.log_id(number),
        )


def _parse_create(form: Parameters) -> CreateRequest:
    """Return the create that a form asks for.

    Raises:
        InvalidRequest: a parameter is missing or invalid, or not supported.
    """
    to, channel = form.require("To"), form.require("Channel")
    if channel.lower() != "call":
        raise InvalidRequest.for_field("/Channel", "must be call. This service only places calls")
    for name in ("Amount", "Payee"):
        if form.get(name) is not None:
            raise InvalidRequest.for_field(f"/{name}", "is not supported by this service")
    body = CreateRequest(
        to=to,
        name=form.get("CustomFriendlyName"),
        locale=form.get("Locale"),
        code=form.get("CustomCode"),
        ip=form.get("DeviceIp"),
    )
    if errors := body.field_errors():
        raise InvalidRequest("The parameters are invalid.", errors)
    return body


def _evidence(error: OtpvoiceError) -> tuple[Verification, str]:
    """Return verification and number of an error; raise it if it is about none."""
    if error.verification is None or error.number is None:
        raise error
    return error.verification, error.number
