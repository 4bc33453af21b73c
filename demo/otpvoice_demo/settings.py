"""Keys, options and configuration file of a demo stack.

The folder ``.demo`` keeps the keys of all demos that are started in its parent folder, so that
clients set up with them work at the next start.
"""

import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

import click
import msgspec

from otpvoice.cli.keys import (
    client_table,
    hash_key,
    new_binary_key,
    new_key,
    secrets_table,
)

FOLDER: Final = Path(".demo")
"""Relative to the current folder."""
DEMO_CLIENT: Final = "demo"
"""The client of the scenario, and of a developer who uses the API."""
APP_CLIENT: Final = "login"
"""The client of an application that is started with the stack."""

_BRAND: Final = 'spoken_brand = "ACME Pay"\n'
_SETTINGS: Final = """\
[server]
bind = "127.0.0.1:{port}"
public_url = "http://127.0.0.1:{port}"
cors_origins = {origins}

[redis]
# A busy machine may take longer than the half second of a service.
url = "unix://{socket}?socket_timeout=10"

{secrets}
{clients}
[provider]
base_url = "{sandbox_url}/api/v2/"
token = "{token}"
bridge = "918068280000"
flows.default = {{ id = "24", text = "{{brand}}. Your login code, for {{Name}}, is {{otp}}" }}
flows.hi = {{ id = "25", text = "{{brand}} से {{Name}} का लॉगिन कोड: {{otp}}" }}
webhook_secret = "{webhook_secret}"

[provider.flows.en-x-gate]
id = "26"
text = "Your code is {{otp}}. Once more: {{otp}}"
gate = true
prompt = "The login code for {{Name}}. To hear it, press 1. If you did not ask for it, press 9."

[twilio_verify]
enabled = true

[limits]
call_gap = "{call_gap_s}s"
"""


class StackKeys(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All secrets of a stack."""

    api_key: str
    """Key of the client ``demo``."""
    app_api_key: str
    """Key of the client ``login``."""
    console_key: str
    event_secret: str
    """Signs the events of both clients."""
    provider_token: str
    webhook_secret: str
    secrets_table: str
    """``[secrets]`` of the settings, TOML."""

    @classmethod
    def generate(cls) -> Self:
        """Generate new keys."""
        return cls(
            api_key=new_key("ovk_"),
            app_api_key=new_key("ovk_"),
            console_key=new_key("ova_"),
            event_secret=f"whsec_{new_binary_key()}",
            provider_token=new_key(),
            webhook_secret=new_key(),
            secrets_table=secrets_table(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StackOptions:
    """Options of a stack for developers."""

    sandbox_port: int | None = None
    """Port on 127.0.0.1; None: a free one."""
    cors_origins: tuple[str, ...] = ()
    """Origins of pages that may use the API."""
    event_url: str = ""
    """URL that receives the events of the client ``demo``; empty: no events."""
    console: bool = False
    """Whether the operators' console is enabled, with the console key."""
    keys: StackKeys = field(default_factory=StackKeys.generate)


def load_keys() -> StackKeys:
    """Load the keys of the current folder, or generate and store them.

    Raises:
        click.ClickException: the file cannot be read or written.
    """
    file = FOLDER / "keys.json"
    try:
        return msgspec.json.decode(file.read_bytes(), type=StackKeys)
    except FileNotFoundError:
        keys = StackKeys.generate()
        write_private_file(file, msgspec.json.format(msgspec.json.encode(keys)).decode() + "\n")
        return keys
    except (OSError, msgspec.DecodeError) as error:
        raise click.ClickException(
            f"{file} cannot be read: {error}. Delete it to generate new keys."
        ) from error


def write_private_file(file: Path, text: str) -> None:
    """Write a file atomically, with read permission for its owner only.

    Raises:
        click.ClickException: it cannot be written.
    """
    try:
        file.parent.mkdir(mode=0o700, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=file.parent)
        with open(handle, "w", encoding="utf-8") as opened:  # noqa: PTH123 - a file descriptor
            opened.write(text)
        os.replace(temporary, file)  # noqa: PTH105 - mkstemp names it by a string
    except OSError as error:
        raise click.ClickException(
            f"{file} cannot be written: {error.strerror}. Start the demo in a writable folder."
        ) from error


def render_settings(
    options: StackOptions,
    *,
    port: int,
    sandbox_url: str,
    socket: Path,
    app_origin: str,
    call_gap_s: int,
) -> str:
    """Render the configuration file of a stack (TOML).

    Args:
        options: the developer's options.
        port: port of the API.
        sandbox_url: URL of the sandbox.
        socket: socket of Valkey.
        app_origin: origin of an application of the stack; empty: there is none.
        call_gap_s: minimum seconds between two calls to a number.
    """
    keys = options.keys
    admin = f'admin_key_sha256 = ["{hash_key(keys.console_key)}"]\n' if options.console else ""
    return _SETTINGS.format(
        port=port,
        origins=json.dumps([*dict.fromkeys(filter(None, (app_origin, *options.cors_origins)))]),
        socket=socket,
        secrets=keys.secrets_table + admin,
        clients="\n".join(_client_tables(options, app_origin)),
        sandbox_url=sandbox_url,
        token=keys.provider_token,
        webhook_secret=keys.webhook_secret,
        call_gap_s=call_gap_s,
    )


def _client_tables(options: StackOptions, app_origin: str) -> Iterator[str]:
    keys = options.keys
    table = client_table(DEMO_CLIENT, keys.api_key)
    yield table + _BRAND + _event_settings(options.event_url, keys.event_secret)
    if app_origin:
        table = client_table(APP_CLIENT, keys.app_api_key)
        yield table + _BRAND + _event_settings(f"{app_origin}/otpvoice-events", keys.event_secret)


def _event_settings(url: str, secret: str) -> str:
    return f"event_url = {json.dumps(url)}\nevent_secret = {json.dumps(secret)}\n" if url else ""
