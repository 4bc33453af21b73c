"""All that Mobtexting said about one real call, and what can be answered by it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from enum import StrEnum
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl

from otpvoice.core.verification import CallStatus, Route
from otpvoice.providers.base import Callback, CallbackParseError, CallReport
from otpvoice.providers.callback_body import decode_object
from otpvoice.providers.exchange_capture import CapturedCallback, CapturedResponse
from otpvoice.providers.mobtexting.callback import parse_call_id
from otpvoice.providers.mobtexting.messages import extract_messages
from otpvoice.providers.status_words import StatusWords


class CheckStatus(StrEnum):
    """What a call showed of one question."""

    CONFIRMED = "as assumed"
    DIFFERENT = "different"
    NOT_OBSERVED = "not seen"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One question, and what this call showed of it. Holds no number and no code."""

    name: str
    expectation: str
    status: CheckStatus
    observation: str


@dataclass(frozen=True, kw_only=True)
class CapturedEvidence:
    """All that was said about one call. Times in milliseconds since 1970."""

    route: Route
    call_id: str
    number: str = field(repr=False)
    sent_at_ms: int
    timezone: tzinfo
    status_words: StatusWords = field(default_factory=StatusWords, repr=False)
    status: CallStatus
    reply: CapturedResponse | None
    callback: CapturedCallback | None
    callback_at_ms: int | None
    query_responses: Sequence[CapturedResponse] = ()
    """What asking for the call afterwards was answered."""
    query_report: CallReport | None = None
    """What asking found."""

    @cached_property
    def reply_members(self) -> dict[str, Any]:
        """The reply's members, numbers as text; none where it can not be read."""
        return _decode_members(self.reply)

    @cached_property
    def callback_members(self) -> dict[str, Any]:
        """The callback's members, numbers as text."""
        callback = self.callback
        if callback is None:
            return {}
        try:
            query = dict(parse_qsl(callback.query))
            return extract_messages(Callback(body=callback.body, query=query))[0]
        except CallbackParseError:
            return {}

    @cached_property
    def accepted_id(self) -> str | None:
        """The id that the reply told."""
        return parse_reply_id(self.reply) if self.reply else None

    @cached_property
    def query_pages(self) -> list[list[dict[str, Any]]]:
        """The entries of each answer to a question."""
        return [
            page
            for each in self.query_responses
            if (page := _entries(_decode_members(each))) is not None
        ]


def parse_reply_id(reply: CapturedResponse) -> str | None:
    """The call's id in the reply to its request, without a tail."""
    match _decode_members(reply):
        case {"data": [{"id": told}, *_]} | {"callId": told}:
            return parse_call_id(told)
    return None


def _decode_members(response: CapturedResponse | None) -> dict[str, Any]:
    try:
        return decode_object(response.body) if response else {}
    except ValueError:
        return {}


def _entries(members: dict[str, Any]) -> list[dict[str, Any]] | None:
    match members:
        case {"status": "200" | "OK", "data": {"data": [*entries]} | [*entries]}:
            return [entry for entry in entries if isinstance(entry, dict)]
    return None
