"""What one real call shows of all that is uncertain about Mobtexting (docs/provider.md, section 4).

Each question is one row of the table there. The service works whichever way an answer turns out; a
``different`` one says which of its ways it then goes.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from otpvoice.core.verification import CallStatus, Route
from otpvoice.providers.exchange_capture import CapturedCallback
from otpvoice.providers.message_shape import type_name
from otpvoice.providers.mobtexting.callback import CallbackFormat, parse_call_id, parse_report
from otpvoice.providers.mobtexting.evidence import CapturedEvidence, CheckResult, CheckStatus
from otpvoice.providers.timestamps import parse_timestamp

_CLOCK_TOLERANCE_MS: Final = 120_000
"""Milliseconds that the vendor's clock may differ from ours."""
_DURATION_TOLERANCE_S: Final = 3
"""Seconds by which two ways of counting a conversation may differ."""


_Observation = tuple[CheckStatus, str]
_CONFIRMED, _DIFFERENT, _NOT_OBSERVED = (
    CheckStatus.CONFIRMED,
    CheckStatus.DIFFERENT,
    CheckStatus.NOT_OBSERVED,
)


@dataclass(frozen=True, slots=True)
class _Check:
    name: str
    expectation: str
    observe: Callable[[CapturedEvidence], _Observation]
    route: Route | None = None
    """Where it only comes up."""


def check_conformance(evidence: CapturedEvidence) -> Iterator[CheckResult]:
    """Every question, in the order of the documentation."""
    for check in _CHECKS:
        yield CheckResult(check.name, check.expectation, *_observe(check, evidence))


def _observe(check: _Check, evidence: CapturedEvidence) -> _Observation:
    if check.route and check.route is not evidence.route:
        return _NOT_OBSERVED, f"this call went by {evidence.route}"
    if check.name.startswith("callback.") and not evidence.callback:
        return _NOT_OBSERVED, "no callback was heard"
    return check.observe(evidence)


def _reply_accepts(e: CapturedEvidence) -> _Observation:
    if e.reply is None or e.reply.status is None:
        return (
            _NOT_OBSERVED,
            f"there was no reply ({e.reply.error if e.reply else 'none was kept'})",
        )
    http, status = e.reply.status, e.reply_members.get("status")
    if http in {200, 202} and str(status).upper() in {"200", "OK"}:
        shape = "OBD, newer" if status == "OK" else "OBD, older"
        shape = "C2C" if e.route is Route.C2C else shape
        return (
            _CONFIRMED,
            f"HTTP {http}, status {status}, as {shape}, after {e.reply.duration_s:.1f} s",
        )
    if http in {200, 202} and not isinstance(status, str):
        return (
            _DIFFERENT,
            f"HTTP {http}, but nothing that is known: the call is unknown, and asked about",
        )
    return _NOT_OBSERVED, f"it was refused, HTTP {http}"


def _reply_refuses(e: CapturedEvidence) -> _Observation:
    status = e.reply_members.get("status")
    if e.reply is None or e.reply.status not in {200, 202} or not isinstance(status, str):
        return _NOT_OBSERVED, "it was not refused in the body"
    if status.upper() in {"200", "OK"}:
        return _NOT_OBSERVED, "it was accepted"
    is_number = re.fullmatch(r"[1-5][0-9]{2}", status)
    observed = f"HTTP {e.reply.status}, status {type_name(status)}"
    return (
        (_CONFIRMED, f"HTTP {e.reply.status}, status {status}")
        if is_number
        else (_DIFFERENT, observed)
    )


def _reply_id(e: CapturedEvidence) -> _Observation:
    if e.status is CallStatus.FAILED or e.reply is None or not e.reply_members:
        return _NOT_OBSERVED, "there was no reply that accepts"
    where = "data[0].id" if e.route is Route.OBD else "callId"
    if e.accepted_id:
        return _CONFIRMED, f"{where} is there"
    return _DIFFERENT, f"no {where}: its callback is matched by bridge and person"


def _callback_arrives(e: CapturedEvidence) -> _Observation:
    if e.status is CallStatus.FAILED and e.callback is None:
        return _NOT_OBSERVED, "no call was placed"
    if e.callback is None or e.callback_at_ms is None:
        hint = "look for callback.unauthorized and callback.unmatched in the log of the api"
        return _NOT_OBSERVED, f"none was heard of, {hint}"
    seconds = (e.callback_at_ms - e.sent_at_ms) / 1000
    return (
        _CONFIRMED,
        f"{e.callback.method}, {seconds:.1f} s after our request ({e.callback.match})",
    )


