"""``otpvoice keys``: fresh API keys and secrets, and how the configuration names them."""

import base64
import hashlib
import re
import secrets
from datetime import UTC, datetime
from typing import Final

import click

_CLIENT_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
"""What the settings take for a client's name."""


def new_api_key() -> str:
    """``ovk_`` and 43 characters of base64url: 256 random bits."""
    return f"ovk_{secrets.token_urlsafe(32)}"


def new_admin_key() -> str:
    """``ova_`` and 43 characters of base64url: 256 random bits."""
    return f"ova_{secrets.token_urlsafe(32)}"


def hash_key(key: str) -> str:
    """What the configuration knows of an API key: the SHA-256 of its text, in hex."""
    return hashlib.sha256(key.encode("ascii")).hexdigest()


def client_table(client: str, api_key: str) -> str:
    """The table of a client in the configuration, TOML."""
    return f'[clients.{client}]\nkey_sha256 = ["{hash_key(api_key)}"]\n'


def secrets_table() -> str:
    """A ``[secrets]`` table with fresh keys, TOML.

    The id of the ring's key is today's date, so that the next one has an id of its own.
    """
    return (
        f'[secrets]\nkeys = ["k{datetime.now(UTC):%Y-%m-%d}:{_new_key()}"]\n'
        f'number_key = "{_new_key()}"\n'
    )


def new_secret() -> str:
    """43 characters of base64url, fit for headers and paths: 256 random bits."""
    return secrets.token_urlsafe(32)


def new_event_secret() -> str:
    """``whsec_`` and the base64 of 32 random bytes, as Standard Webhooks has it."""
    return f"whsec_{_new_key()}"


def _new_key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


def _validate_client_name(_context: click.Context, _option: click.Parameter, name: str) -> str:
    if not _CLIENT_NAME.fullmatch(name):
        raise click.BadParameter(
            f"{name!r} is no name for a client: 1 to 64 of a-z, 0-9 and -, "
            "the first of them not a -."
        )
    return name


@click.group()
def keys() -> None:
    """Make API keys and secrets."""


@keys.command()
def admin() -> None:
    """Make a key that opens the console.

    The key is shown once, on stderr, and stored nowhere. Add the lines printed on stdout to the
    configuration file. If the file has a table [secrets] already, add only the second line to it.
    """
    key = new_admin_key()
    click.echo(f'[secrets]\nadmin_key_sha256 = ["{hash_key(key)}"]\n')
    click.echo(f"The admin key, shown this once; the console's password:\n\n  {key}\n", err=True)


@keys.command()
@click.argument("client", callback=_validate_client_name)
@click.option(
    "--secrets", "with_secrets", is_flag=True, help="Also write fresh secrets of the service."
)
def new(client: str, *, with_secrets: bool) -> None:
    """Make an API key for CLIENT, a login backend.

    The key itself is shown once, on stderr, and stored nowhere. What stdout says belongs into the
    configuration:  otpvoice keys new app >> otpvoice.toml
    """
    api_key = new_api_key()
    if with_secrets:
        click.echo(secrets_table())
    click.echo(client_table(client, api_key), nl=with_secrets)
    if with_secrets:
        click.echo(
            f'[provider]\nwebhook_secret = "{new_secret()}"\n'
            f'validation_key = "{new_secret()}"\n'
            "# token, bridge and flows are still missing here",
        )
    click.echo(
        f"The API key of {client}, shown this once; give it to that backend:\n\n  {api_key}\n",
        err=True,
    )
