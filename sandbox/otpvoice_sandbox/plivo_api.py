"""Plivo's API: calls, call records and the account (docs/providers/plivo.md, 2, 5 and 7)."""

import base64
import hmac
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, Final

from flask import Blueprint, Response, g, request

from otpvoice_sandbox.calls import Call, RequestLogEntry
from otpvoice_sandbox.config import WEB_URL
from otpvoice_sandbox.network import current_sandbox
from otpvoice_sandbox.parsing import (
    WEB_ADDRESS,
    CallRequest,
    FieldRule,
    RequestRejected,
    parse_body,
    parse_fields,
)
from otpvoice_sandbox.plivo_messages import PlivoMessages, call_record, call_uuid
from otpvoice_sandbox.replies import CALL_REPLIES, CallReply, accepted, json_reply, log_reply

blueprint: Final = Blueprint("plivo_api", __name__, url_prefix="/v1/Account/<auth_id>")
blueprint.after_request(log_reply)

_MAX_PAGE_SIZE: Final = 20
_DEFAULT_TALK_LIMIT_S: Final = 14_400
_NUMBER: Final = FieldRule(r"\+?[1-9][0-9]{6,14}", "digits with country code", required=True)
_METHOD: Final = FieldRule("POST", "POST")
_FIELDS: Final = {
    "from": _NUMBER,
    "to": _NUMBER,
    "answer_url": WEB_ADDRESS,
    "answer_method": _METHOD,
    "hangup_url": FieldRule(WEB_URL.pattern, "an http or https URL"),
    "hangup_method": _METHOD,
    "ring_timeout": FieldRule(r"[0-9]{1,4}", "seconds", allow_integer=True),
    "time_limit": FieldRule(r"[1-9][0-9]{0,4}", "seconds, at least 1", allow_integer=True),
}
_OPTIONS_OF_OTHERS: Final = frozenset(
    {
        *("error_if_parent_not_found", "fallback_method", "machine_detection_method"),
        *("machine_detection_time", "ring_method"),
    }
)
"""Members that the vendor's SDK always sends. Without further members they have no effect."""


@blueprint.errorhandler(RequestRejected)
def handle_rejection(rejection: RequestRejected) -> Response:
    """Reply to a rejected request."""
    if "entry" in g:
        g.entry.outcome, g.entry.rejection = "refused", rejection.message
    # The vendor has 400 for what another vendor of this sandbox rejects with 422.
    status = 400 if rejection.status == 422 else rejection.status
    return _error_reply(status, rejection.message)


def _error_reply(status: int, message: str) -> Response:
    return json_reply({"api_id": str(uuid.uuid4()), "error": message}, status)


def _error(status: int, message: str) -> CallReply:
    return lambda _: _error_reply(status, message)


_REPLIES: Final[Mapping[str, CallReply]] = {
    **CALL_REPLIES,
    "error_500": _error(500, "server error"),
    "error_401": _error(401, "authentication failed"),
    "out_of_credit": _error(400, "insufficient balance"),
}
"""Replies by behaviour. Every other behaviour gets the documented reply."""


@blueprint.post("/Call/")
def place_call(auth_id: str) -> Response:
    """Call a number. What it speaks is fetched when the phone is answered."""
    sandbox, body = current_sandbox(), parse_body(request.get_data())
    g.entry = RequestLogEntry(route="plivo", path=request.path, request=body)
    sandbox.log_request(g.entry)
    _authorize(auth_id)
    call = sandbox.accept(g.entry, _parse_request(auth_id, body))
    return _REPLIES.get(call.phone.behaviour, accepted)(call)


def _authorize(auth_id: str) -> None:
    """Check the credentials.

    Raises:
        RequestRejected: 401.
    """
    token = current_sandbox().config.token
    expected = f"Basic {base64.b64encode(f'{auth_id}:{token}'.encode()).decode()}"
    received = request.headers.get("Authorization", "")
    if not hmac.compare_digest(received.encode(), expected.encode()):
        raise RequestRejected(401, "authentication failed")


