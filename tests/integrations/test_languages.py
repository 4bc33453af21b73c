"""The programs of docs/languages.md, run as printed where the language is on the machine."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.processes import environment, find_program, wait_until
from support.service import LOGIN_KEY
from support.stack import Stack

PAGE = Path(__file__).parents[2] / "docs" / "languages.md"
PROGRAMS = {
    "curl": ("program.sh", "sh"),
    "Python": ("program.py", sys.executable),
    "Node": ("program.mjs", "node"),
    "PHP": ("program.php", "php"),
    "Go": ("program.go", "go", "run"),
    "Java": ("Verify.java", "java"),
}
"""Label of a block → its file and what runs it."""


def blocks() -> dict[str, str]:
    """Return the code by its label."""
    text = PAGE.read_text("utf-8")
    pattern = r"^\*\*(\w+)\*\*\n\n```\w+\n(.*?)^```"
    return dict(re.findall(pattern, text, re.DOTALL | re.MULTILINE))


def test_page_has_each_language() -> None:
    assert [*blocks()] == [*PROGRAMS]


@pytest.mark.parametrize("language", PROGRAMS)
def test_program_checks_the_spoken_code(
    language: str, stack: Stack, number: str, tmp_path: Path
) -> None:
    """A person types what the phone heard."""
    name, program, *arguments = PROGRAMS[language]
    file = tmp_path / name
    file.write_text(blocks()[language].replace("+919876543210", number), "utf-8")
    path = program if Path(program).is_absolute() else find_program(program)
    with subprocess.Popen(
        [path, *arguments, file],
        env=environment({"OTPVOICE_URL": stack.service.url, "OTPVOICE_API_KEY": LOGIN_KEY}),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=tmp_path,
    ) as running:
        wait_until(lambda: running.poll() is not None or stack.service.phones.calls(number), name)
        output, _ = running.communicate(stack.service.wait_for_code(number) + "\n", timeout=110)
    assert re.search(r'"?valid"?: ?[tT]rue', output), output
