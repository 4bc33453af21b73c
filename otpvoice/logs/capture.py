"""All else that writes into the log: libraries, warnings, and what nobody caught."""

import logging
import sys
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Final

import structlog

from otpvoice.logs.exceptions import told
from otpvoice.logs.redactor import ForeignText

_LOG = structlog.get_logger(__name__)

_QUOTING: Final = ("Invalid request", "Error handling request")
"""How gunicorn begins lines in which it quotes requests; nothing but this is kept of them."""


class Bridge(logging.Handler):
    """Hands the records of the standard library's loggers on to ours."""

    def emit(self, record: logging.LogRecord) -> None:
        """One line of ours; it raises nothing, and never prints a record that it can not read."""
        error = record.exc_info[1] if record.exc_info else None
        details: Mapping[str, object] = told(error) if error else {}
        level = min(max(record.levelno // 10, 1), 5) * 10  # ours knows no levels between
        _LOG.log(level, ForeignText(_text(record)), logger=record.name, **details)


def route_everything(level: int) -> None:
    """Sends what all other loggers say, warnings and uncaught exceptions to our log."""
    logging.raiseExceptions = False  # the library's own complaints quote the record
    logging.root.handlers = [Bridge()]
    logging.root.setLevel(level)
    for name in [*logging.root.manager.loggerDict]:  # those that had handlers of their own
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True
    # At debug it tells the path of every request, and a path may hold anything.
    logging.getLogger("gunicorn.error").setLevel(max(level, logging.INFO))
    logging.captureWarnings(capture=True)
    sys.excepthook = _on_end_of_process
    threading.excepthook = _on_end_of_thread
    sys.unraisablehook = _on_unraisable


def _text(record: logging.LogRecord) -> str:
    try:
        text = record.getMessage()
    except Exception:  # noqa: BLE001 - a library's slip of the pen must not end a request
        return "[unreadable]"
    return next((words for words in _QUOTING if text.startswith(words)), text)


def _on_end_of_process(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        _LOG.critical("process.failed", **told(error))


def _on_end_of_thread(failure: threading.ExceptHookArgs) -> None:
    if failure.exc_value is not None and failure.exc_type is not SystemExit:
        _LOG.critical("thread.failed", **told(failure.exc_value))


def _on_unraisable(failure: "sys.UnraisableHookArgs") -> None:
    if failure.exc_value is not None:
        _LOG.error("cleanup.failed", **told(failure.exc_value))
