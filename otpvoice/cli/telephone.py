"""What operators type: phone numbers and lengths of time."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import click

from otpvoice.core.errors import InvalidNumber
from otpvoice.settings.parsers import parse_seconds

_MAX_DURATION_S: Final = 365 * 86_400


@contextmanager
def report_invalid_number(name: str) -> Iterator[None]:
    """Turn an invalid number into a usage error of the parameter ``name``.

    Raises:
        click.BadParameter: there is no such number; the text does not repeat it.
    """
    try:
        yield
    except InvalidNumber as error:
        raise click.BadParameter(str(error), param_hint=f"'{name}'") from error


def parse_duration(_context: click.Context, _parameter: click.Parameter, text: str) -> int:
    """Seconds, written as in the settings; up to a year.

    Raises:
        click.BadParameter: not written so, none at all, or longer.
    """
    try:
        seconds = parse_seconds(text)
    except ValueError:
        seconds = 0
    if not 0 < seconds <= _MAX_DURATION_S:
        raise click.BadParameter('must be seconds, or like "90s", "10m", "24h", "7d"; at most 365d')
    return seconds
