"""The APIs of Twilio, Telnyx, SignalWire and Somleng (docs/providers/twiml.md, 1, 2, 4 and 6)."""

import base64
import hmac
import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from flask import Blueprint, Response, g, request

from otpvoice_sandbox.calls import Call, RequestLogEntry
from otpvoice_sandbox.config import WEB_URL
from otpvoice_sandbox.network import current_sandbox
from otpvoice_sandbox.parsing import (
    WEB_ADDRESS,
    CallRequest,
    FetchedSpeech,
    FieldRule,
    RequestRejected,
    parse_body,
    parse_fields,
)
from otpvoice_sandbox.replies import CALL_REPLIES, CallReply, accepted, json_reply, log_reply
from otpvoice_sandbox.twiml_document import DocumentError, interpret
from otpvoice_sandbox.twiml_messages import TwimlMessages, call_resource
from otpvoice_sandbox.twiml_vendors import TWIML_VENDORS, TwimlVendor, telnyx_public_key

blueprint: Final = Blueprint("twiml_api", __name__)
blueprint.after_request(log_reply)

_MAX_PAGE_SIZE: Final = 1000
_NUMBER: Final = FieldRule(r"\+[1-9][0-9]{6,14}", "E.164 with +", required=True)
_COMMON_FIELDS: Final = {
    "To": _NUMBER,
    "From": _NUMBER,
    "StatusCallback": FieldRule(WEB_URL.pattern, "an http or https URL"),
    "StatusCallbackMethod": FieldRule("POST", "POST"),
    "Timeout": FieldRule(r"[5-9]|[1-9][0-9]|[1-5][0-9]{2}|600", "5 to 600", allow_integer=True),
    "TimeLimit": FieldRule(r"[1-9][0-9]{0,4}", "seconds, at least 1", allow_integer=True),
}
_TELNYX_FIELDS: Final = {
    "ApplicationSid": FieldRule(r"[0-9]+", "the numeric id of an application", required=True),
    "Timeout": FieldRule(r"[5-9]|[1-9][0-9]|1[01][0-9]|120", "5 to 120", allow_integer=True),
    "TimeLimit": FieldRule(r"[3-9][0-9]|[1-9][0-9]{2,4}", "30 or more", allow_integer=True),
}
_CANCEL_FIELDS: Final = {"Status": FieldRule("canceled", "canceled", required=True)}
_CODES: Final[Mapping[str, int]] = {
    "To": 21211,
    "From": 21212,
    "From of another account": 21210,
    "StatusCallback": 21609,
    "ApplicationSid": 21218,
    "Url": 21205,
    "Twiml": 12100,
    "Texml": 12100,
}
"""Of a refusal, by the rejected field."""
_CODES_OF_STATUS: Final[Mapping[int, int]] = {401: 20003, 404: 20404, 429: 20429, 500: 20500}
_OTHER_CODE: Final = 20001


@blueprint.errorhandler(RequestRejected)
def handle_rejection(rejection: RequestRejected) -> Response:
    """Reply to a rejected request."""
    if "entry" in g:
        g.entry.outcome, g.entry.rejection = "refused", rejection.message
    # The vendors have 400 for what the other vendor of this sandbox rejects with 422.
    status = 400 if rejection.status == 422 else rejection.status
    field = rejection.message.partition(":")[0]
    return _error_reply(status, rejection.message, _CODES.get(field))


def _error_reply(status: int, message: str, code: int | None = None) -> Response:
    code = code or _CODES_OF_STATUS.get(status, _OTHER_CODE)
    return json_reply({"code": code, "message": message, "status": status}, status)


def _error(status: int, message: str) -> CallReply:
    return lambda _: _error_reply(status, message)


_REPLIES: Final[Mapping[str, CallReply]] = {
    **CALL_REPLIES,
    "error_500": _error(500, "Internal server error"),
    "error_401": _error(401, "Authenticate"),
    "out_of_credit": _error(402, "Insufficient funds"),
}
"""Replies by behaviour. Every other behaviour gets the documented reply."""


