"""The whole service on one machine, and the processes it is made of."""

import signal
import subprocess
import sys

import pytest
from cli.words import read_until, starts

from otpvoice.cli.children import end
from otpvoice.cli.request import Request
from otpvoice.cli.stack import Stack, StackError, Stopped, free_port, is_free


def test_a_process_that_ends_is_noticed() -> None:
    """Its name, its status and the end of its log are told; after the block nothing is left."""
    with Stack(free_port()) as stack:
        stack.processes["dialer"].kill()
        with pytest.raises(StackError, match=r"the dialer ended with -9\n.*dialer\.log") as raised:
            stack.wait_until(lambda: None, "nothing happened")
        assert "dialer.started" in raised.value.message
    assert not stack.folder.exists()
    assert all(process.returncode is not None for process in stack.processes.values())


def test_a_wait_ends_in_time(stack: Stack) -> None:
    """What did not happen is told, with the end of every log."""
    with pytest.raises(StackError, match=r"no such thing within 0\.1 s") as raised:
        stack.wait_until(lambda: None, "no such thing", within=0.1)
    assert all(f"{name}.log" in raised.value.message for name in ("api", "dialer", "sandbox"))


def test_a_stop_ends_every_wait() -> None:
    """Also the first one, for readiness; nothing is left."""
    stopped = Stack(free_port(), lambda: True)
    with pytest.raises(Stopped), stopped:
        pytest.fail("it was entered")
    assert not stopped.folder.exists()
    assert all(process.returncode is not None for process in stopped.processes.values())


def test_only_its_owner_reads_its_settings(stack: Stack) -> None:
    """They are full of keys."""
    assert stack.configuration.stat().st_mode & 0o077 == 0
    assert stack.folder.stat().st_mode & 0o077 == 0


def test_a_port_is_free_until_somebody_listens(stack: Stack) -> None:
    """The API's is not."""
    assert not is_free(int(stack.url.rpartition(":")[2]))
    assert is_free(free_port())


def test_a_stubborn_process_is_killed() -> None:
    """After the grace, while others end as they like; statuses come in order."""
    stubborn = (
        "import signal, time; signal.signal(15, signal.SIG_IGN); print(flush=True); time.sleep(60)"
    )
    obliging = "import time; print(flush=True); time.sleep(60)"
    children = [
        subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
        for script in (stubborn, obliging)
    ]
    for child in children:
        assert child.stdout
        assert child.stdout.readline()
        child.stdout.close()
    assert end(children, 0.1) == [-signal.SIGKILL, -signal.SIGTERM]


def test_serve_runs_both_and_stops_both(stack: Stack) -> None:
    """It answers, it dials, and SIGTERM ends it with status 0."""
    url = f"http://127.0.0.1:{free_port()}"
    environ = {
        "OTPVOICE_CONFIG": str(stack.configuration),
        "OTPVOICE_SERVER_BIND": url.removeprefix("http://"),
    }
    with starts("serve", environ=environ) as process:
        told = read_until(process, "dialer.started")
        stack.wait_until(lambda: _ready(url), "serve did not answer")
        process.terminate()
        told += process.communicate(timeout=30)[0]
    assert process.returncode == 0, told
    assert "dialer.stopped" in told


def _ready(url: str) -> bool | None:
    try:
        return Request("GET", f"{url}/readyz").send().ok or None
    except OSError:
        return None
