"""Callbacks as the provider documents them, and a driver that sends them.

The bodies are those of docs/providers/mobtexting.md, section 3, with digits in place of X.
"""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from api.api_client import WEBHOOK, ApiClient, bearer
from support.service import WEBHOOK_SECRET
from werkzeug.test import TestResponse

PERSON = "+918919525224"
C2C_AS_INTEGERS = (
    b'{"bridge":918068280000,"from":918919525224,"to":918867130000,"source":"C2C",'
    b'"start_at":"2021-04-09 16:27:39","end_at":"2021-04-09 16:27:55",'
    b'"date":"2021-04-09 16:27:55","unixtime":"1653455555","duration":"23","billing":"23",'
    b'"status":"COMPLETED","status1":"RECEIVED","status2":"ANSWER",'
    b'"recording_url":"https://youraudiofilelocation/","hangup_by":"caller"}'
)
C2C_AS_STRINGS = (
    C2C_AS_INTEGERS.replace(b":918068280000", b':"918068280000"')
    .replace(b":918919525224", b':"918919525224"')
    .replace(b":918867130000", b':"918867130000"')
)
C2C_WITH_PLUS = C2C_AS_STRINGS.replace(b'"91', b'"+91')
C2C_TRAILING_COMMA = C2C_AS_INTEGERS[:-1] + b",\n}"
C2C_AS_FORM = urlencode(
    {
        "bridge": "918068280000",
        "from": "918919525224",
        "to": "918867130000",
        "source": "C2C",
        "start_at": "2021-04-09 16:27:39",
        "duration": "23",
        "billing": "23",
        "status": "COMPLETED",
        "status1": "RECEIVED",
    }
).encode()
OBD = (
    b'{"bridge":918068280000,"from":918068280000,"to":918919525224,"source":"OBD",'
    b'"mid":"1234-1333-54321","flow_id":123,"start_at":"2021-04-09 16:27:39",'
    b'"end_at":"2021-04-09 16:27:55","duration":"23","status":"ANSWER",'
    b'"recording_url":"https://youraudiofilelocation/"}'
)
OBD_AS_STRINGS = OBD.replace(b":918068280000", b':"918068280000"').replace(
    b":918919525224", b':"918919525224"'
)
AN_HOUR_OFF = C2C_AS_INTEGERS.replace(b"16:27:39", b"15:27:39")


def at_sample_time(api: ApiClient) -> None:
    """Set the clock to the moment before the sample's call, in Kolkata."""
    sample = datetime.fromisoformat("2021-04-09T16:27:30+05:30")
    api.forget_clock()
    api.store.clock_offset_ms = int((sample - datetime.now(UTC)).total_seconds() * 1000)
    api.advance_time(0)


def deliver(api: ApiClient, raw: bytes, method: str = "POST", **options: Any) -> TestResponse:
    """Send one genuine message to the webhook."""
    content_type = options.pop("content_type", "application/json")
    return api.client.open(
        WEBHOOK,
        method=method,
        data=raw,
        content_type=content_type,
        headers=bearer(WEBHOOK_SECRET),
        **options,
    )


def is_received(response: TestResponse) -> bool:
    """Return whether the response is 200 ``{"status":"ok"}``: the provider accepts no other."""
    return (response.status_code, response.data) == (200, b'{"status":"ok"}')


def last_call(api: ApiClient, verification: dict[str, Any]) -> dict[str, Any]:
    """Return the newest call of the verification."""
    call: dict[str, Any] = api.get_verification(verification)["calls"][-1]
    return call
