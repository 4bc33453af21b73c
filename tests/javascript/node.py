"""Node with the locked packages of ``clients/javascript``."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest
from support.processes import environment, find_program, skip_or_fail

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


@pytest.fixture(scope="session")
def node() -> Node:
    """Node, and the locked packages. Where one is missing, the test is left out."""
    program = find_program("node")
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    if int(version.stdout.lstrip("v").partition(".")[0]) < MIN_NODE:
        skip_or_fail(f"node {version.stdout.strip()} is older than {MIN_NODE}")
    if not (MODULES / ".installed").exists():
        skip_or_fail(f"{MODULES} is missing; run `make javascript`")
    return Node(program)
