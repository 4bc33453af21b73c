"""What one real call shows of Mobtexting's undocumented behaviour (mobtexting.md, section 4).

Each check is one row of the table there. The service works whichever way a check turns out; a
``different`` one says how.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Final
from urllib.parse import parse_qsl

from otpvoice.core.verification import CallStatus
from otpvoice.http_client import HttpResponse
from otpvoice.providers.base import Callback, CallbackParseError, CallReport
from otpvoice.providers.conformance import (
    DURATION_TOLERANCE_S,
    CapturedEvidence,
    CheckResult,
    CheckRow,
    CheckStatus,
    Observation,
    observe_callback,
    observe_clock,
    observe_missing_reply,
    run_rows,
)
from otpvoice.providers.message_body import type_name
from otpvoice.providers.mobtexting.callback import (
    CallbackFormat,
    Message,
    extract_messages,
    parse_call_id,
    parse_report,
)
from otpvoice.providers.mobtexting.modes import Mode
from otpvoice.providers.mobtexting.queries import Entry, parse_page


@dataclass(frozen=True, kw_only=True)
class MobtextingEvidence(CapturedEvidence):
    """The evidence, as Mobtexting's messages are parsed."""

    form: CallbackFormat = field(repr=False)

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


_CONFIRMED, _DIFFERENT, _NOT_OBSERVED = CheckStatus


def check_conformance(evidence: MobtextingEvidence) -> Iterator[CheckResult]:
    """Yield the result of every check, in the order of the documentation."""
    mode = evidence.query.mode
    ruled_out = {
        name: f"this call used {mode}" for name, only in _ONLY_MODE.items() if only != mode
    }
    return run_rows(_CHECKS, evidence, ruled_out)


def _reply_accepts(e: MobtextingEvidence) -> Observation:
    if e.reply is None or e.reply.status is None:
        return observe_missing_reply(e)
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


def _reply_refuses(e: MobtextingEvidence) -> Observation:
    status = e.reply_members.get("status")
    if e.reply is None or e.reply.status not in {200, 202} or not isinstance(status, str):
        return _NOT_OBSERVED, "the body did not refuse the call"
    if status.upper() in {"200", "OK"}:
        return _NOT_OBSERVED, "the call was accepted"
    if re.fullmatch(r"[1-5][0-9]{2}", status):
        return _CONFIRMED, f"HTTP {e.reply.status}, status {status}"
    return _DIFFERENT, f"HTTP {e.reply.status}, status {type_name(status)}"


def _reply_id(e: MobtextingEvidence) -> Observation:
    if e.status is CallStatus.FAILED or e.reply is None or not e.reply_members:
        return _NOT_OBSERVED, "no reply accepted the call"
    member = "data[0].id" if e.query.mode == Mode.OBD else "callId"
    if e.query.provider_id:
        return _CONFIRMED, f"{member} is there"
    return _DIFFERENT, f"no {member}: the callback is matched by bridge and recipient"


def _callback_credential(e: MobtextingEvidence) -> Observation:
    if e.callback and e.callback.scheme.lower() == "bearer":
        return _CONFIRMED, "it has Authorization: Bearer"
    if e.callback and e.callback.has_path_token:
        return _DIFFERENT, "no Bearer: the secret in the path authenticated it, so keep that"
    return _NOT_OBSERVED, "it has neither"


def _callback_format(e: MobtextingEvidence) -> Observation:
    body, content_type = (e.callback.body, e.callback.content_type) if e.callback else (b"", "")
    start = body.lstrip()[:1]
    if start != b"{":
        return _DIFFERENT, "a form" if start else "members in the query string only"
    return _CONFIRMED, f"a JSON object, {content_type.partition(';')[0] or 'no type'}"


def _callback_id(e: MobtextingEvidence) -> Observation:
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


def _callback_recipient(e: MobtextingEvidence) -> Observation:
    name = "to" if e.query.mode == Mode.OBD else "from"
    value = e.callback_members.get(name)
    if not isinstance(value, str):
        return _NOT_OBSERVED, f"it has no {name}"
    if re.sub(r"\D", "", value) == e.query.number.removeprefix("+"):
        return _CONFIRMED, f"{name} is the called number"
    return _DIFFERENT, f"{name} is another number ({type_name(value)})"


