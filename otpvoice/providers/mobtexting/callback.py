"""Parse Mobtexting's callbacks leniently (docs/providers/mobtexting.md, section 3).

The provider sends JSON, the operator may compose a form or a query string instead, and the
provider's own samples disagree on integers and strings. So every member is read as text, and one
that makes no sense counts as missing: a callback's purpose is to report how the call ended.

A message is an object with a status and something that names a call. An object or list that holds
messages in exactly one place is an envelope, of which nothing else is read.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo
from json import JSONDecodeError
from types import MappingProxyType
from typing import Any, Final
from zoneinfo import ZoneInfo

from otpvoice.core.errors import InvalidNumber
from otpvoice.core.phone import parse_written_number
from otpvoice.core.verification import CallReason, CallStatus, normalize_status_word
from otpvoice.providers.base import Callback, CallbackParseError, CallReport
from otpvoice.providers.message_body import decode_body, decode_json, redact_status
from otpvoice.providers.mobtexting.modes import Mode
from otpvoice.providers.timestamps import parse_timestamp

MAX_MESSAGES: Final = 20
"""In one callback."""
_MAX_ENVELOPES: Final = 3
"""Around a message, a list included."""
_STATUS_MEMBERS: Final = frozenset({"status", "status1"})
_CALL_MEMBERS: Final = frozenset({"id", "mid", "callId", "to", "from"})
_CHALLENGE_MEMBERS: Final = frozenset({"validation_key", "challenge"})
_INDIA: Final = ZoneInfo("Asia/Kolkata")
_MODE_OF_SOURCE: Final[Mapping[str, Mode]] = {"OBD": Mode.OBD, "C2C": Mode.C2C}
_END_TIMES: Final = ("end_at", "date", "unixtime")
_NOT_PICKED_UP: Final = frozenset({CallStatus.BUSY, CallStatus.NO_ANSWER, CallStatus.FAILED})
_NUMBER: Final = re.compile(r"\+?([1-9][0-9]{6,14})")
_BRIDGE: Final = re.compile(r"\+?([0-9]{3,15})")
_SECONDS: Final = re.compile(r"([0-9]{1,5})(?:\.[0-9]*)?")
_CALL_ID: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]{0,63})(?::[0-9]+)?")
_LEG_MARK: Final = re.compile(r"^LEG1|LEG1$")

Message = Mapping[str, Any]
"""Numbers as text."""


@dataclass(frozen=True, slots=True)
class StatusMeaning:
    """Meaning of one word for the end of a call."""

    status: CallStatus
    """Unknown for a word that reports no result, and for one that is in no table."""
    reason: CallReason | None = None
    is_known: bool = True


_NOT_IN_TABLE: Final = StatusMeaning(CallStatus.UNKNOWN, is_known=False)

STATUS_MEANINGS: Final = (
    (
        StatusMeaning(CallStatus.ANSWERED),
        ("ANSWER", "ANSWERED", "COMPLETE", "COMPLETED", "RECEIVED"),
    ),
    (
        StatusMeaning(CallStatus.BUSY),
        ("BUSY", "CALL REJECTED", "DECLINED", "LINE BUSY", "REJECTED", "SUBSCRIBER BUSY",
         "USER BUSY"),
    ),
    (
        StatusMeaning(CallStatus.NO_ANSWER),
        ("NO ANSWER", "NO ANSWERED", "NO RESPONSE", "NO USER RESPONSE", "NOT ANSWER",
         "NOT ANSWERED", "NOT RESPONDING", "RING TIMEOUT", "UNANSWERED"),
    ),
    (
        StatusMeaning(CallStatus.NO_ANSWER, CallReason.HUNG_UP_BEFORE_ANSWER),
        ("CANCEL", "CANCELED", "CANCELLED", "ORIGINATOR CANCEL"),
    ),
    (
        StatusMeaning(CallStatus.FAILED),
        ("CALL FAILED", "CHAN UNAVAIL", "CHANNEL UNAVAILABLE", "CONGESTION", "DND", "DND NUMBER",
         "DO NOT DISTURB", "FAIL", "FAILED", "FAILURE", "INVALID", "INVALID NUMBER",
         "NETWORK CONGESTION", "NETWORK ERROR", "NOT IN SERVICE", "NOT REACHABLE",
         "NUMBER NOT REACHABLE", "OUT OF COVERAGE", "OUT OF COVERAGE AREA", "OUT OF NETWORK",
         "OUT OF SERVICE", "SWITCH OFF", "SWITCHED OFF", "TEMPORARILY UNAVAILABLE",
         "UNALLOCATED NUMBER", "UNAVAILABLE", "UNREACHABLE", "WRONG NUMBER"),
    ),
    (
        StatusMeaning(CallStatus.UNKNOWN),
        ("DIALING", "DIALLING", "IN PROGRESS", "INITIATED", "MISSED", "PENDING", "PROCESSING",
         "QUEUED", "RINGING", "SENT", "SUBMITTED"),
    ),
)  # fmt: skip

STATUS_WORDS: Final[Mapping[str, StatusMeaning]] = MappingProxyType(
    {normalize_status_word(word): meaning for meaning, words in STATUS_MEANINGS for word in words}
)
"""Normalized word → its meaning."""


class CallbackFormat:
    """Settings that decide how messages are parsed.

    Args:
        timezone: of times without a zone.
        status_words: further words for the end of a call. They take precedence over the table.
        region: of numbers without a calling code (ISO 3166); None if several are possible.
    """

    def __init__(
        self,
        timezone: tzinfo = _INDIA,
        status_words: Mapping[str, CallStatus] = MappingProxyType({}),
        region: str | None = None,
    ) -> None:
        self.timezone = timezone
        self.region = region
        custom = {normalize_status_word(w): StatusMeaning(s) for w, s in status_words.items()}
        self._meanings = {**STATUS_WORDS, **custom}

    def meaning_of(self, word: str) -> StatusMeaning:
        """Return the meaning of a status word: unknown, never "not answered", if it has none.

        ``LEG1`` at either end marks the recipient's leg of a click-to-call and is ignored.
        """
        normalized = normalize_status_word(word)
        without_mark = _LEG_MARK.sub("", normalized)
        return self._meanings.get(normalized) or self._meanings.get(without_mark, _NOT_IN_TABLE)

    def parse_time(self, message: Message, name: str) -> int | None:
        """Return the milliseconds since 1970 that a member means, if it is a time."""
        return parse_timestamp(_text(message, name), self.timezone)


def extract_messages(callback: Callback) -> list[Message]:
    """Return the messages, at least one; each also has the members of the query string.

    A message's own members take precedence. An object in which no message is found is returned as
    it is, so that the caller can report the missing member.

    Raises:
        CallbackParseError: neither JSON nor a form, no object, or too many messages.
    """
    try:
        value = decode_body(callback.body)
    except ValueError as error:
        # Not chained: the cause holds the whole body.
        raise CallbackParseError(_describe_error(error)) from None
    if isinstance(value, dict):
        value = {**callback.query, **value}
    messages = _unwrap(value, _MAX_ENVELOPES)
    if not messages and isinstance(value, dict) and value:
        messages = [value]
    if not messages:
        raise CallbackParseError("there is no message about a call in it")
    if len(messages) > MAX_MESSAGES:
        raise CallbackParseError(f"there are more than {MAX_MESSAGES} messages in it")
    return [{**callback.query, **message} for message in messages]


def is_challenge(message: Message) -> bool:
    """Whether the provider verifies the webhook with this message."""
    return message.keys() >= _CHALLENGE_MEMBERS


def _describe_error(error: ValueError) -> str:
    """Return what is wrong with a body, without its content."""
    if isinstance(error, UnicodeDecodeError):
        return "the body is not UTF-8"
    if isinstance(error, JSONDecodeError):
        return f"the body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
    return f"the body was not decoded: {error}"


def _unwrap(value: object, levels: int) -> list[Message]:
    """Return the messages in ``value``, at most ``levels`` envelopes deep."""
    if isinstance(value, str) and value.lstrip().startswith(("{", "[")):
        try:
            value = decode_json(value.encode())
        except ValueError:
            return []
    if isinstance(value, list) and levels:
        unwrapped = [_unwrap(element, levels - 1) for element in value]
        return [message for each in unwrapped for message in each] if all(unwrapped) else []
    if not isinstance(value, dict):
        return []
    members = value.values() if levels else ()
    contents = [messages for member in members if (messages := _unwrap(member, levels - 1))]
    if len(contents) == 1:
        return contents[0]
    names = value.keys()
    names_call = bool(names & _STATUS_MEMBERS and names & _CALL_MEMBERS)
    return [value] if names_call or is_challenge(value) else []


def parse_report(message: Message, form: CallbackFormat) -> CallReport:
    """Translate a message's members."""
    word = _most_specific_status(message, form)
    meaning = form.meaning_of(word)
    mode = _MODE_OF_SOURCE.get(_text(message, "source").upper())
    bridge = _match(_BRIDGE, message, "bridge")
    ids = (parse_call_id(message.get(name)) for name in ("id", "mid", "callId"))
    return CallReport(
        ids=tuple(dict.fromkeys(filter(None, ids))),
        mode=mode,
        bridge=bridge,
        number=_parse_recipient(message, mode, bridge, form.region),
        status=meaning.status,
        reason=meaning.reason,
        raw=redact_status(word),
        started_at_ms=_parse_start(message, meaning.status, form),
        duration_s=_parse_duration(message, mode),
        is_known_status=meaning.is_known or not word,
    )


