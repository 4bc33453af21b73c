"""Messages of Plivo about a call (docs/providers/plivo.md, sections 2 to 5)."""

import base64
import hashlib
import hmac
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

import requests

from otpvoice_sandbox.callbacks import send_to_client
from otpvoice_sandbox.calls import Call
from otpvoice_sandbox.parsing import FetchedSpeech, SpeechFault
from otpvoice_sandbox.plivo_document import interpret

_TIMEOUT_S: Final = 15.0
_CALL_NAMESPACE: Final = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")
_UNREACHABLE: Final = SpeechFault("7011", "Error Reaching Answer URL")


class _End(NamedTuple):
    """How the vendor words the end of a call."""

    state: str
    code: str
    cause: str
    source: str


_ENDS: Final[Mapping[str, _End]] = {
    **dict.fromkeys(
        ("ANSWER", "COMPLETED", "RECEIVED", "MISSED"),
        _End("completed", "4010", "End Of XML Instructions", "Plivo"),
    ),
    "BUSY": _End("busy", "3010", "Busy Line", "Carrier"),
    "NOANSWER": _End("timeout", "6010", "Ring Timeout Reached", "Plivo"),
    "CANCEL": _End("cancel", "1000", "Cancelled", "API Request"),
    "CONGESTION": _End("failed", "5000", "Network Error", "Carrier"),
    "CHANUNAVAIL": _End("failed", "2010", "Destination Out Of Service", "Carrier"),
}
"""By the outcome of a phone. Another word is a cause of its own."""


def call_uuid(call: Call) -> str:
    """Return the id of the call, which may differ from the id of its request."""
    if call.reply_style.plivo_call_uuid == "same":
        return call.id
    return str(uuid.uuid5(_CALL_NAMESPACE, call.id))


def _end_of(call: Call) -> _End:
    outcome = call.outcome
    if call.speech_fault:
        return _End("completed", call.speech_fault.code, call.speech_fault.cause, "Error")
    if outcome.status == "BUSY" and outcome.rings:
        return _End("busy", "3020", "Rejected", "Callee")
    return _ENDS.get(outcome.status, _End("failed", "", outcome.status, "Plivo"))


def _ended_at(call: Call) -> datetime:
    """Return the end that belongs to the reported duration, which a fast sandbox does not take."""
    if call.answered_at:
        return call.answered_at.wall + timedelta(seconds=call.talk_seconds)
    return (call.ended_at or call.received_at).wall


def call_record(call: Call, auth_id: str) -> dict[str, Any]:
    """Return an ended call as queries show it."""
    end, is_answered = _end_of(call), call.answered_at is not None
    name = call_uuid(call)
    return {
        "answer_time": _time(call.answered_at.wall) if call.answered_at else None,
        "api_id": str(uuid.uuid4()),
        "bill_duration": call.talk_seconds,
        "billed_duration": 60 if is_answered else 0,
        "call_direction": "outbound",
        "call_duration": call.talk_seconds,
        "call_state": "ANSWER" if is_answered else end.state.upper().replace("-", "_"),
        "call_uuid": name,
        "conference_uuid": None,
        "end_time": _time(_ended_at(call)),
        "from_number": call.request.bridge,
        "hangup_cause_code": int(end.code or 0),
        "hangup_cause_name": end.cause,
        "hangup_source": end.source,
        "initiation_time": _time(call.attempts[0].started_at.wall),
        "parent_call_uuid": None,
        "resource_uri": f"/v1/Account/{auth_id}/Call/{name}/",
        "to_number": call.request.callee,
        "total_amount": "0.00650",
        "total_rate": "0.00650",
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class PlivoMessages:
    """What the vendor sends about one call, and fetches for it."""

    auth_id: str
    token: str = field(repr=False)
    answer_url: str = field(repr=False)
    hangup_url: str = field(repr=False)
    """Empty: no callback is wanted."""

    def reply(self, call: Call) -> dict[str, Any]:
        """Return the reply to the accepted request."""
        return {
            "message": "call fired",
            "request_uuid": call.id,
            "api_id": str(uuid.uuid4()),
        }

    def fetch_speech(self, call: Call) -> FetchedSpeech:
        """Fetch what the answered call speaks.

        Raises:
            SpeechFault: the address returned no document, or a wrong one.
        """
        return self._fetch(call, self.answer_url, {"Event": "StartApp"})

    def fetch_after_key(self, call: Call, url: str) -> FetchedSpeech:
        """Fetch what the call speaks after its key; as :meth:`fetch_speech`."""
        members = {"Digits": call.key, "Event": "Redirect", "InputType": "dtmf"}
        return self._fetch(call, url, members)

    def _fetch(self, call: Call, url: str, further: Mapping[str, str]) -> FetchedSpeech:
        members = {**self._members(call), "CallStatus": "in-progress", **further}
        request = self._signed_form(url, members)
        try:
            response = send_to_client(request, _TIMEOUT_S)
        except (requests.RequestException, ValueError):
            raise _UNREACHABLE from None
        if not 200 <= response.status_code < 300:
            raise _UNREACHABLE
        return interpret(response.content)

    def callback(self, call: Call) -> requests.Request | None:
        """Return the signed form after the end of the call."""
        if not self.hangup_url:
            return None
        end = _end_of(call)
        members = {
            **self._members(call),
            "AnswerTime": _time(call.answered_at.wall) if call.answered_at else "",
            "BillDuration": str(call.talk_seconds),
            "CallStatus": end.state,
            "Duration": str(call.talk_seconds),
            "EndTime": _time(_ended_at(call)),
            "Event": "Hangup",
            "HangupCauseCode": end.code,
            "HangupCauseName": end.cause,
            "HangupSource": end.source,
            "TotalCost": "0.00650",
        }
        return self._signed_form(self.hangup_url, members)

    def _members(self, call: Call) -> dict[str, str]:
        name = call_uuid(call)
        return {
            "ALegRequestUUID": call.id,
            "ALegUUID": name,
            "CallUUID": name,
            "Direction": "outbound",
            "From": call.request.bridge,
            "ParentAuthID": self.auth_id,
            "RequestUUID": call.id,
            "StartTime": _time(call.attempts[0].started_at.wall),
            "To": call.request.callee,
        }

    def _signed_form(self, url: str, members: Mapping[str, str]) -> requests.Request:
        nonce = str(secrets.randbelow(10**20))
        joined = "".join(f"{name}{members[name]}" for name in sorted(members))
        # An address without a query string is signed with a question mark behind it.
        address = f"{url}." if "?" in url else f"{url}?"
        message = f"{address}{joined}.{nonce}".encode()
        digest = hmac.new(self.token.encode(), message, hashlib.sha256).digest()
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Plivo-Signature-V3": base64.b64encode(digest).decode(),
            "X-Plivo-Signature-V3-Nonce": nonce,
        }
        return requests.Request("POST", url, headers, data=urlencode(members))


def _time(moment: datetime) -> str:
    """Return a time in the console's zone, which is UTC here."""
    return f"{moment:%Y-%m-%d %H:%M:%S}+00:00"