def _callback_credential(e: CapturedEvidence) -> _Observation:
    callback = _callback_of(e)
    if callback.scheme.lower() == "bearer":
        return _CONFIRMED, "Authorization: Bearer came"
    if callback.has_path_token:
        return _DIFFERENT, "no Bearer came, the secret part of the address let it in: keep that"
    return _NOT_OBSERVED, "neither was there"


def _callback_format(e: CapturedEvidence) -> _Observation:
    start = _callback_of(e).body.lstrip()[:1]
    if start != b"{":
        return _DIFFERENT, "a form" if start else "members in the address only"
    return (
        _CONFIRMED,
        f"a JSON object, {_callback_of(e).content_type.partition(';')[0] or 'of no type'}",
    )


def _callback_id(e: CapturedEvidence) -> _Observation:
    ids = {name: parse_call_id(e.callback_members.get(name)) for name in ("id", "mid", "callId")}
    for name, value in ids.items():
        if value and value in {e.accepted_id, e.call_id}:
            return (
                _CONFIRMED,
                f"{name} is {'ours' if value == e.call_id else 'the id of the reply'}",
            )
    others = [name for name, value in ids.items() if value]
    if not others:
        return _DIFFERENT, "there is none: it was matched by bridge and person"
    if e.accepted_id is None:
        return _NOT_OBSERVED, f"{', '.join(others)} came, and the reply had told none"
    return (
        _DIFFERENT,
        f"{', '.join(others)} is neither ours nor the reply's: matched by bridge and person",
    )


def _callback_recipient(e: CapturedEvidence) -> _Observation:
    name = "to" if e.route is Route.OBD else "from"
    value = e.callback_members.get(name)
    if not isinstance(value, str):
        return _NOT_OBSERVED, f"there is no {name}"
    if re.sub(r"\D", "", value) == e.number.removeprefix("+"):
        return _CONFIRMED, f"{name} is who was called"
    return _DIFFERENT, f"{name} is somebody else ({type_name(value)})"


def _callback_status(e: CapturedEvidence) -> _Observation:
    words = {
        name: e.callback_members.get(name)
        for name in ("status", "status1")
        if e.callback_members.get(name)
    }
    if not words:
        return _DIFFERENT, "there is none: the call is unknown"
    shown = ", ".join(f"{name} {_safe_word(word)}" for name, word in words.items())
    known = any(
        e.status_words.status_of(str(word)) is not CallStatus.UNKNOWN for word in words.values()
    )
    return (
        (_CONFIRMED, shown)
        if known
        else (_DIFFERENT, f"{shown}: none is known, the call is unknown")
    )


def _callback_leg_status(e: CapturedEvidence) -> _Observation:
    whole, person = (
        e.status_words.status_of(str(e.callback_members.get(name, "")))
        for name in ("status", "status1")
    )
    if CallStatus.ANSWERED in {whole, person}:
        return _NOT_OBSERVED, "the call was answered"
    if CallStatus.UNKNOWN in {whole, person}:
        return _NOT_OBSERVED, "one of them says nothing clear"
    leg_word, word = (_safe_word(e.callback_members[name]) for name in ("status1", "status"))
    if whole is person:
        return _CONFIRMED, f"both say {leg_word}"
    shown = f"status1 {leg_word}, status {word}"
    return _DIFFERENT, f"{shown}: the first was believed; was it right?"


def _callback_times(e: CapturedEvidence) -> _Observation:
    start = _time(e, e.callback_members, "start_at")
    if start is None:
        return _NOT_OBSERVED, "there is no start_at that can be read"
    offset = start - e.sent_at_ms
    if abs(offset) <= _CLOCK_TOLERANCE_MS:
        return _CONFIRMED, f"start_at is within {abs(offset) // 1000 + 1} s of our request"
    hours, minutes = divmod(round(abs(offset) / 60_000), 60)
    direction = "after" if offset > 0 else "before"
    return (
        _DIFFERENT,
        f"start_at is {hours} h {minutes} min {direction} our request: correct provider.timezone",
    )


