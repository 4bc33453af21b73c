"""The ``otpvoice`` command line."""

import gc
from functools import cache
from importlib import import_module
from typing import Final

import click

_COMMANDS: Final = {
    "api": (".gunicorn", "Serve the HTTP API."),
    "config": (".config", "Print the sample configuration."),
    "demo": ("otpvoice_demo.command", "Run one verification on this machine, step by step."),
    "dialer": (".dialer", "Place calls."),
    "doctor": (".doctor.command", "Check settings, secrets, store, dialers, webhook and provider."),
    "export": (".export", "Export verifications with their calls, as lines of JSON."),
    "find": (".admin", "Show verifications with their calls."),
    "forget": (".admin", "Erase what is stored about a number."),
    "keys": (".keys", "Create API keys and secrets."),
    "limits": (".admin", "Show what refuses calls, and why."),
    "preview": (".preview", "Preview what a call will say, and what the provider will receive."),
    "sandbox": (".sandbox", "Simulate the provider, without an account and without costs."),
    "serve": (".serve", "Run the API and a dialer on one machine."),
    "verify": (".verify", "Call a phone, and check the code that it speaks."),
}
"""Name of a command → its module, and the first sentence of its help."""


class LazyGroup(click.Group):
    """A group that imports a command when it is resolved, so that it starts without the others."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the name, the imported command and the remaining arguments."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, _import_command(name) if name and command else None, rest


@cache
def _import_command(name: str) -> click.Command:
    """Import a command, and exempt all modules from garbage collection.

    Otherwise each collection, and the end of the process, would visit them in vain, and a worker
    would copy the memory that it shares with its parent.
    """
    module, _ = _COMMANDS[name]
    gc.disable()
    try:
        command: click.Command = getattr(import_module(module, "otpvoice.cli"), name)
    except ModuleNotFoundError as error:
        if name != "demo":  # a distribution of its own
            raise
        raise click.ClickException(
            "the demo is not installed. In the folder of otpvoice's source code, run:  "
            "pip install ./clients/python '.[demo]'"
        ) from error
    finally:
        gc.freeze()
        gc.enable()
    return command


@click.group(
    cls=LazyGroup,
    commands=[click.Command(name, help=summary) for name, (_, summary) in _COMMANDS.items()],
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="otpvoice")
def main() -> None:
    """Verify phone numbers by voice call.

    A login backend requests a call, the call speaks a code, and the code is accepted exactly once.
    Settings come from the file that OTPVOICE_CONFIG names, and from OTPVOICE_* variables.
    """
