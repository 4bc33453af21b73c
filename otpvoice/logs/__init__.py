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

from otpvoice.logs.capture import route_everything
from otpvoice.logs.exceptions import origin, told
from otpvoice.logs.line_writer import DROPPED, writer_of
from otpvoice.logs.redactor import Redactor

__all__ = ["DROPPED", "Level", "Redactor", "Shape", "configure", "origin", "told"]

Level = Literal["debug", "info", "warning", "error"]
Shape = Literal["auto", "json", "console"]

_LEVELS: Final = logging.getLevelNamesMapping()
_SYNONYMS: Final = MappingProxyType({"exception": "error", "warn": "warning"})
_STDERR: Final = 2


def configure(
    level: Level = "info",
    shape: Shape = "auto",
    secrets: Iterable[str] = (),
    clients: Collection[str] = (),
) -> None:
    """Send everything that this process logs to stderr, redacted. May be called again.

    Args:
        level: the least level that is logged.
        shape: ``auto`` is ``console`` on a terminal, else ``json``.
        secrets: values that are redacted wherever they turn up.
        clients: names that may stand in the field ``client``.
    """
    least = _LEVELS[level.upper()]
    redactor, render = Redactor(secrets, clients), _renderer(shape)
    writer = _writer(lambda lines: render(None, "warning", _dropped(lines, redactor)))
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            _describe_exception,
            redactor,
            # From here on everything is redacted.
            _stamp,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=lambda *_: writer,
        # A logger that was used before the settings were known must follow them.
        cache_logger_on_first_use=False,
    )
    route_everything(least)


class _StreamWriter:
    """A stream in memory that someone put in the place of stderr; it never blocks."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, line: bytes) -> None:
        self._stream.write(line.decode())

    debug = info = warning = error = critical = write


def _writer(report: Callable[[int], bytes]) -> Any:
    descriptor = _descriptor()
    if descriptor is None:
        return _StreamWriter(sys.stderr)
    writer = writer_of(descriptor)
    writer.report = report
    return writer


def _descriptor() -> int | None:
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


def _dropped(lines: int, redactor: Redactor) -> EventDict:
    event: EventDict = {"event": "log.lines_dropped", "lines": lines}
    return _stamp(None, "warning", redactor(None, "warning", event))


def _renderer(shape: Shape) -> Callable[[Any, str, EventDict], bytes]:
    is_terminal = sys.stderr is not None and sys.stderr.isatty()
    if shape == "console" or (shape == "auto" and is_terminal):
        columns: Processor = structlog.dev.ConsoleRenderer(colors=is_terminal)
        return lambda *event: f"{columns(*event)!s}\n".encode()
    return lambda _logger, _method, event: msgspec.json.encode(event) + b"\n"


def _stamp(_logger: object, method: str, event: EventDict) -> EventDict:
    now = datetime.now(UTC).isoformat(timespec="microseconds").removesuffix("+00:00")
    return {"timestamp": f"{now}Z", "level": _SYNONYMS.get(method, method), **event}


def _describe_exception(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Replace ``exc_info``, in any of its forms, by the exception's class and place."""
    given = event.pop("exc_info", None)
    error = given if isinstance(given, BaseException) else sys.exception() if given else None
    return {**event, **told(error)} if error else event