def _parse_request(auth_id: str, body: Any) -> CallRequest:
    """Return the request for a call.

    Raises:
        RequestRejected: 422, a field is missing, unknown or invalid.
    """
    if request.mimetype != "application/json" or not isinstance(body, dict):
        raise RequestRejected(422, "Content-Type: must be application/json, with an object")
    members = {name: body[name] for name in body if name not in _OPTIONS_OF_OTHERS}
    fields = parse_fields(members, _FIELDS)
    if not current_sandbox().config.may_call_from(fields["from"]):
        raise RequestRejected(422, "from parameter is not a number of this account")
    messages = PlivoMessages(
        auth_id=auth_id,
        token=current_sandbox().config.token,
        answer_url=fields["answer_url"],
        hangup_url=fields.get("hangup_url", ""),
    )
    return CallRequest(
        route="plivo",
        bridge=fields["from"].removeprefix("+"),
        callee=fields["to"].removeprefix("+"),
        variables={},
        body=body,
        max_seconds=int(fields.get("time_limit", _DEFAULT_TALK_LIMIT_S)),
        text="",
        messages=messages,
        speech_source=messages,
    )


@blueprint.delete("/Request/<name>/")
def cancel_request(auth_id: str, name: str) -> Response:
    """Cancel a call that is queued or rings."""
    _authorize(auth_id)
    sandbox = current_sandbox()
    matches = [call for call in _calls(auth_id) if call.id == name]
    if not matches or not sandbox.cancel(matches[0]):
        raise RequestRejected(404, "not found")
    return Response(status=204)


@blueprint.get("/Call/<name>/")
def get_call(auth_id: str, name: str) -> Response:
    """Return the record of an ended call."""
    _authorize(auth_id)
    matches = [call for call in _ended_calls(auth_id) if call_uuid(call) == name]
    if not matches:
        raise RequestRejected(404, "not found")
    return json_reply(call_record(matches[0], auth_id))


@blueprint.get("/Call/")
def list_calls(auth_id: str) -> Response:
    """List the records of ended calls, newest first, by ``to_number`` and ``from_number``."""
    _authorize(auth_id)
    limit = request.args.get("limit", str(_MAX_PAGE_SIZE))
    if not (limit.isascii() and limit.isdigit() and 1 <= int(limit) <= _MAX_PAGE_SIZE):
        raise RequestRejected(400, f"limit: 1 to {_MAX_PAGE_SIZE}")
    records = [call_record(call, auth_id) for call in _ended_calls(auth_id)][::-1]
    matches = [each for each in records if _matches(each)]
    meta = {"limit": int(limit), "next": None, "offset": 0, "total_count": len(matches)}
    return json_reply({"api_id": str(uuid.uuid4()), "meta": meta, "objects": matches[: int(limit)]})


@blueprint.get("/")
def get_account(auth_id: str) -> Response:
    """Return the account."""
    _authorize(auth_id)
    members = {
        "account_type": "standard",
        "api_id": str(uuid.uuid4()),
        "auth_id": auth_id,
        "auto_recharge": False,
        "billing_mode": "prepaid",
        "cash_credits": current_sandbox().config.balance,
        "resource_uri": f"/v1/Account/{auth_id}/",
        "timezone": "UTC",
    }
    return json_reply(members)


@blueprint.get("/Number/<number>/")
def get_number(auth_id: str, number: str) -> Response:
    """Return a number that the account rents."""
    _authorize(auth_id)
    if not current_sandbox().config.rents(number):
        raise RequestRejected(404, "not found")
    uri = f"/v1/Account/{auth_id}/Number/{number}/"
    return json_reply({"number": number, "resource_uri": uri, "voice_enabled": True})


@blueprint.get("/VerifiedCallerId/<number>/")
def get_verified_number(auth_id: str, number: str) -> Response:
    """Return a number of others that the account has verified."""
    _authorize(auth_id)
    if number not in current_sandbox().config.verified_numbers:
        raise RequestRejected(404, "not found")
    return json_reply({"phone_number": number, "verification_uuid": str(uuid.uuid4())})


def _ended_calls(auth_id: str) -> Iterator[Call]:
    """Yield those with a record. A call that was canceled while it was queued has none."""
    return (call for call in _calls(auth_id) if call.ended_at and call.attempts)


def _calls(auth_id: str) -> Iterator[Call]:
    for call in current_sandbox().calls:
        messages = call.request.messages
        if isinstance(messages, PlivoMessages) and messages.auth_id == auth_id:
            yield call


def _matches(record: Mapping[str, Any]) -> bool:
    names = ("to_number", "from_number")
    return all(request.args.get(name, record[name]) == record[name] for name in names)
