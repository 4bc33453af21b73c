"""Child processes of the tests: started, awaited, signalled and ended.

Every process that outlives one call is a :class:`Process`. It ends with its block at the latest;
``support.orphans`` ends it if the test run is cut short.
"""

import itertools
import os
import pty
import random
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn, Self, TypeVar

import pytest
from support.preloaded import OTPVOICE, PreloadedProgram

T = TypeVar("T")
_PROGRAM_PATHS = os.pathsep.join(
    [os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"]
)
_PORTS = range(10_000, 20_000)
"""A node of a cluster listens 10 000 above its port as well."""
_NUMBERS = itertools.count(random.randrange(len(_PORTS)))
"""Each process of the tests begins elsewhere."""
TIMEOUT_S = 120.0
"""How long a test waits for a condition. A loaded machine is slow, so only a hang takes as long."""

_MIN_PAUSE_S, _MAX_PAUSE_S = 0.02, 0.1
"""Between two looks at a condition. The longer the wait, the less a pause delays its end."""


def wait_until(condition: Callable[[], T], what: str, timeout_s: float = TIMEOUT_S) -> T:
    """Return the condition's value as soon as it is true; fail after the timeout."""
    began = time.monotonic()
    while not (value := condition()):
        waited = time.monotonic() - began
        assert waited < timeout_s, f"waited {timeout_s} s for {what}"
        time.sleep(min(max(_MIN_PAUSE_S, waited / 10), _MAX_PAUSE_S))
    return value


def free_port() -> int:
    """Return a TCP port that nothing listens on, another one at each call.

    It is below those of outgoing connections, one of which could take it before its server does.
    """
    while True:
        port = _PORTS[next(_NUMBERS) % len(_PORTS)]
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port


def is_listening(port: int) -> bool:
    """Return whether a server accepts connections at this port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def find_program(*names: str) -> str:
    """Return the path of the first system program that is installed; skip the test without any."""
    found = (shutil.which(name, path=_PROGRAM_PATHS) for name in names)
    return next(filter(None, found), None) or skip_or_fail(f"{' or '.join(names)} is not installed")


def skip_or_fail(why: str) -> NoReturn:
    """Skip the test, or fail it under ``OTPVOICE_REQUIRE=all``, as the gate runs it."""
    if os.environ.get("OTPVOICE_REQUIRE") == "all":
        pytest.fail(f"{why}, and OTPVOICE_REQUIRE=all forbids skipping")
    pytest.skip(why)


def environment(variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a child: no ``OTPVOICE_`` variables but those given."""
    others = {k: v for k, v in os.environ.items() if not k.startswith("OTPVOICE_")}
    return others | dict(variables or {})


class Process:
    """A child process that ends with its block at the latest.

    Args:
        command: the program and its arguments.
        log: file that standard output and standard error are appended to.
        variables: environment variables; no other ``OTPVOICE_`` variable is inherited.
        own_session: start it as the leader of a session, so that :meth:`survivors` can be listed.
        options: of ``subprocess.Popen``, such as ``cwd`` or another ``stderr``.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        log: Path,
        variables: Mapping[str, str] | None = None,
        *,
        own_session: bool = False,
        **options: Any,
    ) -> None:
        self.log = log
        with log.open("ab") as output:
            self._child: subprocess.Popen[bytes] | PreloadedProgram = subprocess.Popen(
                command,
                env=environment(variables),
                start_new_session=own_session,
                **{"stdin": subprocess.DEVNULL, "stdout": output, "stderr": output, **options},
            )
        self.pid = self._child.pid
        self._read = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.is_running:
            self.signal(signal.SIGCONT)
            self._child.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._child.wait(TIMEOUT_S)
            self.kill()
        if self._child.stdin:
            with suppress(BrokenPipeError):
                self._child.stdin.close()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._child.send_signal(number)

    def kill(self) -> None:
        """End it with SIGKILL."""
        self._child.kill()
        self._child.wait()

    def terminate(self, timeout_s: float = TIMEOUT_S) -> int:
        """Send SIGTERM and return the exit status."""
        self._child.terminate()
        return self._child.wait(timeout_s)

    def wait(self, timeout_s: float = TIMEOUT_S) -> int:
        """Wait for the end and return the exit status."""
        return self._child.wait(timeout_s)

    @property
    def status(self) -> int | None:
        """The exit status, or None while it runs."""
        return self._child.poll()

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self._child.poll() is None

    def output(self) -> str:
        """Return what it has written to its log."""
        return self.log.read_text("utf-8", errors="replace")

    def wait_until_ready(self, condition: Callable[[], T], what: str) -> T:
        """Wait for a condition; fail with the end of the log if the process ends before."""

        def checked() -> T:
            is_running = self.is_running
            value = condition()
            assert value or is_running, f"{what} ended:\n{self.output()[-2000:]}"
            return value

        return wait_until(checked, f"{what}; see {self.log}")

    def read_until(self, text: str) -> str:
        """Return the output since the last read, up to the end of the line with this text."""

        def lines() -> str:
            head, found, rest = self.output()[self._read :].partition(text)
            line, end, _ = rest.partition("\n")
            return head + found + line + end if end else ""

        found = self.wait_until_ready(lines, f"the output {text!r}")
        self._read += len(found)
        return found

    def write(self, text: str) -> None:
        """Write to its standard input, which must be a pipe."""
        assert self._child.stdin
        self._child.stdin.write(text.encode())
        self._child.stdin.flush()

    def finish(self, text: str = "", timeout_s: float = TIMEOUT_S) -> str:
        """Write the rest of its input, wait for its end, and return the unread output."""
        if self._child.stdin:
            self.write(text)
            self._child.stdin.close()
        self._child.wait(timeout_s)
        return self.output()[self._read :]

    def wait_until_stopped(self) -> None:
        """Wait until SIGSTOP has stopped it (Linux, proc(5))."""
        stat = Path(f"/proc/{self.pid}/stat")
        self.wait_until_ready(lambda: ") T " in stat.read_text(), "its stop")

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Pause the process during the block; its sockets stay open."""
        self.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.signal(signal.SIGCONT)

    def child_pids(self) -> list[int]:
        """Return the ids of its child processes (Linux, proc(5))."""
        listed = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        return [int(pid) for pid in listed.read_text().split()]

    def survivors(self) -> list[str]:
        """Return the commands that still run in the session that this process leads."""
        left = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):  # ended in the meantime
                name, _, fields = stat.read_text().partition("(")[2].rpartition(")")
                state, _, _, session = fields.split()[:4]
                if session == str(self.pid) and state != "Z":
                    left.append(name)
        return left