def parse_call_id(value: object) -> str | None:
    """Return a call's id without a tail such as ``:1``; None if it cannot be one.

    Longer or other texts are not ids, for example an unfilled ``{{id}}``.
    """
    match = _CALL_ID.fullmatch(value.strip()) if isinstance(value, str) else None
    return match[1] if match else None


def _most_specific_status(message: Message, form: CallbackFormat) -> str:
    """Choose between the status of the recipient's leg (C2C only) and that of the whole call.

    Either may prove that the recipient picked up, because the flow begins only then, even if it
    fails afterwards. Otherwise the recipient's leg is more specific.
    """

    def rank(word: str) -> int:
        status = form.meaning_of(word).status
        if status is CallStatus.UNKNOWN:
            return 1 if word else 0
        return 3 if status is CallStatus.ANSWERED else 2

    return max(_text(message, "status1"), _text(message, "status"), key=rank)


def _parse_recipient(
    message: Message, mode: str | None, bridge: str | None, region: str | None
) -> str | None:
    """Return ``to`` of OBD, ``from`` of C2C; without a mode, the one that is not the bridge."""
    names = {Mode.OBD.value: ("to",), Mode.C2C.value: ("from",)}.get(mode or "", ("to", "from"))
    numbers = {_to_e164(_text(message, name), region) for name in names}
    numbers -= {None, _to_e164(bridge or "", region)}
    return numbers.pop() if len(numbers) == 1 else None