def _callback_status(e: MobtextingEvidence) -> Observation:
    members = e.callback_members
    words = {name: members.get(name) for name in ("status", "status1") if members.get(name)}
    if not words:
        return _DIFFERENT, "it has none: the call is unknown"
    shown = ", ".join(f"{name} {_safe_word(word)}" for name, word in words.items())
    statuses = {e.form.meaning_of(str(word)).status for word in words.values()}
    if statuses != {CallStatus.UNKNOWN}:
        return _CONFIRMED, shown
    return _DIFFERENT, f"{shown}: no word is known, so the call is unknown"


def _callback_leg_status(e: MobtextingEvidence) -> Observation:
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


def _callback_times(e: MobtextingEvidence) -> Observation:
    start = e.form.parse_time(e.callback_members, "start_at")
    return observe_clock(e, "start_at", start, "correct provider.timezone")


def _callback_duration(e: MobtextingEvidence) -> Observation:
    members = e.callback_members
    values = {name: members[name] for name in ("duration", "billing") if name in members}
    if not values or e.status is not CallStatus.ANSWERED:
        return _NOT_OBSERVED, "the call was not answered" if values else "it has none"
    if (duration_s := e.callback_report.duration_s) is not None:
        return _CONFIRMED, f"{' and '.join(values)}, {duration_s} s"
    return _DIFFERENT, ", ".join(f"{name} is {type_name(value)}" for name, value in values.items())


def _callback_recording(e: MobtextingEvidence) -> Observation:
    if "recording_url" not in e.callback_members:
        return _NOT_OBSERVED, "it does not mention one"
    if e.callback_members["recording_url"]:
        return _DIFFERENT, "there is one, and it has the code: have recording switched off"
    return _CONFIRMED, "recording_url is empty"


def _query_finds_call(e: MobtextingEvidence) -> Observation:
    if e.query_report is not None:
        return _CONFIRMED, "the call was found, with its result"
    if not e.query_pages:
        reason = "no response could be parsed" if e.query_responses else "no query was sent"
        return _NOT_OBSERVED, reason
    return _DIFFERENT, "the call was not found: without a callback it stays unknown"


def _query_key(e: MobtextingEvidence) -> Observation:
    if not e.is_gated:
        return _NOT_OBSERVED, "the flow asks for no key"
    if e.query_report is None or e.status is not CallStatus.ANSWERED:
        return _NOT_OBSERVED, "no response had an answered call"
    if e.query_report.key is None:
        return _DIFFERENT, "it has no dtmf: whether the code was heard is not known"
    return _CONFIRMED, "a key was pressed" if e.query_report.key else "no key was pressed"


def _query_order(e: MobtextingEvidence) -> Observation:
    ends = [[e.form.parse_time(entry, "end_at") for entry in page] for page in e.query_pages]
    known = [[end for end in page if end is not None] for page in ends]
    pairs = [pair for page in known for pair in pairwise(page) if pair[0] != pair[1]]
    if not pairs:
        return _NOT_OBSERVED, "the log had fewer than two calls"
    if all(first > second for first, second in pairs):
        return _CONFIRMED, "the newest is first"
    return _DIFFERENT, "the newest is not first: in a long log, calls are not found"


def _query_start_at(e: MobtextingEvidence) -> Observation:
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
    is_talk = abs(between_s - duration_s) <= DURATION_TOLERANCE_S
    return (_CONFIRMED if is_talk else _DIFFERENT), observed


_CHECKS: Final[Sequence[CheckRow[MobtextingEvidence]]] = (
    ("reply.accepts", "one of the four documented replies", _reply_accepts),
    ("reply.refuses", "a refusal in HTTP 200 has an HTTP status as status", _reply_refuses),
    ("reply.id", "the reply has the call's id", _reply_id),
    ("callback", "arrives when the call has ended", observe_callback),
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
    ("query.key", "dtmf is the key that was pressed", _query_key),
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
