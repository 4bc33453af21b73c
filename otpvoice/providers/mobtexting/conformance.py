"""What one real call shows of Mobtexting's undocumented behaviour (mobtexting.md, section 4).

Each check is one row of the table there. The service works whichever way a check turns out; a
``different`` one says how.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any, Final
from urllib.parse import parse_qsl

from otpvoice.core.verification import CallStatus
from otpvoice.http_client import HttpResponse
from otpvoice.providers.base import Callback, CallbackParseError, CallReport
from otpvoice.providers.conformance import CapturedEvidence, CheckResult, CheckStatus
from otpvoice.providers.message_body import decode_object, type_name
from otpvoice.providers.mobtexting.callback import (
    CallbackFormat,
    Message,
    extract_messages,
    parse_call_id,
    parse_report,
)
from otpvoice.providers.mobtexting.modes import Mode
from otpvoice.providers.mobtexting.queries import Entry, parse_page

_CLOCK_TOLERANCE_MS: Final = 120_000
_DURATION_TOLERANCE_S: Final = 3


@dataclass(frozen=True, kw_only=True)
class MobtextingEvidence(CapturedEvidence):
    """The evidence, as Mobtexting's messages are parsed."""

    form: CallbackFormat = field(repr=False)

    @cached_property
    def reply_members(self) -> Mapping[str, Any]:
        """The reply's members, numbers as text; empty if it cannot be parsed."""
        return decode_object(self.reply.body) if self.reply else {}

    @cached_property
    def callback_members(self) -> Message:
        """The callback's members, numbers as text; empty if it cannot be parsed."""
        if self.callback is None:
            return {}
        query = dict(parse_qsl(self.callback.query))
        try:
            return extract_messages(Callback(body=self.callback.body, query=query))[0]
        except CallbackParseError:
            return {}

    @cached_property
    def callback_report(self) -> CallReport:
        """The report that the callback means."""
        return parse_report(self.callback_members, self.form)

    @cached_property
    def query_pages(self) -> list[list[Entry]]:
        """The entries of each response to a status query."""
        responses = [HttpResponse(r.status, r.body) for r in self.query_responses if r.status]
        return [page for each in responses if (page := parse_page(each)) is not None]


_Observation = tuple[CheckStatus, str]
_CONFIRMED, _DIFFERENT, _NOT_OBSERVED = CheckStatus


def check_conformance(evidence: MobtextingEvidence) -> Iterator[CheckResult]:
    """Yield the result of every check, in the order of the documentation."""
    for name, expectation, observe in _CHECKS:
        if _ONLY_MODE.get(name, evidence.query.mode) != evidence.query.mode:
            observation = _NOT_OBSERVED, f"this call used {evidence.query.mode}"
        elif name.startswith("callback.") and not evidence.callback:
            observation = _NOT_OBSERVED, "no callback arrived"
        else:
            observation = observe(evidence)
        yield CheckResult(name, expectation, *observation)


def _reply_accepts(e: MobtextingEvidence) -> _Observation:
    if e.reply is None or e.reply.status is None:
        error = e.reply.error if e.reply else "none captured"
        return _NOT_OBSERVED, f"there was no reply ({error})"
    http, status = e.reply.status, e.reply_members.get("status")
    if http not in {200, 202}:
        return _NOT_OBSERVED, f"the call was refused, HTTP {http}"
    if str(status).upper() in {"200", "OK"}:
        variant = "OBD, newer" if status == "OK" else "OBD, older"
        variant = "C2C" if e.query.mode == Mode.C2C else variant
        return _CONFIRMED, f"HTTP {http}, status {status}, as {variant}, {e.reply.duration_s:.1f} s"
    if isinstance(status, str):
        return _NOT_OBSERVED, f"the call was refused, HTTP {http}"
    return _DIFFERENT, f"HTTP {http}, unknown format: the call is unknown and its status is queried"


def _reply_refuses(e: MobtextingEvidence) -> _Observation:
    status = e.reply_members.get("status")
    if e.reply is None or e.reply.status not in {200, 202} or not isinstance(status, str):
        return _NOT_OBSERVED, "the body did not refuse the call"
    if status.upper() in {"200", "OK"}:
        return _NOT_OBSERVED, "the call was accepted"
    if re.fullmatch(r"[1-5][0-9]{2}", status):
        return _CONFIRMED, f"HTTP {e.reply.status}, status {status}"
    return _DIFFERENT, f"HTTP {e.reply.status}, status {type_name(status)}"


