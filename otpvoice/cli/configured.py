"""Settings for a command, or an end that tells what is wrong with them."""

import os

import click

from otpvoice.bootstrap import load_and_log
from otpvoice.settings import Settings, SettingsError


def load_settings() -> Settings:
    """The settings of this process's environment; the log is as they say.

    Raises:
        click.ClickException: a field is wrong; the text names each.
    """
    try:
        return load_and_log(os.environ)
    except SettingsError as error:
        raise click.ClickException(str(error)) from error
