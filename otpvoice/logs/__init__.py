"""One line for each event: JSON for machines, columns on a terminal.

Lines of our own hold declared fields (:mod:`otpvoice.logs.events`), and what libraries log passes
a pattern mask (:mod:`otpvoice.logs.masking`): no code, no secret and no whole phone number is in
any line.
"""

import logging
import sys
from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final, Literal

import msgspec
import structlog
from structlog.typing import EventDict, Processor

from otpvoice.logs.exceptions import origin, told
from otpvoice.logs.redactor import Redactor
from otpvoice.logs.routing import route_everything

__all__ = ["Level", "Redactor", "Shape", "configure", "origin", "told"]

Level = Literal["debug", "info", "warning", "error"]
Shape = Literal["auto", "json", "console"]

_LEVELS: Final = logging.getLevelNamesMapping()
_SYNONYMS: Final = MappingProxyType({"exception": "error", "warn": "warning"})


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
    writer = structlog.WriteLogger(sys.stderr)
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


def _renderer(shape: Shape) -> Callable[[Any, str, EventDict], str]:
    is_terminal = sys.stderr.isatty()
    if shape == "console" or (shape == "auto" and is_terminal):
        columns: Processor = structlog.dev.ConsoleRenderer(colors=is_terminal)
        return lambda *event: str(columns(*event))
    return lambda _logger, _method, event: msgspec.json.encode(event).decode()


def _stamp(_logger: object, method: str, event: EventDict) -> EventDict:
    now = datetime.now(UTC).isoformat(timespec="microseconds").removesuffix("+00:00")
    return {"timestamp": f"{now}Z", "level": _SYNONYMS.get(method, method), **event}


def _describe_exception(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Replace ``exc_info``, in any of its forms, by the exception's class and place."""
    given = event.pop("exc_info", None)
    error = given if isinstance(given, BaseException) else sys.exception() if given else None
    return {**event, **told(error)} if error else event
