"""Mobtexting's documented replies and responses, and the calls, queries and callbacks for them."""

import json
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from otpvoice.http_client import HttpClient, HttpResponse
from otpvoice.providers.base import (
    Callback,
    CallQuery,
    CallReport,
    Challenge,
    OutboundCall,
    PlacementResult,
)
from otpvoice.providers.mobtexting.modes import Mode
from otpvoice.providers.mobtexting.provider import Mobtexting
from otpvoice.providers.mobtexting.reply import parse_placement

# Placing a call

TOKEN = "38e896f55670311982434e929559bxxxx"
NUMBER = "918867135000"
"""Of :func:`outbound_call`."""

# Byte for byte.
OBD_OLDER = (
    b'{"status":200,"message":"1 numbers accepted for delivery.","data":[{'
    b'"id":"70fa87e0-9df9-4327-bc80-a561c48703d8:1","mobile":"918919525224","charges":"0.5000",'
    b'"customid":"","customid1":"","iso_code":null,"submitted_at":"2019-08-16 15:09:51"}]}'
)
OBD_NEWER = (
    b'{"status":"OK","message":"Calls queued successfully","data":[{'
    b'"id":"0a1b2c3d-0000-4000-8000-0123456789ab","channel":"outgoing","caller_id":"918068280000",'
    b'"mobile":"918867135000","flow_id":"351","credits":1,'
    b'"created_at":"2024-07-10T06:09:43.054164Z","foreign_id":null,"options":null,'
    b'"status":"queued"}]}'
)
C2C_WITH_ID = (
    b'{\n"callId": "26074c32-b316-4ffa-99d7-9f6a99da56d6",\n'
    b'"message": "call initiated successfully",\n"status": 200\n}'
)
C2C_WITHOUT_ID = b'{\n"status": 200,\n"message": "Call initiated successfully"\n}'


def outbound_call(route: Mode = Mode.OBD, **changes: Any) -> OutboundCall:
    """Return a call of this route."""
    members: dict[str, Any] = {
        "call_id": "call_0123456789abcdef0123456789abcdef",
        "route": route.value,
        "mode": route,
        "number": f"+{NUMBER}",
        "bridge": "918068280000",
        "flow_id": "24",
        "locale": "default",
        "text": "Hello {Name}, your otp is {otp}",
        "name": "Asha Rao",
        "code": "123456",
    }
    return OutboundCall(**{**members, **changes})


# Status queries

CALL_ID = "call_0123456789abcdef0123456789abcdef"
INDIA = ZoneInfo("Asia/Kolkata")
RECIPIENT, BRIDGE = "917619360000", "358910000000"

# Byte for byte, except for the digits that the provider masked.
OLDER_STATUS = b"""{
  "status": 200,
  "message": "OK",
  "data": [
    {
      "id": "047d8cfc-77d1-4f6c-bfb5-e81f1a1343a7:1",
      "mobile": "918919525224",
      "caller_id": "918068287602",
      "duration": "00:00:19",
      "pulsing": "30",
      "status": "ANSWER",
      "charges": "0.1500",
      "dtmf": null,
      "location": "IN",
      "provider": "RJ",
      "start_at": "2019-07-16 18:13:44",
      "end_at": "2019-07-16 18:14:03"
    }
  ]
}"""
NEWER_STATUS = b"""{
    "status": 200,
    "message": "OK",
    "data": [
        {
            "id": "8456bf26-1b6e-4ac1-adb9-2768258f71d0",
            "channel": "outgoing",
            "from": "358910000000",
            "to": "917619360000",
            "created_at": "2024-07-10 08:27:14",
            "foreign_id": "",
            "status": "ANSWER",
            "start_at": "2024-07-10 08:27:26",
            "end_at": "2024-07-10 08:27:29",
            "dtmf": ""
        }
    ]
}"""
CALL_LOG = b"""{
  "status": "OK",
  "data": {
    "current_page": 1,
    "data": [
      {
        "id": "c839b4c4-8c0d-11e9-bb88-6c2b59c79f5a",
        "call_from": "917989532456",
        "call_to": "918068287601",
        "service": "IN",
        "bridge": "918068287601",
        "status": "RECEIVED",
        "duration": "00:00:12",
        "billing": "00:00:12",
        "pulsing": "30",
        "charges": "0.0150",
        "start_at": "2019-06-11 05:57:24",
        "end_at": "2019-06-11 05:57:36",
        "hangup_by": "caller",
        "dtmf": null,
        "location": "IN",
        "region": "AP",
        "provider": "RJ",
        "notes": "",
        "audio": null,
        "name": ""
      }
    ],
    "first_page_url": "{endpoint}voice/calls?page=1",
    "from": 1,
    "last_page": 1,
    "last_page_url": "{endpoint}voice/calls?page=1",
    "next_page_url": null,
    "path": "{endpoint}voice/calls",
    "per_page": 15,
    "prev_page_url": null,
    "to": 1,
    "total": 1
  }
}"""
OBD_ID, C2C_ID = "8456bf26-1b6e-4ac1-adb9-2768258f71d0", "c839b4c4-8c0d-11e9-bb88-6c2b59c79f5a"
NO_CALLS = b'{"status":200,"message":"OK","data":[]}'


