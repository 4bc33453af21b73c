"""``otpvoice serve``, and its parts: child processes, their supervision and termination."""

import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from types import FrameType
from typing import Final

import click
import structlog

from otpvoice.cli.operator import load_settings

_LOG = structlog.get_logger(__name__)

GRACE_S: Final = 15
"""Time for the API's requests in flight when a stop is requested."""
DIALER_GRACE_S: Final = 20.0
"""A request that was sent has ended by then, and its outcome is recorded."""
STARTUP_S: Final = 30.0
"""A process that fails this soon after its first start is not restarted."""
MIN_RESTART_DELAY_S: Final = 1.0
"""Delay of the first restart. Each further delay is twice as long."""
MAX_RESTART_DELAY_S: Final = 60.0
_STABLE_AFTER_S: Final = 60.0
"""Running time after which the delay is the minimum again."""


def otpvoice_command(*arguments: str) -> list[str]:
    """Return the command line of ``otpvoice <arguments>`` under this Python."""
    return [sys.executable, "-m", "otpvoice", *arguments]


def terminate(processes: Sequence[subprocess.Popen[bytes]], grace_s: float) -> list[int]:
    """Terminate processes, wait for them, and return their exit statuses in order.

    A process that runs longer than ``grace_s`` is killed.
    """
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(grace_s)
        except subprocess.TimeoutExpired:
            process.kill()
    return [process.wait() for process in processes]


class StopSignals:
    """A flag that SIGINT, SIGTERM and SIGHUP set instead of ending the process.

    A flag interrupts nothing. An exception could interrupt the start of a child process, which
    then would never be terminated.
    """

    def __init__(self) -> None:
        self.received = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._handle)

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        self.received = True


class SupervisedProcess:
    """An ``otpvoice`` command that is restarted when it ends, with increasing delays."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._restart_delay = MIN_RESTART_DELAY_S
        self._restart_at: float | None = None
        self._is_first = True
        self._start()

    def check(self) -> int | None:
        """Restart the process if a restart is due. Return its exit status if it cannot start.

        A process that fails right after its first start has invalid settings or a port that is in
        use, so a restart would not help.
        """
        now = time.monotonic()
        if self._restart_at is not None:
            if now >= self._restart_at:
                self._start()
            return None
        status = self.process.poll()
        if status is None:
            return None
        runtime = now - self._started_at
        if self._is_first and status > 0 and runtime < STARTUP_S:
            return status
        if runtime >= _STABLE_AFTER_S:
            self._restart_delay = MIN_RESTART_DELAY_S
        _LOG.error(
            "process.ended", process=self.name, exit_status=status, restart_in=self._restart_delay
        )
        self._is_first, self._restart_at = False, now + self._restart_delay
        self._restart_delay = min(2 * self._restart_delay, MAX_RESTART_DELAY_S)
        return None

    def _start(self) -> None:
        self._started_at, self._restart_at = time.monotonic(), None
        self.process = subprocess.Popen(otpvoice_command(self.name))


@click.command()
def serve() -> None:
    """Run the API and a dialer on one machine.

    A process that ends is restarted after 1 second, then 2, up to 60, and the log records its exit
    status. If a process exits within 30 seconds of its first start, for example because its port
    is taken, both processes end with status 1. SIGTERM and Ctrl-C end both with status 0.
    """
    load_settings()  # so that invalid settings are reported once
    stop = StopSignals()
    children = [SupervisedProcess(name) for name in ("api", "dialer")]
    failed: dict[str, int] = {}
    while not stop.received and not failed:
        time.sleep(0.2)
        statuses = {child.name: child.check() for child in children if not stop.received}
        failed = {name: status for name, status in statuses.items() if status is not None}
    running = [child for child in children if child.process.poll() is None]
    codes = terminate([child.process for child in running], DIALER_GRACE_S + GRACE_S)
    for name, status in failed.items():
        raise click.ClickException(f"the {name} could not be started: it ended with {status}")
    if not {*codes} <= {0, -signal.SIGTERM}:  # the latter while it was starting
        ended = zip((child.name for child in running), codes, strict=True)
        raise click.ClickException(
            ", ".join(f"the {name} ended with {code}" for name, code in ended)
        )
