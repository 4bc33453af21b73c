"""``otpvoice keys new`` and ``keys admin``."""

import re
import tomllib
from pathlib import Path

import pytest
from cli.cli_runner import run_command

from otpvoice.cli.keys import hash_key
from otpvoice.settings import load

API_KEY = re.compile(r"ovk_[A-Za-z0-9_-]{43}")
PROVIDER = {
    "OTPVOICE_PROVIDER_TOKEN": "token",
    "OTPVOICE_PROVIDER_BRIDGE": "918068280000",
    "OTPVOICE_PROVIDER_FLOWS": "default=24",
}


def test_keys_new_prints_the_key_on_stderr_and_its_hash_on_stdout() -> None:
    """So ``>> otpvoice.toml`` never stores the key."""
    done = run_command("keys", "new", "login-backend")
    assert done.exit_code == 0
    (api_key,) = API_KEY.findall(done.stderr)
    assert "Add the lines on stdout to the settings, and restart the API." in done.stderr
    assert "ovk_" not in done.stdout
    client = tomllib.loads(done.stdout)["clients"]["login-backend"]
    assert client == {"key_sha256": [hash_key(api_key)]}


def test_keys_new_with_secrets_prints_a_configuration(tmp_path: Path) -> None:
    """With the provider's members it loads without a warning."""
    file = tmp_path / "otpvoice.toml"
    file.write_text(run_command("keys", "new", "app", "--secrets").stdout)
    loaded = load({"OTPVOICE_CONFIG": str(file), **PROVIDER})
    settings = loaded.settings
    assert loaded.warnings == ()
    assert settings.secrets.keys[0].key != settings.secrets.number_key
    assert settings.provider.webhook_secret[0] != settings.provider.validation_key
    assert list(settings.clients) == ["app"]


def test_keys_admin_prints_the_key_on_stderr_and_its_hash_on_stdout(tmp_path: Path) -> None:
    """Stdout is a table that can be appended to a file."""
    done = run_command("keys", "admin")
    assert done.exit_code == 0
    (key,) = re.findall(r"ova_[A-Za-z0-9_-]{43}", done.stderr)
    assert "ova_" not in done.stdout
    file = tmp_path / "otpvoice.toml"
    file.write_text(run_command("keys", "new", "app").stdout + done.stdout)
    ring = tomllib.loads(run_command("keys", "new", "app", "--secrets").stdout)["secrets"]
    secrets = {
        "OTPVOICE_SECRETS_KEYS": ring["keys"][0],
        "OTPVOICE_SECRETS_NUMBER_KEY": ring["number_key"],
    }
    settings = load({"OTPVOICE_CONFIG": str(file), **PROVIDER, **secrets}).settings
    assert settings.secrets.admin_key_sha256 == (hash_key(key),)
    assert list(settings.clients) == ["app"]


def test_keys_new_output_can_be_appended_for_a_second_client(tmp_path: Path) -> None:
    """To the same file."""
    file = tmp_path / "otpvoice.toml"
    first = run_command("keys", "new", "app", "--secrets").stdout
    file.write_text(first + run_command("keys", "new", "web").stdout)
    clients = load({"OTPVOICE_CONFIG": str(file), **PROVIDER}).settings.clients
    assert clients["app"].key_sha256 != clients["web"].key_sha256


def test_keys_new_creates_distinct_secrets() -> None:
    """Two runs share none."""
    runs_ = [run_command("keys", "new", "app", "--secrets").output for _ in range(2)]
    first, second = (set(re.findall(r"[A-Za-z0-9+/_-]{40,}", output)) for output in runs_)
    assert len(first) == 6  # an API key, its hash, two keys, two secrets
    assert not first & second


@pytest.mark.parametrize("name", ["Login", "a_b", "-a", "a.b", "", "a" * 65, "ü", "a\n"])
def test_keys_new_refuses_an_invalid_client_name(name: str) -> None:
    """Exit status 2, with the rule. No key is created."""
    refused = run_command("keys", "new", "--", name)
    assert refused.exit_code == 2
    assert "1 to 64 of a-z, 0-9 and -" in refused.output
    assert not API_KEY.search(refused.output)
