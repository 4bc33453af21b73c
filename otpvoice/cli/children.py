"""Our own commands as processes of their own: how they start, and how they end."""

import signal
import subprocess
import sys
from collections.abc import Sequence
from types import FrameType


def command_line(*words: str) -> list[str]:
    """``otpvoice <words>``, under this very Python."""
    return [sys.executable, "-m", "otpvoice", *words]


def end(children: Sequence[subprocess.Popen[bytes]], grace: float) -> list[int]:
    """Asks all of them to end, then waits for each; their exit statuses, in that order.

    ``grace``: seconds, after which a child is killed.
    """
    for child in children:
        child.terminate()
    return [_wait(child, grace) for child in children]


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
        self.came = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._note)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.came = True
