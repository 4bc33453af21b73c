"""A shell into which tests paste lines of a document."""

import os
import subprocess
from pathlib import Path
from typing import Self

from cli.cli_runner import running_commands


class Shell:
    """A context manager: a shell that runs blocks of lines.

    It has job control, as at a terminal: ``kill %1``, and jobs that do not ignore Ctrl-C.

    Args:
        folder: where it starts.
        environ: further variables. The shell has no other ``OTPVOICE_`` variables.
    """

    _END = "-- end of the block --"

    def __init__(self, folder: Path, **environ: str) -> None:
        others = {k: v for k, v in os.environ.items() if not k.startswith("OTPVOICE_")}
        self._process = subprocess.Popen(
            ["bash", "--norc"],
            cwd=folder,
            env=others | environ,
            start_new_session=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def __enter__(self) -> Self:
        self.run("set -m")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                stream.close()  # not read to its end, because jobs of the shell may still hold it
        self._process.wait()

    def running(self) -> list[str]:
        """Return the commands that still run in the shell."""
        return [name for name in running_commands(self._process) if name != "bash"]

    def run(self, block: str) -> str:
        """Run a block of lines and return its output."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{block}\necho; echo '{self._END}'\n")
        self._process.stdin.flush()
        return "".join(iter(self._process.stdout.readline, f"{self._END}\n"))
