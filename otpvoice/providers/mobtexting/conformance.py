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
from otpvoice.providers.exchange_capture import OverheardCallback
from otpvoice.providers.message_shape import kind_of_value
from otpvoice.providers.mobtexting.callback import VendorFormat, call_id, report
from otpvoice.providers.mobtexting.evidence import Answer, Evidence, Verdict
from otpvoice.providers.timestamps import parse_timestamp

_CLOCK_ERROR: Final = 120_000
"""Milliseconds that the vendor's clock may differ from ours."""
_TALK_ERROR: Final = 3
"""Seconds by which two ways of counting a conversation may differ."""


_Seen = tuple[Verdict, str]
_A, _D, _U = Verdict.ASSUMED, Verdict.DIFFERENT, Verdict.UNSEEN


@dataclass(frozen=True, slots=True)
class _Question:
    name: str
    assumed: str
    look: Callable[[Evidence], _Seen]
    route: Route | None = None
    """Where it only comes up."""


def answers(evidence: Evidence) -> Iterator[Answer]:
    """Every question, in the order of the documentation."""
    for question in _QUESTIONS:
        yield Answer(question.name, question.assumed, *_look(question, evidence))


def _look(question: _Question, evidence: Evidence) -> _Seen:
    if question.route and question.route is not evidence.route:
        return _U, f"this call went by {evidence.route}"
    if question.name.startswith("callback.") and not evidence.callback:
        return _U, "no callback was heard"
    return question.look(evidence)


def _accepts(e: Evidence) -> _Seen:
    if e.reply is None or e.reply.status is None:
        return _U, f"there was no reply ({e.reply.why if e.reply else 'none was kept'})"
    http, status = e.reply.status, e.said.get("status")
    if http in {200, 202} and str(status).upper() in {"200", "OK"}:
        shape = "OBD, newer" if status == "OK" else "OBD, older"
        shape = "C2C" if e.route is Route.C2C else shape
        return _A, f"HTTP {http}, status {status}, as {shape}, after {e.reply.seconds:.1f} s"
    if http in {200, 202} and not isinstance(status, str):
        return _D, f"HTTP {http}, but nothing that is known: the call is unknown, and asked about"
    return _U, f"it was refused, HTTP {http}"


def _refuses(e: Evidence) -> _Seen:
    status = e.said.get("status")
    if e.reply is None or e.reply.status not in {200, 202} or not isinstance(status, str):
        return _U, "it was not refused in the body"
    if status.upper() in {"200", "OK"}:
        return _U, "it was accepted"
    is_number = re.fullmatch(r"[1-5][0-9]{2}", status)
    seen = f"HTTP {e.reply.status}, status {kind_of_value(status)}"
    return (_A, f"HTTP {e.reply.status}, status {status}") if is_number else (_D, seen)


def _tells_id(e: Evidence) -> _Seen:
    if e.status is CallStatus.FAILED or e.reply is None or not e.said:
        return _U, "there was no reply that accepts"
    where = "data[0].id" if e.route is Route.OBD else "callId"
    if e.accepted_id:
        return _A, f"{where} is there"
    return _D, f"no {where}: its callback is matched by bridge and person"


def _comes(e: Evidence) -> _Seen:
    if e.status is CallStatus.FAILED and e.callback is None:
        return _U, "no call was placed"
    if e.callback is None or e.callback_at is None:
        hint = "look for callback.untrusted and callback.orphan in the log of the api"
        return _U, f"none was heard of, {hint}"
    seconds = (e.callback_at - e.sent_at) / 1000
    return _A, f"{e.callback.method}, {seconds:.1f} s after our request ({e.callback.news})"


def _credential(e: Evidence) -> _Seen:
    heard = _heard(e)
    if heard.scheme.lower() == "bearer":
        return _A, "Authorization: Bearer came"
    if heard.has_path_token:
        return _D, "no Bearer came, the secret part of the address let it in: keep that"
    return _U, "neither was there"


def _form(e: Evidence) -> _Seen:
    start = _heard(e).body.lstrip()[:1]
    if start != b"{":
        return _D, "a form" if start else "members in the address only"
    return _A, f"a JSON object, {_heard(e).content_type.partition(';')[0] or 'of no type'}"


def _callback_id(e: Evidence) -> _Seen:
    told = {name: call_id(e.fields.get(name)) for name in ("id", "mid", "callId")}
    for name, value in told.items():
        if value and value in {e.accepted_id, e.call_id}:
            return _A, f"{name} is {'ours' if value == e.call_id else 'the id of the reply'}"
    others = [name for name, value in told.items() if value]
    if not others:
        return _D, "there is none: it was matched by bridge and person"
    if e.accepted_id is None:
        return _U, f"{', '.join(others)} came, and the reply had told none"
    return _D, f"{', '.join(others)} is neither ours nor the reply's: matched by bridge and person"


def _person(e: Evidence) -> _Seen:
    name = "to" if e.route is Route.OBD else "from"
    value = e.fields.get(name)
    if not isinstance(value, str):
        return _U, f"there is no {name}"
    if re.sub(r"\D", "", value) == e.number.removeprefix("+"):
        return _A, f"{name} is who was called"
    return _D, f"{name} is somebody else ({kind_of_value(value)})"


