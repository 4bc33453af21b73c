"""Stop signals that the kernel hands to any thread of a process."""

import ctypes
import signal
from pathlib import Path

from redis import Redis
from support.processes import otpvoice_process


def test_signal_received_by_another_thread_ends_the_dialer(
    environ: dict[str, str], redis: Redis, tmp_path: Path
) -> None:
    """It does not interrupt what the main thread waits for."""
    assert redis.ping()
    with otpvoice_process("dialer", environ, tmp_path) as dialer:
        dialer.wait_until_ready(lambda: "dialer.started" in dialer.output(), "the dialer")
        threads = {int(each.name) for each in Path(f"/proc/{dialer.pid}/task").iterdir()}
        other = max(threads - {dialer.pid})
        assert ctypes.CDLL(None).tgkill(dialer.pid, other, signal.SIGTERM) == 0
        assert dialer.wait() == 0
