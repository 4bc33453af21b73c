"""Interpret Mobtexting's reply to a request for a call (docs/providers/mobtexting.md, section 2).

The provider documents how it accepts a call and not how it refuses one, and brands that resell the
API use words of their own. So only documented words accept. A word that sounds like acceptance
without being documented is ambiguous, because a second call by another route could ring twice.
Every other word refuses.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, NamedTuple, Self

from otpvoice.http_client import HttpResponse
from otpvoice.providers.base import OutboundCall, PlacementOutcome, PlacementResult
from otpvoice.providers.message_body import decode_object, iterate_texts, redact_text
from otpvoice.providers.mobtexting.callback import parse_call_id
from otpvoice.providers.mobtexting.modes import Mode
from otpvoice.providers.placement import MismatchedReplyError

_MAX_DETAIL_LENGTH: Final = 120
_MAX_TEXT_LENGTH: Final = 2_000
"""Characters of a reply's texts that are interpreted."""
_STATUSES_WITH_RESULT: Final = frozenset({200, 202})
"""HTTP statuses whose body decides."""
_BY_STATUS: Final[Mapping[int, PlacementOutcome]] = {
    200: PlacementOutcome.ACCEPTED,
    **dict.fromkeys((401, 402, 403), PlacementOutcome.MISCONFIGURED),
    429: PlacementOutcome.BACK_OFF,
}
_BY_HTTP_STATUS: Final[Mapping[int, PlacementOutcome]] = {
    **_BY_STATUS,
    # Not the API: base_url is wrong, or the API has moved.
    **dict.fromkeys((404, 405), PlacementOutcome.MISCONFIGURED),
}
_BY_CLASS: Final[Mapping[int, PlacementOutcome]] = {
    3: PlacementOutcome.MISCONFIGURED,
    4: PlacementOutcome.REFUSED,
}
"""By the first digit of a status; any other is ambiguous."""

_ACCEPTED_REPLY_WORDS: Final = frozenset({"ok"})
"""``status`` of a whole reply, case-folded."""
_ACCEPTED_CALL_WORDS: Final = frozenset({"ok", "queued", "sent", "accepted", "initiated"})
"""``status`` of one call in ``data``, case-folded."""
_AMBIGUOUS_BEGINNINGS: Final = (
    *_ACCEPTED_CALL_WORDS,
    *("success", "submitted", "scheduled", "created", "pending", "processing", "inprogress"),
    *("dialing", "dialling", "calling", "ringing", "answered", "connected", "completed"),
    "true",
)
"""Of statuses that suggest a call and are not documented, such as "queued for delivery"."""

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
_TEXT_MEMBERS: Final = (
    *("status", "message", "msg", "error", "errors", "reason", "description", "detail"),
)
"""Members that may give the reason for a refusal."""
_PREFERENCE: Final = (
    PlacementOutcome.ACCEPTED,
    PlacementOutcome.AMBIGUOUS,
    PlacementOutcome.BACK_OFF,
    PlacementOutcome.REFUSED,
    PlacementOutcome.MISCONFIGURED,
)
"""Of several entries about one call, the first of these counts, because the phone may ring."""
_RECIPIENT_MEMBERS: Final[Mapping[str, tuple[str, ...]]] = {
    Mode.OBD: ("mobile", "to"),
    Mode.C2C: ("mobile", "from"),
}
_WRITTEN_NUMBER: Final = re.compile(r"[+(]?[0-9][0-9 ().-]{5,30}")
_MIN_NUMBER_DIGITS: Final = 7

Members = Mapping[str, Any]


class _Words(NamedTuple):
    """What a reply says about a refusal."""

    plain: str
    """Without the recipient's name, which a stranger may choose: it is no reason."""
    names_number: bool
    """Whether it is about one number. The name cannot hide this."""

    @classmethod
    def of(cls, text: str, secrets: tuple[str, ...]) -> Self:
        """Return the words of a text, without the secrets."""
        names_number = _NUMBER_WORDS.search(_normalize(text)) is not None
        return cls(_normalize(redact_text(text, secrets)), names_number)

    @property
    def are_about_account(self) -> bool:
        """Whether a refusal is about the account, so that it affects every call.

        A refusal that names one number is not, unless it is about money. Otherwise one number could
        close the route for all others.
        """
        if _BALANCE_WORDS.search(self.plain):
            return True
        return bool(_ACCESS_WORDS.search(self.plain)) and not self.names_number


