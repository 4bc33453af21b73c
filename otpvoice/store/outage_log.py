"""The log of outages of the store."""

import threading
import time
from collections import deque
from typing import Final

import structlog

from otpvoice.core.errors import StoreUnavailable

REPORT_INTERVAL_S: Final = 60.0
"""Time between two log lines about one outage."""
_MAX_LINES: Final = 5
"""Outages of a minute that are logged at once. The next ones are counted."""
_ALL_FUNCTIONS: Final = ""
"""Stands for all functions in the set of those that fail."""
_LOG = structlog.get_logger(__name__)


class OutageLog:
    """Logs an outage at once, then once a minute, and once on recovery.

    An outage starts with a command that is not served. It ends when everything that failed is
    served again: a full server, for example, still serves the functions that only read.

    Args:
        address: host and port of the store, without credentials. None: log nothing.
    """

    def __init__(self, address: str | None) -> None:
        self._address = address
        self._lock = threading.Lock()
        self.failing: set[str] = set()
        """Functions that were not served, and not again since."""
        self._reason = ""
        self._began = 0.0
        self._unreported = 0
        self._is_reported = False
        self._lines: deque[float] = deque(maxlen=_MAX_LINES)

    def record_failure(self, function: str, error: StoreUnavailable) -> None:
        """Record a command that was not served, and log it if a line is due."""
        if self._address is None:
            return
        now = time.monotonic()
        with self._lock:
            is_new = not self.failing or error.reason != self._reason
            if not self.failing:
                self._began = now
            self.failing.add(function if error.is_partial else _ALL_FUNCTIONS)
            self._reason = error.reason
            self._unreported += 1
            if not self._is_due(now, is_new=is_new):
                return
            self._lines.append(now)
            self._is_reported = True
            failed_commands, self._unreported = self._unreported, 0
        details = {"reply": error.reply} if error.reply else {}
        _LOG.error(
            "store.unavailable",
            address=self._address,
            reason=error.reason,
            function=function,
            failed_commands=failed_commands,
            **details,
        )

    def record_success(self, function: str) -> None:
        """Record a command that was served, and log the end of an outage that was logged."""
        if not self.failing:
            return
        with self._lock:
            self.failing -= {function, _ALL_FUNCTIONS}
            if self.failing:
                return
            if not self._is_reported:
                return  # failures that were not logged are counted in the next line
            self._is_reported = False
            failed_commands, self._unreported = self._unreported, 0
            seconds = round(time.monotonic() - self._began, 1)
        _LOG.info(
            "store.recovered",
            address=self._address,
            failed_commands=failed_commands,
            seconds=seconds,
        )

    def _is_due(self, now: float, *, is_new: bool) -> bool:
        lines = self._lines
        if not lines or now - lines[-1] >= REPORT_INTERVAL_S:
            return True
        return is_new and (len(lines) < _MAX_LINES or now - lines[0] >= REPORT_INTERVAL_S)
