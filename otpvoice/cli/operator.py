"""The setting of operators' commands: settings, options, the store, and errors in one sentence."""

import getpass
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import click
from redis import Redis

from otpvoice.admin.service import AdminService
from otpvoice.app import create_admin_service
from otpvoice.bootstrap import initialize
from otpvoice.core.errors import InvalidNumber, StoreUnavailable
from otpvoice.settings import Settings, SettingsError
from otpvoice.settings.parsers import parse_seconds
from otpvoice.store.discovery import address_of
from otpvoice.store.replies import FunctionError

_MAX_DURATION_S: Final = 365 * 86_400

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
def open_admin_service() -> Iterator[tuple[AdminService, str]]:
    """Connect to the configured service. Yields it with the operator's name for the log.

    Raises:
        click.ClickException: settings are invalid, or the store cannot serve.
        click.BadParameter: the block parsed an invalid number.
    """
    admin = create_admin_service(load_settings())
    try:
        with report_store_errors(admin.store.redis), report_invalid_number("NUMBER"):
            yield admin, _login_name()
    finally:
        admin.store.redis.close()


@contextmanager
def report_store_errors(redis: Redis) -> Iterator[None]:
    """End the command with one sentence if the store fails inside the block.

    Raises:
        click.ClickException: the store cannot serve, or one of its functions failed.
    """
    try:
        yield
    except StoreUnavailable as error:
        reply = f", {error.reply}" if error.reply else ""
        raise click.ClickException(
            f"the store at {address_of(redis)} cannot serve ({error.reason}{reply}); it is not "
            "known whether anything was changed. Run otpvoice doctor for the cause."
        ) from error
    except FunctionError as error:
        raise click.ClickException(
            f"the store's function {error.function} failed ({error.code}, line {error.line}); "
            "the change may be incomplete. Please report this as a bug."
        ) from error


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
    if not 0 < seconds <= _MAX_DURATION_S:
        raise click.BadParameter('must be seconds, or like "90s", "10m", "24h", "7d"; at most 365d')
    return seconds


def print_json(document: Mapping[str, Any]) -> None:
    """Print a document in ASCII, so that foreign text cannot control the terminal."""
    click.echo(json.dumps(document, indent=2))


def _login_name() -> str:
    """Return the login name, or the user's id where there is no name, as in a container."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return f"uid {os.getuid()}"
