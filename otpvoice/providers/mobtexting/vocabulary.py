"""Mobtexting's words as tables: outcomes of a request, and results of a call.

docs/provider.md, sections 2 and 3, list the words with their sources. The provider documents how it
accepts a call and not how it refuses one, and brands that resell the API use words of their own. So
only documented words accept. A word that sounds like acceptance without being documented is
ambiguous, because a second call by another route could ring twice. Every other word refuses.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from otpvoice.core.verification import CallReason, CallStatus, normalize_status_word
from otpvoice.providers.base import PlacementOutcome

_BY_STATUS: Final[Mapping[int, PlacementOutcome]] = {
    200: PlacementOutcome.ACCEPTED,
    401: PlacementOutcome.MISCONFIGURED,
    402: PlacementOutcome.MISCONFIGURED,
    403: PlacementOutcome.MISCONFIGURED,
    429: PlacementOutcome.BACK_OFF,
}
_BY_HTTP_STATUS: Final[Mapping[int, PlacementOutcome]] = {
    **_BY_STATUS,
    404: PlacementOutcome.MISCONFIGURED,  # not the API: base_url is wrong, or the API has moved
    405: PlacementOutcome.MISCONFIGURED,
}
_BY_CLASS: Final[Mapping[int, PlacementOutcome]] = {
    3: PlacementOutcome.MISCONFIGURED,
    4: PlacementOutcome.REFUSED,
}
"""By the first digit of a status; any other is ambiguous."""

_ACCEPTED_CALL_WORDS: Final = ("queued", "sent", "accepted", "initiated")
_AMBIGUOUS_WORDS: Final = dict.fromkeys(
    (
        *("success", "submitted", "scheduled", "created", "pending", "processing", "inprogress"),
        *("dialing", "dialling", "calling", "ringing", "answered", "connected", "completed"),
        "true",
    ),
    PlacementOutcome.AMBIGUOUS,
)
"""Words that suggest a call and are not documented."""
REPLY_STATUS_WORDS: Final[Mapping[str, PlacementOutcome]] = {
    **_AMBIGUOUS_WORDS,
    **dict.fromkeys(_ACCEPTED_CALL_WORDS, PlacementOutcome.AMBIGUOUS),
    "ok": PlacementOutcome.ACCEPTED,
}
"""``status`` of a whole reply, case-folded."""
CALL_STATUS_WORDS: Final[Mapping[str, PlacementOutcome]] = {
    **_AMBIGUOUS_WORDS,
    **dict.fromkeys((*_ACCEPTED_CALL_WORDS, "ok"), PlacementOutcome.ACCEPTED),
}
"""``status`` of one call in ``data``, case-folded."""

_BALANCE_WORDS: Final = re.compile(r"balance|credit|insufficient|\bfunds?\b|recharge|wallet")
_ACCESS_WORDS: Final = re.compile(
    r"token|\bapi ?key|\bkey\b|auth|\blog ?in\b|\bsign ?in\b|password|forbidden|access denied"
    r"|\b(?:account|plan|package|subscription|licen[cs]e|validity)\b.{0,40}"
    r"\b(?:expire[ds]?|blocked|suspended|inactive|disabled|deactivated|not active|terminated)\b"
    r"|\b(?:expired|blocked|suspended|inactive|disabled|deactivated|terminated)\b.{0,40}"
    r"\b(?:account|plan|package|subscription|licen[cs]e)\b"
)
_NUMBER_WORDS: Final = re.compile(r"\b(?:numbers?|mobile|msisdn|destination|recipient|callee)\b")
_ERROR_WORDS: Final = re.compile(
    r"insufficient|invalid|expired?|\bun ?(?:auth|able|known)|\bnot?\b|n't\b|\blow\b|exceed|denied"
    r"|reject|refus|fail|error|missing|mismatch|wrong|blocked|suspended|forbidden|recharge"
    r"|\bout of\b|\blog ?in\b|\bsign ?in\b"
)
_LOGIN_PAGE: Final = re.compile(
    rb"<input[^>]{0,200}\btype\s?=\s?[\"']?password"
    rb"|<title>[^<]{0,200}(?:log\s?in|sign\s?in)"
    rb"|<form[^>]{0,200}(?:log-?in|sign-?in)",
    re.IGNORECASE,
)


def outcome_of_http_status(status: int) -> PlacementOutcome:
    """Return the outcome that an HTTP status alone means."""
    return _BY_HTTP_STATUS.get(status, _outcome_of_class(status))


def outcome_of_status_word(
    status: object, words: Mapping[str, PlacementOutcome]
) -> PlacementOutcome:
    """Return the outcome of a ``status`` in a body: a word of the table, or an HTTP status."""
    if not isinstance(status, str):
        return PlacementOutcome.REFUSED if status is False else PlacementOutcome.AMBIGUOUS
    if re.fullmatch(r"[0-9]{3}", status.strip()):
        return _BY_STATUS.get(int(status), _outcome_of_class(int(status)))
    folded = re.sub(r"[\W_]", "", status).casefold()
    if folded in words:
        return words[folded]
    if not folded[:1].isalpha() or folded.startswith(tuple(words)):
        return PlacementOutcome.AMBIGUOUS  # not a word, or for example "queued for delivery"
    return PlacementOutcome.REFUSED


def is_account_error(text: str) -> bool:
    """Whether a refusal is about the account, so that it affects every call.

    A refusal that names one number is not, unless it is about money. Otherwise one number could
    close the route for all others.
    """
    plain = _normalize(text)
    if _BALANCE_WORDS.search(plain):
        return True
    return bool(_ACCESS_WORDS.search(plain)) and not _NUMBER_WORDS.search(plain)


def reports_error(text: str) -> bool:
    """Whether a text reports an error."""
    return _ERROR_WORDS.search(_normalize(text)) is not None


def is_login_page(body: bytes) -> bool:
    """Whether a page asks for a login, because the API did not recognise the token."""
    return _LOGIN_PAGE.search(body) is not None


def _outcome_of_class(status: int) -> PlacementOutcome:
    return _BY_CLASS.get(status // 100, PlacementOutcome.AMBIGUOUS)


def _normalize(text: str) -> str:
    return re.sub(r"[\s_-]+", " ", text).casefold()


@dataclass(frozen=True, slots=True)
class StatusMeaning:
    """Meaning of one word for the end of a call."""

    status: CallStatus
    """Unknown for a word that is documented and reports no result."""
    reason: CallReason | None = None


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

_LEG_MARK: Final = re.compile(r"^LEG1|LEG1$")


class StatusWords:
    """Words for the end of a call: those of the settings, then the table.

    Args:
        overrides: further words and their results. They take precedence over the table.
    """

    def __init__(self, overrides: Mapping[str, CallStatus] = MappingProxyType({})) -> None:
        custom = {normalize_status_word(w): StatusMeaning(s) for w, s in overrides.items()}
        self._meanings = {**STATUS_WORDS, **custom}

    def meaning_of(self, word: str) -> StatusMeaning | None:
        """Return the meaning of ``word``; None if it is not known.

        ``LEG1`` at either end marks the recipient's leg of a click-to-call and is ignored.
        """
        normalized = normalize_status_word(word)
        meaning = self._meanings.get(normalized)
        return meaning or self._meanings.get(_LEG_MARK.sub("", normalized))

    def status_of(self, word: str) -> CallStatus:
        """Return the status of ``word``; unknown, never "not answered", if it is not known."""
        meaning = self.meaning_of(word)
        return meaning.status if meaning else CallStatus.UNKNOWN
