"""``/v1/verifications``: asking for a call and handing in its code."""

from typing import Any

import structlog
from flask import Blueprint, Response
from structlog.contextvars import bind_contextvars

from otpvoice.api.answers import json_answer
from otpvoice.api.auth import ApiKeys
from otpvoice.api.bodies import read_body, read_bytes, read_idempotency_key
from otpvoice.api.present import present, url_of
from otpvoice.core.phone import mask_number
from otpvoice.core.receipts import Receipts
from otpvoice.core.requests import CallRequest, CheckRequest, CreateRequest, EmptyRequest
from otpvoice.core.service import Verifications
from otpvoice.core.verification import Verification

_LOG = structlog.get_logger(__name__)


def verifications(
    service: Verifications, keys: ApiKeys, receipts: Receipts, public_url: str
) -> Blueprint:
    """The routes of a verification's life."""
    routes = Blueprint("verifications", __name__, url_prefix="/v1/verifications")

    def show(verification: Verification) -> dict[str, Any]:
        number = service.number_of(verification)
        # For every line of this request from here on, the one of its answer included.
        bind_contextvars(
            verification=verification.id, to=mask_number(number), number=service.name_of(number)
        )
        return present(verification, number, public_url)

    @routes.post("")
    def create() -> Response:
        client = keys.authenticate()
        body = read_body(CreateRequest)
        key = read_idempotency_key()
        idempotency = service.recognise(client, key, read_bytes()) if key else None
        created = service.create(client, body, idempotency)
        verification = created.verification
        shown = show(verification)
        begun = created.is_new and not created.is_replayed
        event = "verification.created" if begun else "verification.repeated"
        _log(event, verification)
        response = json_answer(shown, 201 if created.is_new else 200)
        response.headers["Location"] = url_of(verification, public_url)
        if created.is_replayed:
            response.headers["Idempotent-Replayed"] = "true"
        return response

    @routes.get("/<verification_id>")
    def get(verification_id: str) -> Response:
        return json_answer(show(service.get(keys.authenticate(), verification_id)))

    @routes.post("/<verification_id>/checks")
    def check(verification_id: str) -> Response:
        client = keys.authenticate()
        checked = service.check(client, verification_id, read_body(CheckRequest))
        shown = show(checked.verification)
        _log("verification.checked", checked.verification, valid=checked.valid)
        answer = shown | {"valid": checked.valid}
        if checked.valid:
            number = service.number_of(checked.verification)
            answer["receipt"] = receipts.sign(checked.verification, number)
        return json_answer(answer)

    @routes.post("/<verification_id>/calls")
    def call(verification_id: str) -> Response:
        client = keys.authenticate()
        verification = service.call(client, verification_id, read_body(CallRequest))
        shown = show(verification)
        _log("verification.call_asked", verification)
        return json_answer(shown, 202)

    @routes.post("/<verification_id>/cancel")
    def cancel(verification_id: str) -> Response:
        client = keys.authenticate()
        read_body(EmptyRequest)
        verification = service.cancel(client, verification_id)
        shown = show(verification)
        _log("verification.canceled", verification)
        return json_answer(shown)

    @routes.post("/<verification_id>/approve")
    def approve(verification_id: str) -> Response:
        client = keys.authenticate()
        read_body(EmptyRequest)
        verification = service.approve(client, verification_id)
        shown = show(verification)
        _log("verification.approved_elsewhere", verification)
        return json_answer(shown)

    return routes


def _log(event: str, verification: Verification, **details: Any) -> None:
    _LOG.info(event, status=verification.status, **details)
