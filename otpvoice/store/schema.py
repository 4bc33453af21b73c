"""The formats of stored records, as the functions check them, and the error for bad records.

A record in another format was written by something else, or by a release that is too far away.
The functions quarantine it before they use it (``_records.lua``).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Final

import msgspec

from otpvoice.core.verification import CallStatus, Status

Format = Mapping[str, object]
"""``{forbidden: Lua class of characters, max_length}``, or ``{words: set of allowed words}``."""

_INTEGER: Final[Format] = {"forbidden": "%D", "max_length": 14}
"""A time in milliseconds, a duration, or a count."""
_WORD: Final[Format] = {"forbidden": "[^%w_. -]", "max_length": 96}
_ROUTE: Final[Format] = {"forbidden": "[^%w_.-]", "max_length": 96}
"""Without spaces, because functions separate the words of a metric by spaces."""
_FLAG: Final[Format] = {"forbidden": "[^01]", "max_length": 1}


class UnreadableRecord(Exception):
    """A stored record that does not have its format.

    Args:
        record: its key, without the prefix.
        reason: what is wrong; never a value of the record.
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


def _each(form: Format, *names: str) -> dict[str, Format]:
    return dict.fromkeys(names, form)


_GAP: Final = ("gap_until", "gap_calls", "gap_last")

SCHEMAS: Final[Mapping[str, Mapping[str, object]]] = MappingProxyType(
    {
        "call": {
            "required": (
                *("verification", "number", "client", "status", "route", "locale", "bridge"),
                "due_at",
            ),
            "forms": {
                "status": {"words": {*CallStatus}},
                **_each(_WORD, "verification", "number", "client", "locale", "bridge"),
                "route": _ROUTE,
                **_each(_INTEGER, "due_at", "not_before", "lease_until", "sent_at", "live_until"),
                **_each(_INTEGER, "placed_at", "ended_at", "duration", "heard_after", "requests"),
                **_each(_INTEGER, "gap_before", "gap_after", "own_gap"),
                **_each(_FLAG, "heard", "test", "live_test"),
            },
            "requires": {
                "dialing": ("holder", "lease_until"),
                "placed": ("sent_at", "live_until"),
                "unknown": ("sent_at", "live_until"),
            },
        },
        "verification": {
            "required": (
                *("client", "number", "encrypted_number", "status", "created_at", "expires_at"),
                *("version", "code_length", "checks_left", "queue_margin", "route", "locale"),
            ),
            "forms": {
                "status": {"words": {*Status}},
                **_each(_WORD, "client", "number", "locale"),
                "route": _ROUTE,
                **_each(_INTEGER, "created_at", "expires_at", "ended_at", "version"),
                **_each(_INTEGER, "code_length", "checks_left", "queue_margin"),
                **_each(_INTEGER, "redials", "stored_responses"),
                **_each(_FLAG, "own_code", "test", "live_test", "counted", "events"),
                **_each(_FLAG, "deliver_only"),
            },
        },
        "number": {
            "required": (),
            "forms": _each(_INTEGER, *_GAP, "blocked_until", "canceled_call_at"),
            "prefixes": {
                "verification ": _INTEGER,
                "pending ": _WORD,
                "call ": {"forbidden": "[^%d+]", "max_length": 15},
            },
            "requires": dict.fromkeys(_GAP, _GAP),
        },
        "route": {
            "required": (),
            "forms": _each(_INTEGER, "closings", "closed_until", "probe_until"),
        },
        "event": {
            "required": ("type", "verification", "snapshot", "attempts"),
            "forms": {
                "type": {"forbidden": "[^a-z_.]", "max_length": 40},
                "verification": _WORD,
                "attempts": _INTEGER,
            },
        },
        "idempotency": {"required": ("body", "id", "outcome"), "forms": {"id": _WORD}},
    }
)
"""By kind of record: its required fields, and the forms of fields whose form matters.

``forms`` has them by name, ``prefixes`` by the beginning of the name up to a space; other fields
may hold anything. ``requires`` maps a field or a status to the fields that it requires.
"""
