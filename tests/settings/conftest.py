"""Fixtures that load settings from a file, variables and secret files."""

from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from otpvoice.settings import LoadedSettings, SettingsError, load

REQUIRED = {
    "OTPVOICE_SECRETS_KEYS": "k1:" + b64encode(b"r" * 32).decode(),
    "OTPVOICE_SECRETS_NUMBER_KEY": b64encode(b"n" * 32).decode(),
    "OTPVOICE_CLIENTS_APP_KEY_SHA256": sha256(b"key of the app").hexdigest(),
    "OTPVOICE_PROVIDER_TOKEN": "token-of-the-tests",
    "OTPVOICE_PROVIDER_BRIDGE": "918068280000",
    "OTPVOICE_PROVIDER_FLOWS": "default=24",
    "OTPVOICE_PROVIDER_WEBHOOK_SECRET": "hook-secret",
}


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., LoadedSettings]:
    """Load the required settings from variables, with a file and variables of the test.

    A variable that is None is not set.
    """

    def _start(toml: str = "", **variables: str | None) -> LoadedSettings:
        config = tmp_path / "otpvoice.toml"
        config.write_text(toml, encoding="utf-8")
        given = REQUIRED | {"OTPVOICE_CONFIG": str(config)} | variables
        return load({name: value for name, value in given.items() if value is not None})

    return _start


@pytest.fixture
def errors_of(start: Callable[..., LoadedSettings]) -> Callable[..., dict[str, str]]:
    """Load invalid settings, and return the error text of each setting by its name."""

    def _errors_of(toml: str = "", **variables: str | None) -> dict[str, str]:
        with pytest.raises(SettingsError) as error:
            start(toml, **variables)
        errors = {wrong.name: str(wrong) for wrong in error.value.invalid}
        assert all(line in str(error.value) for line in errors.values())
        return errors

    return _errors_of


@pytest.fixture
def secret_file(tmp_path: Path) -> Callable[[bytes], str]:
    """Write a file and return its path."""

    def _secret_file(content: bytes) -> str:
        path = tmp_path / "secret"
        path.write_bytes(content)
        return str(path)

    return _secret_file
