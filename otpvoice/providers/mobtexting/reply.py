"""Mobtexting: what the reply to a request for a call means (docs/provider.md, section 2)."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from otpvoice.core.verification import Route
from otpvoice.http_client.client import Reply
from otpvoice.providers.base import CallOrder, Outcome, Placement
from otpvoice.providers.callback_body import read_object
from otpvoice.providers.mobtexting.callback import call_id
from otpvoice.providers.mobtexting.vocabulary import (
    CALL_WORDS,
    STATUS_WORDS,
    denies,
    is_login_page,
    names_account,
    outcome_of_http,
    outcome_of_word,
)

_DETAIL_LENGTH: Final = 120
_TEXT_LENGTH: Final = 2_000
"""Characters of a reply's texts that are judged."""
_JUDGED_BY_BODY: Final = frozenset({200, 202})
_TEXTS: Final = ("status", "message", "msg", "error", "errors", "reason", "description", "detail")
"""Members that may say why a call was refused."""
_PREFERENCE: Final = (
    Outcome.ACCEPTED,
    Outcome.AMBIGUOUS,
    Outcome.BACK_OFF,
    Outcome.REFUSED,
    Outcome.MISCONFIGURED,
)
"""Of several entries about one call the first of these counts: the phone may ring."""
_PERSON: Final[Mapping[Route, tuple[str, ...]]] = {
    Route.OBD: ("mobile", "to"),
    Route.C2C: ("mobile", "from"),
}
"""Members that hold the person's number."""
_WRITTEN_NUMBER: Final = re.compile(r"[+(]?[0-9][0-9 ().-]{5,30}")
_SHORTEST_NUMBER: Final = 7

Members = Mapping[str, Any]


class WrongReplyError(Exception):
    """The reply is about another number, so that it is not the reply to this request."""


def read_placement(order: CallOrder, reply: Reply, token: str) -> Placement:
    """Judge a reply.

    Args:
        order: what was sent.
        reply: what came back.
        token: ours, which is kept out of ``detail``.

    Raises:
        WrongReplyError: it accepts or refuses a call to another number.
    """
    said = _read(reply.body)
    entries = _entries(order, said) if reply.status in _JUDGED_BY_BODY else []
    secrets = (token, order.name)
    outcome = _outcome(order.route, reply, said, entries, _masked(_text(said, entries), secrets))
    return Placement(
        outcome,
        _detail(reply.status, said, entries, secrets),
        provider_id=_provider_id(said, entries) if outcome is Outcome.ACCEPTED else None,
        retry_after=reply.retry_after if outcome is Outcome.BACK_OFF else None,
    )


def _read(body: bytes) -> dict[str, Any]:
    """Read the body; without a readable object there is no member in it."""
    try:
        return read_object(body)
    except ValueError:
        return {}


def _outcome(
    route: Route, reply: Reply, said: Members, entries: Sequence[Any], text: str
) -> Outcome:
    if reply.status not in _JUDGED_BY_BODY:
        return _with_reason(outcome_of_http(reply.status), text)
    if not said and is_login_page(reply.body):
        return Outcome.MISCONFIGURED
    outcome = outcome_of_word(said.get("status"), STATUS_WORDS)
    if outcome is Outcome.ACCEPTED:
        outcome = _outcome_of_entries(route, said, entries)
    may_ring = outcome in {Outcome.ACCEPTED, Outcome.AMBIGUOUS}
    if may_ring and not _is_proven(said, entries):
        return _unless_denied(outcome, text)
    return _with_reason(outcome, text)


def _with_reason(outcome: Outcome, text: str) -> Outcome:
    """Distinguish a refusal of the account from one of this call."""
    is_refusal = outcome in {Outcome.REFUSED, Outcome.BACK_OFF}
    return Outcome.MISCONFIGURED if is_refusal and names_account(text) else outcome


def _unless_denied(outcome: Outcome, text: str) -> Outcome:
    """Judge a reply that contradicts itself: nothing but its text says that it refuses."""
    if not denies(text):
        return outcome
    return Outcome.MISCONFIGURED if names_account(text) else Outcome.AMBIGUOUS


