"""What the log is told to keep to itself: every secret of the settings, and nothing else."""

import base64
from collections.abc import Callable

import pytest
from msgspec import structs

from otpvoice.settings import LoadedSettings
from otpvoice.settings.schema import SECTIONS
from otpvoice.settings.secret_values import secret_values
from otpvoice.settings.types import field_type
from otpvoice.store.url import parse_ha_url

Start = Callable[..., LoadedSettings]


def test_every_secret_is_known(start: Start) -> None:
    """Keys in base64, of lists each, of the store's address the password."""
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
def test_every_kind_of_address_gives_its_password(start: Start, url: str) -> None:
    """However many hosts it names, and wherever the password stands."""
    assert "password" in secret_values(start(OTPVOICE_REDIS_URL=url).settings)


def test_no_secret_field_is_forgotten(start: Start) -> None:
    """Each field of a secret kind that has a value gives one at least."""
    settings = start().settings
    given = [
        (name, field.name)
        for name, section in SECTIONS.items()
        for field in structs.fields(section)
        if field_type(field.type).is_secret and getattr(getattr(settings, name), field.name)
    ]
    without_password = [("redis", "url")]
    assert len(secret_values(settings)) == len(given) - len(without_password)


def test_password_of_sentinels_is_a_secret_wherever_it_is_set(start: Start) -> None:
    """The setting wins over the address; both are secrets, and the store gets what it needs."""
    loaded = start(
        OTPVOICE_REDIS_URL="redis+sentinel://a:1/main?sentinel_password=in%2Furl",
        OTPVOICE_REDIS_SENTINEL_USERNAME="watcher",
        OTPVOICE_REDIS_SENTINEL_PASSWORD="in the setting".replace(" ", "&"),
    )
    assert {"in%2Furl", "in/url", "in&the&setting"} <= {*secret_values(loaded.settings)}
    servers = parse_ha_url(loaded.settings.redis.full_url)
    assert (servers.sentinel_user, servers.sentinel_password) == ("watcher", "in&the&setting")
    assert "in&the&setting" not in repr(loaded.settings) + repr(servers)
