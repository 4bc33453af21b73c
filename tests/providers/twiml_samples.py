"""Accounts of the TwiML family, and the documented messages of its vendors."""

import json
from typing import Any

from otpvoice.core.keys import CallTokens, KeyRing
from otpvoice.providers.base import CallQuery, OutboundCall
from otpvoice.providers.context import CallAddresses
from otpvoice.providers.twiml.account import Account
from otpvoice.providers.twiml.vendors import VENDORS

TOKEN = "9f8e7d6c5b4a39281706f5e4d3c2b1a0"
ACCOUNT_ID = "AC00000000000000000000000000000001"
CALL_ID = "call_0123456789abcdef0123456789abcdef"
OTHER_CALL_ID = "call_00000000000000000000000000000002"
NUMBER = "+918867135000"
BRIDGE = "918068280000"
SID = "CA00000000000000000000000000000042"
TELNYX_SID = "v3:9X2vxPDFY2RHSJ1EdMS0RHRksMTg7ldNxdjWbVr9zBjbGjGsSe-aiQ"
PATH_TOKEN = "p4th-t0ken"
TOKENS = CallTokens(KeyRing([bytes(32)]))
ADDRESSES = CallAddresses("https://otp.example.com", "voice", TOKENS)
PROMPT = "ACME, with the login code for {Name}. Press 1 to hear it, 9 if you did not ask for it."
SENT_AT_MS = 1_796_040_000_000
"""Mon, 30 Nov 2026 12:00:00 +0000."""

CREATED = {
    "account_sid": ACCOUNT_ID,
    "annotation": None,
    "answered_by": None,
    "date_created": "Mon, 30 Nov 2026 12:00:01 +0000",
    "direction": "outbound-api",
    "duration": None,
    "from": f"+{BRIDGE}",
    "price": None,
    "price_unit": "USD",
    "queue_time": "1000",
    "sid": SID,
    "start_time": None,
    "status": "queued",
    "to": NUMBER,
    "uri": f"/2010-04-01/Accounts/{ACCOUNT_ID}/Calls/{SID}.json",
}
"""Twilio's reply to a request for a call."""
TELNYX_CREATED = {"from": f"+{BRIDGE}", "to": NUMBER, "status": "queued"}
"""Telnyx's reply, as its reference types it."""
TELNYX_CREATED_WITH_ID = {**TELNYX_CREATED, "call_sid": TELNYX_SID}
"""Telnyx's reply, as accounts report it."""
COMPLETED = {
    **CREATED,
    "duration": "17",
    "end_time": "Mon, 30 Nov 2026 12:00:31 +0000",
    "start_time": "Mon, 30 Nov 2026 12:00:14 +0000",
    "status": "completed",
}
CALLBACK = {
    "AccountSid": ACCOUNT_ID,
    "ApiVersion": "2010-04-01",
    "CallDuration": "17",
    "CallSid": SID,
    "CallStatus": "completed",
    "CallbackSource": "call-progress-events",
    "Called": NUMBER,
    "Caller": f"+{BRIDGE}",
    "Direction": "outbound-api",
    "Duration": "1",
    "From": f"+{BRIDGE}",
    "SequenceNumber": "0",
    "SipResponseCode": "200",
    "Timestamp": "Mon, 30 Nov 2026 12:00:31 +0000",
    "To": NUMBER,
}
"""Twilio's callback after the end of a call."""


def account(vendor: str = "twilio", **changes: Any) -> Account:
    """Return an account with a vendor."""
    members: dict[str, Any] = {
        "vendor": VENDORS[vendor],
        "id": ACCOUNT_ID,
        "tokens": (TOKEN,),
        "webhook_url": "https://otp.example.com/webhooks/voice",
        "path_tokens": (PATH_TOKEN,),
    }
    return Account(**{**members, **changes})


def outbound_call(**changes: Any) -> OutboundCall:
    """Return the call of these samples."""
    members: dict[str, Any] = {
        "call_id": CALL_ID,
        "route": "abroad",
        "mode": "",
        "number": NUMBER,
        "bridge": BRIDGE,
        "flow_id": "",
        "locale": "hi",
        "text": "ACME. {Name}, your login code is {otp}.",
        "name": "Asha",
        "code": "4710",
    }
    return OutboundCall(**{**members, **changes})


def query(**changes: Any) -> CallQuery:
    """Return a query about the call of these samples."""
    members: dict[str, Any] = {
        "call_id": CALL_ID,
        "mode": "",
        "number": NUMBER,
        "bridge": BRIDGE,
        "provider_id": SID,
        "sent_at_ms": SENT_AT_MS,
    }
    return CallQuery(**{**members, **changes})


def encode(body: Any) -> bytes:
    """Return a body: bytes as they are, text, or JSON."""
    if isinstance(body, bytes):
        return body
    return (body if isinstance(body, str) else json.dumps(body)).encode()
