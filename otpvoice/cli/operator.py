"""The setting of operators' commands: settings, options, and errors in one sentence."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import click

from otpvoice.bootstrap import initialize
from otpvoice.core.errors import InvalidNumber
from otpvoice.setting_types import parse_seconds
from otpvoice.settings import Settings, SettingsError

MAX_DURATION_S: Final = 365 * 86_400

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
yes_option = click.option("--yes", is_flag=True, help="Do not ask for confirmation.")


def load_settings() -> Settings:
    """Load the settings of this process's environment, and configure the log.

    Raises:
        click.ClickException: settings are invalid. The text names each.
    """
    try:
        return initialize(os.environ)
    except SettingsError as error:
        raise click.ClickException(str(error)) from error


@contextmanager
def report_invalid_number(parameter: str) -> Iterator[None]:
    """Turn an invalid number inside the block into a usage error of the parameter.

    Raises:
        click.BadParameter: there is no such number. The text does not repeat it.
    """
    try:
        yield
    except InvalidNumber as error:
        raise click.BadParameter(str(error), param_hint=f"'{parameter}'") from error


def parse_duration(_context: click.Context, _parameter: click.Parameter, text: str) -> int:
    """Parse a duration of at most a year, written as in the settings, into seconds.

    Raises:
        click.BadParameter: the text is not such a duration.
    """
    try:
        seconds = parse_seconds(text)
    except ValueError:
        seconds = 0
    if not 0 < seconds <= MAX_DURATION_S:
        raise click.BadParameter('must be seconds, or like "90s", "10m", "24h", "7d"; at most 365d')
    return seconds


def print_result(document: Mapping[str, Any], lines: Iterable[str], *, as_json: bool) -> None:
    """Print lines of text, or a document in ASCII: foreign text must not control the terminal."""
    click.echo(json.dumps(document, indent=2) if as_json else "\n".join(lines))
