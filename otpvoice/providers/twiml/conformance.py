"""What one real call shows of a vendor of the TwiML family (docs/providers/twiml.md, section 8).

Each check is one row of the table there.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from otpvoice.core.verification import CallStatus
from otpvoice.providers.base import PlacementOutcome
from otpvoice.providers.conformance import (
    CapturedEvidence,
    CheckResult,
    CheckRow,
    CheckStatus,
    Observation,
    observe_callback,
    observe_clock,
    observe_document,
    observe_form,
    observe_key,
    observe_missing_reply,
    observe_numbers,
    observe_query,
    observe_same_duration,
    observe_signature,
    run_rows,
)
from otpvoice.providers.message_body import decode_object, type_name
from otpvoice.providers.twiml.queries import time_of
from otpvoice.providers.twiml.reply import (
    SUCCESS,
    error_of,
    is_about_number,
    outcome_of_call,
    sid_of,
)
from otpvoice.providers.twiml.status import parse_seconds, parse_status, safe_raw_status
from otpvoice.providers.twiml.vendors import SignatureScheme, Vendor

_CONFIRMED, _DIFFERENT, _NOT_OBSERVED = CheckStatus
_SIGNATURES: Final[Mapping[SignatureScheme, tuple[Sequence[str], Sequence[str]]]] = {
    SignatureScheme.TWILIO: (("x-twilio-signature",), ()),
    SignatureScheme.SIGNALWIRE: (
        ("x-signalwire-signature", "x-signalwire-sha256-signature"),
        ("x-twilio-signature",),
    ),
    SignatureScheme.TELNYX: (("telnyx-signature-ed25519",), ()),
}
"""The headers of each scheme, and further ones that are accepted."""
_MAX_SIP_DIGITS: Final = 3


@dataclass(frozen=True, kw_only=True)
class TwimlEvidence(CapturedEvidence):
    """The evidence, as the vendor's messages are parsed."""

    vendor: Vendor

    @cached_property
    def entry(self) -> Mapping[str, Any]:
        """The call in the last response to a status query; empty if it is not there."""
        found: Mapping[str, Any] = {}
        for response in self.query_responses:
            members = decode_object(response.body) if response.status == 200 else {}
            entries = members.get("calls")
            for entry in entries if isinstance(entries, list) else [members]:
                if isinstance(entry, dict) and self._is_this_call(entry):
                    found = entry
        return found

    def _is_this_call(self, entry: Mapping[str, Any]) -> bool:
        known = self.query_report.ids if self.query_report else (self.query.provider_id,)
        return sid_of(entry) is not None and sid_of(entry) in known


def check_conformance(evidence: TwimlEvidence) -> Iterator[CheckResult]:
    """Yield the result of every check, in the order of the documentation."""
    is_inline = bool(evidence.vendor.document_member)
    return run_rows(_CHECKS, evidence, {"document": "it was in the request"} if is_inline else {})


def _reply_accepts(e: TwimlEvidence) -> Observation:
    if e.reply is None or e.reply.status is None:
        return observe_missing_reply(e)
    http, word = e.reply.status, e.reply_members.get("status")
    if http not in SUCCESS:
        return _NOT_OBSERVED, f"the call was refused, HTTP {http}"
    outcome = outcome_of_call(e.reply_members, sid_of(e.reply_members))
    if outcome is PlacementOutcome.REFUSED:
        return _NOT_OBSERVED, f"the call was refused, HTTP {http}, {safe_raw_status(word)}"
    if outcome is PlacementOutcome.ACCEPTED:
        shown = safe_raw_status(word) or type_name(word)
        return _CONFIRMED, f"HTTP {http}, status {shown}, {e.reply.duration_s:.1f} s"
    return _DIFFERENT, f"HTTP {http}, unknown format: the call is unknown and its status is queried"


def _reply_refuses(e: TwimlEvidence) -> Observation:
    if e.reply is None or e.reply.status is None or not 400 <= e.reply.status < 500:
        return _NOT_OBSERVED, "the call was not refused"
    code, _ = error_of(e.reply_members)
    if code:
        return _CONFIRMED, f"HTTP {e.reply.status}, code {code}"
    return _DIFFERENT, f"HTTP {e.reply.status} without a code: only the HTTP status decides"


def _reply_id(e: TwimlEvidence) -> Observation:
    if e.reply is None or e.reply.status not in SUCCESS or not e.reply_members:
        return _NOT_OBSERVED, "no reply accepted the call"
    for name in ("sid", "call_sid"):
        if sid_of({name: e.reply_members.get(name)}):
            return _CONFIRMED, f"{name} is there"
    return _DIFFERENT, "it has none: a status query searches by number and time"


