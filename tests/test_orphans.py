"""No process outlives the test run that started it, however the run ends."""

import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from support.processes import Process, wait_until

TESTS = Path(__file__).parent
RUN = """
import subprocess, time
from pathlib import Path

from support.processes import Process
from support.valkey import Valkey

HERE = Path(__file__).parent
SLEEP = ["tail", "-f", str(HERE / "pytest.ini")]

def test_run():
    with Valkey(HERE), Process(SLEEP, HERE / "log"):
        subprocess.Popen(SLEEP, start_new_session=True)
        subprocess.Popen(SLEEP, env={}, start_new_session=True)
        subprocess.Popen(["sh", "-c", f"{' '.join(SLEEP)} & wait"], env={})
        (HERE / "started").touch()
        time.sleep(600)
"""


def processes_in(folder: Path) -> list[str]:
    """Return the command lines that name the folder."""
    found = []
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = command.read_bytes().decode(errors="replace").replace("\0", " ")
            if str(folder) in words:
                found.append(words)
    return found


@pytest.mark.parametrize(
    ("ending", "workers"), [(signal.SIGKILL, 1), (signal.SIGKILL, 0), (signal.SIGINT, 0)]
)
def test_cut_run_leaves_no_process(tmp_path: Path, ending: signal.Signals, workers: int) -> None:
    """Servers, leaders of sessions, and commands with another environment end with the run."""
    (tmp_path / "test_run.py").write_text(RUN)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    plugins = ["-p", "support.orphans", "-p", "no:cacheprovider", "-p", "no:schemathesis"]
    command = [sys.executable, "-m", "pytest", *plugins, "-n", str(workers)]
    variables = {"PYTHONPATH": str(TESTS)}
    with Process(command, tmp_path / "log", variables, cwd=tmp_path) as run:
        run.wait_until_ready((tmp_path / "started").exists, "the run")
        wait_until(lambda: len(processes_in(tmp_path)) >= 6, "all its processes")
        time.sleep(2)  # the watcher looks every half second
        run.signal(ending)
        run.wait()
    wait_until(lambda: not processes_in(tmp_path), "the end of its processes")
