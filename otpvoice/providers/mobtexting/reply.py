"""Mobtexting: what the reply to a request for a call means (docs/provider.md, section 2)."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from otpvoice.core.verification import Route
from otpvoice.http_client.client import HttpResponse
from otpvoice.providers.base import OutboundCall, PlacementOutcome, PlacementResult
from otpvoice.providers.callback_body import decode_object
from otpvoice.providers.mobtexting.callback import parse_call_id
from otpvoice.providers.mobtexting.vocabulary import (
    CALL_STATUS_WORDS,
    REPLY_STATUS_WORDS,
    is_account_error,
    is_login_page,
    outcome_of_http_status,
    outcome_of_status_word,
    reports_error,
)

_MAX_DETAIL_LENGTH: Final = 120
_MAX_TEXT_LENGTH: Final = 2_000
"""Characters of a reply's texts that are judged."""
_STATUSES_WITH_RESULT: Final = frozenset({200, 202})
_TEXT_MEMBERS: Final = (
    "status",
    "message",
    "msg",
    "error",
    "errors",
    "reason",
    "description",
    "detail",
)
"""Members that may say why a call was refused."""
_PREFERENCE: Final = (
    PlacementOutcome.ACCEPTED,
    PlacementOutcome.AMBIGUOUS,
    PlacementOutcome.BACK_OFF,
    PlacementOutcome.REFUSED,
    PlacementOutcome.MISCONFIGURED,
)
"""Of several entries about one call the first of these counts: the phone may ring."""
_RECIPIENT_MEMBERS: Final[Mapping[Route, tuple[str, ...]]] = {
    Route.OBD: ("mobile", "to"),
    Route.C2C: ("mobile", "from"),
}
"""Members that hold the person's number."""
_WRITTEN_NUMBER: Final = re.compile(r"[+(]?[0-9][0-9 ().-]{5,30}")
_MIN_NUMBER_DIGITS: Final = 7

Members = Mapping[str, Any]


class MismatchedReplyError(Exception):
    """The reply is about another number, so that it is not the reply to this request."""


def parse_placement(call: OutboundCall, reply: HttpResponse, token: str) -> PlacementResult:
    """Judge a reply.

    Args:
        call: what was sent.
        reply: what came back.
        token: ours, which is kept out of ``detail``.

    Raises:
        MismatchedReplyError: it accepts or refuses a call to another number.
    """
    members = _decode(reply.body)
    entries = _entries(call, members) if reply.status in _STATUSES_WITH_RESULT else []
    secrets = (token, call.name)
    outcome = _outcome(
        call.route, reply, members, entries, _redact(_text(members, entries), secrets)
    )
    return PlacementResult(
        outcome,
        _detail(reply.status, members, entries, secrets),
        provider_id=_provider_id(members, entries)
        if outcome is PlacementOutcome.ACCEPTED
        else None,
        retry_after_s=reply.retry_after_s if outcome is PlacementOutcome.BACK_OFF else None,
    )


def _decode(body: bytes) -> dict[str, Any]:
    """Read the body; without a readable object there is no member in it."""
    try:
        return decode_object(body)
    except ValueError:
        return {}


def _outcome(
    route: Route, reply: HttpResponse, members: Members, entries: Sequence[Any], text: str
) -> PlacementOutcome:
    if reply.status not in _STATUSES_WITH_RESULT:
        return _refine_refusal(outcome_of_http_status(reply.status), text)
    if not members and is_login_page(reply.body):
        return PlacementOutcome.MISCONFIGURED
    outcome = outcome_of_status_word(members.get("status"), REPLY_STATUS_WORDS)
    if outcome is PlacementOutcome.ACCEPTED:
        outcome = _outcome_of_entries(route, members, entries)
    may_ring = outcome in {PlacementOutcome.ACCEPTED, PlacementOutcome.AMBIGUOUS}
    if may_ring and not _identifies_call(members, entries):
        return _refine_contradiction(outcome, text)
    return _refine_refusal(outcome, text)


def _refine_refusal(outcome: PlacementOutcome, text: str) -> PlacementOutcome:
    """Distinguish a refusal of the account from one of this call."""
    is_refusal = outcome in {PlacementOutcome.REFUSED, PlacementOutcome.BACK_OFF}
    return PlacementOutcome.MISCONFIGURED if is_refusal and is_account_error(text) else outcome


def _refine_contradiction(outcome: PlacementOutcome, text: str) -> PlacementOutcome:
    """Judge a reply that contradicts itself: nothing but its text says that it refuses."""
    if not reports_error(text):
        return outcome
    return PlacementOutcome.MISCONFIGURED if is_account_error(text) else PlacementOutcome.AMBIGUOUS


