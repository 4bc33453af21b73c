"""All else that writes into the log: libraries, warnings, and what nobody caught."""

import logging
import sys
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Final

import structlog

from otpvoice.logs.exceptions import describe
from otpvoice.logs.redactor import ForeignText

_LOG = structlog.get_logger(__name__)

_QUOTING_PREFIXES: Final = ("Invalid request", "Error handling request")
"""How gunicorn begins lines in which it quotes requests; nothing but this is kept of them."""


class StdlibHandler(logging.Handler):
    """Hands the records of the standard library's loggers on to ours."""

    def emit(self, record: logging.LogRecord) -> None:
        """One line of ours; it raises nothing, and never prints a record that it can not read."""
        error = record.exc_info[1] if record.exc_info else None
        details: Mapping[str, object] = describe(error) if error else {}
        level = min(max(record.levelno // 10, 1), 5) * 10  # ours knows no levels between
        _LOG.log(level, ForeignText(_message(record)), logger=record.name, **details)


def capture_all(level: int) -> None:
    """Sends what all other loggers say, warnings and uncaught exceptions to our log."""
    logging.raiseExceptions = False  # the library's own complaints quote the record
    logging.root.handlers = [StdlibHandler()]
    logging.root.setLevel(level)
    for name in [*logging.root.manager.loggerDict]:  # those that had handlers of their own
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True
    # At debug it tells the path of every request, and a path may hold anything.
    logging.getLogger("gunicorn.error").setLevel(max(level, logging.INFO))
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_uncaught_exception
    threading.excepthook = _log_thread_exception
    sys.unraisablehook = _log_unraisable_exception


def _message(record: logging.LogRecord) -> str:
    try:
        text = record.getMessage()
    except Exception:  # noqa: BLE001 - a library's slip of the pen must not end a request
        return "[unreadable]"
    return next((words for words in _QUOTING_PREFIXES if text.startswith(words)), text)


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
