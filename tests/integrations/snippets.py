"""The code blocks of pages in docs/integrations, run with the arguments that a server passes."""

import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from integrations.locked_packages import node_packages
from support.processes import find_program
from support.service import LOGIN_KEY, RunningService

DOCS = Path(__file__).parents[2] / "docs" / "integrations"
_BLOCK = re.compile(r"^(?:`([\w.-]+)`:\n\n)?```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_NODE = Path(__file__).parent / "node"


class Node:
    """A process of Node that evaluates expressions, one after the other, for one service."""

    def __init__(self, service: RunningService, log: Path) -> None:
        variables = {
            "PATH": os.environ["PATH"],
            "OTPVOICE_URL": service.url,
            "OTPVOICE_API_KEY": LOGIN_KEY,
        }
        self._log = log
        with log.open("wb") as errors:
            self._child = subprocess.Popen(
                [find_program("node"), _NODE / "call.mjs"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=variables,
            )

    def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to a question; see ``call.mjs``. It fails if Node ends instead."""
        child = self._child
        assert child.stdin
        assert child.stdout
        child.stdin.write(json.dumps(question) + "\n")
        child.stdin.flush()
        line = child.stdout.readline()
        assert line, self._log.read_text("utf-8")
        outcome: dict[str, Any] = json.loads(line)
        return outcome

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.kill()
        self._child.communicate()


@dataclass(frozen=True)
class Snippets:
    """The snippets of the pages, whose requests go to a running service."""

    service: RunningService
    folder: Path
    """For the files of a page."""
    node: Node

    def block(self, page: str, name: str) -> str:
        """Return the block after the line that gives its file name, or else of that language."""
        text = (DOCS / f"{page}.md").read_text("utf-8")
        blocks = [(file or language, code) for file, language, code in _BLOCK.findall(text)]
        found: list[str] = [code for each, code in blocks if each == name]
        assert found, f"{page}.md has no block {name}, only {[each for each, _ in blocks]}"
        return (
            found[0]
            .replace("https://otp.example.com", self.service.url)
            .replace("ovk_…", LOGIN_KEY)
        )

    def add_file(self, page: str, name: str) -> Path:
        """Write a block to the file that it names."""
        path = self.folder / name
        path.write_text(self.block(page, name), "utf-8")
        return path

    def run_node(
        self, module: Path, expression: str, given: object = None, **variables: str
    ) -> dict[str, Any]:
        """Evaluate an expression with the module's exports as ``m`` and ``given`` as ``input``.

        Returns:
            ``result``, or the ``error``'s message; and ``calls`` of recorded functions.
        """
        question = {
            "module": str(module),
            "expression": expression,
            "input": given,
            "variables": variables,
        }
        return self.node.ask(question)

    def install_packages(self) -> None:
        """Provide the locked packages that the snippets import, next to their files."""
        (self.folder / "node_modules").symlink_to(node_packages(_NODE))


def wait_for_approval(snippets: Snippets, number: str, status: str = "approved") -> None:
    """Wait until the newest verification of a number has a status."""
    found = snippets.service.post("/v1/lookups", {"to": number})
    assert found.json()["status"] == status, found.text


def create_delayed(snippets: Snippets, number: str) -> dict[str, Any]:
    """Create a verification whose call waits for the SMS to be entered."""
    return snippets.service.create(to=number, code="471102", call_after=200)
