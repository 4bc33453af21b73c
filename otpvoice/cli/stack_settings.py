"""The settings of a demo stack: its keys, what a demo may change of it, and the file."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from msgspec import Struct

from otpvoice.cli.keys import (
    client_table,
    hash_key,
    new_admin_key,
    new_api_key,
    new_event_secret,
    new_secret,
    secrets_table,
)

DEMO_CLIENT: Final = "demo"
"""The client of the story, and of whoever tries the API."""
APP_CLIENT: Final = "login"
"""The client of an application that is started with the stack."""

_SETTINGS: Final = """\
[server]
bind = "127.0.0.1:{port}"
public_url = "http://127.0.0.1:{port}"
cors_origins = {origins}

[redis]
url = "unix://{socket}"

{secrets}
{clients}
[provider]
base_url = "{sandbox_url}/api/v2/"
token = "{token}"
bridge = "918068280000"
flows.default = {{ id = "24", text = "Hello {{Name}}, your otp for login is {{otp}}" }}
flows.hi = {{ id = "25", text = "नमस्ते {{Name}}, लॉगिन के लिए आपका कोड है {{otp}}" }}
webhook_secret = "{webhook_secret}"

[limits]
call_gap = "{gap}s"
"""


class StackKeys(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything secret of a stack."""

    api_key: str
    """Of the client ``demo``."""
    app_api_key: str
    """Of the client ``login``."""
    console_key: str
    event_secret: str
    """Signs the events of both clients."""
    provider_token: str
    webhook_secret: str
    secrets_table: str
    """``[secrets]`` of the settings, TOML."""

    @classmethod
    def generate(cls) -> Self:
        """Make new keys."""
        return cls(
            api_key=new_api_key(),
            app_api_key=new_api_key(),
            console_key=new_admin_key(),
            event_secret=new_event_secret(),
            provider_token=new_secret(),
            webhook_secret=new_secret(),
            secrets_table=secrets_table(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StackOptions:
    """What a developer may choose for a stack."""

    sandbox_port: int = 0
    """On 127.0.0.1; 0: a free one."""
    cors_origins: tuple[str, ...] = ()
    """Origins of pages that may use the API."""
    event_url: str = ""
    """Where events of the client ``demo`` are posted; empty: there are none."""
    console: bool = False
    """Whether operators' pages can be opened, with the console key."""
    keys: StackKeys = field(default_factory=StackKeys.generate)


def render_settings(
    options: StackOptions, *, port: int, sandbox_url: str, socket: Path, app: str, gap: int
) -> str:
    """Return the settings of a stack, TOML.

    Args:
        options: what the developer chose.
        port: of the API.
        sandbox_url: where the sandbox listens.
        socket: of Valkey.
        app: the origin of an application of the stack; empty: there is none.
        gap: seconds between two calls to a number.
    """
    keys = options.keys
    admin = f'admin_key_sha256 = ["{hash_key(keys.console_key)}"]\n' if options.console else ""
    return _SETTINGS.format(
        port=port,
        origins=json.dumps([*dict.fromkeys(filter(None, (app, *options.cors_origins)))]),
        socket=socket,
        secrets=keys.secrets_table + admin,
        clients="\n".join(_client_tables(options, app)),
        sandbox_url=sandbox_url,
        token=keys.provider_token,
        webhook_secret=keys.webhook_secret,
        gap=gap,
    )


def _client_tables(options: StackOptions, app: str) -> Iterator[str]:
    keys = options.keys
    yield client_table(DEMO_CLIENT, keys.api_key) + _event_settings(
        options.event_url, keys.event_secret
    )
    if app:
        table = client_table(APP_CLIENT, keys.app_api_key)
        yield table + _event_settings(f"{app}/otpvoice-events", keys.event_secret)


def _event_settings(url: str, secret: str) -> str:
    return f"event_url = {json.dumps(url)}\nevent_secret = {json.dumps(secret)}\n" if url else ""
