"""Python programs in processes that have imported the service already.

Imports are two thirds of what ``python -m otpvoice`` costs until it serves. These processes are
forked from one that has done them, the fork server of :mod:`multiprocessing`; each pytest process
starts its own with the first program. The tests of commands, deployments and examples start
programs as their users do.
"""

import atexit
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import otpvoice

OTPVOICE: Final = Path(otpvoice.__file__).with_name("__main__.py")
"""The program that ``python -m otpvoice`` runs."""
_CONTEXT: Final = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["otpvoice.cli.gunicorn", "otpvoice.cli.dialer"])


class PreloadedProgram:
    """A program in a forked process, with the methods of ``subprocess.Popen`` that tests need.

    Args:
        program: the file to run.
        arguments: its command line.
        log: file that standard output and standard error are appended to.
        environ: all environment variables.
        typed: file with its standard input.
    """

    stdin: Final = None

    def __init__(
        self,
        program: Path,
        arguments: tuple[str, ...],
        log: Path,
        environ: Mapping[str, str],
        typed: Path = Path(os.devnull),
    ) -> None:
        log.touch()
        self._process = _CONTEXT.Process(
            target=_run, args=(str(program), arguments, log, environ, typed), daemon=True
        )
        self._process.start()
        assert self._process.pid
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit status, or None while it runs."""
        return self.poll()

    def poll(self) -> int | None:
        """Return the exit status, or None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status; raise ``subprocess.TimeoutExpired`` after the timeout."""
        self._process.join(timeout)
        if (status := self.poll()) is None:
            raise subprocess.TimeoutExpired(self._process.name, timeout or 0)
        return status

    def send_signal(self, number: int) -> None:
        """Send a signal if it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM if it still runs."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL if it still runs."""
        self.send_signal(signal.SIGKILL)


def _run(
    program: str, arguments: tuple[str, ...], log: Path, environ: dict[str, str], typed: Path
) -> None:
    """Run the program in the forked process, as a new Python would."""
    with log.open("ab") as output, typed.open("rb") as given:
        for source, descriptor in ((given, 0), (output, 1), (output, 2)):
            os.dup2(source.fileno(), descriptor)
    sys.stdin = os.fdopen(0, closefd=False)  # multiprocessing has replaced it
    os.environ.clear()
    os.environ.update(environ)
    sys.argv = [program, *arguments]
    try:
        runpy.run_path(program, run_name="__main__")
    finally:
        atexit._run_exitfuncs()  # noqa: SLF001 - a process of multiprocessing runs none by itself
