"""What one real call shows about a provider's documentation, for ``otpvoice doctor --live``.

A kind of provider has a table of checks, each of which is a row of its page. The service works
whichever way a check turns out; a ``different`` one says how.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from functools import cached_property
from typing import Any, Final, Self, TypeVar

from otpvoice.core.verification import CallStatus
from otpvoice.http_client import CapturedResponse
from otpvoice.providers.base import CallQuery, CallReport
from otpvoice.providers.exchange_capture import CapturedAnswer, CapturedCallback
from otpvoice.providers.message_body import decode_object, parse_form, type_name

CLOCK_TOLERANCE_MS: Final = 120_000
DURATION_TOLERANCE_S: Final = 3
_KEY_OUTCOMES: Final = frozenset({"speak", "denied"})


class CheckStatus(StrEnum):
    """What a call showed about one check."""

    CONFIRMED = "confirmed"
    DIFFERENT = "different"
    NOT_OBSERVED = "not observed"


_CONFIRMED, _DIFFERENT, _NOT_OBSERVED = CheckStatus
Observation = tuple[CheckStatus, str]
"""The outcome of a check, and what was seen: no number, no code."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check and its outcome. Holds no number and no code."""

    name: str
    expectation: str
    status: CheckStatus
    observation: str


@dataclass(frozen=True, kw_only=True)
class CapturedEvidence:
    """Everything that a provider sent about one call."""

    query: CallQuery
    """Identifies the call, with its id in the reply as ``provider_id``."""
    status: CallStatus
    reply: CapturedResponse | None
    callback: CapturedCallback | None
    callback_at_ms: int | None
    answers: Sequence[CapturedAnswer] = field(default=(), repr=False)
    """Requests for what the call speaks, and reports of keys."""
    is_gated: bool = False
    """The call's flow asks for a key before it speaks the code."""
    query_responses: Sequence[CapturedResponse] = field(default=(), repr=False)
    """Responses to status queries after the call."""
    query_report: CallReport | None = None
    """The call that the status queries found."""

    @classmethod
    def of(cls, evidence: "CapturedEvidence", **more: Any) -> Self:
        """Return the evidence as a kind interprets it, with that kind's own fields."""
        known = {each.name: getattr(evidence, each.name) for each in fields(CapturedEvidence)}
        return cls(**known, **more)

    @cached_property
    def reply_members(self) -> Mapping[str, Any]:
        """The reply's members, numbers as text; empty if it cannot be parsed."""
        return decode_object(self.reply.body) if self.reply else {}

    @cached_property
    def form_members(self) -> Mapping[str, str]:
        """The members of a callback that is a form; empty if it is none."""
        body = self.callback.body if self.callback else b""
        try:
            return dict(parse_form(body))
        except ValueError:
            return {}


E = TypeVar("E", bound=CapturedEvidence)
CheckRow = tuple[str, str, Callable[[E], Observation]]
"""The name of a check, what is expected, and how it is observed."""


def run_rows(
    rows: Sequence[CheckRow[E]], evidence: E, ruled_out: Mapping[str, str]
) -> Iterator[CheckResult]:
    """Yield the result of every check, in the order of the documentation.

    Args:
        rows: the checks.
        evidence: of the call.
        ruled_out: why this call cannot show a check, by the check's name.
    """
    for name, expectation, observe in rows:
        if name in ruled_out:
            observation = _NOT_OBSERVED, ruled_out[name]
        elif name.startswith("callback.") and not evidence.callback:
            observation = _NOT_OBSERVED, "no callback arrived"
        else:
            observation = observe(evidence)
        yield CheckResult(name, expectation, *observation)


def observe_missing_reply(e: CapturedEvidence) -> Observation:
    """Return why there was no reply to the request for the call."""
    error = e.reply.error if e.reply else "none captured"
    return _NOT_OBSERVED, f"there was no reply ({error})"


def observe_callback(e: CapturedEvidence) -> Observation:
    """Return whether a callback arrived, and when."""
    if e.callback is None or e.callback_at_ms is None:
        if e.status is CallStatus.FAILED:
            return _NOT_OBSERVED, "no call was placed"
        events = "callback.unauthorized and callback.unmatched"
        return _NOT_OBSERVED, f"none arrived: search the API's log for {events}"
    delay = f"{(e.callback_at_ms - e.query.sent_at_ms) / 1000:.1f} s after the request"
    return _CONFIRMED, f"{e.callback.method}, {delay} ({e.callback.outcome})"