@blueprint.post("/2010-04-01/Accounts/<account>/Calls.json", defaults={"vendor": "twilio"})
@blueprint.post("/v2/texml/Accounts/<account>/Calls", defaults={"vendor": "telnyx"})
@blueprint.post(
    "/api/laml/2010-04-01/Accounts/<account>/Calls.json", defaults={"vendor": "signalwire"}
)
def place_call(vendor: str, account: str) -> Response:
    """Call a number and speak a document. The behaviour of the phone decides the reply."""
    sandbox, chosen = current_sandbox(), TWIML_VENDORS[vendor]
    body = _received_members(chosen)
    g.entry = RequestLogEntry(route="twiml", path=request.path, request=body)
    sandbox.log_request(g.entry)
    authorize(chosen, account)
    call = sandbox.accept(g.entry, _parse_request(chosen, account, body))
    return _REPLIES.get(call.phone.behaviour, accepted)(call)


def _received_members(vendor: TwimlVendor) -> Any:
    """Return the members of a form or of a JSON object; the text of anything else."""
    raw = request.get_data()
    return parse_body(raw) if vendor.is_telnyx else request.form.to_dict()


def authorize(vendor: TwimlVendor, account: str) -> None:
    """Check the token; Basic also names the account.

    Raises:
        RequestRejected: 401.
    """
    token = current_sandbox().config.token
    pair = base64.b64encode(f"{account}:{token}".encode()).decode()
    expected = f"Bearer {token}" if vendor.is_telnyx else f"Basic {pair}"
    received = request.headers.get("Authorization", "")
    if not hmac.compare_digest(received.encode(), expected.encode()):
        raise RequestRejected(401, "Authenticate")


def _parse_request(vendor: TwimlVendor, account: str, body: Any) -> CallRequest:
    """Return the request for a call.

    Raises:
        RequestRejected: 422, a field is missing, unknown or invalid.
    """
    media_type = f"application/{'json' if vendor.is_telnyx else 'x-www-form-urlencoded'}"
    if request.mimetype != media_type or not isinstance(body, dict):
        raise RequestRejected(422, f"Content-Type: must be {media_type}, with an object or a form")
    fields = parse_fields(body, _rules(vendor))
    if not current_sandbox().config.may_call_from(fields["From"]):
        raise RequestRejected(422, "From of another account: rent or verify the number")
    messages = TwimlMessages(
        vendor=vendor,
        account=account,
        token=current_sandbox().config.token,
        callback_url=fields.get("StatusCallback", ""),
        document_url=fields.get("Url", ""),
    )
    speech = _speech(vendor, fields)
    return CallRequest(
        route="twiml",
        bridge=fields["From"].removeprefix("+"),
        callee=fields["To"].removeprefix("+"),
        variables={},
        body=body,
        max_seconds=int(fields["TimeLimit"]) if "TimeLimit" in fields else None,
        text=speech.text,
        language=speech.language,
        key_request=speech.key_request,
        call_id=vendor.new_call_id(),
        messages=messages,
        speech_source=None if vendor.document_member else messages,
    )


def _rules(vendor: TwimlVendor) -> Mapping[str, FieldRule]:
    """Return the fields of a vendor's requests."""
    if not vendor.document_member:
        return {**_COMMON_FIELDS, "Url": WEB_ADDRESS, "Method": FieldRule("POST", "POST")}
    document = {vendor.document_member: FieldRule(r"(?s).+", "a document", required=True)}
    return {**_COMMON_FIELDS, **document, **(_TELNYX_FIELDS if vendor.is_telnyx else {})}


def _speech(vendor: TwimlVendor, fields: Mapping[str, str]) -> FetchedSpeech:
    """Return what the document in a request speaks; nothing if it is fetched later.

    Raises:
        RequestRejected: 422, the document is wrong, or says nothing.
    """
    if not vendor.document_member:
        return FetchedSpeech("", "")
    try:
        speech = interpret(fields[vendor.document_member])
    except DocumentError as error:
        raise RequestRejected(422, f"{vendor.document_member}: {error}") from None
    if not speech.text:
        raise RequestRejected(422, f"{vendor.document_member}: it says nothing")
    return speech