def parse_placement(call: OutboundCall, reply: HttpResponse, token: str) -> PlacementResult:
    """Return the result that a reply means; the API token is kept out of its ``detail``.

    Raises:
        MismatchedReplyError: it accepts or refuses a call to another number.
    """
    members = decode_object(reply.body)
    entries = _entries(call, members) if reply.status in _STATUSES_WITH_RESULT else []
    secrets = (token, *call.personal_texts)
    words = _Words.of(_text(members, entries), secrets)
    outcome = _outcome(call.mode, reply, members, entries, words)
    return PlacementResult(
        outcome,
        _detail(reply.status, members, entries, secrets),
        _provider_id(members, entries) if outcome is PlacementOutcome.ACCEPTED else None,
        reply.retry_after_s if outcome is PlacementOutcome.BACK_OFF else None,
    )


def parse_reply_id(body: bytes) -> str | None:
    """Return the call's id in a reply, whatever the reply means, without a tail."""
    match decode_object(body):
        case {"data": [{"id": value}, *_]} | {"callId": value}:
            return parse_call_id(value)
    return None


def _outcome(
    mode: str, reply: HttpResponse, members: Members, entries: Sequence[Any], words: _Words
) -> PlacementOutcome:
    if reply.status not in _STATUSES_WITH_RESULT:
        return _refine_refusal(_outcome_of_status(reply.status, _BY_HTTP_STATUS), words)
    if not members and _LOGIN_PAGE.search(reply.body):  # the API did not recognise the token
        return PlacementOutcome.MISCONFIGURED
    outcome = _outcome_of_status_word(members.get("status"), _ACCEPTED_REPLY_WORDS)
    if outcome is PlacementOutcome.ACCEPTED:
        outcome = _outcome_of_entries(mode, members, entries)
    may_ring = outcome in {PlacementOutcome.ACCEPTED, PlacementOutcome.AMBIGUOUS}
    names_call = _provider_id(members, entries) is not None or any(map(_entry_status, entries))
    if not may_ring or names_call:
        return _refine_refusal(outcome, words)
    if not _ERROR_WORDS.search(words.plain):
        return outcome
    # The status accepts, no call is named, and the text refuses: the reply contradicts itself.
    is_account_error = words.are_about_account
    return PlacementOutcome.MISCONFIGURED if is_account_error else PlacementOutcome.AMBIGUOUS


def _refine_refusal(outcome: PlacementOutcome, words: _Words) -> PlacementOutcome:
    """Distinguish a refusal of the account from a refusal of this call."""
    is_refusal = outcome in {PlacementOutcome.REFUSED, PlacementOutcome.BACK_OFF}
    return PlacementOutcome.MISCONFIGURED if is_refusal and words.are_about_account else outcome


def _entries(call: OutboundCall, members: Members) -> list[Any]:
    """Return what ``data`` holds about this call: objects, or other values that are not empty.

    Raises:
        MismatchedReplyError: something is about another call and nothing is about this one.
    """
    data = members.get("data")
    entries = data if isinstance(data, list) else [data]
    filled = [each for each in entries if (any(each.values()) if isinstance(each, dict) else each)]
    matching = [entry for entry in filled if _is_about(call, entry)]
    if (filled and not matching) or not _is_about(call, members):
        raise MismatchedReplyError
    return matching


def _is_about(call: OutboundCall, members: Any) -> bool:
    """Whether no member holds another number than the recipient's."""
    if not isinstance(members, dict):
        return True
    numbers = (_digits(members.get(name)) for name in _RECIPIENT_MEMBERS[call.mode])
    recipient = call.number.removeprefix("+")
    return all(
        recipient.endswith(number) or number.endswith(recipient) or number == call.bridge
        for number in numbers
        if len(number) >= _MIN_NUMBER_DIGITS
    )


