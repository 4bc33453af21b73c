"""One line for each thing that happened: JSON for machines, columns on a terminal.

All that our processes say goes through one mask, which lets no code, no secret and no whole phone
number through: see :mod:`otpvoice.logs.masking`.
"""

import logging
import sys
from collections.abc import Collection, Iterable
from typing import Final, Literal

import msgspec
import structlog
from structlog.typing import EventDict, Processor

from otpvoice.logs.exceptions import origin, told
from otpvoice.logs.masking import Mask
from otpvoice.logs.routing import route_everything

__all__ = ["Level", "Mask", "Shape", "configure", "origin", "told"]

Level = Literal["debug", "info", "warning", "error"]
Shape = Literal["auto", "json", "console"]

_LEVELS: Final = logging.getLevelNamesMapping()


def configure(
    level: Level = "info",
    shape: Shape = "auto",
    secrets: Iterable[str] = (),
    clients: Collection[str] = (),
) -> None:
    """Sends everything that this process says to stderr, masked. May be called again.

    Args:
        level: the least that is told.
        shape: ``auto`` is ``console`` on a terminal, else ``json``.
        secrets: their values, to be withheld wherever they turn up.
        clients: names that may stand in the field ``client``.
    """
    least = _LEVELS[level.upper()]
    writer = structlog.WriteLogger(sys.stderr)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            _tell_exception,
            Mask(secrets, clients),
            # From here on all is ours.
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _renderer(shape),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=lambda *_: writer,
        # One that spoke before the settings were known must learn what they ask.
        cache_logger_on_first_use=False,
    )
    route_everything(least)


def _renderer(shape: Shape) -> Processor:
    is_terminal = sys.stderr.isatty()
    if shape == "console" or (shape == "auto" and is_terminal):
        return structlog.dev.ConsoleRenderer(colors=is_terminal)
    return structlog.processors.JSONRenderer(serializer=_json)


def _json(event: EventDict, **_: object) -> str:
    return msgspec.json.encode(event).decode()


def _tell_exception(_logger: object, _method: str, event: EventDict) -> EventDict:
    """``exc_info``, in any of its forms, by kind and place."""
    given = event.pop("exc_info", None)
    error = given if isinstance(given, BaseException) else sys.exception() if given else None
    return {**event, **told(error)} if error else event