def kolkata_ms(local: str) -> int:
    """Return the milliseconds since 1970 of a time in Kolkata."""
    return round(datetime.fromisoformat(local).replace(tzinfo=INDIA).timestamp() * 1000)


OBD_QUERY = CallQuery(
    CALL_ID, Mode.OBD, f"+{RECIPIENT}", BRIDGE, None, kolkata_ms("2024-07-10 08:27:13")
)
C2C_QUERY = CallQuery(
    CALL_ID, Mode.C2C, f"+{RECIPIENT}", BRIDGE, None, kolkata_ms("2024-07-10 08:27:13")
)
OBD_ENTRY: dict[str, Any] = json.loads(NEWER_STATUS)["data"][0]
C2C_ENTRY: dict[str, Any] = json.loads(CALL_LOG)["data"]["data"][0] | {
    "call_from": RECIPIENT,
    "call_to": "flow:220",
    "service": "C2C",
    "bridge": BRIDGE,
    "start_at": "2024-07-10 08:27:26",
    "end_at": "2024-07-10 08:27:38",
}


def calls_response(*entries: dict[str, Any]) -> bytes:
    """Return a response with these entries, as the older documents have it."""
    return json.dumps({"status": 200, "message": "OK", "data": entries}).encode()


def parse_reply(
    route: Mode, body: Any, status: int = 200, name: str = "Asha Rao", number: str = NUMBER
) -> PlacementResult:
    """Parse a reply with this body: bytes, text or JSON members."""
    if not isinstance(body, bytes):
        body = (body if isinstance(body, str) else json.dumps(body)).encode()
    call = outbound_call(route, name=name, number=f"+{number}")
    return parse_placement(call, HttpResponse(status, body), TOKEN)


def reply_with_call(**members: Any) -> dict[str, Any]:
    """Return a reply of the newer documents about one call with these members."""
    return {"status": "OK", "message": "Calls queued successfully", "data": [members]}


# Callbacks

SECRET = "hook-secret"
BEARER = f"Bearer {SECRET}"
_HTTP = HttpClient()


def adapter(**settings: Any) -> Mobtexting:
    """Return an adapter with one webhook secret."""
    defaults = {"base_url": "http://x/", "token": "t", "http": _HTTP, "webhook_secrets": (SECRET,)}
    return Mobtexting(**{**defaults, **settings})


def parse(
    body: bytes = b"", query: dict[str, str] | None = None, **settings: Any
) -> tuple[CallReport, ...] | Challenge:
    """Parse a callback with the right secret."""
    return adapter(**settings).parse_callback(
        Callback(body, query or {}, {"authorization": BEARER})
    )


def parse_one(
    body: bytes = b"", query: dict[str, str] | None = None, **settings: Any
) -> CallReport:
    """Parse a callback with the right secret and one message."""
    reports = parse(body, query, **settings)
    assert isinstance(reports, tuple)
    (report,) = reports
    return report
