"""The demo stack, and the processes of ``otpvoice serve``."""

import os
import signal
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from cli.cli_runner import start_command
from support.demo_stack import PreloadedStack
from support.processes import Process

from otpvoice.cli.serve import terminate
from otpvoice_demo.printer import HttpRequest
from otpvoice_demo.stack import Stack, StackError, StopRequested, free_port, is_free


def test_stack_with_ended_process_raises_with_log() -> None:
    """The error has name, status and the end of the log; nothing is left afterwards."""
    with PreloadedStack(free_port()) as stack:
        stack.processes["dialer"].kill()
        with pytest.raises(
            StackError, match=r"the dialer ended with status -9\n.*dialer\.log"
        ) as raised:
            stack.wait_until(lambda: None, "nothing happened")
        assert "dialer.started" in raised.value.message
    assert not stack.folder.exists()
    assert all(process.returncode is not None for process in stack.processes.values())


def test_wait_until_after_timeout_raises_with_logs(stack: Stack) -> None:
    """The error has the end of every log."""
    with pytest.raises(StackError, match=r"no such thing within 0\.1 s") as raised:
        stack.wait_until(lambda: None, "no such thing", timeout_s=0.1)
    assert all(f"{name}.log" in raised.value.message for name in ("api", "dialer", "sandbox"))


def test_stop_request_ends_wait_for_readiness() -> None:
    """Nothing is left afterwards."""
    stopped = Stack(free_port(), lambda: True)
    with pytest.raises(StopRequested), stopped:
        pytest.fail("it was entered")
    assert not stopped.folder.exists()
    assert all(process.returncode is not None for process in stopped.processes.values())


def test_stack_files_are_readable_by_owner_only(stack: Stack) -> None:
    """They contain keys."""
    assert stack.config_path.stat().st_mode & 0o077 == 0
    assert stack.folder.stat().st_mode & 0o077 == 0


def test_is_free_is_false_for_port_in_use(stack: Stack) -> None:
    """Such as the API's."""
    assert not is_free(int(stack.url.rpartition(":")[2]))
    assert is_free(free_port())


def test_terminate_kills_process_after_grace() -> None:
    """Other processes end as usual; the statuses are in order."""
    ignores_sigterm = (
        "import signal, time; signal.signal(15, signal.SIG_IGN); print(flush=True); time.sleep(60)"
    )
    ends_at_sigterm = "import time; print(flush=True); time.sleep(60)"
    children = [
        subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
        for script in (ignores_sigterm, ends_at_sigterm)
    ]
    for child in children:
        assert child.stdout
        assert child.stdout.readline()
        child.stdout.close()
    assert terminate(children, 0.1) == [-signal.SIGKILL, -signal.SIGTERM]


def test_serve_restarts_killed_process_until_sigterm(stack: Stack) -> None:
    """The log has its exit status and a growing delay, and the other process continues.

    SIGTERM exits with 0, also during a delay.
    """
    url = f"http://127.0.0.1:{free_port()}"
    with _serve(stack, url) as process:
        process.read_until("dialer.started")
        stack.wait_until(lambda: _ready(url), "serve did not respond")
        for command, delay in (("dialer", 1), ("api", 1), ("dialer", 2)):
            os.kill(_child_of(process.pid, command), signal.SIGKILL)
            line = process.read_until("process.ended").splitlines()[-1]
            assert f'"process":"{command}"' in line
            assert '"exit_status":-9' in line
            assert f'"restart_in":{delay}}}' in line
            if command == "api":
                stack.wait_until(lambda: _ready(url), "the api was not restarted")
            elif delay == 1:
                assert _ready(url)
                process.read_until("dialer.started")
        process.terminate()
        output = process.finish()
    assert process.status == 0, output
    assert process.survivors() == []


def test_serve_exits_with_1_if_api_cannot_start(stack: Stack) -> None:
    """A port in use does not become free by restarts."""
    with _serve(stack, stack.url) as process:
        output = process.finish()
    assert process.status == 1, output
    assert "the api could not be started: it ended with 1" in output
    assert process.survivors() == []


def _serve(stack: Stack, url: str) -> AbstractContextManager[Process]:
    """Start ``otpvoice serve`` at this URL, with the settings of the stack."""
    environ = {
        "OTPVOICE_CONFIG": str(stack.config_path),
        "OTPVOICE_SERVER_BIND": url.removeprefix("http://"),
    }
    return start_command("serve", environ=environ)


def _ready(url: str) -> bool | None:
    try:
        return HttpRequest("GET", f"{url}/readyz").send().ok or None
    except OSError:
        return None


def _child_of(pid: int, command: str) -> int:
    """Return the child process that runs this command."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    (pid_of_command,) = [
        int(child)
        for child in children
        if Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")[3:4] == [command.encode()]
    ]
    return pid_of_command