def _callback_duration(e: CapturedEvidence) -> _Observation:
    members = {
        name: e.callback_members[name]
        for name in ("duration", "billing")
        if name in e.callback_members
    }
    if not members or e.status is not CallStatus.ANSWERED:
        return _NOT_OBSERVED, "the call was not answered" if members else "none is told"
    duration_s = parse_report(
        e.callback_members, CallbackFormat(e.timezone, e.status_words)
    ).duration_s
    if duration_s is None:
        return _DIFFERENT, ", ".join(
            f"{name} is {type_name(value)}" for name, value in members.items()
        )
    return _CONFIRMED, f"{' and '.join(members)}, {duration_s} s"


def _callback_recording(e: CapturedEvidence) -> _Observation:
    if "recording_url" not in e.callback_members:
        return _NOT_OBSERVED, "nothing is said of one"
    if e.callback_members["recording_url"]:
        return _DIFFERENT, "there is one, and it holds the code: have it switched off"
    return _CONFIRMED, "recording_url is empty"


def _query_finds_call(e: CapturedEvidence) -> _Observation:
    if e.query_report is not None:
        return _CONFIRMED, "it was found, with its end"
    if not e.query_pages:
        return (
            _NOT_OBSERVED,
            "there was no answer that can be read" if e.query_responses else "it was not asked",
        )
    return _DIFFERENT, "it was not found: without a callback its end stays unknown"


def _query_order(e: CapturedEvidence) -> _Observation:
    ends = [
        [end for each in page if (end := _time(e, each, "end_at")) is not None]
        for page in e.query_pages
    ]
    pairs = [(one, two) for page in ends for one, two in pairwise(page) if one != two]
    if not pairs:
        return _NOT_OBSERVED, "fewer than two calls were shown"
    if all(one > two for one, two in pairs):
        return _CONFIRMED, "the newest is in front"
    return _DIFFERENT, "the newest is not in front: in a long log, calls are out of sight"


def _query_start_at(e: CapturedEvidence) -> _Observation:
    entries = [
        each
        for page in e.query_pages
        for each in page
        if parse_call_id(each.get("id")) == e.accepted_id
    ]
    if e.status is not CallStatus.ANSWERED or not entries:
        return _NOT_OBSERVED, "no answered call was shown"
    start, end = (_time(e, entries[0], name) for name in ("start_at", "end_at"))
    duration_s = parse_report(
        e.callback_members, CallbackFormat(e.timezone, e.status_words)
    ).duration_s
    if start is None or end is None or duration_s is None:
        return _NOT_OBSERVED, "the times, or the callback's duration, are not told"
    between = round((end - start) / 1000)
    observed = f"{between} s from start_at to end_at, duration {duration_s} s"
    return (
        _CONFIRMED if abs(between - duration_s) <= _DURATION_TOLERANCE_S else _DIFFERENT
    ), observed


_CHECKS: Final = (
    _Check("reply.accepts", "one of the four documented replies", _reply_accepts),
    _Check(
        "reply.refuses", "a refusal within HTTP 200 has an HTTP status as status", _reply_refuses
    ),
    _Check("reply.id", "the reply tells the call's id", _reply_id),
    _Check("callback", "comes when the call has ended", _callback_arrives),
    _Check("callback.bearer", "carries the webhook's secret", _callback_credential),
    _Check("callback.form", "is a JSON object", _callback_format),
    _Check("callback.id", "names the call as the reply or we do", _callback_id),
    _Check("callback.person", "to (OBD) or from (C2C) is the person", _callback_recipient),
    _Check("callback.status", "says a known word", _callback_status),
    _Check("callback.status1", "is right where nobody picked up", _callback_leg_status, Route.C2C),
    _Check("callback.times", "are of provider.timezone", _callback_times),
    _Check("callback.duration", "is in seconds", _callback_duration),
    _Check("callback.recording", "there is none", _callback_recording),
    _Check("asking", "an ended call can be asked about", _query_finds_call),
    _Check("asking.order", "the log begins with the newest", _query_order, Route.C2C),
    _Check("asking.start_at", "is when the call was picked up", _query_start_at, Route.OBD),
)


def _time(e: CapturedEvidence, members: Mapping[str, object], name: str) -> int | None:
    return parse_timestamp(str(members.get(name)), e.timezone)


def _callback_of(e: CapturedEvidence) -> CapturedCallback:
    if e.callback is None:
        raise ValueError("no callback was heard")
    return e.callback


def _safe_word(word: object) -> str:
    text = str(word)
    return text if re.fullmatch(r"[A-Za-z_ ]{1,30}", text) else type_name(word)
