"""One line for each event: JSON for machines, columns on a terminal.

Lines of our own hold declared fields (:mod:`otpvoice.logs.events`), and what libraries log passes
a pattern mask (:mod:`otpvoice.logs.redaction`): no code, no secret and no whole phone number is in
any line. A log that cannot be written delays and ends nothing (:mod:`otpvoice.logs.line_writer`).
"""

import logging
import os
import sys
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final, Literal

import msgspec
import structlog
from structlog.typing import EventDict, Processor

from otpvoice.logs.capture import capture_all
from otpvoice.logs.exceptions import describe, raised_at
from otpvoice.logs.line_writer import DROPPED, get_writer
from otpvoice.logs.redactor import RecordFilter

__all__ = ["DROPPED", "Format", "Level", "RecordFilter", "configure", "describe", "raised_at"]

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["auto", "json", "console"]

_LEVELS: Final = logging.getLevelNamesMapping()
_SYNONYMS: Final = MappingProxyType({"exception": "error", "warn": "warning"})
_STDERR: Final = 2


def configure(
    level: Level = "info",
    log_format: Format = "auto",
    secrets: Iterable[str] = (),
    clients: Collection[str] = (),
) -> None:
    """Send everything that this process logs to stderr, redacted. May be called again.

    Args:
        level: the least level that is logged.
        log_format: ``auto`` is ``console`` on a terminal, else ``json``.
        secrets: values that are redacted wherever they turn up.
        clients: names that may stand in the field ``client``.
    """
    min_level = _LEVELS[level.upper()]
    redactor, render = RecordFilter(secrets, clients), _renderer(log_format)
    writer = _open_writer(lambda lines: render(None, "warning", _drop_notice(lines, redactor)))
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            _describe_exception,
            redactor,
            # From here on everything is redacted.
            _add_timestamp,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(min_level),
        logger_factory=lambda *_: writer,
        # A logger that was used before the settings were known must follow them.
        cache_logger_on_first_use=False,
    )
    capture_all(min_level)


class _StreamWriter:
    """A stream in memory that someone put in the place of stderr; it never blocks."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, line: bytes) -> None:
        self._stream.write(line.decode())

    debug = info = warning = error = critical = write


def _open_writer(render_drop_notice: Callable[[int], bytes]) -> Any:
    descriptor = _stderr_descriptor()
    if descriptor is None:
        return _StreamWriter(sys.stderr)
    writer = get_writer(descriptor)
    writer.render_drop_notice = render_drop_notice
    return writer


def _stderr_descriptor() -> int | None:
    """Return where stderr is written, -1 if it was closed, None for a stream in memory."""
    if sys.stderr is None:
        _reserve_stderr()
        return -1
    with suppress(OSError, ValueError, AttributeError):
        return sys.stderr.fileno()
    return None


def _reserve_stderr() -> None:
    """Keep number 2 from going to the next file or socket that is opened.

    A write to it still fails, as it does to a closed one, in child processes too.
    """
    try:
        os.fstat(_STDERR)
    except OSError:
        opened = os.open(os.devnull, os.O_RDONLY)
        if opened != _STDERR:
            os.dup2(opened, _STDERR)
            os.close(opened)
        os.set_inheritable(_STDERR, True)  # noqa: FBT003 - a positional argument in C


def _drop_notice(lines: int, redactor: RecordFilter) -> EventDict:
    event: EventDict = {"event": "log.lines_dropped", "lines": lines}
    return _add_timestamp(None, "warning", redactor(None, "warning", event))


def _renderer(log_format: Format) -> Callable[[Any, str, EventDict], bytes]:
    is_terminal = sys.stderr is not None and sys.stderr.isatty()
    if log_format == "console" or (log_format == "auto" and is_terminal):
        columns: Processor = structlog.dev.ConsoleRenderer(colors=is_terminal)
        return lambda *event: f"{columns(*event)!s}\n".encode()
    return lambda _logger, _method, event: msgspec.json.encode(event) + b"\n"


def _add_timestamp(_logger: object, method: str, event: EventDict) -> EventDict:
    now = datetime.now(UTC).isoformat(timespec="microseconds").removesuffix("+00:00")
    return {"timestamp": f"{now}Z", "level": _SYNONYMS.get(method, method), **event}


def _describe_exception(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Replace ``exc_info``, in any of its forms, by the exception's class and place."""
    exc_info = event.pop("exc_info", None)
    error = (
        exc_info if isinstance(exc_info, BaseException) else sys.exception() if exc_info else None
    )
    return {**event, **describe(error)} if error else event
