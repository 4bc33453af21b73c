"""Ends all processes of a test run when pytest ends, however it ends (Linux).

A pytest plugin, and the program of the watcher that it starts. The watcher is in a session of its
own, so that neither Ctrl-C nor SIGKILL of pytest ends it. It finds the processes of the run by a
variable of their environment, and by their ancestry, because some servers overwrite their
environment. A process that the run started and that still exists afterwards is killed.
"""

import os
import signal
import sys
import time
import uuid
from contextlib import suppress
from pathlib import Path

import pytest

VARIABLE = "TEST_RUN_ID"
"""Names the run in the environment of each of its processes."""
_INTERVAL_S = 0.5
_KILL_ROUNDS = 20


def pytest_configure(config: pytest.Config) -> None:
    """Start the watcher, once for pytest and its xdist workers."""
    if not hasattr(config, "workerinput") and sys.platform == "linux":
        run = uuid.uuid4().hex
        command = [sys.executable, __file__, str(os.getpid()), run]
        others = {name: value for name, value in os.environ.items() if name != VARIABLE}
        os.posix_spawn(sys.executable, command, others, setsid=True)
        os.environ[VARIABLE] = run


def processes_of(run: str) -> set[int]:
    """Return the ids of the processes whose environment names this run."""
    mark = f"{VARIABLE}={run}".encode()
    found = set()
    for environ in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):  # it ended, or belongs to another user
            if mark in environ.read_bytes().split(b"\0"):
                found.add(int(environ.parent.name))
    return found


def watch(parent: int, run: str) -> None:
    """Remember the descendants of ``parent``; when it has ended, kill those that are left."""
    descendants: dict[int, str] = {}
    while os.getppid() == parent:
        descendants |= _descendants({parent})
        time.sleep(_INTERVAL_S)
    for _ in range(_KILL_ROUNDS):
        alive = {pid: started for pid, (_, started) in _processes().items()}
        left = {pid for pid, started in descendants.items() if alive.get(pid) == started}
        left |= processes_of(run)
        left |= {*_descendants(left)}
        for pid in left - {os.getpid()}:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)


def _processes() -> dict[int, tuple[int, str]]:
    """Return the parent and the start time of each process."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if fields[0] != "Z":
                found[int(stat.parent.name)] = (int(fields[1]), fields[19])
    return found


def _descendants(ancestors: set[int]) -> dict[int, str]:
    """Return the start times of all descendants, without the watcher."""
    processes = _processes()
    found: dict[int, str] = {}
    generation = ancestors
    while generation:
        children = {
            pid: started
            for pid, (parent, started) in processes.items()
            if parent in generation and pid not in found and pid != os.getpid()
        }
        found |= children
        generation = {*children}
    return found


if __name__ == "__main__":
    watch(int(sys.argv[1]), sys.argv[2])
