"""Parse Plivo's callbacks and call records (docs/providers/plivo.md, sections 3 and 5).

A callback has the status of the call as one word, and the cause of its end as a name and a code.
The word decides whether the recipient picked up; the cause says why not.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC
from types import MappingProxyType
from typing import Any, Final

from otpvoice.core.verification import CallReason, CallStatus, normalize_status_word
from otpvoice.providers.base import CallReport
from otpvoice.providers.context import is_call_id
from otpvoice.providers.message_body import redact_status
from otpvoice.providers.timestamps import parse_timestamp

Members = Mapping[str, Any]
"""Numbers as text."""

_NUMBER: Final = re.compile(r"\+?([1-9][0-9]{6,14})")
_UUID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{7,63}")
_KEY: Final = re.compile(r"[0-9*#]")
_SECONDS: Final = re.compile(r"([0-9]{1,5})(?:\.[0-9]*)?")
_OWN_DOCUMENT_CODE: Final = re.compile(r"[78][0-9]{3}")
"""7011 and others: the answer address was not reached. 8011 and others: its document is wrong."""


@dataclass(frozen=True, slots=True)
class EndMeaning:
    """Meaning of a word for the state or the end of a call."""

    status: CallStatus
    """Unknown for a word that reports no result."""
    reason: CallReason | None = None
    overrides_answer: bool = False
    """The recipient did not hear the code, although the call counts as completed."""
    closes_route: bool = False
    """Every call of the account ends so, to any number."""


_ANSWERED: Final = EndMeaning(CallStatus.ANSWERED)
_BUSY: Final = EndMeaning(CallStatus.BUSY)
_NO_ANSWER: Final = EndMeaning(CallStatus.NO_ANSWER)
_HUNG_UP: Final = EndMeaning(CallStatus.NO_ANSWER, CallReason.HUNG_UP_BEFORE_ANSWER)
_FAILED: Final = EndMeaning(CallStatus.FAILED)
_REFUSED: Final = EndMeaning(CallStatus.FAILED, CallReason.REFUSED)
_NO_DOCUMENT: Final = EndMeaning(
    CallStatus.FAILED, CallReason.PROVIDER_ERROR, overrides_answer=True
)
_MISCONFIGURED: Final = EndMeaning(CallStatus.FAILED, CallReason.ROUTE_DOWN, overrides_answer=True)
_ACCOUNT_DOWN: Final = replace(_MISCONFIGURED, closes_route=True)
_NOT_ENDED: Final = EndMeaning(CallStatus.UNKNOWN)

_STATES: Final = (
    (_ANSWERED, ("ANSWER", "ANSWERED", "COMPLETED")),
    (_BUSY, ("BUSY",)),
    (_NO_ANSWER, ("NO ANSWER", "TIMEOUT", "UNANSWERED")),
    (_HUNG_UP, ("CANCEL", "CANCELED", "CANCELLED")),
    (_FAILED, ("FAILED",)),
    (_NOT_ENDED, ("EARLY MEDIA", "IN PROGRESS", "INITIATED", "QUEUED", "RINGING")),
)
_CAUSES: Final = (
    (_BUSY, ("BUSY LINE", "CALL REJECTED", "REJECTED", "USER BUSY")),
    (_NO_ANSWER,
     ("NO ANSWER", "NO USER RESPONSE", "REQUEST TIMEOUT", "RING TIMEOUT REACHED",
      "SUBSCRIBER ABSENT")),
    (_HUNG_UP, ("CANCELED", "CANCELLED", "ORIGINATOR CANCEL")),
    (_REFUSED,
     ("DESTINATION COUNTRY BARRED", "DESTINATION NUMBER BARRED", "FORBIDDEN",
      "INVALID DESTINATION ADDRESS", "UNALLOCATED NUMBER")),
    (_FAILED, ("DESTINATION OUT OF SERVICE", "DESTINATION OUT OF ORDER")),
    (_ACCOUNT_DOWN,
     ("CANCELED (OUT OF CREDITS)", "CANCELLED (OUT OF CREDITS)", "DNO CALLER ID")),
    # The recipient's country may be the cause, so one number must not close the route for others.
    (_MISCONFIGURED, ("VIOLATES MEDIA ANCHORING",)),
)  # fmt: skip

STATE_MEANINGS: Final[Mapping[str, EndMeaning]] = MappingProxyType(
    {normalize_status_word(word): meaning for meaning, words in _STATES for word in words}
)
"""Normalized ``CallStatus`` or ``call_state`` → its meaning."""
CAUSE_MEANINGS: Final[Mapping[str, EndMeaning]] = MappingProxyType(
    {normalize_status_word(word): meaning for meaning, words in _CAUSES for word in words}
)
"""Normalized name of a hangup cause → its meaning. A normal end is not in it."""


def parse_callback(form: Members, own_id: str) -> CallReport:
    """Translate the members of a callback; ``own_id`` is the id in its address, or empty."""
    state = _text(form, "CallStatus")
    cause = _text(form, "HangupCauseName") or _text(form, "HangupCause")
    times = tuple(_time(form, name) for name in ("AnswerTime", "EndTime"))
    names = ("RequestUUID", "ALegRequestUUID", "CallUUID")
    return _report(
        ids=(own_id, *(_text(form, name) for name in names)),
        numbers=(_text(form, "From"), _text(form, "To")),
        state=state,
        cause=(cause, _text(form, "HangupCauseCode")),
        durations=(
            *(_seconds(form, name) for name in ("Duration", "BillDuration")),
            _difference_s(*times),
        ),
    )


def parse_record(record: Members) -> CallReport:
    """Translate the members of a call record, as a status query returns it.

    A record without a known state is answered if it has the time of the answer.
    """
    answered_at, ended_at = (_time(record, name) for name in ("answer_time", "end_time"))
    state = _text(record, "call_state")
    if normalize_status_word(state) not in STATE_MEANINGS:
        state = "completed" if answered_at else "failed" if ended_at else "in-progress"
    return _report(
        ids=(_text(record, "request_uuid"), _text(record, "call_uuid")),
        numbers=(_text(record, "from_number"), _text(record, "to_number")),
        state=state,
        cause=(_text(record, "hangup_cause_name"), _text(record, "hangup_cause_code")),
        durations=(
            *(_seconds(record, name) for name in ("call_duration", "bill_duration")),
            _difference_s(answered_at, ended_at),
        ),
    )


def parse_key(form: Members) -> str:
    """Return the one key that a request reports; empty if there is not exactly one."""
    digits = _text(form, "Digits")
    return digits if _KEY.fullmatch(digits) else ""


def parse_own_id(text: str) -> str:
    """Return the id of a call of this service; empty if it is none."""
    return text if is_call_id(text) else ""


def record_start_ms(record: Members) -> int | None:
    """Return when a call record began, in milliseconds since 1970."""
    return _time(record, "initiation_time")


def _report(
    *,
    ids: tuple[str, ...],
    numbers: tuple[str, str],
    state: str,
    cause: tuple[str, str],
    durations: tuple[int | None, ...],
) -> CallReport:
    meaning = _meaning(state, *cause)
    caller, recipient = (_NUMBER.fullmatch(each) for each in numbers)
    known = [each for each in durations if each is not None]
    word = normalize_status_word(state)
    return CallReport(
        ids=tuple(dict.fromkeys(each for each in ids if _UUID.fullmatch(each))),
        mode=None,
        bridge=caller[1] if caller else None,
        number=f"+{recipient[1]}" if recipient else None,
        status=meaning.status,
        reason=meaning.reason,
        closes_route=meaning.closes_route,
        raw=redact_status(cause[0] or state),
        started_at_ms=None,
        # The billed duration may be rounded up, and the other one may include the ringing.
        duration_s=min(known) if known and meaning.status is CallStatus.ANSWERED else None,
        is_known_status=not word or word in STATE_MEANINGS,
    )


def _meaning(state: str, cause: str, code: str) -> EndMeaning:
    """Return what state and cause mean together."""
    by_state = STATE_MEANINGS.get(normalize_status_word(state), _NOT_ENDED)
    by_cause = CAUSE_MEANINGS.get(normalize_status_word(cause))
    if _OWN_DOCUMENT_CODE.fullmatch(code):
        by_cause = _NO_DOCUMENT
    if by_cause is None or by_state is _NOT_ENDED:
        return by_state
    is_answered = by_state.status is CallStatus.ANSWERED
    return by_state if is_answered and not by_cause.overrides_answer else by_cause


def _seconds(members: Members, name: str) -> int | None:
    match = _SECONDS.fullmatch(_text(members, name))
    return int(match[1]) if match else None


def seconds_between(members: Members, first: str, second: str) -> int | None:
    """Return the seconds between two times of a message; None if one is missing."""
    return _difference_s(_time(members, first), _time(members, second))


def _difference_s(start_ms: int | None, end_ms: int | None) -> int | None:
    if start_ms is None or end_ms is None or end_ms < start_ms:
        return None
    return (end_ms - start_ms) // 1000


def _time(members: Members, name: str) -> int | None:
    """Parse a time. Its zone is the console's setting, so only differences of times count."""
    return parse_timestamp(_text(members, name), UTC)


def _text(members: Members, name: str) -> str:
    value = members.get(name)
    return value.strip() if isinstance(value, str) else ""
