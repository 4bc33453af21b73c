"""Gunicorn's messages in the log: those about its own life as declared events, the others masked.

The pattern mask would take addresses, ports and process ids for codes.
"""

import ast
import logging
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import structlog
from gunicorn.glogging import Logger

_LOG = structlog.get_logger(__name__)

_BIND_FAILED: Final = re.compile(r"connection to (?P<address>.*) failed: (?P<reason>.*)", re.DOTALL)


def _format_address(text: object) -> str:
    """``('127.0.0.1', 8000)``, as gunicorn writes it, as ``127.0.0.1:8000``."""
    try:
        host, port = ast.literal_eval(str(text))[:2]
    except (ValueError, SyntaxError, TypeError):  # the path of a Unix socket
        return f"unix:{text}"
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


_Fields = Callable[..., Mapping[str, Any]]

_EVENTS: Final[Mapping[str, tuple[str, _Fields]]] = MappingProxyType(
    {
        "Starting gunicorn %s": ("server.starting", lambda version: {"version": version}),
        "Listening at: %s (%s)": (
            "server.listening",
            lambda address, pid: {"address": address, "pid": pid},
        ),
        "Connection in use: %s": (
            "server.address_in_use",
            lambda address: {"address": _format_address(address)},
        ),
        "Handling signal: %s": ("server.signal", lambda signal: {"signal": signal}),
        "Shutting down: %s": ("server.stopped", lambda _name: {}),
        "Booting worker with pid: %s": ("worker.started", lambda pid: {"pid": pid}),
        "Worker exiting (pid: %s)": ("worker.stopping", lambda pid: {"pid": pid}),
        "WORKER TIMEOUT (pid:%s)": ("worker.timed_out", lambda pid: {"pid": pid}),
        "Worker (pid:%s) exited with code %s.": (
            "worker.exited",
            lambda pid, status: {"pid": pid, "exit_status": status},
        ),
        "Worker (pid:%s) was sent %s!": (
            "worker.killed",
            lambda pid, signal: {"pid": pid, "signal": signal},
        ),
        "Worker (pid:%s) was sent %s! Perhaps out of memory?": (
            "worker.killed",
            lambda pid, signal: {"pid": pid, "signal": signal},
        ),
    }
)
"""Gunicorn's message → our event, and its fields from the message's arguments."""


class GunicornLogger(Logger):  # type: ignore[misc] # gunicorn ships no types
    """A logger class for gunicorn that writes into our log."""

    def setup(self, cfg: Any) -> None:
        """Leave level and handlers as our log set them; gunicorn calls this."""
        self._sizes = {"workers": cfg.workers, "threads": cfg.threads}
        self.error_log.propagate = True
        self.error_log.addFilter(self._is_foreign)

    def _is_foreign(self, record: logging.LogRecord) -> bool:
        """Log the record as an event of ours if it is known; else leave it to the mask."""
        try:
            known = self._event_for(record)
        except Exception:  # noqa: BLE001 - another release's arguments: the record is masked
            return True
        if known is not None:
            event, fields = known
            _LOG.log(record.levelno, event, **fields)
        return known is None

    def _event_for(self, record: logging.LogRecord) -> tuple[str, Mapping[str, Any]] | None:
        message = str(record.msg)
        if failed := _BIND_FAILED.fullmatch(message):
            address, reason = _format_address(failed["address"]), _strip_errno(failed["reason"])
            return "server.bind_failed", {"address": address, "reason": reason}
        if message not in _EVENTS:
            return None
        event, fields = _EVENTS[message]
        values = fields(*record.args) if isinstance(record.args, tuple) else {}
        return event, {**values, **self._sizes} if event == "server.starting" else values


def _strip_errno(reason: str) -> str:
    """``[Errno 98] Address already in use`` without its number."""
    return re.sub(r"^\[Errno \d+\] ", "", reason)
