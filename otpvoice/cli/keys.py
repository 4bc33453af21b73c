"""``otpvoice keys``: new API keys and secrets, as lines for the configuration file."""

import base64
import hashlib
import secrets
from datetime import UTC, datetime

import click

from otpvoice.settings.loader import CLIENT_NAME


def new_key(prefix: str = "") -> str:
    """Return the prefix and 43 characters of base64url: 256 random bits."""
    return f"{prefix}{secrets.token_urlsafe(32)}"


def new_binary_key() -> str:
    """Return the base64 of 32 random bytes."""
    return base64.b64encode(secrets.token_bytes(32)).decode()


def hash_key(key: str) -> str:
    """Return the SHA-256 of a key's text in hex, as the configuration stores it."""
    return hashlib.sha256(key.encode("ascii")).hexdigest()


def client_table(client: str, api_key: str) -> str:
    """Return the configuration table of a client (TOML)."""
    return f'[clients.{client}]\nkey_sha256 = ["{hash_key(api_key)}"]\n'


def secrets_table() -> str:
    """Return a ``[secrets]`` table with new keys (TOML).

    The id of the ring's key is today's date, so a later key has another id.
    """
    return (
        f'[secrets]\nkeys = ["k{datetime.now(UTC):%Y-%m-%d}:{new_binary_key()}"]\n'
        f'number_key = "{new_binary_key()}"\n'
    )


def _validate_client_name(_context: click.Context, _option: click.Parameter, name: str) -> str:
    if not CLIENT_NAME.fullmatch(name):
        raise click.BadParameter(
            f"{name!r} is not a valid client name. Use 1 to 64 of a-z, 0-9 and -, "
            "and do not begin with -."
        )
    return name


@click.group()
def keys() -> None:
    """Create API keys and secrets."""


@keys.command()
def admin() -> None:
    """Create a key for the console.

    The key is shown once, on stderr, and stored nowhere. Add the lines printed on stdout to the
    configuration file. If the file already has a table [secrets], add only the second line to it.
    """
    key = new_key("ova_")
    click.echo(f'[secrets]\nadmin_key_sha256 = ["{hash_key(key)}"]\n')
    click.echo(
        f"The admin key, which is the console's password. It is shown only once:\n\n  {key}\n",
        err=True,
    )


@keys.command()
@click.argument("client", callback=_validate_client_name)
@click.option("--secrets", "with_secrets", is_flag=True, help="Also create the service's secrets.")
def new(client: str, *, with_secrets: bool) -> None:
    """Create an API key for CLIENT, a login backend.

    The key is shown once, on stderr, and stored nowhere. Append the lines printed on stdout to the
    configuration file:  otpvoice keys new app >> otpvoice.toml
    """
    api_key = new_key("ovk_")
    if with_secrets:
        click.echo(secrets_table())
    click.echo(client_table(client, api_key), nl=with_secrets)
    if with_secrets:
        click.echo(
            f'[provider]\nwebhook_secret = "{new_key()}"\n'
            f'validation_key = "{new_key()}"\n'
            "# Add token, bridge and flows here.",
        )
    click.echo(
        f"The API key for {client}. It is shown only once. Give it to that backend:\n\n"
        f"  {api_key}\n\n"
        "Add the lines on stdout to the settings, and restart the API.\n",
        err=True,
    )