@blueprint.get("/2010-04-01/Accounts/<account>/Calls/<sid>.json", defaults={"vendor": "twilio"})
@blueprint.get("/v2/texml/Accounts/<account>/Calls/<sid>", defaults={"vendor": "telnyx"})
@blueprint.get(
    "/api/laml/2010-04-01/Accounts/<account>/Calls/<sid>.json", defaults={"vendor": "signalwire"}
)
def get_call(vendor: str, account: str, sid: str) -> Response:
    """Return one call."""
    authorize(TWIML_VENDORS[vendor], account)
    return json_reply(call_resource(_call(account, sid), account))


@blueprint.post("/2010-04-01/Accounts/<account>/Calls/<sid>.json", defaults={"vendor": "twilio"})
@blueprint.post(
    "/api/laml/2010-04-01/Accounts/<account>/Calls/<sid>.json", defaults={"vendor": "signalwire"}
)
def update_call(vendor: str, account: str, sid: str) -> Response:
    """Cancel a call that is queued or rings. It has no effect on one that was answered."""
    authorize(TWIML_VENDORS[vendor], account)
    parse_fields(request.form.to_dict(), _CANCEL_FIELDS)
    call = _call(account, sid)
    current_sandbox().cancel(call)
    return json_reply(call_resource(call, account))


@blueprint.get("/2010-04-01/Accounts/<account>/Calls.json", defaults={"vendor": "twilio"})
@blueprint.get("/v2/texml/Accounts/<account>/Calls", defaults={"vendor": "telnyx"})
@blueprint.get(
    "/api/laml/2010-04-01/Accounts/<account>/Calls.json", defaults={"vendor": "signalwire"}
)
def list_calls(vendor: str, account: str) -> Response:
    """List the calls of an account, newest first, by ``To``, ``From`` and ``StartTime>``."""
    authorize(TWIML_VENDORS[vendor], account)
    size, page = (_count(name, default) for name, default in (("PageSize", 50), ("Page", 0)))
    if not 1 <= size <= _MAX_PAGE_SIZE:
        raise RequestRejected(400, f"PageSize: 1 to {_MAX_PAGE_SIZE}")
    matches = [call for call in _calls(account) if _matches(call)][::-1]
    is_last = page >= math.ceil(len(matches) / size) - 1
    entries = [call_resource(call, account) for call in matches[page * size : (page + 1) * size]]
    next_page = None if is_last else f"{request.path}?Page={page + 1}&PageSize={size}"
    return json_reply(
        {"calls": entries, "next_page_uri": next_page, "page": page, "page_size": size}
    )


def _call(account: str, sid: str) -> Call:
    """Return one call.

    Raises:
        RequestRejected: 404.
    """
    matches = [call for call in _calls(account) if call.id == sid]
    if not matches:
        raise RequestRejected(404, "The requested resource was not found")
    return matches[0]


def _calls(account: str) -> Iterator[Call]:
    for call in current_sandbox().calls:
        messages = call.request.messages
        if isinstance(messages, TwimlMessages) and messages.account == account:
            yield call


def _count(name: str, default: int) -> int:
    text = request.args.get(name, str(default))
    if not (text.isascii() and text.isdigit()):
        raise RequestRejected(400, f"{name}: a number")
    return int(text)


def _matches(call: Call) -> bool:
    filters = request.args
    try:
        first = datetime.fromisoformat(filters.get("StartTime>", "2000-01-01"))
    except ValueError:
        raise RequestRejected(400, "StartTime>: YYYY-MM-DD, or a time in UTC") from None
    numbers = (("To", call.request.callee), ("From", call.request.bridge))
    is_number = all(filters.get(name, f"+{number}") == f"+{number}" for name, number in numbers)
    is_in_time = call.received_at.wall >= first.replace(tzinfo=first.tzinfo or UTC)
    return is_number and is_in_time


@blueprint.get("/v2/public_key")
def get_public_key() -> Response:
    """Return the key that verifies Telnyx's signatures."""
    token = current_sandbox().config.token
    authorize(TWIML_VENDORS["telnyx"], "")
    return json_reply({"data": {"public": telnyx_public_key(token)}})
