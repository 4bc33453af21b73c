"""What production stops on, and what is only warned about elsewhere."""

from collections.abc import Callable
from pathlib import Path

import pytest

from otpvoice.settings import LoadedSettings, SettingsError, load
from otpvoice.settings.sources import variable_name

Start = Callable[..., LoadedSettings]
Refusal = Callable[..., dict[str, str]]

SAMPLE = Path(__file__).parents[2] / "config" / "otpvoice.toml"
PRODUCTION = {
    "OTPVOICE_SERVER_PRODUCTION": "true",
    "OTPVOICE_SERVER_PUBLIC_URL": "https://otp.example.com",
}


def test_fit_for_production(start: Start) -> None:
    """With https, a guarded webhook and secrets of its own, production starts without a word."""
    loaded = start(**PRODUCTION)
    assert loaded.settings.server.production
    assert loaded.warnings == ()


def test_path_token_guards_too(start: Start) -> None:
    """A path token alone is enough."""
    guards = {
        "OTPVOICE_PROVIDER_WEBHOOK_SECRET": "",
        "OTPVOICE_PROVIDER_WEBHOOK_PATH_TOKEN": "path-token",
    }
    assert start(**PRODUCTION, **guards).warnings == ()


def test_unguarded_webhook(refusal: Refusal) -> None:
    """Production stops when every callback would be refused, and names both ways out."""
    said = refusal(**PRODUCTION, OTPVOICE_PROVIDER_WEBHOOK_SECRET="")
    assert list(said) == ["provider.webhook_secret"]
    assert "provider.webhook_path_token" in said["provider.webhook_secret"]
    assert "OTPVOICE_PROVIDER_WEBHOOK_SECRET" in said["provider.webhook_secret"]


def test_unguarded_webhook_elsewhere(start: Start) -> None:
    """Outside production it is a warning."""
    loaded = start(OTPVOICE_PROVIDER_WEBHOOK_SECRET=None)
    assert any("every callback will be 401" in warning for warning in loaded.warnings)


def test_public_url_without_tls(refusal: Refusal) -> None:
    """Production stops on an http URL, be it only the default."""
    said = refusal(OTPVOICE_SERVER_PRODUCTION="true")
    assert list(said) == ["server.public_url"]
    assert "(not set)" in said["server.public_url"]
    assert "https://" in said["server.public_url"]


def test_provider_without_tls(refusal: Refusal, start: Start) -> None:
    """Production stops where the code would travel in plain, a sandbox included."""
    for url in ("http://portal.example.com/api/v2/", "http://127.0.0.1:8100/api/v2/"):
        said = refusal(**PRODUCTION, OTPVOICE_PROVIDER_BASE_URL=url)
        assert list(said) == ["provider.base_url"]
        assert "server.production = false" in said["provider.base_url"]
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
def test_production_without_a_bound_on_guesses_or_calls_is_refused(
    variables: dict[str, str], name: str, refusal: Refusal, start: Start
) -> None:
    """Each is named with what to set; outside production each is allowed."""
    said = refusal(**PRODUCTION, **variables)
    assert list(said) == [name]
    assert variable_name(tuple(name.split("."))) in said[name]
    assert start(**variables)


@pytest.mark.parametrize("breaker", ["CONVERSION_BREAKER", "WRONG_CODE_BREAKER"])
def test_production_with_one_breaker_starts(breaker: str, start: Start) -> None:
    """Some services have no use for one of them, such as one that never reports approvals."""
    assert start(**PRODUCTION, **{f"OTPVOICE_LIMITS_{breaker}": "off"})


def test_all_production_faults_are_named_at_once(refusal: Refusal) -> None:
    """One start names everything."""
    said = refusal(
        OTPVOICE_SERVER_PRODUCTION="true",
        OTPVOICE_LIMITS_WRONG_CODES_PER_NUMBER="",
        OTPVOICE_VERIFICATION_CODE_LENGTH="4",
        OTPVOICE_PROVIDER_BASE_URL="http://sandbox:8100/api/v2/",
    )
    assert {*said} == {
        *("server.public_url", "provider.base_url"),
        *("limits.wrong_codes_per_number", "verification.code_length"),
    }


def test_sample_in_production() -> None:
    """Every secret that the sample left behind is refused."""
    guarded = {"OTPVOICE_PROVIDER_WEBHOOK_SECRET": "mine"}
    with pytest.raises(SettingsError) as refused:
        load({"OTPVOICE_CONFIG": str(SAMPLE), **PRODUCTION, **guarded})
    assert {wrong.name for wrong in refused.value.invalid} == {
        "secrets.keys[0]",
        "secrets.number_key",
        "clients.login-backend.key_sha256[0]",
        "provider.token",
    }


@pytest.mark.parametrize("field", ["webhook_secret", "webhook_path_token", "validation_key"])
def test_placeholders_in_production(refusal: Refusal, field: str) -> None:
    """The sample's mark is refused in every secret."""
    variable = f"OTPVOICE_PROVIDER_{field.upper()}"
    said = refusal(**PRODUCTION, **{variable: "SAMPLE-REPLACE-ME-too"})
    assert [name.partition("[")[0] for name in said] == [f"provider.{field}"]
