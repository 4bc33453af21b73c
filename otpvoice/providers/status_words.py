"""The words in which Mobtexting, and brands that resell its API, report the end of a call.

docs/provider.md, section 3, lists them with their sources.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from otpvoice.core.verification import CallReason, CallStatus, normalize_status_word


@dataclass(frozen=True, slots=True)
class StatusMeaning:
    """What one word of the provider means."""

    status: CallStatus
    """Unknown for a word that is known and reports no result."""
    reason: CallReason | None = None


_MEANINGS: Final = (
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
    {normalize_status_word(word): meaning for meaning, words in _MEANINGS for word in words}
)
"""Normalised word → what it means."""

_LEG_MARK: Final = re.compile(r"^LEG1|LEG1$")


class StatusWords:
    """Look words up: first those of the settings, then the table.

    Args:
        added: further words and their results, as the settings give them. A word that the table
            has too means what is given here.
    """

    def __init__(self, overrides: Mapping[str, CallStatus] = MappingProxyType({})) -> None:
        custom = {
            normalize_status_word(word): StatusMeaning(status) for word, status in overrides.items()
        }
        self._meanings = {**STATUS_WORDS, **custom}

    def meaning_of(self, word: str) -> StatusMeaning | None:
        """Return what ``word`` means; None if it is not known.

        ``LEG1`` at either end names the person's leg of a click-to-call and is ignored.
        """
        normalized = normalize_status_word(word)
        meaning = self._meanings.get(normalized)
        return meaning or self._meanings.get(_LEG_MARK.sub("", normalized))

    def status_of(self, word: str) -> CallStatus:
        """Return the status of ``word``; unknown, never "not answered", if it is not known."""
        meaning = self.meaning_of(word)
        return meaning.status if meaning else CallStatus.UNKNOWN
