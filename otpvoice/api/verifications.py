"""``/v1/verifications``: asking for a call and handing in its code."""

from typing import Any, TypeVar

from flask import Blueprint, Response
from msgspec import UNSET
from structlog.contextvars import bind_contextvars

from otpvoice.api import schemas
from otpvoice.api.auth import Access, is_client, seen
from otpvoice.api.instrumentation import note
from otpvoice.api.request import asked
from otpvoice.api.request_body import read_body, read_bytes, read_idempotency_key
from otpvoice.api.responses import json_answer, tell
from otpvoice.api.serializers import present_as, url_of
from otpvoice.core.errors import InvalidRequest
from otpvoice.core.phone import mask_number
from otpvoice.core.receipts import ReceiptSigner
from otpvoice.core.requests import CallRequest, CheckRequest, CreateRequest, EmptyRequest
from otpvoice.core.service import Verifications
from otpvoice.core.store_port import Idempotency
from otpvoice.core.verification import Verification

_Shape = TypeVar("_Shape", bound=schemas.Verification)


def verifications(
    service: Verifications, access: Access, receipts: ReceiptSigner, public_url: str
) -> Blueprint:
    """The routes of a verification's life."""
    views = _Views(service, access, receipts, public_url)
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
        self, service: Verifications, access: Access, receipts: ReceiptSigner, public_url: str
    ) -> None:
        self._service = service
        self._access = access
        self._receipts = receipts
        self._public_url = public_url

    def create(self) -> Response:
        client = self._access.client()
        body = read_body(CreateRequest)
        created = self._service.create(client, body, self._recognise(client))
        verification = created.verification
        token = self._access.token_for(verification)
        shown = self._show(verification, schemas.CreatedVerification, client_token=token)
        begun = created.is_new and not created.is_replayed
        _tell("verification.created" if begun else "verification.repeated", verification)
        _note("created" if created.is_new else "existing", is_replayed=created.is_replayed)
        response = json_answer(shown, 201 if created.is_new else 200)
        response.headers["Location"] = url_of(verification, self._public_url)
        return _replayed(response) if created.is_replayed else response

    def get(self, verification_id: str) -> Response:
        client = self._access.client_of(verification_id)
        found = self._service.get(client, verification_id)
        return json_answer(self._show(found, schemas.Verification))

    def check(self, verification_id: str) -> Response:
        client = self._access.client_of(verification_id)
        body = read_body(CheckRequest)
        checked = self._service.check(client, verification_id, body, self._recognise(client))
        verification = checked.verification
        # Of the verification and `valid` alone, so that a replay has all that the first answer had.
        shown = self._show(
            verification,
            schemas.CheckedVerification,
            valid=checked.valid,
            receipt=self._receipt(verification) if checked.valid else UNSET,
        )
        event = "verification.repeated" if checked.is_replayed else "verification.checked"
        _tell(event, verification, valid=checked.valid)
        _note("right" if checked.valid else "wrong", is_replayed=checked.is_replayed)
        response = json_answer(shown)
        return _replayed(response) if checked.is_replayed else response

    def call(self, verification_id: str) -> Response:
        client = self._access.client_of(verification_id)
        body = read_body(CallRequest)
        if body.route and not is_client():
            raise InvalidRequest.for_field("/route", "is not for apps to choose")
        called = self._service.request_call(client, verification_id, body, self._recognise(client))
        shown = self._show(called.verification, schemas.Verification)
        event = "verification.repeated" if called.is_replayed else "verification.call_asked"
        _tell(event, called.verification)
        _note("coming", is_replayed=called.is_replayed)
        response = json_answer(shown, 202)
        return _replayed(response) if called.is_replayed else response

    def cancel(self, verification_id: str) -> Response:
        client = self._access.client_of(verification_id)
        read_body(EmptyRequest)
        verification = self._service.cancel(client, verification_id)
        shown = self._show(verification, schemas.Verification)
        _tell("verification.canceled", verification)
        return json_answer(shown)

    def approve(self, verification_id: str) -> Response:
        client = self._access.client()
        read_body(EmptyRequest)
        verification = self._service.approve(client, verification_id)
        shown = self._show(verification, schemas.Verification)
        _tell("verification.approved_elsewhere", verification)
        return json_answer(shown)

    def _recognise(self, client: str) -> Idempotency | None:
        """What makes this request known again; an app's keys are not its client's."""
        key = read_idempotency_key()
        if key is None:
            return None
        who = client if is_client() else f"{client} app"
        about = asked()
        what = f"{about.method} {about.path}"
        return self._service.request_fingerprint(who, what, key, read_bytes())

    def _receipt(self, verification: Verification) -> str:
        return self._receipts.sign(verification, self._service.decrypt_number(verification))

    def _show(self, verification: Verification, shape: type[_Shape], **further: Any) -> _Shape:
        number = self._service.decrypt_number(verification)
        # For every line of this request from here on, the one of its answer included.
        bind_contextvars(
            verification=verification.id,
            to=mask_number(number),
            number=self._service.log_id(number),
        )
        return present_as(shape, verification, seen(number), self._public_url, **further)


def _note(outcome: str, *, is_replayed: bool) -> None:
    """For the metrics. What was done and answered before is not done again."""
    note("replayed" if is_replayed else outcome)


def _replayed(response: Response) -> Response:
    response.headers["Idempotent-Replayed"] = "true"
    return response


def _tell(event: str, verification: Verification, **details: Any) -> None:
    tell(event, status=verification.status, **details)
