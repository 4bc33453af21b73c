"""Whoever runs a command that shows or changes what the store holds."""

import getpass
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click
from redis import Redis

from otpvoice.app import create_admin_store
from otpvoice.cli.configured import load_settings
from otpvoice.cli.telephone import report_invalid_number
from otpvoice.core.errors import StoreUnavailable
from otpvoice.core.keys import DecryptionError, KeyRing, NumberHasher
from otpvoice.core.phone import Number, mask_number, parse_written_number, single_region
from otpvoice.core.search import Query, parse_query
from otpvoice.core.service import decrypt_number
from otpvoice.core.verification import Verification
from otpvoice.settings import Settings
from otpvoice.store.admin import NumberIdentity, identify_number
from otpvoice.store.replies import FunctionError
from otpvoice.store.search import search
from otpvoice.store.url import address_of

json_option = click.option(
    "--json", "as_json", is_flag=True, help="One JSON document, for machines."
)
yes_option = click.option("--yes", is_flag=True, help="Do not ask.")


class OperatorContext:
    """Somebody at work on the store, with the settings of the service."""

    def __init__(self, settings: Settings) -> None:
        self.name = login_name()
        self.limits = settings.call_limits()
        self.max_live_calls = settings.limits.live_calls
        self.routes = settings.provider.routes
        self.operations = create_admin_store(settings)
        self._region = single_region(settings.limits.regions)
        self._ring = KeyRing([named.key for named in settings.secrets.keys])
        self._number_key = NumberHasher(settings.secrets.number_key)

    def parse_number(self, text: str) -> NumberIdentity:
        """Read a number as people write it, whether it is called or not.

        A block may outlive the settings that called it.

        Raises:
            click.BadParameter: there is no such number.
        """
        with report_invalid_number("NUMBER"):
            return self.telephone(parse_written_number(text, self._region))

    def parse_query(self, text: str) -> Query:
        """Read a search text.

        Raises:
            click.BadParameter: it is written as a number, and there is no such number.
        """
        with report_invalid_number("WHAT"):
            return parse_query(text, self._region)

    def find(self, query: Query) -> list[Verification]:
        """Return what matches, the newest first."""
        return search(self.operations, query, self._number_key, self.name)

    def telephone(self, number: Number) -> NumberIdentity:
        """The number as the store knows it."""
        return identify_number(number, self._number_key)

    def mask_number(self, verification: Verification) -> str | None:
        """The number that is proved, masked; None if the ring lost the key of its seal."""
        try:
            number = decrypt_number(self._ring, verification.id, verification.encrypted_number)
        except DecryptionError:
            return None
        return mask_number(number)


@contextmanager
def open_operator_context() -> Iterator[OperatorContext]:
    """An operator of the service that this process's environment configures.

    Raises:
        click.ClickException: the settings are wrong, or the store cannot serve.
    """
    operator = OperatorContext(load_settings())
    try:
        with report_store_errors(operator.operations.redis):
            yield operator
    finally:
        operator.operations.redis.close()


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


def login_name() -> str:
    """Who is told to have done it; the user's number where there is no name, as in a container."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return f"uid {os.getuid()}"


def print_json(document: Mapping[str, Any]) -> None:
    """One document, in ASCII: what others wrote can not steer the terminal."""
    click.echo(json.dumps(document, indent=2))
