"""``otpvoice demo``: runs the demo, which is a package of its own and may not be installed."""

from importlib import import_module

import click

_FORWARD_ALL = {"ignore_unknown_options": True, "help_option_names": []}


@click.command(context_settings=_FORWARD_ALL)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def demo(context: click.Context, arguments: tuple[str, ...]) -> None:
    """Run one verification on this machine, step by step."""
    try:
        command: click.Command = import_module("otpvoice_demo.command").demo
    except ModuleNotFoundError as error:
        raise click.ClickException(
            "the demo is not installed. In the folder of otpvoice's source code, run:  "
            "pip install ./clients/python '.[demo]'"
        ) from error
    command.main([*arguments], prog_name=context.command_path, standalone_mode=False)