def _reply_id(e: MobtextingEvidence) -> _Observation:
    if e.status is CallStatus.FAILED or e.reply is None or not e.reply_members:
        return _NOT_OBSERVED, "no reply accepted the call"
    member = "data[0].id" if e.query.mode == Mode.OBD else "callId"
    if e.query.provider_id:
        return _CONFIRMED, f"{member} is there"
    return _DIFFERENT, f"no {member}: the callback is matched by bridge and recipient"


def _callback_arrives(e: MobtextingEvidence) -> _Observation:
    if e.callback is None or e.callback_at_ms is None:
        if e.status is CallStatus.FAILED:
            return _NOT_OBSERVED, "no call was placed"
        events = "callback.unauthorized and callback.unmatched"
        return _NOT_OBSERVED, f"none arrived: search the API's log for {events}"
    delay = f"{(e.callback_at_ms - e.query.sent_at_ms) / 1000:.1f} s after the request"
    return _CONFIRMED, f"{e.callback.method}, {delay} ({e.callback.outcome})"


def _callback_credential(e: MobtextingEvidence) -> _Observation:
    if e.callback and e.callback.scheme.lower() == "bearer":
        return _CONFIRMED, "it has Authorization: Bearer"
    if e.callback and e.callback.has_path_token:
        return _DIFFERENT, "no Bearer: the secret in the path authenticated it, so keep that"
    return _NOT_OBSERVED, "it has neither"


def _callback_format(e: MobtextingEvidence) -> _Observation:
    body, content_type = (e.callback.body, e.callback.content_type) if e.callback else (b"", "")
    start = body.lstrip()[:1]
    if start != b"{":
        return _DIFFERENT, "a form" if start else "members in the query string only"
    return _CONFIRMED, f"a JSON object, {content_type.partition(';')[0] or 'no type'}"


def _callback_id(e: MobtextingEvidence) -> _Observation:
    ids = {name: parse_call_id(e.callback_members.get(name)) for name in ("id", "mid", "callId")}
    for name, value in ids.items():
        if value and value in {e.query.provider_id, e.query.call_id}:
            owner = "of this service" if value == e.query.call_id else "of the reply"
            return _CONFIRMED, f"{name} is the id {owner}"
    others = ", ".join(name for name, value in ids.items() if value)
    if not others:
        return _DIFFERENT, "it has none and was matched by bridge and recipient"
    if e.query.provider_id is None:
        return _NOT_OBSERVED, f"it has {others}, and the reply had no id"
    return _DIFFERENT, f"{others} is another id: it was matched by bridge and recipient"


def _callback_recipient(e: MobtextingEvidence) -> _Observation:
    name = "to" if e.query.mode == Mode.OBD else "from"
    value = e.callback_members.get(name)
    if not isinstance(value, str):
        return _NOT_OBSERVED, f"it has no {name}"
    if re.sub(r"\D", "", value) == e.query.number.removeprefix("+"):
        return _CONFIRMED, f"{name} is the called number"
    return _DIFFERENT, f"{name} is another number ({type_name(value)})"


def _callback_status(e: MobtextingEvidence) -> _Observation:
    members = e.callback_members
    words = {name: members.get(name) for name in ("status", "status1") if members.get(name)}
    if not words:
        return _DIFFERENT, "it has none: the call is unknown"
    shown = ", ".join(f"{name} {_safe_word(word)}" for name, word in words.items())
    statuses = {e.form.meaning_of(str(word)).status for word in words.values()}
    if statuses != {CallStatus.UNKNOWN}:
        return _CONFIRMED, shown
    return _DIFFERENT, f"{shown}: no word is known, so the call is unknown"


def _callback_leg_status(e: MobtextingEvidence) -> _Observation:
    words = [e.callback_members.get(name, "") for name in ("status", "status1")]
    whole, leg = (e.form.meaning_of(str(word)).status for word in words)
    if CallStatus.ANSWERED in {whole, leg}:
        return _NOT_OBSERVED, "the call was answered"
    if CallStatus.UNKNOWN in {whole, leg}:
        return _NOT_OBSERVED, "one of the words has no clear meaning"
    word, leg_word = map(_safe_word, words)
    if whole is leg:
        return _CONFIRMED, f"both are {leg_word}"
    return _DIFFERENT, f"status1 {leg_word}, status {word}: status1 was used; was it right?"


def _callback_times(e: MobtextingEvidence) -> _Observation:
    start = e.form.parse_time(e.callback_members, "start_at")
    if start is None:
        return _NOT_OBSERVED, "it has no valid start_at"
    offset = start - e.query.sent_at_ms
    if abs(offset) <= _CLOCK_TOLERANCE_MS:
        return _CONFIRMED, f"start_at is within {abs(offset) // 1000 + 1} s of the request"
    hours, minutes = divmod(round(abs(offset) / 60_000), 60)
    difference = f"{hours} h {minutes} min {'after' if offset > 0 else 'before'} the request"
    return _DIFFERENT, f"start_at is {difference}: correct provider.timezone"