def _entries(order: CallOrder, said: Members) -> list[Any]:
    """Return what ``data`` holds about this call: members, or something else that is not empty.

    Raises:
        WrongReplyError: nothing is about this call and something about another one.
    """
    data = said.get("data")
    found = [each for each in (data if isinstance(data, list) else [data]) if not _is_empty(each)]
    ours = [each for each in found if _is_ours(order, each)]
    if (found and not ours) or not _is_ours(order, said):
        raise WrongReplyError
    return ours


def _is_empty(value: Any) -> bool:
    return not value or (isinstance(value, dict) and not any(value.values()))


def _is_ours(order: CallOrder, members: Any) -> bool:
    """Whether no member holds another number than the one to call."""
    if not isinstance(members, dict):
        return True
    numbers = (_digits(members.get(name)) for name in _PERSON[order.route])
    person = order.number.removeprefix("+")
    return all(
        person.endswith(number) or number.endswith(person) or number == order.bridge
        for number in numbers
        if len(number) >= _SHORTEST_NUMBER
    )


def _digits(value: object) -> str:
    """Return a number's digits, however it is written, without leading zeros."""
    if not isinstance(value, str) or not _WRITTEN_NUMBER.fullmatch(value.strip()):
        return ""
    return re.sub(r"[^0-9]", "", value).lstrip("0")


def _outcome_of_entries(route: Route, said: Members, entries: Sequence[Any]) -> Outcome:
    """Judge ``data``, which OBD always fills; C2C's documented replies have none."""
    if not entries:
        is_whole = said.get("callId") or (route is Route.C2C and not said.get("data"))
        return Outcome.ACCEPTED if is_whole else Outcome.REFUSED
    outcomes = {_outcome_of_entry(each) for each in entries}
    return next(each for each in _PREFERENCE if each in outcomes)


def _outcome_of_entry(entry: Any) -> Outcome:
    word = _call_word(entry)
    return Outcome.ACCEPTED if word is None or word == "" else outcome_of_word(word, CALL_WORDS)


def _call_word(entry: Any) -> Any:
    return entry.get("status") if isinstance(entry, dict) else None


def _is_proven(said: Members, entries: Sequence[Any]) -> bool:
    """Whether the reply names the call, or says of it that it is under way."""
    return _provider_id(said, entries) is not None or any(map(_call_word, entries))


def _provider_id(said: Members, entries: Sequence[Any]) -> str | None:
    accepted = (
        each
        for each in entries
        if isinstance(each, dict) and _outcome_of_entry(each) is Outcome.ACCEPTED
    )
    found = (call_id(each.get(name)) for each in accepted for name in ("id", "callId"))
    return next(filter(None, found), None) or call_id(said.get("callId"))


def _text(said: Members, entries: Sequence[Any]) -> str:
    """Join all that the reply says in words."""
    members = [said, *(each for each in entries if isinstance(each, dict))]
    values = [each[name] for each in members for name in _TEXTS if name in each]
    values += [each for each in entries if isinstance(each, str)]
    return " ".join(_strings(values))[:_TEXT_LENGTH]


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
    http_status: int, said: Members, entries: Sequence[Any], secrets: tuple[str, ...]
) -> str:
    """Give the vendor's own words, without everything in them that may be a secret."""
    detail = f"HTTP {http_status}"
    status, message = said.get("status"), said.get("message")
    if isinstance(status, str) and re.fullmatch(r"[0-9]{3}|[A-Za-z][A-Za-z _-]{0,30}", status):
        detail += f", status {status}"
    words = [word for word in map(_call_word, entries) if isinstance(word, str) and word]
    if words:
        detail += f", call {_masked(words[0], secrets)}"
    if isinstance(message, str) and message:
        detail += f": {_masked(message, secrets)}"
    return detail[:_DETAIL_LENGTH]


def _masked(text: str, secrets: tuple[str, ...]) -> str:
    """Take out the secrets, and every word with a digit: it may be a code, a number or a token."""
    for secret in filter(None, secrets):
        text = re.sub(re.escape(secret), "…", text, flags=re.IGNORECASE)
    words = ("…" if any(map(str.isdigit, word)) else word for word in text.split())
    return "".join(filter(str.isprintable, " ".join(words)))
