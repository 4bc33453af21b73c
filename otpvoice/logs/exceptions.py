"""Exceptions in the log: their fields, and loops that continue after one."""

import math
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import structlog

from otpvoice.core.errors import StoreUnavailable

T = TypeVar("T")

_LOG = structlog.get_logger(__name__)

REPORT_INTERVAL: Final = 60.0
"""Seconds between two lines about the same failure."""
_MAX_FRAMES: Final = 5


def describe(error: BaseException) -> dict[str, object]:
    """Return the log fields of an exception: its class as ``error``, ``traceback``, and ``reason``.

    ``reason`` is the text of an exception of otpvoice; another library's text may quote its input.
    An exception may add fields with its attribute ``log_fields``.
    """
    fields: dict[str, object] = {"error": type(error).__name__, "traceback": raised_at(error)}
    if type(error).__module__.startswith("otpvoice.") and str(error):
        fields["reason"] = str(error)
    return fields | getattr(error, "log_fields", {})


def raised_at(error: BaseException) -> list[str]:
    """Return the five innermost frames, each as in ``flask/app.py:917 dispatch_request``."""
    frames, trace = [], error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        file = "/".join(Path(code.co_filename).parts[-2:])
        frames.append(f"{file}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return frames[-_MAX_FRAMES:]


class ErrorBoundary:
    """Keeps a loop running when an iteration fails, and logs failures without flooding the log.

    Each kind of failure is logged at once, and then once a minute with the number of failures.
    ``StoreUnavailable`` is not logged here, because the store logs it.

    Args:
        event: the event to log.
    """

    def __init__(self, event: str) -> None:
        self._event = event
        self._lock = threading.Lock()
        self._reported: dict[str, tuple[float, int]] = {}
        """By kind of failure: the time of the last line, and the number of failures since."""

    def run(self, function: Callable[[], T], default: T) -> T:
        """Return what ``function`` returns, or ``default`` if it fails."""
        try:
            return function()
        except StoreUnavailable:
            return default
        except Exception as error:  # noqa: BLE001 - the purpose of this class
            details = describe(error)
            if failures := self._failures_to_report(str(details)):
                _LOG.error(self._event, failures=failures, **details)
            return default

    def _failures_to_report(self, failure: str) -> int:
        """Count a failure. Return the number since the last line, or 0 if no line is due yet."""
        now = time.monotonic()
        with self._lock:
            last, failures = self._reported.get(failure, (-math.inf, 0))
            is_due = now - last >= REPORT_INTERVAL
            self._reported[failure] = (now, 0) if is_due else (last, failures + 1)
        return failures + 1 if is_due else 0
