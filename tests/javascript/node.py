"""Node with the locked packages of ``clients/javascript``."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from support.processes import environment

CLIENT: Final = Path(__file__).parents[2] / "clients" / "javascript"
MODULES: Final = CLIENT / "node_modules"
MIN_NODE: Final = 20


class Node:
    """Runs programs.

    Args:
        program: path of ``node``.
    """

    def __init__(self, program: str) -> None:
        self._program = program

    def run(
        self,
        *arguments: str | Path,
        folder: Path = CLIENT,
        variables: Mapping[str, str] | None = None,
    ) -> str:
        """Run Node in a folder and return its output; a failure shows all of it."""
        done = subprocess.run(
            [self._program, *arguments],
            cwd=folder,
            env=environment(variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=110,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def run_tool(self, name: str, *arguments: str | Path, folder: Path = CLIENT) -> str:
        """Run a program of the locked packages."""
        return self.run(MODULES / ".bin" / name, *arguments, folder=folder)
