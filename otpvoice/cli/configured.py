"""Settings for a command, or an end that tells what is wrong with them."""

import os

import click
import structlog

from otpvoice import logs
from otpvoice.settings import Settings, SettingsError, load

_LOG = structlog.get_logger(__name__)


def load_settings() -> Settings:
    """The settings of this process's environment; warnings go to the log.

    Raises:
        click.ClickException: a field is wrong; the text names each.
    """
    logs.configure()
    try:
        loaded = load(os.environ)
    except SettingsError as error:
        raise click.ClickException(str(error)) from error
    for warning in loaded.warnings:
        _LOG.warning("settings", warning=warning)
    return loaded.settings
