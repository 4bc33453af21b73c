"""An operator's hands: a file, variables, secret files, and a start that may fail."""

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
    """Loads what is required, by variables, with a file and variables of the test's own.

    A variable given as None is not set.
    """

    def _start(toml: str = "", **variables: str | None) -> LoadedSettings:
        config = tmp_path / "otpvoice.toml"
        config.write_text(toml, encoding="utf-8")
        given = REQUIRED | {"OTPVOICE_CONFIG": str(config)} | variables
        return load({name: value for name, value in given.items() if value is not None})

    return _start


@pytest.fixture
def refusal(start: Callable[..., LoadedSettings]) -> Callable[..., dict[str, str]]:
    """Starts in vain; gives what is said of each field, by its name."""

    def _refusal(toml: str = "", **variables: str | None) -> dict[str, str]:
        with pytest.raises(SettingsError) as refused:
            start(toml, **variables)
        said = {wrong.name: str(wrong) for wrong in refused.value.invalid}
        assert all(line in str(refused.value) for line in said.values())
        return said

    return _refusal


@pytest.fixture
def secret_file(tmp_path: Path) -> Callable[[bytes], str]:
    """Writes a file and gives its path."""

    def _secret_file(content: bytes) -> str:
        path = tmp_path / "secret"
        path.write_bytes(content)
        return str(path)

    return _secret_file
