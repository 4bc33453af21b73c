"""The form of stored records, as the scripts check it, and the error for what cannot be read.

A record in another form was written by something else than this service, or by a release that is
too far away. The scripts set it aside before they use it (``_records.lua``).
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import msgspec

from otpvoice.core.verification import CallStatus, Status


@dataclass(frozen=True, slots=True)
class _Text:
    """A form of text, quick to check in Lua."""

    forbidden: str
    """A Lua class of the characters that it does not have."""
    max_length: int

    def render_lua(self) -> str:
        return f"{{ forbidden = '{self.forbidden}', max_length = {self.max_length} }}"


@dataclass(frozen=True, slots=True)
class _Words:
    """One of some words."""

    words: Iterable[str]

    def render_lua(self) -> str:
        return "{ words = { " + ", ".join(f"{word} = true" for word in sorted(self.words)) + " } }"


_INTEGER: Final = _Text("%D", 14)
"""A time in milliseconds, a duration, or a count."""
_WORD: Final = _Text("[^%w_. -]", 96)
_ROUTE: Final = _Text("[^%w_.-]", 96)
"""Functions report what they count as words with spaces between them, so that it has none."""
_FLAG: Final = _Text("[^01]", 1)


class UnreadableRecord(Exception):
    """A stored record that has not the form it should have.

    Args:
        record: its key, without the prefix.
        why: what is wrong; never a value of the record.
    """

    def __init__(self, record: str, reason: str) -> None:
        super().__init__(f"{record}: {reason}")
        self.record = record
        self.reason = reason


@contextmanager
def decoding(record: str) -> Iterator[None]:
    """Turn every error of the block, which decodes ``record``, into one.

    Raises:
        UnreadableRecord: the block failed.
    """
    try:
        yield
    except (KeyError, IndexError, TypeError, ValueError, msgspec.MsgspecError) as error:
        raise UnreadableRecord(record, f"cannot be decoded ({type(error).__name__})") from error


@dataclass(frozen=True, slots=True)
class _Record:
    """The form of one kind of record. Fields without a form may hold anything."""

    required: tuple[str, ...] = ()
    forms: Mapping[str, _Text | _Words] = field(default_factory=dict)
    prefixes: Mapping[str, _Text | _Words] = field(default_factory=dict)
    """The same for all fields whose name begins so, up to a space."""
    requires: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Field or status → the fields that have to come with it."""

    def render_lua(self) -> str:
        members = {"required": _list(self.required), "forms": _forms(self.forms)}
        if self.prefixes:
            members["prefixes"] = _forms(self.prefixes)
        if self.requires:
            members["requires"] = _table(
                {name: _list(each) for name, each in self.requires.items()}
            )
        return _table(members)


def _forms(forms: Mapping[str, _Text | _Words]) -> str:
    return _table({name: form.render_lua() for name, form in forms.items()})


def _list(words: Iterable[str]) -> str:
    return "{ " + ", ".join(f"'{word}'" for word in words) + " }"


def _table(members: Mapping[str, str]) -> str:
    return "{ " + ", ".join(f"['{name}'] = {value}" for name, value in members.items()) + " }"


def _each(form: _Text, *names: str) -> dict[str, _Text | _Words]:
    return dict.fromkeys(names, form)


_GAP: Final = ("gap_until", "gap_calls", "gap_last")

_RECORDS: Final[Mapping[str, _Record]] = {
    "call": _Record(
        required=(
            *("verification", "number", "client", "status", "route", "locale", "bridge"),
            "due_at",
        ),
        forms={
            "status": _Words(CallStatus),
            **_each(_WORD, "verification", "number", "client", "locale", "bridge"),
            "route": _ROUTE,
            **_each(_INTEGER, "due_at", "not_before", "lease_until", "sent_at", "live_until"),
            **_each(_INTEGER, "placed_at", "ended_at", "duration", "heard_after", "requests"),
            **_each(_INTEGER, "gap_before", "gap_after", "own_gap"),
            **_each(_FLAG, "heard", "test", "live_test"),
        },
        requires={
            "dialing": ("holder", "lease_until"),
            "placed": ("sent_at", "live_until"),
            "unknown": ("sent_at", "live_until"),
        },
    ),
    "verification": _Record(
        required=(
            *("client", "number", "encrypted_number", "status", "created_at", "expires_at"),
            *("version", "code_length", "checks_left", "queue_margin", "route", "locale"),
        ),
        forms={
            "status": _Words(Status),
            **_each(_WORD, "client", "number", "locale"),
            "route": _ROUTE,
            **_each(_INTEGER, "created_at", "expires_at", "ended_at", "version", "code_length"),
            **_each(_INTEGER, "checks_left", "queue_margin", "redials", "stored_responses"),
            **_each(_FLAG, "own_code", "test", "live_test", "counted", "events", "deliver_only"),
        },
    ),
    "number": _Record(
        forms=_each(_INTEGER, *_GAP, "blocked_until", "canceled_call_at"),
        prefixes={
            **_each(_INTEGER, "verification "),
            **_each(_WORD, "pending "),
            **_each(_Text("[^%d+]", 15), "call "),
        },
        requires=dict.fromkeys(_GAP, _GAP),
    ),
    "route": _Record(forms=_each(_INTEGER, "closings", "closed_until", "probe_until")),
    "event": _Record(
        required=("type", "verification", "snapshot", "attempts"),
        forms={
            **_each(_Text("[^a-z_.]", 40), "type"),
            **_each(_WORD, "verification"),
            **_each(_INTEGER, "attempts"),
        },
    ),
    "idempotency": _Record(required=("body", "id", "outcome"), forms=_each(_WORD, "id")),
}


def render_schemas() -> str:
    """Render ``POLICY.records``."""
    return (
        "{ "
        + ", ".join(f"{kind} = {record.render_lua()}" for kind, record in _RECORDS.items())
        + " }"
    )
