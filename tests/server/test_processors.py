"""Each worker has a processor of its own if there is one for each."""

import os
import signal
from collections.abc import Mapping
from pathlib import Path

import pytest
from support.processes import wait_until
from support.service import WIDE_LIMITS
from support.stack import ApiProcess, running_api

PROCESSORS = os.sched_getaffinity(0)


def processors_by_worker(api: ApiProcess) -> dict[int, set[int]]:
    """Return the processors of each worker by its process id."""
    pid = api.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {int(child): os.sched_getaffinity(int(child)) for child in children}


def has_one_each(api: ApiProcess) -> bool:
    """Return whether each worker has another processor."""
    try:
        return sorted(map(sorted, processors_by_worker(api).values())) == [
            [each] for each in sorted(PROCESSORS)
        ]
    except ProcessLookupError:  # a worker has just ended
        return False


@pytest.mark.usefixtures("redis")
def test_worker_keeps_to_a_processor_of_its_own(environ: Mapping[str, str], tmp_path: Path) -> None:
    """The next worker takes the place of one that was killed."""
    workers = str(len(PROCESSORS))
    variables = {**environ, **WIDE_LIMITS, "OTPVOICE_SERVER_WORKERS": workers}
    with running_api(variables, tmp_path) as api:
        wait_until(lambda: has_one_each(api), "a processor for each worker")
        killed = max(processors_by_worker(api))
        os.kill(killed, signal.SIGKILL)
        wait_until(
            lambda: killed not in processors_by_worker(api) and has_one_each(api),
            "the next worker's processor",
        )


@pytest.mark.usefixtures("redis")
def test_reload_gives_each_new_worker_a_processor(
    environ: Mapping[str, str], tmp_path: Path
) -> None:
    """The old workers still have theirs when the new ones start."""
    variables = {**environ, **WIDE_LIMITS, "OTPVOICE_SERVER_WORKERS": str(len(PROCESSORS))}
    with running_api(variables, tmp_path) as api:
        wait_until(lambda: has_one_each(api), "a processor for each worker")
        old = {*processors_by_worker(api)}
        os.kill(api.process.pid, signal.SIGHUP)
        wait_until(
            lambda: old.isdisjoint(processors_by_worker(api)) and has_one_each(api),
            "the processors of the new workers",
        )


@pytest.mark.usefixtures("redis")
def test_workers_without_a_processor_each_use_all(
    environ: Mapping[str, str], tmp_path: Path
) -> None:
    """One more of them than processors."""
    workers = str(len(PROCESSORS) + 1)
    variables = {**environ, **WIDE_LIMITS, "OTPVOICE_SERVER_WORKERS": workers}
    with running_api(variables, tmp_path) as api:
        assert all(each == PROCESSORS for each in processors_by_worker(api).values())
