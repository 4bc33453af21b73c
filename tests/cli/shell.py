"""A shell of a person who pastes lines from a document."""

import os
import subprocess
from pathlib import Path
from typing import Self


class Shell:
    """A context manager: a shell in which lines are pasted, one block after the other.

    Args:
        folder: where it starts.
        environ: further variables; it has no other ``OTPVOICE_`` variables.
    """

    _END = "-- end of the block --"

    def __init__(self, folder: Path, **environ: str) -> None:
        others = {k: v for k, v in os.environ.items() if not k.startswith("OTPVOICE_")}
        self._process = subprocess.Popen(
            ["sh"],
            cwd=folder,
            env=others | environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def run(self, block: str) -> str:
        """Return what a block of lines prints."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{block}\necho; echo '{self._END}'\n")
        self._process.stdin.flush()
        return "".join(iter(self._process.stdout.readline, f"{self._END}\n"))
