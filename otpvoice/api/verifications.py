"""``/v1/verifications``: asking for a call and handing in its code."""

from typing import Any, TypeVar

from flask import Blueprint, Response
from msgspec import UNSET
from structlog.contextvars import bind_contextvars

from otpvoice.api import schemas
from otpvoice.api.auth import Authenticator, has_api_key, visible_number
from otpvoice.api.instrumentation import record_outcome
from otpvoice.api.request import current_request
from otpvoice.api.request_body import parse_body, parse_idempotency_key, read_bytes
from otpvoice.api.responses import json_response, set_log_event
from otpvoice.api.serializers import serialize_as, verification_url
from otpvoice.core.errors import InvalidRequest
from otpvoice.core.phone import mask_number
from otpvoice.core.requests import CallRequest, CheckRequest, CreateRequest, EmptyRequest
from otpvoice.core.service import Result, Verifications
from otpvoice.core.store_port import Idempotency
from otpvoice.core.tokens import ReceiptSigner
from otpvoice.core.verification import Verification

_Schema = TypeVar("_Schema", bound=schemas.Verification)


def verification_routes(
    service: Verifications, authenticator: Authenticator, receipts: ReceiptSigner, public_url: str
) -> Blueprint:
    """The routes of a verification's life."""
    views = _Views(service, authenticator, receipts, public_url)
    routes = Blueprint("verifications", __name__, url_prefix="/v1/verifications")
    routes.post("")(views.create)
    routes.get("/<verification_id>")(views.get)
    routes.post("/<verification_id>/checks")(views.check)
    routes.post("/<verification_id>/calls")(views.call)
    routes.post("/<verification_id>/cancel")(views.cancel)
    routes.post("/<verification_id>/approve")(views.approve)
    return routes


class _Views:
    """One method for each route: who asks, what they ask, what came of it."""

    def __init__(
        self,
        service: Verifications,
        authenticator: Authenticator,
        receipts: ReceiptSigner,
        public_url: str,
    ) -> None:
        self._service = service
        self._authenticator = authenticator
        self._receipts = receipts
        self._public_url = public_url

    def create(self) -> Response:
        client = self._authenticator.require_client()
        body = parse_body(CreateRequest)
        created = self._service.create(client, body, self._idempotency(client))
        verification = created.verification
        token = self._authenticator.client_token(verification)
        shown = self._serialize(created, schemas.CreatedVerification, client_token=token)
        begun = created.is_new and not created.is_replayed
        _set_log_event("verification.created" if begun else "verification.repeated", verification)
        _record_outcome(
            "created" if created.is_new else "existing", is_replayed=created.is_replayed
        )
        response = json_response(shown, 201 if created.is_new else 200)
        response.headers["Location"] = verification_url(verification, self._public_url)
        return _mark_replayed(response) if created.is_replayed else response

    def get(self, verification_id: str) -> Response:
        client = self._authenticator.require_client_or_app(verification_id)
        found = self._service.get(client, verification_id)
        return json_response(self._serialize(found, schemas.Verification))

    def check(self, verification_id: str) -> Response:
        client = self._authenticator.require_client_or_app(verification_id)
        body = parse_body(CheckRequest)
        checked = self._service.check(client, verification_id, body, self._idempotency(client))
        verification = checked.verification
        # Of the verification and `valid` alone, so that a replay has all that the first answer had.
        receipt = self._receipts.sign(verification, checked.number) if checked.valid else UNSET
        shown = self._serialize(
            checked, schemas.CheckedVerification, valid=checked.valid, receipt=receipt
        )
        event = "verification.repeated" if checked.is_replayed else "verification.checked"
        _set_log_event(event, verification, valid=checked.valid)
        _record_outcome("right" if checked.valid else "wrong", is_replayed=checked.is_replayed)
        response = json_response(shown)
        return _mark_replayed(response) if checked.is_replayed else response

    def call(self, verification_id: str) -> Response:
        client = self._authenticator.require_client_or_app(verification_id)
        body = parse_body(CallRequest)
        if body.route and not has_api_key():
            raise InvalidRequest.for_field("/route", "is not for apps to choose")
        called = self._service.request_call(
            client, verification_id, body, self._idempotency(client)
        )
        shown = self._serialize(called, schemas.Verification)
        event = "verification.repeated" if called.is_replayed else "verification.call_requested"
        _set_log_event(event, called.verification)
        _record_outcome("coming", is_replayed=called.is_replayed)
        response = json_response(shown, 202)
        return _mark_replayed(response) if called.is_replayed else response

    def cancel(self, verification_id: str) -> Response:
        client = self._authenticator.require_client_or_app(verification_id)
        parse_body(EmptyRequest)
        canceled = self._service.cancel(client, verification_id)
        shown = self._serialize(canceled, schemas.Verification)
        _set_log_event("verification.canceled", canceled.verification)
        return json_response(shown)

    def approve(self, verification_id: str) -> Response:
        client = self._authenticator.require_client()
        parse_body(EmptyRequest)
        approved = self._service.approve(client, verification_id)
        shown = self._serialize(approved, schemas.Verification)
        _set_log_event("verification.approved_elsewhere", approved.verification)
        return json_response(shown)

    def _idempotency(self, client: str) -> Idempotency | None:
        """What makes this request known again; an app's keys are not its client's."""
        key = parse_idempotency_key()
        if key is None:
            return None
        who = client if has_api_key() else f"{client} app"
        about = current_request()
        what = f"{about.method} {about.path}"
        return self._service.request_fingerprint(who, what, key, read_bytes())

    def _serialize(self, result: Result, schema: type[_Schema], **extra: Any) -> _Schema:
        verification, number = result.verification, result.number
        # For every line of this request from here on, the one of its answer included.
        bind_contextvars(
            verification=verification.id,
            to=mask_number(number),
            number=self._service.log_id(number),
        )
        return serialize_as(schema, verification, visible_number(number), self._public_url, **extra)


def _record_outcome(outcome: str, *, is_replayed: bool) -> None:
    """For the metrics. What was done and answered before is not done again."""
    record_outcome("replayed" if is_replayed else outcome)


def _mark_replayed(response: Response) -> Response:
    response.headers["Idempotent-Replayed"] = "true"
    return response


def _set_log_event(event: str, verification: Verification, **details: Any) -> None:
    set_log_event(event, status=verification.status, **details)
