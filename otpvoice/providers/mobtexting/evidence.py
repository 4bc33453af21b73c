"""All that Mobtexting said about one real call, and what can be answered by it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from enum import StrEnum
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl

from otpvoice.core.verification import CallStatus, Route
from otpvoice.providers.base import Callback, CallReport, UnreadableCallbackError
from otpvoice.providers.callback_body import read_object
from otpvoice.providers.exchange_capture import OverheardCallback, OverheardReply
from otpvoice.providers.mobtexting.callback import call_id
from otpvoice.providers.mobtexting.messages import read_messages
from otpvoice.providers.status_words import StatusWords


class Verdict(StrEnum):
    """What a call showed of one question."""

    ASSUMED = "as assumed"
    DIFFERENT = "different"
    UNSEEN = "not seen"


@dataclass(frozen=True, slots=True)
class Answer:
    """One question, and what this call showed of it. Holds no number and no code."""

    name: str
    assumed: str
    verdict: Verdict
    seen: str


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """All that was said about one call. Times in milliseconds since 1970."""

    route: Route
    call_id: str
    number: str = field(repr=False)
    sent_at: int
    zone: tzinfo
    words: StatusWords = field(default_factory=StatusWords, repr=False)
    status: CallStatus
    reply: OverheardReply | None
    callback: OverheardCallback | None
    callback_at: int | None
    asked: Sequence[OverheardReply] = ()
    """What asking for the call afterwards was answered."""
    found: CallReport | None = None
    """What asking found."""

    @cached_property
    def said(self) -> dict[str, Any]:
        """The reply's members, numbers as text; none where it can not be read."""
        return _object(self.reply)

    @cached_property
    def fields(self) -> dict[str, Any]:
        """The callback's members, numbers as text."""
        heard = self.callback
        if heard is None:
            return {}
        try:
            query = dict(parse_qsl(heard.query))
            return read_messages(Callback(body=heard.body, query=query))[0]
        except UnreadableCallbackError:
            return {}

    @cached_property
    def accepted_id(self) -> str | None:
        """The id that the reply told."""
        return reply_id(self.reply) if self.reply else None

    @cached_property
    def pages(self) -> list[list[dict[str, Any]]]:
        """The entries of each answer to a question."""
        return [page for each in self.asked if (page := _entries(_object(each))) is not None]


def reply_id(reply: OverheardReply) -> str | None:
    """The call's id in the reply to its request, without a tail."""
    match _object(reply):
        case {"data": [{"id": told}, *_]} | {"callId": told}:
            return call_id(told)
    return None


def _object(heard: OverheardReply | None) -> dict[str, Any]:
    try:
        return read_object(heard.body) if heard else {}
    except ValueError:
        return {}


def _entries(said: dict[str, Any]) -> list[dict[str, Any]] | None:
    match said:
        case {"status": "200" | "OK", "data": {"data": [*entries]} | [*entries]}:
            return [entry for entry in entries if isinstance(entry, dict)]
    return None
