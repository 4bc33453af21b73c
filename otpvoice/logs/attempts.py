"""Keep a loop going when one of its rounds fails, and log that without flooding the log."""

import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar

import structlog

from otpvoice.core.errors import StoreUnavailable
from otpvoice.logs.exceptions import describe

T = TypeVar("T")

_LOG = structlog.get_logger(__name__)

REPORT_INTERVAL: Final = 60.0
"""Seconds between two lines about the same failure."""


class ErrorBoundary:
    """The steps of a loop that must go on whatever becomes of one step.

    Each kind of failure is logged at once, and then once a minute with the number of failures.
    An unavailable store is not logged here, because the store logs it.

    Args:
        event: of the log line.
    """

    def __init__(self, event: str) -> None:
        self._event = event
        self._lock = threading.Lock()
        self._reported: dict[str, tuple[float, int]] = {}
        """By kind of failure: the time of the last line, and the failures since."""

    def run(self, function: Callable[[], T], default: T) -> T:
        """Return what ``step`` returns, or ``otherwise`` if it failed."""
        try:
            return function()
        except StoreUnavailable:
            return default
        except Exception as error:  # noqa: BLE001 - that is what this class is for
            details = describe(error)
            if failures := self._failures_to_report(str(details)):
                _LOG.error(self._event, failures=failures, **details)
            return default

    def _failures_to_report(self, failure: str) -> int:
        """Count a failure; return how many there were since the last line, or 0 if none is due."""
        now = time.monotonic()
        with self._lock:
            last, failures = self._reported.get(failure, (now - REPORT_INTERVAL, 0))
            if now - last < REPORT_INTERVAL:
                self._reported[failure] = last, failures + 1
                return 0
            self._reported[failure] = now, 0
            return failures + 1
