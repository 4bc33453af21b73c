"""The command line as a whole: it lists every command, and starts with the modules of one."""

import subprocess
import sys

import click
import pytest

from otpvoice.cli import main


@pytest.mark.parametrize("name", sorted({*main.commands} - {"demo"}))  # whose help begins otherwise
def test_listed_summary_is_that_of_the_command(name: str) -> None:
    _, command, _ = main.resolve_command(click.Context(main), [name])
    assert command
    assert command.name == name
    assert command.get_short_help_str(100) == main.commands[name].get_short_help_str(100)


@pytest.mark.parametrize(
    ("command", "unused"),
    [
        ("", {"flask", "gunicorn", "msgspec", "redis", "requests", "structlog"}),
        ("keys", {"flask", "gunicorn", "redis", "requests", "structlog"}),
        ("sandbox", {"otpvoice.api", "otpvoice.store", "redis"}),
        ("serve", {"flask", "gunicorn", "redis"}),
        ("verify", {"flask", "gunicorn", "redis"}),
        ("dialer", {"flask", "gunicorn", "jwt"}),
        ("find", {"flask", "gunicorn", "jwt"}),
    ],
)
def test_command_imports_only_what_it_uses(command: str, unused: set[str]) -> None:
    """Each import delays the start of every process."""
    code = (
        "import sys, click, otpvoice.cli as cli; "
        "words = sys.argv[1:]; words and cli.main.resolve_command(click.Context(cli.main), words); "
        "print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *command.split()], capture_output=True, text=True, check=True
    )
    assert not {*done.stdout.split()} & unused
