"""Our own commands as processes of their own: how they start, and how they end."""

import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from types import FrameType
from typing import Final

import structlog

_LOG = structlog.get_logger(__name__)

STARTUP_S: Final = 30.0
"""Seconds: a process that exits by itself so soon after its first start cannot be started."""
MIN_RESTART_DELAY_S: Final = 1.0
"""Seconds before the first restart. Each further pause is twice as long."""
MAX_RESTART_DELAY_S: Final = 60.0
_STABLE_AFTER_S: Final = 60.0
"""Seconds of running after which the pause is the first one again."""


def otpvoice_command(*arguments: str) -> list[str]:
    """``otpvoice <words>``, under this very Python."""
    return [sys.executable, "-m", "otpvoice", *arguments]


def terminate(processes: Sequence[subprocess.Popen[bytes]], grace_s: float) -> list[int]:
    """Asks all of them to end, then waits for each; their exit statuses, in that order.

    ``grace``: seconds, after which a child is killed.
    """
    for child in processes:
        child.terminate()
    return [_wait(child, grace_s) for child in processes]


def _wait(child: subprocess.Popen[bytes], grace: float) -> int:
    try:
        return child.wait(grace)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.wait()


class StopSignals:
    """SIGINT, SIGTERM and SIGHUP, which from now on are noted instead of ending the process.

    A note that is looked at, not an exception that flies at any moment: so no child is ever
    started and then forgotten.
    """

    def __init__(self) -> None:
        self.received = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._handle)

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        self.received = True


class SupervisedProcess:
    """One of our commands as a process that is restarted when it ends, with a growing pause.

    Args:
        name: of the command.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._restart_delay = MIN_RESTART_DELAY_S
        self._restart_at: float | None = None
        self._is_first = True
        self._start()

    def check(self) -> int | None:
        """Restart the process if that is due; return the status of one that cannot be started.

        A process that exits by itself right after its first start has wrong settings, or a port
        that is taken: a restart would not help.
        """
        now = time.monotonic()
        if self._restart_at is not None:
            if now >= self._restart_at:
                self._start()
            return None
        status = self.process.poll()
        if status is None:
            return None
        ran = now - self._started
        if self._is_first and status > 0 and ran < STARTUP_S:
            return status
        if ran >= _STABLE_AFTER_S:
            self._restart_delay = MIN_RESTART_DELAY_S
        _LOG.error(
            "process.ended", process=self.name, exit_status=status, restart_in=self._restart_delay
        )
        self._is_first, self._restart_at = False, now + self._restart_delay
        self._restart_delay = min(2 * self._restart_delay, MAX_RESTART_DELAY_S)
        return None

    @property
    def is_running(self) -> bool:
        """Whether there is a process to end."""
        return self.process.poll() is None

    def _start(self) -> None:
        self._started, self._restart_at = time.monotonic(), None
        self.process = subprocess.Popen(otpvoice_command(self.name))
