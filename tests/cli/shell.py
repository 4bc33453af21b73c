"""A shell into which tests paste lines of a document."""

import subprocess
from pathlib import Path
from typing import Self

from support.processes import Process


class Shell(Process):
    """A shell that runs blocks of lines.

    It has job control, as at a terminal: ``kill %1``, and jobs that do not ignore Ctrl-C.

    Args:
        folder: where it starts.
        log: takes its output.
        environ: further variables. The shell has no other ``OTPVOICE_`` variables.
    """

    _END = "-- end of the block --"

    def __init__(self, folder: Path, log: Path, **environ: str) -> None:
        command = ["bash", "--norc"]
        super().__init__(command, log, environ, own_session=True, cwd=folder, stdin=subprocess.PIPE)

    def __enter__(self) -> Self:
        self.run("set -m")
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()  # an its end, because jobs of the shell ignores SIGTERM
        super().__exit__()

    def running(self) -> list[str]:
        """Return the commands that still run in the shell."""
        return [name for name in self.survivors() if name != "bash"]

    def run(self, block: str) -> str:
        """Run a block of lines and return its output."""
        self.write(f"{block}\necho; echo '{self._END}'\n")
        return self.read_until(self._END).removesuffix(f"{self._END}\n")
