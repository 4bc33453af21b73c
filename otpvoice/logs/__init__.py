"""Logging: one line for each event, as JSON for machines or in columns on a terminal.

Lines of otpvoice hold declared fields only (:mod:`otpvoice.logs.events`). Text of libraries passes
a redactor (:mod:`otpvoice.logs.redaction`). So no line holds a code, a secret or a whole phone
number. A log that cannot be written delays nothing (:mod:`otpvoice.logs.line_writer`).
"""

import logging
import os
import sys
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache, partial
from types import MappingProxyType, TracebackType
from typing import Any, Final, Literal

import msgspec
import structlog
from structlog.typing import EventDict, Processor

from otpvoice.logs.events import COMMON_FIELDS, EVENTS, EXCEPTION_FIELDS, FIELDS
from otpvoice.logs.exceptions import ErrorBoundary, describe, raised_at
from otpvoice.logs.field_types import REDACTED, FieldType
from otpvoice.logs.line_writer import DROPPED, get_writer
from otpvoice.logs.redaction import Redactor

__all__ = [
    "DROPPED",
    "ErrorBoundary",
    "ForeignText",
    "Format",
    "Level",
    "RecordFilter",
    "configure",
    "describe",
    "raised_at",
]

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["auto", "json", "console"]

_LOG = structlog.get_logger(__name__)

_LEVELS: Final = logging.getLevelNamesMapping()
_SYNONYMS: Final = MappingProxyType({"exception": "error", "warn": "warning"})
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
    record_filter, render = RecordFilter(secrets, clients), _renderer(log_format)

    def drop_notice(lines: int) -> bytes:
        event: EventDict = {"event": "log.lines_dropped", "lines": lines}
        event = _add_timestamp(None, "warning", record_filter(None, "warning", event))
        return render(None, "warning", event)

    writer = _open_writer(drop_notice)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            _describe_exception,
            record_filter,
            # From here on everything is redacted.
            _add_timestamp,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(min_level),
        logger_factory=lambda *_: writer,
        # A logger that was used before the settings were loaded must follow them.
        cache_logger_on_first_use=False,
    )
    _capture_others(min_level)


class ForeignText(str):
    """Text that a library logged, which the record filter redacts."""

    __slots__ = ()


_Renderers = Mapping[str, Callable[[Any], Any]]


class RecordFilter:
    """A structlog processor after which nothing secret is in the event.

    A line of otpvoice keeps its declared fields, each rendered by its type. Every other field and
    every value that does not fit becomes ``[redacted]``. The result holds only JSON's types.

    Args:
        secrets: values of the settings that no line may hold, in any encoding.
        clients: names that may stand in the field ``client``.
    """

    def __init__(self, secrets: Iterable[str] = (), clients: Collection[str] = ()) -> None:
        self._redactor = Redactor(secrets, clients)
        self._common = self._renderers([*COMMON_FIELDS, *EXCEPTION_FIELDS])
        self._foreign = {**self._common, **self._renderers(["logger"])}
        self._own = {
            name: {**self._common, **self._renderers(event.field_names)}
            for name, event in EVENTS.items()
        }

    def __call__(self, _logger: object, _method: str, event: EventDict) -> EventDict:
        """Return the event as it may be written."""
        name = event.pop("event", "")
        if type(name) is ForeignText:
            renderers: _Renderers = self._foreign
            line: dict[str, Any] = {"event": self._redactor.redact(str.__str__(name))}
        else:
            declared = self._own.get(name) if isinstance(name, str) else None
            renderers = self._common if declared is None else declared
            line = {"event": name if declared is not None else self._redact_key(name)}
        for field, value in event.items():
            render = renderers.get(field)
            if render is None:
                line[self._redact_key(field)] = REDACTED
                continue
            try:
                line[field] = None if value is None else render(value)
            except Exception:  # noqa: BLE001 - a value that cannot be read loses only itself
                line[field] = REDACTED
        return line

    def _renderers(self, fields: Iterable[str]) -> _Renderers:
        return {field: self._renderer(FIELDS[field]) for field in fields}

    def _renderer(self, field_type: FieldType) -> Callable[[Any], Any]:
        render = partial(field_type.render, self._redactor)
        return lru_cache(maxsize=256, typed=True)(render) if field_type.is_cacheable else render

    def _redact_key(self, key: object) -> str:
        """Return the name of an undeclared event or field, which may be anything."""
        return self._redactor.redact(str.__str__(key)) if isinstance(key, str) else REDACTED


class _StreamWriter:
    """A stream in memory that replaces stderr, as in tests; it never blocks."""

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
    """Replace ``exc_info``, in any of its forms, by the fields of the exception."""
    info = event.pop("exc_info", None)
    error = info if isinstance(info, BaseException) else sys.exception() if info else None
    return {**event, **describe(error)} if error else event


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
