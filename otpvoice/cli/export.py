"""``otpvoice export``: verifications with their calls as lines of JSON, for auditors."""

import os
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Final

import click

from otpvoice.admin import AdminService
from otpvoice.admin.export import SkippedRecord, export_verifications
from otpvoice.api.export_lines import json_line
from otpvoice.cli.admin import open_admin_service, report_store_errors
from otpvoice.cli.operator import MAX_DURATION_S, report_invalid_number
from otpvoice.core.keys import mask_number
from otpvoice.core.verification import format_utc
from otpvoice.setting_types import parse_seconds
from otpvoice.store.export import ExportSelection

_PROGRESS_S: Final = 0.25
_PROGRESS_WITHOUT_TERMINAL_S: Final = 10.0


def parse_time(context: click.Context, parameter: click.Parameter, text: str | None) -> int | None:
    """Parse a duration until now, or a date and time, into milliseconds since 1970.

    Raises:
        click.BadParameter: the text is neither.
    """
    del context, parameter  # of the form that click calls
    if text is None:
        return None
    try:
        # Without an offset, astimezone() takes it as local time.
        time_ms = round(datetime.fromisoformat(text).astimezone().timestamp() * 1000)
        format_utc(time_ms)  # as the log does
    except (ValueError, OverflowError):
        time_ms = _parse_time_ago(text)
    return max(0, time_ms)


def _parse_time_ago(text: str) -> int:
    try:
        seconds = parse_seconds(text)
    except ValueError:
        seconds = MAX_DURATION_S + 1
    if seconds > MAX_DURATION_S:
        raise click.BadParameter(
            'must be a duration until now of at most 365d, like "24h" or "7d", or a time like '
            '"2026-01-31", "2026-01-31 18:00" or "2026-01-31T18:00:00Z"'
        )
    return round((time.time() - seconds) * 1000)


@click.command()
@click.option(
    "--since",
    "since_ms",
    metavar="TIME",
    callback=parse_time,
    help="Created at this time or later.  [default: the oldest that is stored]",
)
@click.option(
    "--until",
    "until_ms",
    metavar="TIME",
    callback=parse_time,
    help="Created before this time.  [default: now]",
)
@click.option("--number", metavar="NUMBER", help="Of this number only.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write to a new file that only you can read.  [default: standard output]",
)
@click.option("--open", "is_open", is_flag=True, help="Write whole numbers instead of masked ones.")
@click.pass_context
def export(
    context: click.Context,
    *,
    since_ms: int | None,
    until_ms: int | None,
    number: str | None,
    output: Path | None,
    is_open: bool,
) -> None:
    """Export verifications with their calls, as lines of JSON.

    Each line is the object of the API, and its client. The lines are in no order. Codes are never
    exported, and numbers are masked unless you add --open. Progress and what is left out are
    printed to standard error.

    A TIME is a duration until now (90s, 10m, 24h, 7d) or a date and time (2026-01-31,
    "2026-01-31 18:00", 2026-01-31T18:00:00Z), without an offset in this machine's time zone.

    Verifications are kept for verification.retention after their end, and for an hour if no call
    was sent and nothing was approved, so export regularly, or archive events. The service's log
    records each export. The exit status is 1 if a record was left out or the store failed.
    """
    until_ms = round(time.time() * 1000) if until_ms is None else until_ms
    since_ms = since_ms or 0
    if since_ms >= until_ms:
        raise click.UsageError("--since must be before --until, and not in the future")
    show_number = str if is_open else mask_number
    with open_admin_service() as (admin, operator):
        selection = _select(admin, since_ms, until_ms, number)
        progress = _Progress(is_shown=output is not None or not sys.stdout.isatty())
        with (
            _open_output(output) as file,
            report_store_errors(admin.store.redis, "the export is incomplete"),
        ):
            admin.store.log_export(selection, operator, whole_numbers=is_open)
            for each in export_verifications(admin.store, admin.ring, selection, show_number):
                if isinstance(each, SkippedRecord):
                    progress.skip(each)
                    continue
                file.write(json_line(each.verification, each.number, admin.public_url))
                progress.advance()
    progress.end(selection)
    context.exit(1 if progress.skipped else 0)


def _select(
    admin: AdminService, since_ms: int, until_ms: int, number: str | None
) -> ExportSelection:
    """Return the selection of the options.

    Raises:
        click.BadParameter: there is no such number.
    """
    if number is None:
        return ExportSelection(since_ms, until_ms)
    with report_invalid_number("--number"):
        identity = admin.parse_number(number)
    return ExportSelection(since_ms, until_ms, identity.hash, identity.masked)


class _Progress:
    """Counts, and shows on standard error how far an export is."""

    def __init__(self, *, is_shown: bool) -> None:
        self.skipped = 0
        self._written = 0
        self._is_terminal = sys.stderr.isatty()
        self._interval_s = _PROGRESS_S if self._is_terminal else _PROGRESS_WITHOUT_TERMINAL_S
        self._next = time.monotonic() + self._interval_s if is_shown else float("inf")

    def advance(self) -> None:
        """Count a written verification."""
        self._written += 1
        now = time.monotonic()
        if now >= self._next:
            self._next = now + self._interval_s
            self._print(f"{self._written} verifications", is_final=not self._is_terminal)

    def skip(self, skipped: SkippedRecord) -> None:
        """Count and name a record that is left out."""
        self.skipped += 1
        self._print(f"left out {skipped.record}: {skipped.reason}")

    def end(self, selection: ExportSelection) -> None:
        """Print the result."""
        since_ms = selection.created_from_ms
        since = format_utc(since_ms) if since_ms else "the oldest"
        self._print(
            f"Exported {self._written} verifications, created from {since} to "
            f"{format_utc(selection.created_before_ms)}. Records left out: {self.skipped}."
        )

    def _print(self, text: str, *, is_final: bool = True) -> None:
        """Print a line. What is printed next overwrites one that is not final."""
        click.echo(text if is_final else f"{text}\r", err=True, nl=is_final)


@contextmanager
def _open_output(path: Path | None) -> Iterator[BinaryIO]:
    """Open standard output, or a new file that appears when it is complete.

    Raises:
        click.ClickException: the file exists, or the output cannot be written.
    """
    try:
        if path is None:
            file = sys.stdout.buffer
            yield file
            file.flush()
        else:
            with _new_file(path) as file:
                yield file
    except BrokenPipeError:  # the reader has enough: click ends the command
        raise
    except FileExistsError as error:
        raise click.ClickException(f"{path} exists: choose another name, or remove it") from error
    except OSError as error:
        name = path or "standard output"
        raise click.ClickException(f"{name} cannot be written: {error.strerror}") from error


@contextmanager
def _new_file(path: Path) -> Iterator[BinaryIO]:
    """Create a file that only its owner can read, by another name until it is complete.

    Raises:
        FileExistsError: there is one. It is not replaced, even if it was created meanwhile.
        OSError: the file cannot be written.
    """
    if path.exists():
        raise FileExistsError
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(descriptor)
        path.touch(0o600, exist_ok=False)  # replace() would replace a file that is new meanwhile
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
