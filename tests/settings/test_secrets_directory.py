"""``OTPVOICE_SECRETS_DIR``: one file for each secret, with the name of its setting."""

from collections.abc import Callable
from pathlib import Path

import pytest

from otpvoice.settings import LoadedSettings, SettingsError

Start = Callable[..., LoadedSettings]
ErrorsOf = Callable[..., dict[str, str]]
EVENT_SECRET = "whsec_" + "QUFB" * 10 + "QUE="


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Create an empty directory for secrets."""
    path = tmp_path / "secrets"
    path.mkdir()
    return path


@pytest.mark.parametrize(
    "name",
    ["provider_token", "PROVIDER_TOKEN", "otpvoice_provider_token", "OTPVOICE_PROVIDER_TOKEN"],
)
def test_secret_file_named_like_the_variable_is_read(
    name: str, start: Start, directory: Path
) -> None:
    """Any case, with or without the prefix; the newline at the end is not part of it."""
    (directory / name).write_text("from-the-directory\n")
    loaded = start(OTPVOICE_SECRETS_DIR=str(directory), OTPVOICE_PROVIDER_TOKEN=None)
    assert loaded.settings.provider.token == "from-the-directory"
    assert loaded.warnings == ()


def test_secret_files_of_clients_and_lists_are_read(start: Start, directory: Path) -> None:
    """A client's secret is named like its variable; a list has one value a line."""
    (directory / "clients_app_event_secret").write_text(f"{EVENT_SECRET}\n")
    (directory / "provider_webhook_path_token").write_text("a" * 32 + "\n" + "b" * 32 + "\n")
    settings = start(
        OTPVOICE_SECRETS_DIR=str(directory), OTPVOICE_CLIENTS_APP_EVENT_URL="https://app.example"
    ).settings
    assert settings.clients["app"].event_secret == (EVENT_SECRET,)
    assert settings.provider.webhook_path_token == ("a" * 32, "b" * 32)


def test_secret_file_overrides_the_configuration_file(start: Start, directory: Path) -> None:
    """As a variable does."""
    (directory / "provider_campaign").write_text("from-the-directory")
    toml = '[provider]\ncampaign = "from-the-file"\n'
    settings = start(toml, OTPVOICE_SECRETS_DIR=str(directory)).settings
    assert settings.provider.campaign == "from-the-directory"


@pytest.mark.parametrize(
    "name", ["provider_token.bak", "README", "valkey_users", "provider_tokens"]
)
def test_other_file_has_no_effect_and_a_warning(name: str, start: Start, directory: Path) -> None:
    """A backup copy next to a secret must change nothing."""
    (directory / name).write_text("anything")
    loaded = start(OTPVOICE_SECRETS_DIR=str(directory))
    assert loaded.settings.provider.token == "token-of-the-tests"
    assert loaded.warnings == (
        f"{directory / name} is not a setting of this version and has no effect",
    )


@pytest.mark.parametrize("name", [".provider_token", "..2026_11_29", ".keep"])
def test_hidden_files_are_skipped(name: str, start: Start, directory: Path) -> None:
    """Kubernetes keeps its versions of mounted secrets in such names."""
    (directory / name).write_text("anything")
    assert start(OTPVOICE_SECRETS_DIR=str(directory)).warnings == ()


def test_secret_in_file_and_variable_is_an_error(errors_of: ErrorsOf, directory: Path) -> None:
    """It names both sources and neither value."""
    (directory / "provider_token").write_text("another-token")
    wrong = errors_of(OTPVOICE_SECRETS_DIR=str(directory))["provider.token"]
    assert "is given twice" in wrong
    assert "OTPVOICE_PROVIDER_TOKEN" in wrong
    assert str(directory / "provider_token") in wrong
    assert "another-token" not in wrong


def test_secret_with_two_files_is_an_error(errors_of: ErrorsOf, directory: Path) -> None:
    """Otherwise the order of names would decide."""
    (directory / "provider_campaign").write_text("one")
    (directory / "otpvoice_provider_campaign").write_text("two")
    wrong = errors_of(OTPVOICE_SECRETS_DIR=str(directory))
    assert "is given twice" in wrong["provider.campaign"]


def test_missing_secrets_directory_is_an_error(start: Start, tmp_path: Path) -> None:
    """It names the directory."""
    with pytest.raises(SettingsError, match=r"nowhere.*cannot be listed: No such file"):
        start(OTPVOICE_SECRETS_DIR=str(tmp_path / "nowhere"))


def test_directory_in_place_of_a_secret_file_is_an_error(
    errors_of: ErrorsOf, directory: Path
) -> None:
    """As for a wrong path in a variable."""
    (directory / "provider_campaign").mkdir()
    wrong = errors_of(OTPVOICE_SECRETS_DIR=str(directory))
    assert "cannot be read" in wrong["provider.campaign"]


def test_missing_settings_without_config_name_its_variable_first(errors_of: ErrorsOf) -> None:
    """It is the likely reason for all others."""
    wrong = errors_of(
        OTPVOICE_CONFIG=None, OTPVOICE_PROVIDER_TOKEN=None, OTPVOICE_PROVIDER_FLOWS=None
    )
    assert [*wrong] == ["OTPVOICE_CONFIG", "provider.token", "provider.flows"]
    assert "names no file" in wrong["OTPVOICE_CONFIG"]


def test_invalid_value_without_config_is_reported_alone(errors_of: ErrorsOf) -> None:
    """Nothing is missing, so the operator uses variables only."""
    assert [*errors_of(OTPVOICE_CONFIG=None, OTPVOICE_SERVER_BIND="nowhere")] == ["server.bind"]
