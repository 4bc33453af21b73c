"""Logging: one line for each event, as JSON for machines or in columns on a terminal.

Lines of otpvoice hold declared fields only (:mod:`otpvoice.logs.events`). Text of libraries passes
a redactor (:mod:`otpvoice.logs.redaction`). So no line holds a code, a secret or a whole phone
number. A log that cannot be written delays nothing (:mod:`otpvoice.logs.lines`).
"""

import logging
import os
import sys
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Literal, Self

import structlog
from structlog.typing import EventDict

from otpvoice.logs.context import merge_fields
from otpvoice.logs.exceptions import ErrorBoundary, describe, raised_at
from otpvoice.logs.lines import (
    DROPPED,
    ForeignText,
    Format,
    RecordFilter,
    add_timestamp,
    describe_exception,
    get_writer,
    line_renderer,
)

__all__ = ["DROPPED", "ErrorBoundary", "configure", "describe", "raised_at"]

Level = Literal["debug", "info", "warning", "error"]

_LOG = structlog.get_logger(__name__)

_LEVELS: Final = logging.getLevelNamesMapping()
_STDERR: Final = 2
_QUOTING_PREFIXES: Final = ("Invalid request", "Error handling request")
"""The start of gunicorn's messages that quote a request; the rest of them is discarded."""


def configure(
    level: Level = "info",
    log_format: Format = "auto",
    secrets: Iterable[str] = (),
    clients: Collection[str] = (),
) -> None:
    """Send everything that this process logs to stderr, redacted. May be called again.

    Args:
        level: the lowest level that is logged.
        log_format: ``auto`` is ``console`` on a terminal, else ``json``.
        secrets: values that are redacted wherever they occur.
        clients: names that may stand in the field ``client``.
    """
    min_level = _LEVELS[level.upper()]
    record_filter, render = RecordFilter(secrets, clients), line_renderer(log_format)

    def drop_notice(lines: int) -> bytes:
        event: EventDict = {"event": "log.lines_dropped", "lines": lines}
        event = add_timestamp(None, "warning", record_filter(None, "warning", event))
        return render(None, "warning", event)

    writer = _open_writer(drop_notice)
    structlog.configure(
        processors=[
            merge_fields,
            describe_exception,
            record_filter,
            # From here on everything is redacted.
            add_timestamp,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(min_level),
        logger_factory=writer,
        # A logger that was used before the settings were loaded must follow them.
        cache_logger_on_first_use=False,
    )
    _capture_others(min_level)


class _StreamWriter:
    """Writes to a stream in memory that replaces stderr, as in tests; it never blocks."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __call__(self, *_: object) -> Self:
        """Return itself, as structlog's logger factory."""
        return self

    def write(self, line: bytes) -> None:
        """Write one line."""
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
    """Return the descriptor of stderr, -1 if it was closed, None for a stream in memory."""
    if sys.stderr is None:
        _reserve_stderr()
        return -1
    with suppress(OSError, ValueError, AttributeError):
        return sys.stderr.fileno()
    return None


def _reserve_stderr() -> None:
    """Keep descriptor 2 from being reused by the next file or socket that is opened.

    A write to it still fails as a write to a closed descriptor does, in child processes too.
    """
    try:
        os.fstat(_STDERR)
    except OSError:
        opened = os.open(os.devnull, os.O_RDONLY)
        if opened != _STDERR:
            os.dup2(opened, _STDERR)
            os.close(opened)
        os.set_inheritable(_STDERR, True)  # noqa: FBT003 - a positional argument in C


class _StdlibHandler(logging.Handler):
    """Passes records of the standard library's loggers on to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log one line. Raises nothing, and never prints a record that cannot be formatted."""
        error = record.exc_info[1] if record.exc_info else None
        details: Mapping[str, object] = describe(error) if error else {}
        level = min(max(record.levelno // 10, 1), 5) * 10  # structlog has no levels between
        _LOG.log(level, ForeignText(_message(record)), logger=record.name, **details)


def _message(record: logging.LogRecord) -> str:
    try:
        text = record.getMessage()
    except Exception:  # noqa: BLE001 - a wrong format string of a library must not end a request
        return "[unreadable]"
    return next((prefix for prefix in _QUOTING_PREFIXES if text.startswith(prefix)), text)


def _capture_others(level: int) -> None:
    """Route the standard library's loggers, warnings and uncaught exceptions to structlog."""
    logging.raiseExceptions = False  # logging's own error reports quote the record
    logging.root.handlers = [_StdlibHandler()]
    logging.root.setLevel(level)
    for name in [*logging.root.manager.loggerDict]:  # loggers with handlers of their own
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True
    # At debug it logs the path of every request, and a path may hold anything.
    logging.getLogger("gunicorn.error").setLevel(max(level, logging.INFO))
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_uncaught_exception
    threading.excepthook = _log_thread_exception
    sys.unraisablehook = _log_unraisable_exception


def _log_uncaught_exception(
    error_type: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    if issubclass(error_type, KeyboardInterrupt):
        sys.__excepthook__(error_type, error, trace)
    else:
        _LOG.critical("process.failed", **describe(error))


def _log_thread_exception(failure: threading.ExceptHookArgs) -> None:
    if failure.exc_value is not None and failure.exc_type is not SystemExit:
        _LOG.critical("thread.failed", **describe(failure.exc_value))


def _log_unraisable_exception(failure: "sys.UnraisableHookArgs") -> None:
    if failure.exc_value is not None:
        _LOG.error("cleanup.failed", **describe(failure.exc_value))
