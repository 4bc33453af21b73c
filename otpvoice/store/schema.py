"""The form of stored records, as the scripts check it, and the error for what cannot be read.

A record in another form was written by something else than this service, or by a release that is
too far away. The scripts set it aside before they use it (``_records.lua``).
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import msgspec

from otpvoice.core.verification import CallStatus, Status

_WHOLE: Final = "^%d%d?%d?%d?%d?%d?%d?%d?%d?%d?%d?%d?%d?%d?$"
"""A number of at most 14 digits: a time in milliseconds, a duration, or a count."""
_WORD: Final = "^[%w_. -]+$"
_FLAG: Final = "^[01]$"


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
    required: tuple[str, ...]
    forms: Mapping[str, str | Iterable[str]]
    """A Lua pattern, or the words that the field may hold. A name that ends in a space stands for
    all fields that begin so."""
    needs: Mapping[str, tuple[str, ...]]
    """Field or status → the fields that have to come with it."""

    def lua(self) -> str:
        forms = ", ".join(f"['{name}'] = {_form(form)}" for name, form in self.forms.items())
        needs = ", ".join(f"['{name}'] = {_texts(fields)}" for name, fields in self.needs.items())
        required = _texts(self.required)
        return f"{{ required = {required}, forms = {{ {forms} }}, needs = {{ {needs} }} }}"


def _texts(words: Iterable[str]) -> str:
    return "{ " + ", ".join(f"'{word}'" for word in words) + " }"


def _form(form: str | Iterable[str]) -> str:
    if isinstance(form, str):
        return f"'{form}'"
    return "{ " + ", ".join(f"{word} = true" for word in sorted(form)) + " }"


def _all(form: str, *names: str) -> dict[str, str]:
    return dict.fromkeys(names, form)


_GAP: Final = ("until", "sent", "last")

_RECORDS: Final[Mapping[str, _Record]] = {
    "call": _Record(
        required=(
            *("verification", "number", "client", "status", "route", "locale", "bridge"),
            "due_at",
        ),
        forms={
            "status": [*CallStatus],
            **_all(_WORD, "verification", "number", "client", "route", "locale", "bridge"),
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
            *("client", "number", "sealed_number", "status", "created_at", "expires_at"),
            *("version", "code_length", "checks_left", "queue_margin", "route", "locale"),
        ),
        forms={
            "status": [*Status],
            **_all(_WORD, "client", "number", "route", "locale"),
            **_all(_WHOLE, "created_at", "expires_at", "ended_at", "version", "code_length"),
            **_all(_WHOLE, "checks_left", "queue_margin", "redialed", "remembered"),
            **_all(_FLAG, "own_code", "test", "trial", "counted", "events", "deliver_only"),
        },
        needs={},
    ),
    "number": _Record(
        required=(),
        forms={
            **_all(_WHOLE, *_GAP, "blocked_until", "called_off", "verification "),
            "pending ": _WORD,
            "call ": _WHOLE.replace("^", "^%+?"),
        },
        needs=dict.fromkeys(_GAP, _GAP),
    ),
    "route": _Record(
        required=(),
        forms=_all(_WHOLE, "failures", "closings", "closed_until", "probe_until"),
        needs={},
    ),
    "event": _Record(
        required=("type", "verification", "said", "tries"),
        forms={"type": r"^[a-z_]+%.[a-z_]+$", "verification": _WORD, "tries": _WHOLE},
        needs={},
    ),
    "again": _Record(required=("body", "id", "outcome"), forms={"id": _WORD}, needs={}),
}


def records_lua() -> str:
    """Render ``RULES.records``."""
    return "{ " + ", ".join(f"{kind} = {record.lua()}" for kind, record in _RECORDS.items()) + " }"
