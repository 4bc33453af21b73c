"""Operations of Twilio Verify v2 as operations of the service."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from otpvoice.api.application import api_endpoint
from otpvoice.api.errors import Unauthorized
from otpvoice.api.http import ApiRequest, ApiResponse, Principal, json_response
from otpvoice.api.openapi import Operation
from otpvoice.api.twilio_verify.attempts import Attempt, AttemptFilter, AttemptPage, Summary
from otpvoice.api.twilio_verify.by_name import VerificationsByName, parse_name
from otpvoice.api.twilio_verify.parameters import (
    Parameters,
    parse_credentials,
    parse_form,
    parse_query,
)
from otpvoice.api.twilio_verify.payments import parse_transaction
from otpvoice.api.twilio_verify.resources import CheckResource, Owner, VerificationResource
from otpvoice.core.errors import InvalidRequest, NoCallYet, NotFound, OtpvoiceError
from otpvoice.core.keys import KeyHashes, mask_number
from otpvoice.core.requests import CreateRequest
from otpvoice.core.service import Result, Verifications
from otpvoice.core.speech import CODE_PATTERN
from otpvoice.core.verification import Status, Verification
from otpvoice.logs.context import bind_fields

PREFIX: Final = "/twilio/"
_BASE: Final = "/twilio/v2"
_SERVICE: Final = f"{_BASE}/Services/{{service}}"
_ATTEMPTS: Final = f"{_BASE}/Attempts"
_SUMMARY: Final = f"{_ATTEMPTS}/Summary"
_END_EVENTS: Final[Mapping[str, str]] = {
    Status.CANCELED: "verification.canceled",
    Status.APPROVED: "verification.approved_elsewhere",
}
"""Log events, by the ``Status`` of an update."""
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
        outcomes=lambda metrics: metrics.creates,
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
        outcomes=lambda metrics: metrics.checks,
    )
    def check(self, request: ApiRequest, service: str) -> ApiResponse:
        """Check a code. One that cannot be right is not compared and not counted."""
        client, owner = self._authenticate(request, service)
        form = parse_form(request)
        code = form.require("Code")
        if not _MIN_CODE_LENGTH <= len(code) <= _MAX_CODE_LENGTH:
            raise InvalidRequest.for_field("/Code", "must be 4 to 10 characters")
        transaction = parse_transaction(form)
        name = self.by_name.named_by(client, form.get("VerificationSid"), form.get("To"))
        if not CODE_PATTERN.fullmatch(code):
            found = self.by_name.find_pending(client, name)
            return self._respond_to_check(found.verification, found.number, owner, valid=False)
        try:
            checked = self.by_name.check(client, name, code, transaction)
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
        return self._respond(self.by_name.find_pending(client, parse_name(sid)), owner)

    @api_endpoint(_operation("update_verification", "post", f"{_SERVICE}/Verifications/{{sid}}"))
    def update(self, request: ApiRequest, service: str, sid: str) -> ApiResponse:
        """Cancel or approve a verification."""
        client, owner = self._authenticate(request, service)
        status = parse_form(request).require("Status")
        if status not in _END_EVENTS:
            raise InvalidRequest.for_field("/Status", "must be canceled or approved")
        ended = self.by_name.end(client, parse_name(sid), Status(status))
        request.record(_END_EVENTS[status], status=ended.verification.status)
        return self._respond(ended, owner)

    @api_endpoint(_operation("list_attempts", "get", _ATTEMPTS))
    def attempts(self, request: ApiRequest) -> ApiResponse:
        """Return the calls of one verification."""
        attempts = self._attempts(request, "ChannelData.To")
        return json_response(AttemptPage.of(attempts, f"{self.public_url}{_ATTEMPTS}"))

    @api_endpoint(_operation("summarize_attempts", "get", _SUMMARY))
    def summary(self, request: ApiRequest) -> ApiResponse:
        """Return how many calls of one verification led to its approval."""
        attempts = self._attempts(request, "DestinationPrefix")
        return json_response(Summary.of(attempts, f"{self.public_url}{_SUMMARY}"))

    @property
    def by_name(self) -> VerificationsByName:
        """The verifications of the service, by SID or number."""
        return VerificationsByName(self.service)

    def _attempts(self, request: ApiRequest, number_parameter: str) -> list[Attempt]:
        """Return the attempts that a query asks for."""
        client, owner = self._authenticate(request)
        query = parse_query(request)
        owner = owner._replace(service_sid=query.get("VerifyServiceSid"))
        selection = AttemptFilter(query)
        sid, number = query.get("VerificationSid"), query.get(number_parameter)
        try:
            name = self.by_name.named_by(client, sid, number, number_parameter)
            found = self.by_name.find(client, name)
        except NotFound:
            return []
        return [*selection.select(found, owner, f"{self.public_url}{_BASE}")]

    def _authenticate(self, request: ApiRequest, service: str | None = None) -> tuple[str, Owner]:
        """Return the client, and its names for its account and service.

        Raises:
            Unauthorized: the password is no API key.
        """
        user, key = parse_credentials(request)
        client = self.keys.holder_of(key)
        if client is None:
            raise Unauthorized("The password is not a known API key.")
        bind_fields(client=client)
        request.principal = Principal(client)
        return client, Owner(user if user.startswith("AC") else None, service)

    def _respond(self, result: Result, owner: Owner, http_status: int = 200) -> ApiResponse:
        self._bind(result.verification, result.number)
        body = VerificationResource.of(result, owner, f"{self.public_url}{_BASE}")
        return json_response(body, http_status)

    def _respond_to_check(
        self, verification: Verification, number: str, owner: Owner, *, valid: bool
    ) -> ApiResponse:
        self._bind(verification, number)
        return json_response(CheckResource.of(verification, number, owner, valid=valid))

    def _bind(self, verification: Verification, number: str) -> None:
        """Name the verification in all further log lines of this request."""
        bind_fields(
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
    body = CreateRequest(
        to=to,
        name=form.get("CustomFriendlyName"),
        locale=form.get("Locale"),
        code=form.get("CustomCode"),
        transaction=parse_transaction(form),
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
