"""The vendors' words for the state of a call (docs/providers/twiml.md, section 5)."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from otpvoice.core.verification import CallReason, CallStatus, normalize_status_word

_MAX_RAW_LENGTH: Final = 40
_RAW: Final = re.compile(r"[A-Za-z][A-Za-z _-]*")
_SECONDS: Final = re.compile(r"[0-9]{1,5}")
_NO_ANSWER_SIP_CODES: Final = frozenset({"408", "480"})
"""Request timeout, temporarily unavailable (RFC 3261, 21.4): the phone is off or not picked up."""

_CANCELED: Final = ("canceled", "cancelled")
"""Of a call that was canceled while it was queued or rang."""

STATUS_WORDS: Final[Mapping[str, CallStatus]] = MappingProxyType(
    {
        normalize_status_word(word): status
        for status, words in (
            (CallStatus.ANSWERED, ("completed",)),
            (CallStatus.BUSY, ("busy",)),
            (CallStatus.NO_ANSWER, ("no-answer", *_CANCELED)),
            (CallStatus.FAILED, ("failed",)),
            (CallStatus.UNKNOWN, ("queued", "initiated", "ringing", "answered", "in-progress")),
        )
        for word in words
    }
)
"""Normalized word → what it means; unknown for a call that has not ended."""


def parse_status(word: object, sip_code: object = None) -> tuple[CallStatus, bool]:
    """Return the status that a word means, and whether the word is known.

    Args:
        word: ``CallStatus`` of a callback, ``status`` of a call.
        sip_code: separates a call that nobody could answer from a failed one.
    """
    normalized = normalize_status_word(word) if isinstance(word, str) else ""
    status = STATUS_WORDS.get(normalized, CallStatus.UNKNOWN)
    if status is CallStatus.FAILED and sip_code in _NO_ANSWER_SIP_CODES:
        status = CallStatus.NO_ANSWER
    return status, normalized in STATUS_WORDS


def is_canceled(word: object) -> bool:
    """Return whether a word means that the call was canceled before anybody answered."""
    return isinstance(word, str) and word.casefold() in _CANCELED


def parse_reason(word: object) -> CallReason | None:
    """Return the reason that a word gives for the end of a call."""
    return CallReason.HUNG_UP_BEFORE_ANSWER if is_canceled(word) else None


def safe_raw_status(word: object) -> str | None:
    """Return a status word that can be stored and logged; None for anything else."""
    if not isinstance(word, str) or not _RAW.fullmatch(word):
        return None
    return word[:_MAX_RAW_LENGTH]


def parse_seconds(value: Any) -> int | None:
    """Return whole seconds, as text or as a number."""
    return int(value) if isinstance(value, str) and _SECONDS.fullmatch(value) else None
