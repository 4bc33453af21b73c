"""What one real call shows of Plivo (docs/providers/plivo.md, section 8).

Each check is one row of the table there.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final
from urllib.parse import urlsplit

from otpvoice.core.verification import CallStatus, normalize_status_word
from otpvoice.http_client import CapturedResponse
from otpvoice.providers.base import CallReport
from otpvoice.providers.conformance import (
    DURATION_TOLERANCE_S,
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
from otpvoice.providers.message_body import decode_object, redact_status, type_name
from otpvoice.providers.plivo.callback import (
    CAUSE_MEANINGS,
    STATE_MEANINGS,
    parse_callback,
    parse_record,
    record_start_ms,
    seconds_between,
)
from otpvoice.providers.plivo.reply import SUCCESS, parse_request_id
from otpvoice.providers.plivo.signature import SIGNATURE_HEADERS

_CONFIRMED, _DIFFERENT, _NOT_OBSERVED = CheckStatus


@dataclass(frozen=True, kw_only=True)
class PlivoEvidence(CapturedEvidence):
    """The evidence, as Plivo's messages are parsed."""

    @cached_property
    def callback_report(self) -> CallReport:
        """The report that the callback means."""
        return parse_callback(self.form_members, self.query.call_id)

    @cached_property
    def record(self) -> Mapping[str, Any]:
        """The call's record in the last response that has it; empty if none has."""
        found: Mapping[str, Any] = {}
        for response in self.query_responses:
            found = next(iter(self._own_records(response)), found)
        return found

    @property
    def is_found_by_request(self) -> bool:
        """Whether a query by the id of the request found the record."""
        last = f"/Call/{self.query.provider_id}/"
        return any(
            urlsplit(each.url).path.endswith(last) and self._own_records(each)
            for each in self.query_responses
        )

    def _own_records(self, response: CapturedResponse) -> list[Mapping[str, Any]]:
        members = decode_object(response.body) if response.status == 200 else {}
        objects = members.get("objects")
        records = objects if isinstance(objects, list) else [members]
        known = self.query_report.ids if self.query_report else ()
        return [
            each for each in records if isinstance(each, dict) and each.get("call_uuid") in known
        ]


def check_conformance(evidence: PlivoEvidence) -> Iterator[CheckResult]:
    """Yield the result of every check, in the order of the documentation."""
    return run_rows(_CHECKS, evidence, {})


def _reply_accepts(e: PlivoEvidence) -> Observation:
    if e.reply is None or e.reply.status is None:
        return observe_missing_reply(e)
    if e.reply.status not in SUCCESS:
        return _NOT_OBSERVED, f"the call was refused, HTTP {e.reply.status}"
    if e.query.provider_id:
        return _CONFIRMED, f"HTTP {e.reply.status}, request_uuid, {e.reply.duration_s:.1f} s"
    found = f"HTTP {e.reply.status} without a request_uuid"
    return _DIFFERENT, f"{found}: the call is unknown and its status is queried"


def _reply_refuses(e: PlivoEvidence) -> Observation:
    if e.reply is None or e.reply.status is None or not 400 <= e.reply.status < 500:
        return _NOT_OBSERVED, "the call was not refused"
    if isinstance(e.reply_members.get("error"), str):
        return _CONFIRMED, f"HTTP {e.reply.status} with error"
    return _DIFFERENT, f"HTTP {e.reply.status} without error: only the HTTP status decides"


def _reply_id(e: PlivoEvidence) -> Observation:
    value = e.reply_members.get("request_uuid")
    if e.reply is None or e.reply.status not in SUCCESS or not parse_request_id(value):
        return _NOT_OBSERVED, "no reply accepted the call"
    if isinstance(value, str):
        return _CONFIRMED, "request_uuid is a text"
    return _DIFFERENT, "request_uuid is a list of one, which is accepted as well"


def _callback_signature(e: PlivoEvidence) -> Observation:
    return observe_signature(e, SIGNATURE_HEADERS)


def _callback_id(e: PlivoEvidence) -> Observation:
    ids = {name: e.form_members.get(name) for name in ("RequestUUID", "ALegRequestUUID")}
    if not any(ids.values()):
        return _DIFFERENT, "it has neither; its address names the call"
    if e.query.provider_id is None:
        return _NOT_OBSERVED, "the reply had no id"
    found = [name for name, value in ids.items() if value == e.query.provider_id]
    if found:
        return _CONFIRMED, f"{found[0]} is the id of the reply"
    return _DIFFERENT, "another id; its address names the call"


