"""The whole service on one machine, and the processes it is made of."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cli.cli_runner import start_command

from otpvoice.cli.subprocesses import terminate
from otpvoice_demo.printer import HttpRequest
from otpvoice_demo.stack import Stack, StackError, StopRequested, free_port, is_free


def test_a_process_that_ends_is_noticed() -> None:
    """Its name, its status and the end of its log are told; after the block nothing is left."""
    with Stack(free_port()) as stack:
        stack.processes["dialer"].kill()
        with pytest.raises(
            StackError, match=r"the dialer ended with status -9\n.*dialer\.log"
        ) as raised:
            stack.wait_until(lambda: None, "nothing happened")
        assert "dialer.started" in raised.value.message
    assert not stack.folder.exists()
    assert all(process.returncode is not None for process in stack.processes.values())


def test_a_wait_ends_in_time(stack: Stack) -> None:
    """What did not happen is told, with the end of every log."""
    with pytest.raises(StackError, match=r"no such thing within 0\.1 s") as raised:
        stack.wait_until(lambda: None, "no such thing", timeout_s=0.1)
    assert all(f"{name}.log" in raised.value.message for name in ("api", "dialer", "sandbox"))


def test_a_stop_ends_every_wait() -> None:
    """Also the first one, for readiness; nothing is left."""
    stopped = Stack(free_port(), lambda: True)
    with pytest.raises(StopRequested), stopped:
        pytest.fail("it was entered")
    assert not stopped.folder.exists()
    assert all(process.returncode is not None for process in stopped.processes.values())


def test_only_its_owner_reads_its_settings(stack: Stack) -> None:
    """They are full of keys."""
    assert stack.config_path.stat().st_mode & 0o077 == 0
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
    assert terminate(children, 0.1) == [-signal.SIGKILL, -signal.SIGTERM]


def test_serve_runs_both_and_stops_both(stack: Stack) -> None:
    """It answers, it dials, and SIGTERM ends it with status 0."""
    url = f"http://127.0.0.1:{free_port()}"
    environ = {
        "OTPVOICE_CONFIG": str(stack.config_path),
        "OTPVOICE_SERVER_BIND": url.removeprefix("http://"),
    }
    with start_command("serve", environ=environ) as process:
        told = process.read_until("dialer.started")
        stack.wait_until(lambda: _ready(url), "serve did not answer")
        process.terminate()
        told += process.finish()
    assert process.status == 0, told
    assert "dialer.stopped" in told


def _ready(url: str) -> bool | None:
    try:
        return HttpRequest("GET", f"{url}/readyz").send().ok or None
    except OSError:
        return None


def test_serve_restarts_a_process_that_ended(stack: Stack) -> None:
    """The log gives its exit status; the other process goes on, and SIGTERM still means 0."""
    url = f"http://127.0.0.1:{free_port()}"
    environ = {
        "OTPVOICE_CONFIG": str(stack.config_path),
        "OTPVOICE_SERVER_BIND": url.removeprefix("http://"),
    }
    with start_command("serve", environ=environ) as process:
        shown = process.read_until("dialer.started")
        stack.wait_until(lambda: _ready(url), "serve did not answer")
        for command in ("dialer", "api"):
            os.kill(_child_of(process.pid, command), signal.SIGKILL)
            ended = process.read_until("process.ended").splitlines()[-1]
            assert f'"process":"{command}"' in ended
            assert '"exit_status":-9' in ended
            assert '"restart_in":1}' in ended
            if command == "dialer":
                assert _ready(url)
                shown += process.read_until("dialer.started")
            else:
                stack.wait_until(lambda: _ready(url), "the api did not come back")
        process.terminate()
        shown += process.finish()
    assert process.status == 0, shown
    assert process.survivors() == []


def test_serve_waits_longer_before_each_restart(stack: Stack) -> None:
    """A process that keeps ending is not started in a tight loop; a stop meanwhile means 0."""
    environ = {
        "OTPVOICE_CONFIG": str(stack.config_path),
        "OTPVOICE_SERVER_BIND": f"127.0.0.1:{free_port()}",
    }
    with start_command("serve", environ=environ) as process:
        process.read_until("dialer.started")
        for pause in ("1", "2"):
            os.kill(_child_of(process.pid, "dialer"), signal.SIGKILL)
            assert f'"restart_in":{pause}}}' in process.read_until("process.ended")
            if pause == "1":
                process.read_until("dialer.started")
        process.signal(signal.SIGINT)
        shown = process.finish()
    assert process.status == 0, shown


def test_serve_ends_when_the_api_cannot_be_started(stack: Stack) -> None:
    """A port that is taken is no reason to try for ever: status 1, and nothing is left."""
    environ = {
        "OTPVOICE_CONFIG": str(stack.config_path),
        "OTPVOICE_SERVER_BIND": stack.url.removeprefix("http://"),
    }
    with start_command("serve", environ=environ) as process:
        shown = process.finish()
    assert process.status == 1, shown
    assert "the api could not be started: it ended with 1" in shown
    assert process.survivors() == []


def _child_of(pid: int, command: str) -> int:
    """Return the child of a process that runs this command of ours."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    (found,) = [
        int(child)
        for child in children
        if Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")[3:4] == [command.encode()]
    ]
    return found
