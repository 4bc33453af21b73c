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
    "unused",
    [
        {
            "": {"flask", "gunicorn", "msgspec", "redis", "requests", "structlog"},
            "keys": {"flask", "gunicorn", "redis", "requests", "structlog"},
            "serve": {"flask", "gunicorn", "redis"},
            "verify": {"flask", "gunicorn", "redis"},
            "dialer": {"flask", "gunicorn", "jwt"},
            "find": {"flask", "gunicorn", "jwt"},
        },
        {"sandbox": {"otpvoice.api", "otpvoice.store", "redis"}},
    ],
    ids=["commands", "sandbox"],
)
def test_command_imports_only_what_it_uses(unused: dict[str, set[str]]) -> None:
    """Each import delays the start of every process. One process imports them in this order."""
    code = (
        "import sys, click, otpvoice.cli as cli\n"
        "for name in sys.argv[1:]:\n"
        "    name and cli.main.resolve_command(click.Context(cli.main), [name])\n"
        "    print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *unused], capture_output=True, text=True, check=True
    )
    imported = zip(unused, done.stdout.splitlines(), strict=True)
    for name, modules in imported:
        assert not {*modules.split()} & unused[name], name
