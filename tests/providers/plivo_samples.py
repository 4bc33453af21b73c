"""Plivo's messages as its documentation describes them, and signatures for them."""

import base64
import hashlib
import hmac
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from otpvoice.core.keys import CallTokens, KeyRing
from otpvoice.http_client import HttpClient
from otpvoice.providers.base import Callback, CallQuery, OutboundCall
from otpvoice.providers.context import CallAddresses
from otpvoice.providers.plivo.provider import Plivo

AUTH_ID = "MAXXXXXXXXXXXXXXXXXX"
TOKEN = "Nzk3ZDZiYmQ2NzZkNjc3"
NUMBER, LINE = "919876543210", "918047285000"
CALL_ID = "call_0123456789abcdef0123456789abcdef"
REQUEST_UUID = "9834029e-58b6-11e1-b8b7-a5bd0e4e126f"
CALL_UUID = "eac94337-b1cd-499b-82d1-b39bca50dc31"
URL = f"https://otp.example.com/webhooks/plivo?call={CALL_ID}"
NONCE = "12345678901234567890"

TEXT = "ACME. Your login code, {Name}, is {otp}."
TOKENS = CallTokens(KeyRing([bytes(32)]))
ADDRESSES = CallAddresses("https://otp.example.com", "plivo", TOKENS)
ANSWER_URL = ADDRESSES.answer(CALL_ID)
KEY_URL = ADDRESSES.key(CALL_ID)
PROMPT = "ACME, with the login code for {Name}. Press 1 to hear it, 9 if you did not ask for it."

FIRED: dict[str, Any] = {
    "message": "call fired",
    "request_uuid": REQUEST_UUID,
    "api_id": "97ceeb52-58b6-11e1-86da-77300b68f8bb",
}
RECORD: dict[str, Any] = {
    "answer_time": "2026-11-30 17:52:10+05:30",
    "api_id": "45223222-74f8-11e1-8ea7-12313806be9a",
    "bill_duration": 19,
    "billed_duration": 60,
    "call_direction": "outbound",
    "call_duration": 19,
    "call_state": "ANSWER",
    "call_uuid": REQUEST_UUID,
    "end_time": "2026-11-30 17:52:29+05:30",
    "from_number": LINE,
    "hangup_cause_code": 4010,
    "hangup_cause_name": "End Of XML Instructions",
    "hangup_source": "Plivo",
    "initiation_time": "2026-11-30 17:52:01+05:30",
    "parent_call_uuid": None,
    "resource_uri": f"/v1/Account/{AUTH_ID}/Call/{REQUEST_UUID}/",
    "to_number": NUMBER,
    "total_amount": "0.00650",
    "total_rate": "0.00650",
}


def hangup_form(**changes: str | None) -> dict[str, str]:
    """Return the form of a callback about a conversation; None leaves a member out."""
    members: dict[str, str | None] = {
        "ALegRequestUUID": REQUEST_UUID,
        "ALegUUID": CALL_UUID,
        "AnswerTime": "2026-11-30 17:52:10",
        "BillDuration": "60",
        "BillRate": "0.0065",
        "CallStatus": "completed",
        "CallUUID": CALL_UUID,
        "Direction": "outbound",
        "Duration": "19",
        "EndTime": "2026-11-30 17:52:29",
        "Event": "Hangup",
        "From": LINE,
        "HangupCause": "NORMAL_CLEARING",
        "HangupCauseCode": "4010",
        "HangupCauseName": "End Of XML Instructions",
        "HangupSource": "Plivo",
        "RequestUUID": REQUEST_UUID,
        "StartTime": "2026-11-30 17:52:01",
        "To": NUMBER,
        "TotalCost": "0.00650",
        **changes,
    }
    return {name: value for name, value in members.items() if value is not None}


def sign(url: str, form: dict[str, str], token: str = TOKEN, nonce: str = NONCE) -> dict[str, str]:
    """Return the headers of a signed POST to an address with a query string."""
    members = "".join(f"{name}{form[name]}" for name in sorted(form))
    message = f"{url}.{members}.{nonce}".encode()
    digest = hmac.new(token.encode(), message, hashlib.sha256).digest()
    return {
        "x-plivo-signature-v3": base64.b64encode(digest).decode(),
        "x-plivo-signature-v3-nonce": nonce,
    }


def encode_form(form: dict[str, str]) -> bytes:
    """Return the body of a form."""
    return urlencode(form).encode()


_HTTP = HttpClient()


def adapter(**settings: Any) -> Plivo:
    """Return an adapter of this account."""
    defaults: dict[str, Any] = {
        "auth_id": AUTH_ID,
        "auth_tokens": (TOKEN,),
        "addresses": ADDRESSES,
        "http": _HTTP,
    }
    return Plivo(**{**defaults, **settings})


def outbound_call(**changes: Any) -> OutboundCall:
    """Return a call that speaks ``TEXT``."""
    members: dict[str, Any] = {
        "call_id": CALL_ID,
        "route": "abroad",
        "mode": "",
        "number": f"+{NUMBER}",
        "bridge": LINE,
        "flow_id": "",
        "locale": "default",
        "text": TEXT,
        "name": "Asha Rao",
        "code": "471102",
    }
    return OutboundCall(**{**members, **changes})


def call_query(**changes: Any) -> CallQuery:
    """Return the query about the call of ``RECORD``."""
    members: dict[str, Any] = {
        "call_id": CALL_ID,
        "mode": "",
        "number": f"+{NUMBER}",
        "bridge": LINE,
        "provider_id": REQUEST_UUID,
        "sent_at_ms": 1_796_041_320_000,  # a second before RECORD begins
    }
    return CallQuery(**{**members, **changes})


def key_form(digits: str | None = "1") -> dict[str, str]:
    """Return the form of a pressed key; None leaves it out."""
    form = hangup_form(CallStatus="in-progress", HangupCause=None, HangupCauseName=None)
    members = form | {"Event": "Redirect", "InputType": "dtmf"}
    return members if digits is None else members | {"Digits": digits}


def signed_callback(url: str = URL, form: dict[str, str] | None = None) -> Callback:
    """Return a signed POST to an address, with the last segment as the token of the path.

    In the address of a pressed key, the token is the segment before.
    """
    form = hangup_form() if form is None else form
    parts = urlsplit(url)
    return Callback(
        body=encode_form(form),
        query=dict(parse_qsl(parts.query)),
        headers=sign(url, form),
        url=url,
        method="POST",
        path_token=parts.path.removesuffix("/key").rpartition("/")[2],
    )