def _reply_number(e: TwimlEvidence) -> Observation:
    value = e.reply_members.get("to")
    if not isinstance(value, str):
        return _NOT_OBSERVED, "it has no to"
    if not is_about_number(e.reply_members, e.query.number):
        return _DIFFERENT, "another number: the reply was not believed"
    is_number = value.strip().removeprefix("+") == e.query.number.removeprefix("+")
    return (_CONFIRMED, "to is the recipient") if is_number else (_DIFFERENT, type_name(value))


def _callback_signature(e: TwimlEvidence) -> Observation:
    return observe_signature(e, *_SIGNATURES[e.vendor.signature_scheme])


def _callback_id(e: TwimlEvidence) -> Observation:
    sid = sid_of({"sid": e.form_members.get("CallSid")})
    if sid is None:
        return _DIFFERENT, "it has no CallSid; its address names the call"
    if e.query.provider_id is None:
        return _NOT_OBSERVED, "it has CallSid, and the reply had no id"
    if sid == e.query.provider_id:
        return _CONFIRMED, "CallSid is the id of the reply"
    return _DIFFERENT, "CallSid is another id; its address names the call"


def _callback_status(e: TwimlEvidence) -> Observation:
    word = e.form_members.get("CallStatus")
    status, is_known = parse_status(word, e.form_members.get("SipResponseCode"))
    shown = safe_raw_status(word) or type_name(word)
    if not is_known:
        return _DIFFERENT, f"{shown}: the call is unknown, and its status is queried"
    if status is CallStatus.UNKNOWN:
        return _DIFFERENT, f"{shown}: the call has not ended"
    return _CONFIRMED, shown


def _callback_sip(e: TwimlEvidence) -> Observation:
    code = e.form_members.get("SipResponseCode", "")
    if code.isdigit() and len(code) == _MAX_SIP_DIGITS:
        return _CONFIRMED, f"SipResponseCode {code}"
    return _DIFFERENT, "none: a phone that is off cannot be separated from a failed call"


def _callback_duration(e: TwimlEvidence) -> Observation:
    value = e.form_members.get("CallDuration")
    if e.status is not CallStatus.ANSWERED:
        return _NOT_OBSERVED, "the call was not answered"
    seconds = parse_seconds(value)
    if seconds is None:
        return _DIFFERENT, f"{type_name(value)}: whether the code was heard is not known"
    return _CONFIRMED, f"CallDuration is {seconds} s"


def _query_status(e: TwimlEvidence) -> Observation:
    if e.query_report is None or not e.form_members:
        return _NOT_OBSERVED, "there are not both a callback and a found call"
    shown = e.query_report.raw or "no word"
    sip_code = e.form_members.get("SipResponseCode")
    status, _ = parse_status(e.form_members.get("CallStatus"), sip_code)
    return (_CONFIRMED if e.query_report.status is status else _DIFFERENT), shown


def _query_duration(e: TwimlEvidence) -> Observation:
    return observe_same_duration(e, parse_seconds(e.form_members.get("CallDuration")))


def _query_time(e: TwimlEvidence) -> Observation:
    if not e.entry:
        return _NOT_OBSERVED, "the call was not found"
    remedy = "a reply without an id leads to no call"
    return observe_clock(e, "date_created", time_of(e.entry), remedy)


_CHECKS: Final[Sequence[CheckRow[TwimlEvidence]]] = (
    ("reply.accepts", "200, 201 or 202 with a call", _reply_accepts),
    ("reply.refuses", "a refusal has the vendor's code", _reply_refuses),
    ("reply.id", "the reply has the call's id", _reply_id),
    ("reply.number", "to is the recipient", _reply_number),
    ("document", "what the call speaks is fetched once", observe_document),
    ("key", "a pressed key is reported once", observe_key),
    ("callback", "arrives when the call has ended", observe_callback),
    ("callback.signature", "is signed in the vendor's way", _callback_signature),
    ("callback.format", "is a form", observe_form),
    ("callback.id", "CallSid is the id of the reply", _callback_id),
    ("callback.numbers", "To is the recipient, From the line", observe_numbers),
    ("callback.status", "CallStatus is a known word of an end", _callback_status),
    ("callback.sip", "has a SipResponseCode", _callback_sip),
    ("callback.duration", "CallDuration is in whole seconds", _callback_duration),
    ("query", "a status query finds an ended call", observe_query),
    ("query.status", "means what the callback means", _query_status),
    ("query.duration", "is that of the callback", _query_duration),
    ("query.time", "date_created is close to the request", _query_time),
)