def observe_form(e: CapturedEvidence) -> Observation:
    """Return whether the callback is a form."""
    content_type = e.callback.content_type if e.callback else ""
    if not e.form_members:
        return _DIFFERENT, f"no form, {content_type.partition(';')[0] or 'no type'}"
    return (
        _CONFIRMED,
        f"{len(e.form_members)} members, {content_type.partition(';')[0] or 'no type'}",
    )


def observe_document(e: CapturedEvidence) -> Observation:
    """Return whether what the call speaks was fetched once; a prompt may be fetched again."""
    fetched = [each for each in e.answers if not each.is_key]
    if not fetched:
        if e.status is CallStatus.ANSWERED:
            return _DIFFERENT, "it was not fetched, so the call was silent: search the API's log"
        return _NOT_OBSERVED, "the call was not answered"
    outcomes = [each.outcome for each in fetched]
    shown = f"{fetched[0].method}, {', '.join(outcomes)}"
    return (_CONFIRMED if {*outcomes} == {"found"} else _DIFFERENT), shown


def observe_key(e: CapturedEvidence) -> Observation:
    """Return whether a key was reported, and led to the code or to a denial, once."""
    if not e.is_gated:
        return _NOT_OBSERVED, "the text asks for no key"
    outcomes = [each.outcome for each in e.answers if each.is_key]
    if not outcomes:
        return _NOT_OBSERVED, "no key came: if one was pressed, search the API's log"
    is_one = len(outcomes) == 1 and outcomes[0] in _KEY_OUTCOMES
    return (_CONFIRMED if is_one else _DIFFERENT), ", ".join(outcomes)


def observe_signature(
    e: CapturedEvidence, headers: Sequence[str], others: Sequence[str] = ()
) -> Observation:
    """Return which of the headers signed the callback, which was verified before.

    Args:
        e: of the call.
        headers: names in lower case, as documented.
        others: further ones that are accepted.
    """
    names = e.callback.headers if e.callback else ()
    if found := [name for name in headers if name in names]:
        return _CONFIRMED, " and ".join(found)
    if found := [name for name in others if name in names]:
        return _DIFFERENT, f"{' and '.join(found)}, which is accepted as well"
    return _NOT_OBSERVED, "its headers were not captured"


def observe_numbers(e: CapturedEvidence) -> Observation:
    """Return whether ``To`` is the recipient and ``From`` the caller line."""
    expected = {"To": e.query.number.removeprefix("+"), "From": e.query.bridge}
    missing = [name for name in expected if name not in e.form_members]
    if missing:
        return _DIFFERENT, f"it has no {' and no '.join(missing)}"
    wrong = {
        name: e.form_members[name]
        for name, number in expected.items()
        if e.form_members[name].strip().removeprefix("+") != number
    }
    if wrong:
        others = ", ".join(f"{name} is {type_name(value)}" for name, value in wrong.items())
        return _DIFFERENT, f"another number: {others}"
    return _CONFIRMED, "both are those of the request"


def observe_query(e: CapturedEvidence) -> Observation:
    """Return whether a status query found the call."""
    if e.query_report is not None:
        return _CONFIRMED, "the call was found, with its result"
    if not any(each.status for each in e.query_responses):
        reason = "no response came" if e.query_responses else "no query was sent"
        return _NOT_OBSERVED, reason
    return _DIFFERENT, "the call was not found: without a callback it stays unknown"


def observe_same_duration(e: CapturedEvidence, callback_s: int | None) -> Observation:
    """Return whether a status query has the duration of the callback."""
    queried_s = e.query_report.duration_s if e.query_report else None
    if e.status is not CallStatus.ANSWERED or queried_s is None or callback_s is None:
        return _NOT_OBSERVED, "there are no two durations of an answered call"
    is_same = abs(queried_s - callback_s) <= DURATION_TOLERANCE_S
    observed = f"{queried_s} s, in the callback {callback_s} s"
    return (_CONFIRMED if is_same else _DIFFERENT), observed


def observe_clock(
    e: CapturedEvidence, member: str, time_ms: int | None, remedy: str
) -> Observation:
    """Return whether a time is close to the request.

    Args:
        e: of the call.
        member: has the time.
        time_ms: since 1970, as parsed; None if there is none.
        remedy: what to do about another time.
    """
    if time_ms is None:
        return _NOT_OBSERVED, f"it has no valid {member}"
    offset = time_ms - e.query.sent_at_ms
    if abs(offset) <= CLOCK_TOLERANCE_MS:
        return _CONFIRMED, f"{member} is within {abs(offset) // 1000 + 1} s of the request"
    hours, minutes = divmod(round(abs(offset) / 60_000), 60)
    difference = f"{hours} h {minutes} min {'after' if offset > 0 else 'before'} the request"
    return _DIFFERENT, f"{member} is {difference}: {remedy}"
