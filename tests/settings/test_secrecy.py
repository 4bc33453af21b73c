"""Secrets are in no repr and in no error text, and logs redact them."""

import base64
from base64 import b64encode
from collections.abc import Callable

import pytest
from msgspec import structs

from otpvoice.addresses import parse_ha_url
from otpvoice.setting_types import field_type
from otpvoice.settings import LoadedSettings
from otpvoice.settings.credentials import secret_values
from otpvoice.settings.schema import SECTIONS

Start = Callable[..., LoadedSettings]
ErrorsOf = Callable[..., dict[str, str]]

MARK = "s3cret"
SECRETS = {
    "OTPVOICE_REDIS_URL": f"redis://:{MARK}@store/0",
    "OTPVOICE_PROVIDER_TOKEN": f"{MARK}-token",
    "OTPVOICE_PROVIDER_WEBHOOK_SECRET": f"{MARK}-1,{MARK}-2",
    "OTPVOICE_PROVIDER_WEBHOOK_PATH_TOKEN": f"{MARK}-path",
    "OTPVOICE_PROVIDER_VALIDATION_KEY": f"{MARK}-key",
    "OTPVOICE_SECRETS_KEYS": "k1:" + b64encode(MARK.encode().ljust(32, b"x")).decode(),
    "OTPVOICE_SECRETS_NUMBER_KEY": b64encode(MARK.encode().rjust(32, b"x")).decode(),
}


def test_repr_masks_secrets_and_shows_the_rest(start: Start) -> None:
    """Of all settings, of a section and of a key."""
    loaded = start(**SECRETS)
    settings = loaded.settings
    shown = [loaded, settings, settings.redis, settings.secrets, *settings.secrets.keys]
    for each in [*shown, settings.provider, settings.provider.__rich_repr__()]:
        assert MARK not in repr(each)
    assert "token='***'" in repr(settings.provider)
    assert "bridge='918068280000'" in repr(settings.provider)
    assert settings.provider.token == f"{MARK}-token"


def test_repr_shows_that_a_secret_is_empty(start: Start) -> None:
    """It is useful and no secret."""
    assert "validation_key=''" in repr(start().settings.provider)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("OTPVOICE_REDIS_URL", f"redis+sentinel://:{MARK}@a:1"),
        ("OTPVOICE_REDIS_URL", f"redis+cluster://{MARK}@a:1"),
        ("OTPVOICE_REDIS_URL", f"redis+cluster://:{MARK}:x@a:1"),
        ("OTPVOICE_REDIS_URL", f"redis://:{MARK}/x@host"),  # a careless parser takes it for a port
        ("OTPVOICE_REDIS_URL", f"{MARK}@host"),
        ("OTPVOICE_REDIS_URL", f"redis://[{MARK}@host"),
        ("OTPVOICE_PROVIDER_BASE_URL", f"https://:{MARK}@host"),
        ("OTPVOICE_PROVIDER_TOKEN", f"{MARK} token"),
        ("OTPVOICE_PROVIDER_WEBHOOK_SECRET", f"a,{MARK} b"),
        ("OTPVOICE_PROVIDER_WEBHOOK_PATH_TOKEN", f"{MARK}/"),
        ("OTPVOICE_PROVIDER_VALIDATION_KEY", f"{MARK} é"),
        ("OTPVOICE_PROVIDER_BRIDGE", f"+{MARK}"),
        ("OTPVOICE_PROVIDER_CALLER_ID", f"{MARK}"),
        ("OTPVOICE_SECRETS_KEYS", f"k1:{MARK}"),
        ("OTPVOICE_SECRETS_KEYS", MARK),
        ("OTPVOICE_SECRETS_NUMBER_KEY", MARK),
        ("OTPVOICE_CLIENTS_APP_KEY_SHA256", MARK),
        ("OTPVOICE_LIMITS_DENY_PREFIXES", MARK),
    ],
)
def test_error_does_not_repeat_a_secret_or_number(
    errors_of: ErrorsOf, variable: str, value: str
) -> None:
    """It names and describes the value."""
    errors = errors_of(**{variable: value})
    assert len(errors) == 1
    assert variable in str(errors)
    assert MARK not in str(errors)


def test_error_does_not_repeat_an_unquoted_number(errors_of: ErrorsOf) -> None:
    """The file's numbers are not repeated either."""
    errors = errors_of("[provider]\nbridge = 918068280000\n", OTPVOICE_PROVIDER_BRIDGE=None)
    assert "918068280000" not in str(errors)


def test_secret_values_has_every_secret(start: Start) -> None:
    """Keys in base64, each member of a list, and of the Redis URL the password."""
    ring = [base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2)]
    loaded = start(
        OTPVOICE_REDIS_URL="redis://user:pass%2Fword@store/0",
        OTPVOICE_SECRETS_KEYS=f"k1:{ring[0]},k2:{ring[1]}",
        OTPVOICE_PROVIDER_WEBHOOK_SECRET="one,two",
        OTPVOICE_PROVIDER_WEBHOOK_PATH_TOKEN="path",
        OTPVOICE_PROVIDER_VALIDATION_KEY="validation",
    )
    assert {*secret_values(loaded.settings)} == {
        *("pass%2Fword", "pass/word", *ring, base64.b64encode(b"n" * 32).decode()),
        *("token-of-the-tests", "one", "two", "path", "validation"),
    }


@pytest.mark.parametrize(
    "url",
    [
        "rediss://:password@store:1/0",
        "unix:///path?password=password",
        "redis+sentinel://user:password@a:1,b:2/main/0",
        "redis+cluster://:password@a:1,b:2?tls=true",
    ],
)
def test_secret_values_has_the_password_of_every_redis_url(start: Start, url: str) -> None:
    """Whatever its form."""
    assert "password" in secret_values(start(OTPVOICE_REDIS_URL=url).settings)


def test_secret_values_has_every_secret_field(start: Start) -> None:
    """Each field that is set has one value at least."""
    settings = start().settings
    given = [
        (name, field.name)
        for name, section in SECTIONS.items()
        for field in structs.fields(section)
        if field_type(field.type).is_secret and getattr(getattr(settings, name), field.name)
    ]
    without_password = [("redis", "url")]
    assert len(secret_values(settings)) == len(given) - len(without_password)


def test_sentinel_password_is_secret_in_url_and_setting(start: Start) -> None:
    """The setting overrides the URL in the store."""
    loaded = start(
        OTPVOICE_REDIS_URL="redis+sentinel://a:1/main?sentinel_password=in%2Furl",
        OTPVOICE_REDIS_SENTINEL_USERNAME="watcher",
        OTPVOICE_REDIS_SENTINEL_PASSWORD="in the setting".replace(" ", "&"),
    )
    assert {"in%2Furl", "in/url", "in&the&setting"} <= {*secret_values(loaded.settings)}
    servers = parse_ha_url(loaded.settings.redis.full_url)
    assert (servers.sentinel_user, servers.sentinel_password) == ("watcher", "in&the&setting")
    assert "in&the&setting" not in repr(loaded.settings) + repr(servers)