def _word(e: Evidence) -> _Seen:
    words = {name: e.fields.get(name) for name in ("status", "status1") if e.fields.get(name)}
    if not words:
        return _D, "there is none: the call is unknown"
    told = ", ".join(f"{name} {_shown(word)}" for name, word in words.items())
    known = any(e.words.status(str(word)) is not CallStatus.UNKNOWN for word in words.values())
    return (_A, told) if known else (_D, f"{told}: none is known, the call is unknown")


def _legs(e: Evidence) -> _Seen:
    whole, person = (e.words.status(str(e.fields.get(name, ""))) for name in ("status", "status1"))
    if CallStatus.ANSWERED in {whole, person}:
        return _U, "the call was answered"
    if CallStatus.UNKNOWN in {whole, person}:
        return _U, "one of them says nothing clear"
    if whole is person:
        return _A, f"both say {_shown(e.fields['status1'])}"
    told = f"status1 {_shown(e.fields['status1'])}, status {_shown(e.fields['status'])}"
    return _D, f"{told}: the first was believed; was it right?"


def _times(e: Evidence) -> _Seen:
    start = _time(e, e.fields, "start_at")
    if start is None:
        return _U, "there is no start_at that can be read"
    off = start - e.sent_at
    if abs(off) <= _CLOCK_ERROR:
        return _A, f"start_at is within {abs(off) // 1000 + 1} s of our request"
    hours, minutes = divmod(round(abs(off) / 60_000), 60)
    way = "after" if off > 0 else "before"
    return _D, f"start_at is {hours} h {minutes} min {way} our request: correct provider.timezone"


def _duration(e: Evidence) -> _Seen:
    told = {name: e.fields[name] for name in ("duration", "billing") if name in e.fields}
    if not told or e.status is not CallStatus.ANSWERED:
        return _U, "the call was not answered" if told else "none is told"
    read = report(e.fields, VendorFormat(e.zone, e.words)).duration
    if read is None:
        return _D, ", ".join(f"{name} is {kind_of_value(value)}" for name, value in told.items())
    return _A, f"{' and '.join(told)}, {read} s"


def _recording(e: Evidence) -> _Seen:
    if "recording_url" not in e.fields:
        return _U, "nothing is said of one"
    if e.fields["recording_url"]:
        return _D, "there is one, and it holds the code: have it switched off"
    return _A, "recording_url is empty"


def _asking(e: Evidence) -> _Seen:
    if e.found is not None:
        return _A, "it was found, with its end"
    if not e.pages:
        return _U, "there was no answer that can be read" if e.asked else "it was not asked"
    return _D, "it was not found: without a callback its end stays unknown"


def _newest_first(e: Evidence) -> _Seen:
    ends = [
        [end for each in page if (end := _time(e, each, "end_at")) is not None] for page in e.pages
    ]
    pairs = [(one, two) for page in ends for one, two in pairwise(page) if one != two]
    if not pairs:
        return _U, "fewer than two calls were shown"
    if all(one > two for one, two in pairs):
        return _A, "the newest is in front"
    return _D, "the newest is not in front: in a long log, calls are out of sight"


def _picked_up(e: Evidence) -> _Seen:
    entries = [
        each for page in e.pages for each in page if call_id(each.get("id")) == e.accepted_id
    ]
    if e.status is not CallStatus.ANSWERED or not entries:
        return _U, "no answered call was shown"
    start, end = (_time(e, entries[0], name) for name in ("start_at", "end_at"))
    talk = report(e.fields, VendorFormat(e.zone, e.words)).duration
    if start is None or end is None or talk is None:
        return _U, "the times, or the callback's duration, are not told"
    between = round((end - start) / 1000)
    seen = f"{between} s from start_at to end_at, duration {talk} s"
    return (_A if abs(between - talk) <= _TALK_ERROR else _D), seen


_QUESTIONS: Final = (
    _Question("reply.accepts", "one of the four documented replies", _accepts),
    _Question("reply.refuses", "a refusal within HTTP 200 has an HTTP status as status", _refuses),
    _Question("reply.id", "the reply tells the call's id", _tells_id),
    _Question("callback", "comes when the call has ended", _comes),
    _Question("callback.bearer", "carries the webhook's secret", _credential),
    _Question("callback.form", "is a JSON object", _form),
    _Question("callback.id", "names the call as the reply or we do", _callback_id),
    _Question("callback.person", "to (OBD) or from (C2C) is the person", _person),
    _Question("callback.status", "says a known word", _word),
    _Question("callback.status1", "is right where nobody picked up", _legs, Route.C2C),
    _Question("callback.times", "are of provider.timezone", _times),
    _Question("callback.duration", "is in seconds", _duration),
    _Question("callback.recording", "there is none", _recording),
    _Question("asking", "an ended call can be asked about", _asking),
    _Question("asking.order", "the log begins with the newest", _newest_first, Route.C2C),
    _Question("asking.start_at", "is when the call was picked up", _picked_up, Route.OBD),
)


def _time(e: Evidence, members: Mapping[str, object], name: str) -> int | None:
    return parse_timestamp(str(members.get(name)), e.zone)


def _heard(e: Evidence) -> OverheardCallback:
    if e.callback is None:
        raise ValueError("no callback was heard")
    return e.callback


def _shown(word: object) -> str:
    text = str(word)
    return text if re.fullmatch(r"[A-Za-z_ ]{1,30}", text) else kind_of_value(word)
