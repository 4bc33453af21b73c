"""Gunicorn's messages as declared log events, for the API and the sandbox."""

import ast
import logging
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import structlog
from gunicorn.glogging import Logger

_LOG = structlog.get_logger(__name__)
_BIND_FAILED: Final = re.compile(
    r"connection to (?P<address>.*) failed: (?:\[Errno \d+\] )?(?P<reason>.*)", re.DOTALL
)
_EVENTS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = MappingProxyType(
    {
        "Starting gunicorn %s": ("server.starting", ("version",)),
        "Listening at: %s (%s)": ("server.listening", ("address", "pid")),
        "Connection in use: %s": ("server.address_in_use", ("address",)),
        "Handling signal: %s": ("server.signal", ("signal",)),
        "Shutting down: %s": ("server.stopped", ("_",)),
        "Booting worker with pid: %s": ("worker.started", ("pid",)),
        "Worker exiting (pid: %s)": ("worker.stopping", ("pid",)),
        "WORKER TIMEOUT (pid:%s)": ("worker.timed_out", ("pid",)),
        "Worker (pid:%s) exited with code %s.": ("worker.exited", ("pid", "exit_status")),
        "Worker (pid:%s) was sent %s!": ("worker.killed", ("pid", "signal")),
        "Worker (pid:%s) was sent %s! Perhaps out of memory?": ("worker.killed", ("pid", "signal")),
    }
)
"""Gunicorn's messages, their log events, and the fields that the message's arguments become."""


class GunicornLogger(Logger):  # type: ignore[misc] # gunicorn ships no types
    """Logs gunicorn's messages about its own life as declared events, and redacts the others.

    Redaction by pattern would take addresses, ports and process ids for codes.
    """

    def setup(self, cfg: Any) -> None:
        """Keep the level and handlers of the service's log. Gunicorn calls this."""
        self._sizes = {"workers": cfg.workers, "threads": cfg.threads}
        self.error_log.propagate = True
        self.error_log.addFilter(self._is_foreign)

    def _is_foreign(self, record: logging.LogRecord) -> bool:
        """Log a known message as an event. Return whether the record is unknown, to be redacted."""
        try:
            event, fields = self._event_for(record)
        except Exception:  # noqa: BLE001 - unknown, or arguments of another release of gunicorn
            return True
        _LOG.log(record.levelno, event, **fields)
        return False

    def _event_for(self, record: logging.LogRecord) -> tuple[str, dict[str, Any]]:
        message = str(record.msg)
        if failed := _BIND_FAILED.fullmatch(message):
            event, fields = "server.bind_failed", failed.groupdict()
        else:
            event, names = _EVENTS[message]
            arguments = record.args if isinstance(record.args, tuple) else ()
            fields = dict(zip(names, arguments, strict=True))
        fields.pop("_", None)
        if event in {"server.bind_failed", "server.address_in_use"}:
            fields["address"] = _format_address(fields["address"])
        return event, fields | (self._sizes if event == "server.starting" else {})


def _format_address(text: object) -> str:
    """Format gunicorn's ``('127.0.0.1', 8000)`` as ``127.0.0.1:8000``."""
    try:
        host, port = ast.literal_eval(str(text))[:2]
    except (ValueError, SyntaxError, TypeError):  # the path of a Unix socket
        return f"unix:{text}"
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