def _to_e164(text: str, region: str | None) -> str | None:
    """Parse a number with or without ``+``, calling code, spaces and leading zeros.

    Digits that are no number of any country are assumed to begin with a calling code.
    """
    try:
        return parse_written_number(text, region).e164
    except InvalidNumber:
        match = _NUMBER.fullmatch(text)
        return f"+{match[1]}" if match else None


def _parse_duration(message: Message, mode: str | None) -> int | None:
    """Return the length of the conversation: in C2C the shorter one of the two legs."""
    names = ("duration", "billing") if mode == Mode.C2C else ("duration",)
    durations = [int(text) for name in names if (text := _match(_SECONDS, message, name))]
    return min(durations, default=None)


def _parse_start(message: Message, status: CallStatus, form: CallbackFormat) -> int | None:
    """Return the start of the call; the end, if it was not picked up and has no start."""
    names = ("start_at", *(_END_TIMES if status in _NOT_PICKED_UP else ()))
    times = (form.parse_time(message, name) for name in names)
    return next((time for time in times if time is not None), None)


def _match(pattern: re.Pattern[str], message: Message, name: str) -> str | None:
    match = pattern.fullmatch(_text(message, name))
    return match[1] if match else None


def _text(message: Message, name: str) -> str:
    value = message.get(name)
    return value.strip() if isinstance(value, str) else ""
