"""Messages of the TwiML vendors about a call (docs/providers/twiml.md, sections 4 to 6)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from typing import Any, Final
from urllib.parse import urlencode

import requests

from otpvoice_sandbox.callbacks import send_to_client
from otpvoice_sandbox.calls import Call
from otpvoice_sandbox.parsing import FetchedSpeech, SpeechFault
from otpvoice_sandbox.twiml_document import DocumentError, interpret
from otpvoice_sandbox.twiml_vendors import TwimlVendor

_STATUSES: Final[Mapping[str, tuple[str, str]]] = {
    "ANSWER": ("completed", "200"),
    "COMPLETED": ("completed", "200"),
    "RECEIVED": ("completed", "200"),
    "MISSED": ("completed", "200"),
    "BUSY": ("busy", "486"),
    "NOANSWER": ("no-answer", "487"),
    "CANCEL": ("canceled", "487"),
    "CONGESTION": ("failed", "404"),
    "CHANUNAVAIL": ("failed", "480"),
}
"""Outcome of a phone → the vendors' word, and the SIP response code."""
_STATES: Final[Mapping[str, str]] = {
    "queued": "queued",
    "dialing": "initiated",
    "ringing": "ringing",
    "talking": "in-progress",
}
"""State of a call before its end → the vendors' word."""


def call_status(call: Call) -> str:
    """Return the vendors' word for the state of a call."""
    if call.ended_at is None:
        return _STATES[call.status]
    return _STATUSES.get(call.outcome.status, (call.outcome.status, ""))[0]


def call_resource(call: Call, account: str) -> dict[str, Any]:
    """Return a call as queries show it."""
    is_answered = call.answered_at is not None
    return {
        "sid": call.id,
        "account_sid": account,
        "answered_by": None,
        "date_created": _rfc2822(call.received_at.wall),
        "direction": "outbound-api",
        "duration": str(call.talk_seconds) if call.ended_at else None,
        "end_time": _rfc2822(call.ended_at.wall) if call.ended_at else None,
        "from": f"+{call.request.bridge}",
        "price": None,
        "price_unit": "USD",
        "start_time": _rfc2822(call.attempts[0].started_at.wall) if is_answered else None,
        "status": call_status(call),
        "to": f"+{call.request.callee}",
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class TwimlMessages:
    """What a vendor sends about one call."""

    vendor: TwimlVendor
    account: str
    token: str = field(repr=False)
    callback_url: str = field(repr=False)
    """Empty: none is wanted."""
    document_url: str = field(default="", repr=False)
    """Empty: the request holds the document."""

    def reply(self, call: Call) -> dict[str, Any]:
        """Return the reply to the accepted request; Telnyx's may lack the id."""
        if not self.vendor.is_telnyx:
            return {**call_resource(call, self.account), "status": "queued"}
        members = {"from": f"+{call.request.bridge}", "to": f"+{call.request.callee}"}
        sid = {"call_sid": call.id} if call.reply_style.telnyx_sid == "sent" else {}
        return {**members, "status": "queued", **sid}

    def fetch_speech(self, call: Call) -> FetchedSpeech:
        """Fetch what the answered call speaks.

        Raises:
            SpeechFault: the address returned no document, or a wrong one.
        """
        return self._fetch(call, self.document_url, {})

    def fetch_after_key(self, call: Call, url: str) -> FetchedSpeech:
        """Fetch what the call speaks after its key; as :meth:`fetch_speech`."""
        return self._fetch(call, url, {"Digits": call.key, "FinishedOnKey": ""})

    def _fetch(self, call: Call, url: str, further: Mapping[str, str]) -> FetchedSpeech:
        members = {**self._members(call), "CallStatus": "in-progress", **further}
        request = self._signed_form(url, members)
        try:
            response = send_to_client(request)
            response.raise_for_status()
            return interpret(response.content.decode())
        except (requests.RequestException, ValueError):
            raise SpeechFault("11200", "HTTP retrieval failure") from None
        except DocumentError as error:
            raise SpeechFault("12100", f"Document parse failure: {error}") from None

    def callback(self, call: Call) -> requests.Request | None:
        """Return the signed form after the end of the call."""
        if not self.callback_url:
            return None
        return self._signed_form(self.callback_url, self._members(call))

    def _signed_form(self, url: str, members: Mapping[str, str]) -> requests.Request:
        encoded = urlencode(members)
        headers = {
            "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
            **self.vendor.sign(url, encoded, members, self.token),
        }
        return requests.Request("POST", url, headers, data=encoded)

    def _members(self, call: Call) -> dict[str, str]:
        ended_at = call.ended_at or call.received_at
        is_telnyx, fault = self.vendor.is_telnyx, call.speech_fault
        return {
            **({"ErrorCode": fault.code} if fault else {}),
            "AccountSid": self.account,
            "CallDuration": str(call.talk_seconds),
            "CallSid": call.id,
            "CallStatus": call_status(call),
            "CallbackSource": "call-progress-events",
            "From": f"+{call.request.bridge}",
            "SequenceNumber": "0",
            "SipResponseCode": _STATUSES.get(call.outcome.status, ("", "200"))[1],
            "Timestamp": ended_at.utc_text if is_telnyx else _rfc2822(ended_at.wall),
            "To": f"+{call.request.callee}",
        }


def _rfc2822(moment: datetime) -> str:
    return format_datetime(moment.replace(microsecond=0))
