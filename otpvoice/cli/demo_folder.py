"""``.demo``: what every demo that is started in a folder has in common.

``keys.json`` keeps its keys, so that what was set up with them works at the next start. ``env`` has
lines for a shell: where the demo runs now, and with which key.
"""

import os
import shlex
import tempfile
from pathlib import Path
from typing import Final

import click
import msgspec

from otpvoice.cli.stack import Stack
from otpvoice.cli.stack_settings import StackKeys

FOLDER: Final = Path(".demo")
"""In the current folder."""


def load_keys() -> StackKeys:
    """Return the keys of this folder; at the first start they are made.

    Raises:
        click.ClickException: they cannot be read or written.
    """
    file = FOLDER / "keys.json"
    try:
        return msgspec.json.decode(file.read_bytes(), type=StackKeys)
    except FileNotFoundError:
        keys = StackKeys.generate()
        _write(file, msgspec.json.format(msgspec.json.encode(keys)).decode() + "\n")
        return keys
    except (OSError, msgspec.DecodeError) as error:
        raise click.ClickException(
            f"{file} cannot be read: {error}. Delete it to have new keys made."
        ) from error


def shell_exports(stack: Stack) -> list[str]:
    """Return the lines with which a shell learns where a demo runs."""
    variables = {
        "OTPVOICE_URL": stack.url,
        "OTPVOICE_API_KEY": stack.api_key,
        "SANDBOX_URL": stack.sandbox_url,
    }
    if stack.options.event_url:
        variables["OTPVOICE_EVENT_SECRET"] = stack.event_secret
    return [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]


def write_shell_exports(stack: Stack) -> None:
    """Write these lines into ``env``.

    Raises:
        click.ClickException: it cannot be written.
    """
    _write(FOLDER / "env", "\n".join([*shell_exports(stack), ""]))


def _write(file: Path, text: str) -> None:
    """Write a file as a whole, readable by its owner only."""
    try:
        file.parent.mkdir(mode=0o700, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=file.parent)
        with open(handle, "w", encoding="utf-8") as opened:  # noqa: PTH123 - a file descriptor
            opened.write(text)
        os.replace(temporary, file)  # noqa: PTH105 - mkstemp names it by a string
    except OSError as error:
        raise click.ClickException(
            f"{file} cannot be written: {error.strerror}. Start the demo in a folder of yours."
        ) from error
