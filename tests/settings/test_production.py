"""Errors of production, and warnings elsewhere."""

from collections.abc import Callable
from pathlib import Path

import pytest

from otpvoice.settings import LoadedSettings, SettingsError, load
from otpvoice.settings.sources import variable_name

Start = Callable[..., LoadedSettings]
ErrorsOf = Callable[..., dict[str, str]]

SAMPLE = Path(__file__).parents[2] / "config" / "otpvoice.toml"
PRODUCTION = {
    "OTPVOICE_SERVER_PRODUCTION": "true",
    "OTPVOICE_SERVER_PUBLIC_URL": "https://otp.example.com",
}


def test_secure_settings_start_in_production_without_warnings(start: Start) -> None:
    """With https, a webhook secret and own secrets."""
    loaded = start(**PRODUCTION)
    assert loaded.settings.server.production
    assert loaded.warnings == ()


def test_webhook_path_token_is_enough_in_production(start: Start) -> None:
    """Instead of a webhook secret."""
    guards = {
        "OTPVOICE_PROVIDER_WEBHOOK_SECRET": "",
        "OTPVOICE_PROVIDER_WEBHOOK_PATH_TOKEN": "path-token",
    }
    assert start(**PRODUCTION, **guards).warnings == ()


def test_webhook_without_secret_is_an_error_in_production(errors_of: ErrorsOf) -> None:
    """The error names both settings."""
    errors = errors_of(**PRODUCTION, OTPVOICE_PROVIDER_WEBHOOK_SECRET="")
    assert list(errors) == ["provider.webhook_secret"]
    assert "provider.webhook_path_token" in errors["provider.webhook_secret"]
    assert "OTPVOICE_PROVIDER_WEBHOOK_SECRET" in errors["provider.webhook_secret"]


def test_webhook_without_secret_is_a_warning_elsewhere(start: Start) -> None:
    """Every callback will be 401."""
    loaded = start(OTPVOICE_PROVIDER_WEBHOOK_SECRET=None)
    assert any("every callback will be 401" in warning for warning in loaded.warnings)


def test_public_url_without_tls_is_an_error_in_production(errors_of: ErrorsOf) -> None:
    """Also if it is the default."""
    errors = errors_of(OTPVOICE_SERVER_PRODUCTION="true")
    assert list(errors) == ["server.public_url"]
    assert "(not set)" in errors["server.public_url"]
    assert "https://" in errors["server.public_url"]


def test_base_url_without_tls_is_an_error_in_production(errors_of: ErrorsOf, start: Start) -> None:
    """The code would be readable on the network, also to a sandbox."""
    for url in ("http://portal.example.com/api/v2/", "http://127.0.0.1:8100/api/v2/"):
        errors = errors_of(**PRODUCTION, OTPVOICE_PROVIDER_BASE_URL=url)
        assert list(errors) == ["provider.base_url"]
        assert "server.production = false" in errors["provider.base_url"]
        assert not start(OTPVOICE_PROVIDER_BASE_URL=url).settings.server.production


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({"OTPVOICE_LIMITS_WRONG_CODES_PER_NUMBER": ""}, "limits.wrong_codes_per_number"),
        ({"OTPVOICE_VERIFICATION_CODE_LENGTH": "4"}, "verification.code_length"),
        (
            {
                "OTPVOICE_LIMITS_CONVERSION_BREAKER": "off",
                "OTPVOICE_LIMITS_WRONG_CODE_BREAKER": "off",
            },
            "limits.conversion_breaker",
        ),
    ],
)
def test_unbounded_guesses_or_calls_are_an_error_in_production(
    variables: dict[str, str], name: str, errors_of: ErrorsOf, start: Start
) -> None:
    """The error says what to set. Elsewhere each value is allowed."""
    errors = errors_of(**PRODUCTION, **variables)
    assert list(errors) == [name]
    assert variable_name(tuple(name.split("."))) in errors[name]
    assert start(**variables)


@pytest.mark.parametrize("breaker", ["CONVERSION_BREAKER", "WRONG_CODE_BREAKER"])
def test_production_with_one_breaker_starts(breaker: str, start: Start) -> None:
    """Clients that never report approvals have no use for the other."""
    assert start(**PRODUCTION, **{f"OTPVOICE_LIMITS_{breaker}": "off"})


def test_production_errors_are_reported_together(errors_of: ErrorsOf) -> None:
    """All in one start."""
    errors = errors_of(
        OTPVOICE_SERVER_PRODUCTION="true",
        OTPVOICE_LIMITS_WRONG_CODES_PER_NUMBER="",
        OTPVOICE_VERIFICATION_CODE_LENGTH="4",
        OTPVOICE_PROVIDER_BASE_URL="http://sandbox:8100/api/v2/",
    )
    assert {*errors} == {
        *("server.public_url", "provider.base_url"),
        *("limits.wrong_codes_per_number", "verification.code_length"),
    }


def test_sample_file_in_production_is_an_error_for_each_secret() -> None:
    """Every secret that was not replaced."""
    guarded = {"OTPVOICE_PROVIDER_WEBHOOK_SECRET": "mine"}
    with pytest.raises(SettingsError) as error:
        load({"OTPVOICE_CONFIG": str(SAMPLE), **PRODUCTION, **guarded})
    assert {wrong.name for wrong in error.value.invalid} == {
        "secrets.keys[0]",
        "secrets.number_key",
        "clients.login-backend.key_sha256[0]",
        "provider.token",
    }


@pytest.mark.parametrize("field", ["webhook_secret", "webhook_path_token", "validation_key"])
def test_sample_mark_in_any_secret_is_an_error_in_production(
    errors_of: ErrorsOf, field: str
) -> None:
    """Whatever follows the mark."""
    variable = f"OTPVOICE_PROVIDER_{field.upper()}"
    errors = errors_of(**PRODUCTION, **{variable: "SAMPLE-REPLACE-ME-too"})
    assert [name.partition("[")[0] for name in errors] == [f"provider.{field}"]
