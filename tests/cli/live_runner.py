"""Runs ``otpvoice doctor --live`` as a process, and reads its report."""

import re
import subprocess
import sys

from support.stack import Stack

_CHECK_LINE = re.compile(r"(confirmed|different|not observed) +([a-z._0-9]+) +(.+)")


def run_live(service: Stack, number: str, *words: str, typed: str = "") -> tuple[int, str]:
    """Run the command with the user's input; return its exit status and output."""
    done = subprocess.run(
        [sys.executable, "-m", "otpvoice", "doctor", "--live", number, *words],
        env=service.variables,
        input=typed,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    output = done.stdout + done.stderr
    assert number[3:] not in output
    return done.returncode, output


def check_results(output: str) -> dict[str, str]:
    """Return the status of each check by its name."""
    lines = [_CHECK_LINE.fullmatch(line) for line in output.splitlines()]
    return {line[2]: line[1] for line in lines if line}
