"""Settings for a command, or an end that tells what is wrong with them."""

import os

import click

from otpvoice.bootstrap import initialize
from otpvoice.settings import Settings, SettingsError


def load_settings() -> Settings:
    """The settings of this process's environment; the log is as they say.

    Raises:
        click.ClickException: a field is wrong; the text names each.
    """
    try:
        return initialize(os.environ)
    except SettingsError as error:
        raise click.ClickException(str(error)) from error
