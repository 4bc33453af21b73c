"""Runs ``otpvoice doctor --live`` as a process, and reads its report."""

import re
import tempfile
from pathlib import Path

from support.preloaded import OTPVOICE
from support.processes import PreloadedProcess
from support.stack import Stack

_CHECK_LINE = re.compile(r"(confirmed|different|not observed) +([a-z._0-9]+) +(.+)")


def run_live(service: Stack, number: str, *words: str, typed: str = "") -> tuple[int, str]:
    """Run the command with the user's input; return its exit status and output."""
    command = ("doctor", "--live", number, *words)
    with tempfile.TemporaryDirectory() as folder:
        log, given = Path(folder, "log"), Path(folder, "typed")
        given.write_text(typed)
        with PreloadedProcess(
            OTPVOICE, *command, log=log, variables=service.variables, typed=given
        ) as process:
            status = process.wait()
        output = process.output()
    assert number[3:] not in output
    return status, output


def check_results(output: str) -> dict[str, str]:
    """Return the status of each check by its name."""
    lines = [_CHECK_LINE.fullmatch(line) for line in output.splitlines()]
    return {line[2]: line[1] for line in lines if line}
