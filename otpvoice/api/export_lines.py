"""Verifications as lines of JSON, or of CSV, for people who work on with them."""

import csv
import io
import json
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from otpvoice.api import schemas
from otpvoice.core.verification import Verification, format_utc

CSV_COLUMNS: Final = (
    *("id", "to", "client", "reference", "status", "reason", "created_at", "ended_at"),
    *("calls", "call_status", "call_reason", "call_route", "call_caller_id", "call_duration"),
)
"""``call_*`` are of the last call."""
_FORMULA_SIGNS: Final = ("=", "+", "-", "@", "\t", "\r")
"""What begins a formula for a spreadsheet (OWASP, CSV injection)."""


class ExportedVerification(schemas.Verification, frozen=True):
    """The object of the API, and its client."""

    client: str


def json_line(verification: Verification, number: str, public_url: str) -> bytes:
    """Return a line of JSON in ASCII: foreign text must not control a terminal.

    ``number``: as it is to be shown.
    """
    line = ExportedVerification.of(verification, number, public_url, client=verification.client)
    members: dict[str, Any] = msgspec.to_builtins(line)
    return json.dumps(members, separators=(",", ":")).encode("ascii") + b"\n"


def csv_line(verification: Verification, number: str) -> bytes:
    """Return a line of CSV with the columns :data:`CSV_COLUMNS`."""
    ended_at = verification.ended_at
    of_call: tuple[object, ...] = ("",) * 5
    if verification.calls:
        call = verification.calls[-1]
        of_call = (call.status, call.reason, call.route, call.caller_id, call.duration)
    return csv_row(
        (
            *(verification.id, number, verification.client, verification.reference),
            *(verification.status, verification.reason, format_utc(verification.created_at)),
            *("" if ended_at is None else format_utc(ended_at), len(verification.calls)),
            *of_call,
        )
    )


def csv_row(cells: Iterable[object]) -> bytes:
    """Return a row in UTF-8 (RFC 4180). ``'`` precedes a text that a spreadsheet would compute."""
    texts = ("" if each is None else str(each) for each in cells)
    safe = (f"'{each}" if each.startswith(_FORMULA_SIGNS) else each for each in texts)
    file = io.StringIO()
    csv.writer(file).writerow(safe)
    return file.getvalue().encode()
