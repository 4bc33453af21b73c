"""Secrets are in no repr and in no error text."""

from base64 import b64encode
from collections.abc import Callable

import pytest

from otpvoice.settings import LoadedSettings

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
        ("OTPVOICE_REDIS_URL", f"redis://:{MARK}/x@host"),  # a port, for a hasty reader
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