class TerminalProcess(Process):
    """A child process with a terminal of its own, and the keyboard and screen of that terminal."""

    def __init__(
        self, command: Sequence[str | Path], variables: Mapping[str, str], **options: Any
    ) -> None:
        self._screen, terminal = pty.openpty()
        streams = dict.fromkeys(("stdin", "stdout", "stderr"), terminal)
        super().__init__(
            command, Path(os.devnull), variables, own_session=True, **streams, **options
        )
        os.close(terminal)
        self._shown = ""

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        os.close(self._screen)

    def output(self) -> str:
        """Return what the terminal has shown so far."""
        with suppress(OSError):  # Linux reports the end of a terminal's last user as an error
            while select.select([self._screen], [], [], 0)[0]:
                self._shown += os.read(self._screen, 4096).decode(errors="replace")
        return self._shown

    def type(self, text: str) -> None:
        """Type on the keyboard."""
        os.write(self._screen, text.encode())

    def read_until(self, text: str) -> str:
        """Return what was shown since the last read, up to this text."""

        def shown() -> str:
            head, found, _ = self.output()[self._read :].partition(text)
            return head + found if found else ""

        read = self.wait_until_ready(shown, f"{text!r} on the terminal")
        self._read += len(read)
        return read


class PreloadedProcess(Process):
    """A child process that runs a Python program and has imported the service already.

    ``options`` are further ones of :class:`PreloadedProgram`.
    """

    def __init__(
        self,
        program: Path,
        *arguments: str,
        log: Path,
        variables: Mapping[str, str],
        **options: Path,
    ) -> None:
        self.log = log
        self._child = PreloadedProgram(program, arguments, log, environment(variables), **options)
        self.pid = self._child.pid
        self._read = 0


def otpvoice_process(
    subcommand: str, variables: Mapping[str, str], folder: Path, *words: str, **options: Any
) -> Process:
    """Start ``otpvoice <subcommand> <words>``; its log is ``<subcommand>.log`` in the folder.

    With options of ``subprocess.Popen``, it is started as a user does.
    """
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"{subcommand}.log"
    if options:
        command = [sys.executable, "-m", "otpvoice", subcommand, *words]
        return Process(command, log, variables, **options)
    return PreloadedProcess(OTPVOICE, subcommand, *words, log=log, variables=variables)
