"""The secrets that logs redact."""

import base64
from collections.abc import Callable

import pytest
from msgspec import structs

from otpvoice.settings import LoadedSettings
from otpvoice.settings.schema import SECTIONS
from otpvoice.settings.secret_values import secret_values
from otpvoice.settings.types import field_type
from otpvoice.store.discovery import parse_ha_url

Start = Callable[..., LoadedSettings]


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