def _digits(value: object) -> str:
    """Return a number's digits without leading zeros, however it is written."""
    if not isinstance(value, str) or not _WRITTEN_NUMBER.fullmatch(value.strip()):
        return ""
    return re.sub(r"[^0-9]", "", value).lstrip("0")


def _outcome_of_entries(mode: str, members: Members, entries: Sequence[Any]) -> PlacementOutcome:
    """Return the outcome that ``data`` means. OBD always fills it; C2C documents none."""
    if not entries:
        is_complete = members.get("callId") or (mode == Mode.C2C and not members.get("data"))
        return PlacementOutcome.ACCEPTED if is_complete else PlacementOutcome.REFUSED
    outcomes = {_outcome_of_entry(entry) for entry in entries}
    return next(outcome for outcome in _PREFERENCE if outcome in outcomes)


def _outcome_of_entry(entry: Any) -> PlacementOutcome:
    status = _entry_status(entry)
    if status is None or status == "":
        return PlacementOutcome.ACCEPTED
    return _outcome_of_status_word(status, _ACCEPTED_CALL_WORDS)


def _entry_status(entry: Any) -> Any:
    return entry.get("status") if isinstance(entry, dict) else None


def _provider_id(members: Members, entries: Sequence[Any]) -> str | None:
    accepted = (
        entry
        for entry in entries
        if isinstance(entry, dict) and _outcome_of_entry(entry) is PlacementOutcome.ACCEPTED
    )
    ids = (parse_call_id(entry.get(name)) for entry in accepted for name in ("id", "callId"))
    return next(filter(None, ids), None) or parse_call_id(members.get("callId"))


def _text(members: Members, entries: Sequence[Any]) -> str:
    """Join every text in the reply that may give a reason."""
    objects = [each for each in (members, *entries) if isinstance(each, dict)]
    values = [each[name] for each in objects for name in _TEXT_MEMBERS if name in each]
    values += [entry for entry in entries if isinstance(entry, str)]
    return " ".join(iterate_texts(values))[:_MAX_TEXT_LENGTH]


def _detail(
    http_status: int, members: Members, entries: Sequence[Any], secrets: tuple[str, ...]
) -> str:
    """Return the provider's own words, redacted."""
    detail = f"HTTP {http_status}"
    status, message = members.get("status"), members.get("message")
    if isinstance(status, str) and re.fullmatch(r"[0-9]{3}|[A-Za-z][A-Za-z _-]{0,30}", status):
        detail += f", status {status}"
    statuses = [status for status in map(_entry_status, entries) if isinstance(status, str)]
    if status := next(filter(None, statuses), None):
        detail += f", call {redact_text(status, secrets)}"
    if isinstance(message, str) and message:
        detail += f": {redact_text(message, secrets)}"
    return detail[:_MAX_DETAIL_LENGTH]


def _outcome_of_status(status: int, known: Mapping[int, PlacementOutcome]) -> PlacementOutcome:
    return known.get(status) or _BY_CLASS.get(status // 100, PlacementOutcome.AMBIGUOUS)


def _outcome_of_status_word(status: object, accepted: Collection[str]) -> PlacementOutcome:
    """Return the outcome of a ``status`` in a body: a word, or an HTTP status."""
    if not isinstance(status, str):
        return PlacementOutcome.REFUSED if status is False else PlacementOutcome.AMBIGUOUS
    if re.fullmatch(r"[0-9]{3}", status.strip()):
        return _outcome_of_status(int(status), _BY_STATUS)
    folded = re.sub(r"[\W_]", "", status).casefold()
    if folded in accepted:
        return PlacementOutcome.ACCEPTED
    is_ambiguous = not folded[:1].isalpha() or folded.startswith(_AMBIGUOUS_BEGINNINGS)
    return PlacementOutcome.AMBIGUOUS if is_ambiguous else PlacementOutcome.REFUSED


def _normalize(text: str) -> str:
    return re.sub(r"[\s_-]+", " ", text).casefold()