def _callback_duration(e: MobtextingEvidence) -> _Observation:
    members = e.callback_members
    values = {name: members[name] for name in ("duration", "billing") if name in members}
    if not values or e.status is not CallStatus.ANSWERED:
        return _NOT_OBSERVED, "the call was not answered" if values else "it has none"
    if (duration_s := e.callback_report.duration_s) is not None:
        return _CONFIRMED, f"{' and '.join(values)}, {duration_s} s"
    return _DIFFERENT, ", ".join(f"{name} is {type_name(value)}" for name, value in values.items())


def _callback_recording(e: MobtextingEvidence) -> _Observation:
    if "recording_url" not in e.callback_members:
        return _NOT_OBSERVED, "it does not mention one"
    if e.callback_members["recording_url"]:
        return _DIFFERENT, "there is one, and it has the code: have recording switched off"
    return _CONFIRMED, "recording_url is empty"


def _query_finds_call(e: MobtextingEvidence) -> _Observation:
    if e.query_report is not None:
        return _CONFIRMED, "the call was found, with its result"
    if not e.query_pages:
        reason = "no response could be parsed" if e.query_responses else "no query was sent"
        return _NOT_OBSERVED, reason
    return _DIFFERENT, "the call was not found: without a callback it stays unknown"


def _query_order(e: MobtextingEvidence) -> _Observation:
    ends = [[e.form.parse_time(entry, "end_at") for entry in page] for page in e.query_pages]
    known = [[end for end in page if end is not None] for page in ends]
    pairs = [pair for page in known for pair in pairwise(page) if pair[0] != pair[1]]
    if not pairs:
        return _NOT_OBSERVED, "the log had fewer than two calls"
    if all(first > second for first, second in pairs):
        return _CONFIRMED, "the newest is first"
    return _DIFFERENT, "the newest is not first: in a long log, calls are not found"


def _query_start_at(e: MobtextingEvidence) -> _Observation:
    entries = [entry for page in e.query_pages for entry in page]
    entries = [entry for entry in entries if parse_call_id(entry.get("id")) == e.query.provider_id]
    if e.status is not CallStatus.ANSWERED or not entries:
        return _NOT_OBSERVED, "no response had an answered call"
    start, end = (e.form.parse_time(entries[0], name) for name in ("start_at", "end_at"))
    duration_s = e.callback_report.duration_s
    if start is None or end is None or duration_s is None:
        return _NOT_OBSERVED, "the times, or the callback's duration, are missing"
    between_s = round((end - start) / 1000)
    observed = f"{between_s} s from start_at to end_at, duration {duration_s} s"
    is_talk = abs(between_s - duration_s) <= _DURATION_TOLERANCE_S
    return (_CONFIRMED if is_talk else _DIFFERENT), observed


_CHECKS: Final[Sequence[tuple[str, str, Callable[[MobtextingEvidence], _Observation]]]] = (
    ("reply.accepts", "one of the four documented replies", _reply_accepts),
    ("reply.refuses", "a refusal in HTTP 200 has an HTTP status as status", _reply_refuses),
    ("reply.id", "the reply has the call's id", _reply_id),
    ("callback", "arrives when the call has ended", _callback_arrives),
    ("callback.bearer", "has the webhook's secret", _callback_credential),
    ("callback.format", "is a JSON object", _callback_format),
    ("callback.id", "has the id of the reply or of this service", _callback_id),
    ("callback.recipient", "to (OBD) or from (C2C) is the recipient", _callback_recipient),
    ("callback.status", "has a known word", _callback_status),
    ("callback.status1", "is right if the call was not picked up", _callback_leg_status),
    ("callback.times", "are in provider.timezone", _callback_times),
    ("callback.duration", "is in seconds", _callback_duration),
    ("callback.recording", "there is none", _callback_recording),
    ("query", "a status query finds an ended call", _query_finds_call),
    ("query.order", "the log begins with the newest call", _query_order),
    ("query.start_at", "is when the call was picked up", _query_start_at),
)
_ONLY_MODE: Final = {
    "callback.status1": Mode.C2C,
    "query.order": Mode.C2C,
    "query.start_at": Mode.OBD,
}


def _safe_word(word: object) -> str:
    text = str(word)
    return text if re.fullmatch(r"[A-Za-z_ ]{1,30}", text) else type_name(word)
