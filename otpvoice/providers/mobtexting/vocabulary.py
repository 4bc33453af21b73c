"""Mobtexting's words about a request for a call, as tables (docs/provider.md, section 2).

The vendor publishes how it accepts and not how it refuses, and white labels of the same API have
words of their own. So only documented words accept. A word that sounds like acceptance without
being one leaves the call in doubt, because a second call by another route could ring twice. Every
other word refuses.
"""

import re
from collections.abc import Mapping
from typing import Final

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
"""Words that sound as if there were a call, and are documented nowhere."""
REPLY_STATUS_WORDS: Final[Mapping[str, PlacementOutcome]] = {
    **_AMBIGUOUS_WORDS,
    **dict.fromkeys(_ACCEPTED_CALL_WORDS, PlacementOutcome.AMBIGUOUS),
    "ok": PlacementOutcome.ACCEPTED,
}
"""``status`` of a whole reply, folded."""
CALL_STATUS_WORDS: Final[Mapping[str, PlacementOutcome]] = {
    **_AMBIGUOUS_WORDS,
    **dict.fromkeys((*_ACCEPTED_CALL_WORDS, "ok"), PlacementOutcome.ACCEPTED),
}
"""``status`` of one call in ``data``, folded."""

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
    """Judge a reply by its HTTP status."""
    return _BY_HTTP_STATUS.get(status, _of_class(status))


def outcome_of_status_word(
    status: object, words: Mapping[str, PlacementOutcome]
) -> PlacementOutcome:
    """Judge a ``status`` of a body: a word of the table, an HTTP status as text, or neither."""
    if not isinstance(status, str):
        return PlacementOutcome.REFUSED if status is False else PlacementOutcome.AMBIGUOUS
    if re.fullmatch(r"[0-9]{3}", status.strip()):
        return _BY_STATUS.get(int(status), _of_class(int(status)))
    folded = re.sub(r"[\W_]", "", status).casefold()
    if folded in words:
        return words[folded]
    if not folded[:1].isalpha() or folded.startswith(tuple(words)):
        return PlacementOutcome.AMBIGUOUS  # nothing that can be read, or "queued for delivery"
    return PlacementOutcome.REFUSED


def is_account_error(text: str) -> bool:
    """Whether a refusal is one of the account, so that no call can be placed with it.

    Of access that is denied to one number only, the account is not the reason: one person could
    close the route for all others.
    """
    plain = _normalize(text)
    if _BALANCE_WORDS.search(plain):
        return True
    return bool(_ACCESS_WORDS.search(plain)) and not _NUMBER_WORDS.search(plain)


def reports_error(text: str) -> bool:
    """Whether a text says that something is wrong."""
    return _ERROR_WORDS.search(_normalize(text)) is not None


def is_login_page(body: bytes) -> bool:
    """Whether a page asks people to log in: the API did not know us."""
    return _LOGIN_PAGE.search(body) is not None


def _of_class(status: int) -> PlacementOutcome:
    return _BY_CLASS.get(status // 100, PlacementOutcome.AMBIGUOUS)


def _normalize(text: str) -> str:
    return re.sub(r"[\s_-]+", " ", text).casefold()
