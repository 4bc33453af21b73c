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
    longest: int

    def lua(self) -> str:
        return f"{{ forbidden = '{self.forbidden}', longest = {self.longest} }}"


@dataclass(frozen=True, slots=True)
class _Words:
    """One of some words."""

    words: Iterable[str]

    def lua(self) -> str:
        return "{ words = { " + ", ".join(f"{word} = true" for word in sorted(self.words)) + " } }"


_WHOLE: Final = _Text("%D", 14)
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

    def __init__(self, record: str, why: str) -> None:
        super().__init__(f"{record}: {why}")
        self.record = record
        self.why = why


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
    families: Mapping[str, _Text | _Words] = field(default_factory=dict)
    """The same for all fields whose name begins so, up to a space."""
    needs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Field or status → the fields that have to come with it."""

    def lua(self) -> str:
        members = {"required": _list(self.required), "forms": _forms(self.forms)}
        if self.families:
            members["families"] = _forms(self.families)
        if self.needs:
            members["needs"] = _table({name: _list(each) for name, each in self.needs.items()})
        return _table(members)


def _forms(forms: Mapping[str, _Text | _Words]) -> str:
    return _table({name: form.lua() for name, form in forms.items()})


def _list(words: Iterable[str]) -> str:
    return "{ " + ", ".join(f"'{word}'" for word in words) + " }"


def _table(members: Mapping[str, str]) -> str:
    return "{ " + ", ".join(f"['{name}'] = {value}" for name, value in members.items()) + " }"


def _all(form: _Text, *names: str) -> dict[str, _Text | _Words]:
    return dict.fromkeys(names, form)


_GAP: Final = ("until", "sent", "last")

_RECORDS: Final[Mapping[str, _Record]] = {
    "call": _Record(
        required=(
            *("verification", "number", "client", "status", "route", "locale", "bridge"),
            "due_at",
        ),
        forms={
            "status": _Words(CallStatus),
            **_all(_WORD, "verification", "number", "client", "locale", "bridge"),
            "route": _ROUTE,
            **_all(_WHOLE, "due_at", "not_before", "lease_until", "sent_at", "live_until"),
            **_all(_WHOLE, "placed_at", "ended_at", "duration", "heard_after", "requests"),
            **_all(_WHOLE, "gap_before", "gap_after", "own_gap"),
            **_all(_FLAG, "heard", "test", "trial"),
        },
        needs={
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
            **_all(_WORD, "client", "number", "locale"),
            "route": _ROUTE,
            **_all(_WHOLE, "created_at", "expires_at", "ended_at", "version", "code_length"),
            **_all(_WHOLE, "checks_left", "queue_margin", "redialed", "remembered"),
            **_all(_FLAG, "own_code", "test", "trial", "counted", "events", "deliver_only"),
        },
    ),
    "number": _Record(
        forms=_all(_WHOLE, *_GAP, "blocked_until", "called_off"),
        families={
            **_all(_WHOLE, "verification "),
            **_all(_WORD, "pending "),
            **_all(_Text("[^%d+]", 15), "call "),
        },
        needs=dict.fromkeys(_GAP, _GAP),
    ),
    "route": _Record(forms=_all(_WHOLE, "failures", "closings", "closed_until", "probe_until")),
    "event": _Record(
        required=("type", "verification", "said", "tries"),
        forms={
            **_all(_Text("[^a-z_.]", 40), "type"),
            **_all(_WORD, "verification"),
            **_all(_WHOLE, "tries"),
        },
    ),
    "again": _Record(required=("body", "id", "outcome"), forms=_all(_WORD, "id")),
}


def records_lua() -> str:
    """Render ``RULES.records``."""
    return "{ " + ", ".join(f"{kind} = {record.lua()}" for kind, record in _RECORDS.items()) + " }"
