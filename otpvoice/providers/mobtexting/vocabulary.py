"""Mobtexting's words about a request for a call, as tables (docs/provider.md, section 2).

The vendor publishes how it accepts and not how it refuses, and white labels of the same API have
words of their own. So only documented words accept. A word that sounds like acceptance without
being one leaves the call in doubt, because a second call by another route could ring twice. Every
other word refuses.
"""

import re
from collections.abc import Mapping
from typing import Final

from otpvoice.providers.base import Outcome

_BY_STATUS: Final[Mapping[int, Outcome]] = {
    200: Outcome.ACCEPTED,
    401: Outcome.MISCONFIGURED,
    402: Outcome.MISCONFIGURED,
    403: Outcome.MISCONFIGURED,
    429: Outcome.BACK_OFF,
}
_BY_HTTP_STATUS: Final[Mapping[int, Outcome]] = {
    **_BY_STATUS,
    404: Outcome.MISCONFIGURED,  # not the API: base_url is wrong, or the API has moved
    405: Outcome.MISCONFIGURED,
}
_BY_CLASS: Final[Mapping[int, Outcome]] = {3: Outcome.MISCONFIGURED, 4: Outcome.REFUSED}
"""By the first digit of a status; any other is ambiguous."""

_OF_CALL: Final = ("queued", "sent", "accepted", "initiated")
_IN_DOUBT: Final = dict.fromkeys(
    (
        *("success", "submitted", "scheduled", "created", "pending", "processing", "inprogress"),
        *("dialing", "dialling", "calling", "ringing", "answered", "connected", "completed"),
        "true",
    ),
    Outcome.AMBIGUOUS,
)
"""Words that sound as if there were a call, and are documented nowhere."""
STATUS_WORDS: Final[Mapping[str, Outcome]] = {
    **_IN_DOUBT,
    **dict.fromkeys(_OF_CALL, Outcome.AMBIGUOUS),
    "ok": Outcome.ACCEPTED,
}
"""``status`` of a whole reply, folded."""
CALL_WORDS: Final[Mapping[str, Outcome]] = {
    **_IN_DOUBT,
    **dict.fromkeys((*_OF_CALL, "ok"), Outcome.ACCEPTED),
}
"""``status`` of one call in ``data``, folded."""

_MONEY: Final = re.compile(r"balance|credit|insufficient|\bfunds?\b|recharge|wallet")
_ACCESS: Final = re.compile(
    r"token|\bapi ?key|\bkey\b|auth|\blog ?in\b|\bsign ?in\b|password|forbidden|access denied"
    r"|\b(?:account|plan|package|subscription|licen[cs]e|validity)\b.{0,40}"
    r"\b(?:expire[ds]?|blocked|suspended|inactive|disabled|deactivated|not active|terminated)\b"
    r"|\b(?:expired|blocked|suspended|inactive|disabled|deactivated|terminated)\b.{0,40}"
    r"\b(?:account|plan|package|subscription|licen[cs]e)\b"
)
_ONE_NUMBER: Final = re.compile(r"\b(?:numbers?|mobile|msisdn|destination|recipient|callee)\b")
_DENIAL: Final = re.compile(
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


def outcome_of_http(status: int) -> Outcome:
    """Judge a reply by its HTTP status."""
    return _BY_HTTP_STATUS.get(status, _of_class(status))


def outcome_of_word(status: object, words: Mapping[str, Outcome]) -> Outcome:
    """Judge a ``status`` of a body: a word of the table, an HTTP status as text, or neither."""
    if not isinstance(status, str):
        return Outcome.REFUSED if status is False else Outcome.AMBIGUOUS
    if re.fullmatch(r"[0-9]{3}", status.strip()):
        return _BY_STATUS.get(int(status), _of_class(int(status)))
    folded = re.sub(r"[\W_]", "", status).casefold()
    if folded in words:
        return words[folded]
    if not folded[:1].isalpha() or folded.startswith(tuple(words)):
        return Outcome.AMBIGUOUS  # nothing that can be read, or "queued for delivery"
    return Outcome.REFUSED


def names_account(text: str) -> bool:
    """Whether a refusal is one of the account, so that no call can be placed with it.

    Of access that is denied to one number only, the account is not the reason: one person could
    close the route for all others.
    """
    plain = _plain(text)
    if _MONEY.search(plain):
        return True
    return bool(_ACCESS.search(plain)) and not _ONE_NUMBER.search(plain)


def denies(text: str) -> bool:
    """Whether a text says that something is wrong."""
    return _DENIAL.search(_plain(text)) is not None


def is_login_page(body: bytes) -> bool:
    """Whether a page asks people to log in: the API did not know us."""
    return _LOGIN_PAGE.search(body) is not None


def _of_class(status: int) -> Outcome:
    return _BY_CLASS.get(status // 100, Outcome.AMBIGUOUS)


def _plain(text: str) -> str:
    return re.sub(r"[\s_-]+", " ", text).casefold()