def _entries(call: OutboundCall, members: Members) -> list[Any]:
    """Return what ``data`` holds about this call: members, or something else that is not empty.

    Raises:
        MismatchedReplyError: nothing is about this call and something about another one.
    """
    data = members.get("data")
    found = [each for each in (data if isinstance(data, list) else [data]) if not _is_empty(each)]
    ours = [each for each in found if _is_about(call, each)]
    if (found and not ours) or not _is_about(call, members):
        raise MismatchedReplyError
    return ours


def _is_empty(value: Any) -> bool:
    return not value or (isinstance(value, dict) and not any(value.values()))


def _is_about(call: OutboundCall, members: Any) -> bool:
    """Whether no member holds another number than the one to call."""
    if not isinstance(members, dict):
        return True
    numbers = (_digits(members.get(name)) for name in _RECIPIENT_MEMBERS[call.route])
    recipient = call.number.removeprefix("+")
    return all(
        recipient.endswith(number) or number.endswith(recipient) or number == call.bridge
        for number in numbers
        if len(number) >= _MIN_NUMBER_DIGITS
    )


def _digits(value: object) -> str:
    """Return a number's digits, however it is written, without leading zeros."""
    if not isinstance(value, str) or not _WRITTEN_NUMBER.fullmatch(value.strip()):
        return ""
    return re.sub(r"[^0-9]", "", value).lstrip("0")


def _outcome_of_entries(route: Route, members: Members, entries: Sequence[Any]) -> PlacementOutcome:
    """Judge ``data``, which OBD always fills; C2C's documented replies have none."""
    if not entries:
        is_whole = members.get("callId") or (route is Route.C2C and not members.get("data"))
        return PlacementOutcome.ACCEPTED if is_whole else PlacementOutcome.REFUSED
    outcomes = {_outcome_of_entry(each) for each in entries}
    return next(each for each in _PREFERENCE if each in outcomes)


def _outcome_of_entry(entry: Any) -> PlacementOutcome:
    word = _entry_status(entry)
    return (
        PlacementOutcome.ACCEPTED
        if word is None or word == ""
        else outcome_of_status_word(word, CALL_STATUS_WORDS)
    )


def _entry_status(entry: Any) -> Any:
    return entry.get("status") if isinstance(entry, dict) else None


def _identifies_call(members: Members, entries: Sequence[Any]) -> bool:
    """Whether the reply names the call, or says of it that it is under way."""
    return _provider_id(members, entries) is not None or any(map(_entry_status, entries))


def _provider_id(members: Members, entries: Sequence[Any]) -> str | None:
    accepted = (
        each
        for each in entries
        if isinstance(each, dict) and _outcome_of_entry(each) is PlacementOutcome.ACCEPTED
    )
    found = (parse_call_id(each.get(name)) for each in accepted for name in ("id", "callId"))
    return next(filter(None, found), None) or parse_call_id(members.get("callId"))


def _text(members: Members, entries: Sequence[Any]) -> str:
    """Join all that the reply says in words."""
    sources = [members, *(each for each in entries if isinstance(each, dict))]
    values = [each[name] for each in sources for name in _TEXT_MEMBERS if name in each]
    values += [each for each in entries if isinstance(each, str)]
    return " ".join(_strings(values))[:_MAX_TEXT_LENGTH]


def _strings(value: Any) -> Iterator[str]:
    """Find every text in a value, however deeply it is nested."""
    rest = [value]
    while rest:
        each = rest.pop()
        if isinstance(each, str):
            yield each
        elif isinstance(each, dict | list):
            rest.extend(each.values() if isinstance(each, dict) else each)


def _detail(
    http_status: int, members: Members, entries: Sequence[Any], secrets: tuple[str, ...]
) -> str:
    """Give the vendor's own words, without everything in them that may be a secret."""
    detail = f"HTTP {http_status}"
    status, message = members.get("status"), members.get("message")
    if isinstance(status, str) and re.fullmatch(r"[0-9]{3}|[A-Za-z][A-Za-z _-]{0,30}", status):
        detail += f", status {status}"
    words = [word for word in map(_entry_status, entries) if isinstance(word, str) and word]
    if words:
        detail += f", call {_redact(words[0], secrets)}"
    if isinstance(message, str) and message:
        detail += f": {_redact(message, secrets)}"
    return detail[:_MAX_DETAIL_LENGTH]


def _redact(text: str, secrets: tuple[str, ...]) -> str:
    """Take out the secrets, and every word with a digit: it may be a code, a number or a token."""
    for secret in filter(None, secrets):
        text = re.sub(re.escape(secret), "…", text, flags=re.IGNORECASE)
    words = ("…" if any(map(str.isdigit, word)) else word for word in text.split())
    return "".join(filter(str.isprintable, " ".join(words)))