def _callback_status(e: PlivoEvidence) -> Observation:
    word = e.form_members.get("CallStatus", "")
    shown = redact_status(word) or "none"
    if normalize_status_word(word) not in STATE_MEANINGS:
        return _DIFFERENT, f"{shown}: the call is unknown, and its status is queried"
    if e.callback_report.status is CallStatus.UNKNOWN:
        return _DIFFERENT, f"{shown}: the call has not ended"
    return _CONFIRMED, shown


def _callback_cause(e: PlivoEvidence) -> Observation:
    names = [name for name in ("HangupCauseName", "HangupCause") if e.form_members.get(name)]
    if not names:
        return _DIFFERENT, "it has none: only the status decides"
    word = e.form_members[names[0]]
    shown = f"{names[0]} {redact_status(word)}"
    if e.status is CallStatus.ANSWERED or normalize_status_word(word) in CAUSE_MEANINGS:
        return _CONFIRMED, shown
    return _DIFFERENT, f"{shown} is not known: only the status decides"


def _callback_duration(e: PlivoEvidence) -> Observation:
    if e.status is not CallStatus.ANSWERED:
        return _NOT_OBSERVED, "the call was not answered"
    values = {name: e.form_members.get(name) for name in ("Duration", "BillDuration")}
    wrong = [name for name, value in values.items() if not str(value).isdigit()]
    if not wrong:
        return _CONFIRMED, ", ".join(f"{name} {value} s" for name, value in values.items())
    return _DIFFERENT, ", ".join(f"{name} is {type_name(values[name])}" for name in wrong)


def _callback_times(e: PlivoEvidence) -> Observation:
    between_s = seconds_between(e.form_members, "AnswerTime", "EndTime")
    duration_s = e.form_members.get("Duration", "")
    if e.status is not CallStatus.ANSWERED or between_s is None or not duration_s.isdigit():
        return _NOT_OBSERVED, "there are no times of an answered call"
    is_talk = abs(between_s - int(duration_s)) <= DURATION_TOLERANCE_S
    observed = f"{between_s} s from AnswerTime to EndTime, Duration {int(duration_s)} s"
    return (_CONFIRMED if is_talk else _DIFFERENT), observed


def _query_id(e: PlivoEvidence) -> Observation:
    if e.query.provider_id is None or not e.record:
        return _NOT_OBSERVED, "the call was not found, or the reply had no id"
    if e.is_found_by_request:
        return _CONFIRMED, "the id of the request is that of the call"
    return _DIFFERENT, "the call has another id: it was found by its numbers and time"


def _query_state(e: PlivoEvidence) -> Observation:
    if not e.record:
        return _NOT_OBSERVED, "the call was not found"
    word = str(e.record.get("call_state") or "")
    shown = redact_status(word) or "none"
    if normalize_status_word(word) not in STATE_MEANINGS:
        return _DIFFERENT, f"{shown}: times and cause decide"
    same = not e.form_members or parse_record(e.record).status is e.callback_report.status
    return (_CONFIRMED, shown) if same else (_DIFFERENT, f"{shown}, unlike the callback")


def _query_duration(e: PlivoEvidence) -> Observation:
    return observe_same_duration(e, e.callback_report.duration_s)


def _query_time(e: PlivoEvidence) -> Observation:
    if not e.record:
        return _NOT_OBSERVED, "the call was not found"
    return observe_clock(
        e, "initiation_time", record_start_ms(e.record), "set the console's time zone to UTC"
    )


_CHECKS: Final[Sequence[CheckRow[PlivoEvidence]]] = (
    ("reply.accepts", "200, 201 or 202 with request_uuid", _reply_accepts),
    ("reply.refuses", "a refusal has error", _reply_refuses),
    ("reply.id", "request_uuid is one id as text", _reply_id),
    ("document", "what the call speaks is fetched once", observe_document),
    ("key", "a pressed key is reported once", observe_key),
    ("callback", "arrives when the call has ended", observe_callback),
    ("callback.signature", "has X-Plivo-Signature-V3", _callback_signature),
    ("callback.format", "is a form", observe_form),
    ("callback.id", "RequestUUID is the id of the reply", _callback_id),
    ("callback.numbers", "To is the recipient, From the line", observe_numbers),
    ("callback.status", "CallStatus is a known word of an end", _callback_status),
    ("callback.cause", "names the cause of the end", _callback_cause),
    ("callback.duration", "Duration and BillDuration are seconds", _callback_duration),
    ("callback.times", "AnswerTime to EndTime is the duration", _callback_times),
    ("query", "a status query finds an ended call", observe_query),
    ("query.id", "finds it by the id of the request", _query_id),
    ("query.state", "call_state means what the callback means", _query_state),
    ("query.duration", "is that of the callback", _query_duration),
    ("query.time", "initiation_time is in UTC", _query_time),
)
