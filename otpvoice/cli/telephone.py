"""What operators type: a phone number, a length of time, what to look for. Callbacks of click."""

from typing import Final

import click

from otpvoice.core.errors import InvalidNumber
from otpvoice.core.phone import Number, read_number
from otpvoice.settings.readers import read_seconds

_LONGEST: Final = 365 * 86_400


def phone_number(_context: click.Context, _parameter: click.Parameter, text: str) -> Number:
    """E.164, whether it is called or not: a block may outlive the settings that called it.

    Raises:
        click.BadParameter: there is no such number; the text does not repeat it.
    """
    try:
        return read_number(text)
    except InvalidNumber as error:
        raise click.BadParameter(str(error)) from error


def sought(context: click.Context, parameter: click.Parameter, text: str) -> Number | str:
    """A number if it begins with +, else the text itself: an id or a reference.

    Raises:
        click.BadParameter: as for :func:`phone_number`.
    """
    return phone_number(context, parameter, text) if text.startswith("+") else text


def duration(_context: click.Context, _parameter: click.Parameter, text: str) -> int:
    """Seconds, written as in the settings; up to a year.

    Raises:
        click.BadParameter: not written so, none at all, or longer.
    """
    try:
        seconds = read_seconds(text)
    except ValueError:
        seconds = 0
    if not 0 < seconds <= _LONGEST:
        raise click.BadParameter('must be seconds, or like "90s", "10m", "24h", "7d"; at most 365d')
    return seconds
