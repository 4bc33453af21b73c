"""Sources of values: file, variables and secret files; and renamed settings."""

from collections.abc import Callable
from pathlib import Path

import pytest

from otpvoice.core.speech import Flow
from otpvoice.settings import LoadedSettings, SettingsError, load
from otpvoice.settings.sources import FORMER_NAMES, SettingPath, dotted_name, variable_name

Start = Callable[..., LoadedSettings]
ErrorsOf = Callable[..., dict[str, str]]
SecretFile = Callable[[bytes], str]


def test_variables_are_enough_without_a_file(start: Start) -> None:
    """No file is required."""
    settings = start(OTPVOICE_CONFIG=None).settings
    assert settings.provider.token == "token-of-the-tests"
    assert settings.secrets.keys[0].id == "k1"
    assert settings.secrets.keys[0].key == b"r" * 32


def test_variable_overrides_the_file(start: Start) -> None:
    """Also a value that is invalid there."""
    toml = "[verification]\nttl = 5\nmax_checks = 3\n"
    settings = start(toml, OTPVOICE_VERIFICATION_TTL="2m").settings
    assert settings.verification.ttl == 120
    assert settings.verification.max_checks == 3


@pytest.mark.parametrize(
    ("text", "production"), [("true", True), ("1", True), ("false", False), ("0", False)]
)
def test_boolean_variable_accepts_four_words(start: Start, text: str, production: bool) -> None:
    """true, false, 1 and 0."""
    loaded = start(
        OTPVOICE_SERVER_PRODUCTION=text, OTPVOICE_SERVER_PUBLIC_URL="https://otp.example.com"
    )
    assert loaded.settings.server.production is production


def test_variables_of_numbers_and_lists_are_parsed(start: Start) -> None:
    """Lists are split at commas. An empty variable is an empty list."""
    settings = start(
        OTPVOICE_DIALER_THREADS="8",
        OTPVOICE_PROVIDER_INTERVAL="15",
        OTPVOICE_PROVIDER_ROUTES="c2c, obd",
        OTPVOICE_LIMITS_CALL_GAP="30,1m",
        OTPVOICE_LIMITS_REGIONS="",
        OTPVOICE_VERIFICATION_REDIAL_AFTER="",
    ).settings
    assert settings.verification.redial_after == ()
    assert settings.dialer.threads == 8
    assert settings.provider.interval == 15
    assert settings.provider.routes == ("c2c", "obd")
    assert settings.limits.call_gap == (30, 60)
    assert settings.limits.regions == ()


@pytest.mark.parametrize(
    "text",
    [
        "default=24,hi=25",
        " default = 24 \n hi = 25",
        '{"default": "24", "hi": {"id": "25"}}',
    ],
)
def test_variable_of_flows_accepts_pairs_and_json(start: Start, text: str) -> None:
    """With ids, or with ids and texts."""
    flows = start(OTPVOICE_PROVIDER_FLOWS=text).settings.provider.flows
    assert flows == {"default": Flow("24"), "hi": Flow("25")}


@pytest.mark.parametrize("text", ["24", '{"default": ', "default=24,hi"])
def test_malformed_variable_of_flows_is_an_error(errors_of: ErrorsOf, text: str) -> None:
    """It names the variable."""
    errors = errors_of(OTPVOICE_PROVIDER_FLOWS=text)
    assert "OTPVOICE_PROVIDER_FLOWS" in errors["provider.flows"]
    assert "default=24,hi=25" in errors["provider.flows"]


def test_invalid_variable_is_named_with_its_setting(errors_of: ErrorsOf) -> None:
    """Both names are in the error."""
    errors = errors_of(
        OTPVOICE_SERVER_PRODUCTION="yes",
        OTPVOICE_SERVER_THREADS="many",
        OTPVOICE_LIMITS_REGIONS="IN,XX",
    )
    assert "OTPVOICE_SERVER_PRODUCTION" in errors["server.production"]
    assert "OTPVOICE_SERVER_THREADS" in errors["server.threads"]
    assert "OTPVOICE_LIMITS_REGIONS" in errors["limits.regions[1]"]


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_file_variable_reads_the_file(start: Start, secret_file: SecretFile, end: bytes) -> None:
    """Without the line break at its end."""
    loaded = start(
        OTPVOICE_PROVIDER_TOKEN=None,
        OTPVOICE_PROVIDER_TOKEN_FILE=secret_file(b"from-a-file" + end),
    )
    assert loaded.settings.provider.token == "from-a-file"


def test_list_in_a_secret_file_has_lines_or_commas(start: Start, secret_file: SecretFile) -> None:
    """Both separate members."""
    path = secret_file(b"new\nold,older\n")
    loaded = start(
        OTPVOICE_PROVIDER_WEBHOOK_SECRET=None, OTPVOICE_PROVIDER_WEBHOOK_SECRET_FILE=path
    )
    assert loaded.settings.provider.webhook_secret == ("new", "old", "older")


def test_variable_and_its_file_variable_are_an_error(
    errors_of: ErrorsOf, secret_file: SecretFile
) -> None:
    """It names both."""
    errors = errors_of(OTPVOICE_PROVIDER_TOKEN_FILE=secret_file(b"other"))
    assert "OTPVOICE_PROVIDER_TOKEN and OTPVOICE_PROVIDER_TOKEN_FILE" in errors["provider.token"]


def test_unreadable_secret_file_is_an_error_without_its_path(
    errors_of: ErrorsOf, tmp_path: Path, secret_file: SecretFile
) -> None:
    """It names setting, variable and cause once."""
    errors = errors_of(
        OTPVOICE_PROVIDER_TOKEN=None,
        OTPVOICE_PROVIDER_TOKEN_FILE=str(tmp_path / "s3cret-by-mistake"),
        OTPVOICE_PROVIDER_VALIDATION_KEY_FILE=secret_file(b"\xff\xfe"),
    )
    assert set(errors) == {"provider.token", "provider.validation_key"}
    assert "OTPVOICE_PROVIDER_TOKEN_FILE" in errors["provider.token"]
    assert "No such file" in errors["provider.token"]
    assert "s3cret" not in errors["provider.token"]
    assert "UTF-8" in errors["provider.validation_key"]


@pytest.mark.parametrize("field", ["provider.webhook_secret", "provider.proxy", "provider.token"])
def test_file_variable_without_path_is_an_error(errors_of: ErrorsOf, field: str) -> None:
    """An optional secret, such as a webhook's, would silently be empty."""
    variable = variable_name(tuple(field.split(".")))
    errors = errors_of(**{variable: None, f"{variable}_FILE": ""})
    assert errors == {
        field: f"{field} ({variable}_FILE): names no file: set the path of one, or unset it"
    }


def test_missing_settings_are_all_named_with_their_variables() -> None:
    """Every required one."""
    with pytest.raises(SettingsError) as error:
        load({})
    assert {wrong.name for wrong in error.value.invalid} == {
        "OTPVOICE_CONFIG",
        "secrets.keys",
        "secrets.number_key",
        "provider.token",
        "provider.bridge",
        "provider.flows",
    }
    assert "OTPVOICE_PROVIDER_TOKEN[_FILE]" in str(error.value)


def test_all_errors_are_reported_together(errors_of: ErrorsOf) -> None:
    """From all sources."""
    toml = """
        [verification]
        ttl = 5
        [provider]
        timezone = "Mars"
        routes = ["sip", "obd", "fax"]
        [clients.web]
    """
    errors = errors_of(toml, OTPVOICE_DIALER_THREADS="0", OTPVOICE_PROVIDER_BRIDGE=None)
    assert set(errors) == {
        "verification.ttl",
        "provider.timezone",
        "provider.routes[0]",
        "provider.routes[2]",
        "provider.bridge",
        "clients.web.key_sha256",
        "dialer.threads",
    }


@pytest.mark.parametrize(
    ("toml", "name"),
    [
        ("[limits]\ncalls_per_clients = '60/1m'\n", "limits.calls_per_clients"),
        ("[server]\nforwarded_allow_ips = '*'\n", "server.forwarded_allow_ips"),
        ("[clients.app]\nonly_deliver = true\n", "clients.app.only_deliver"),
        ("[callbacks]\nurl = 'x'\n", "callbacks"),
        ("[callbacks]\n", "callbacks"),
        ("production = true\n", "production"),
    ],
)
def test_unknown_key_is_an_error(errors_of: ErrorsOf, toml: str, name: str) -> None:
    """It would have no effect."""
    errors = errors_of(toml)
    assert list(errors) == [name]
    assert "unknown" in errors[name]
    assert "otpvoice.toml" in errors[name]


@pytest.mark.parametrize("toml", ["server = 5\n", "[[server]]\n"])
def test_section_that_is_not_a_table_is_an_error(errors_of: ErrorsOf, toml: str) -> None:
    """Whatever it is instead."""
    assert "must be a table" in errors_of(toml)["server"]


def test_clients_that_are_not_tables_are_an_error(errors_of: ErrorsOf) -> None:
    """All of them, or one."""
    assert "must be a table" in errors_of("clients = 5\n")["clients"]
    assert "must be a table" in errors_of("[clients]\nweb = 'x'\n")["clients.web"]


def test_unusable_file_is_an_error(start: Start, tmp_path: Path) -> None:
    """Missing, not TOML, or not UTF-8."""
    with pytest.raises(SettingsError, match=r"nowhere\.toml.*No such file"):
        load({"OTPVOICE_CONFIG": str(tmp_path / "nowhere.toml")})
    with pytest.raises(SettingsError, match=r"otpvoice\.toml.*not TOML.*line 2"):
        start("[server]\nbind\n")
    (tmp_path / "latin.toml").write_bytes(b'[provider]\ncampaign = "\xe9"\n')
    with pytest.raises(SettingsError, match=r"latin\.toml.*UTF-8"):
        load({"OTPVOICE_CONFIG": str(tmp_path / "latin.toml")})


def test_unknown_variable_is_a_warning_without_its_value(start: Start) -> None:
    """It may be a misspelled secret."""
    warnings = start(OTPVOICE_PROVIDER_TOKN="s3cret", OTPVOICE_CLIENTS__TTL="60").warnings
    assert len(warnings) == 2
    assert any("OTPVOICE_PROVIDER_TOKN " in warning for warning in warnings)
    assert any("OTPVOICE_CLIENTS__TTL " in warning for warning in warnings)
    assert "s3cret" not in str(warnings)


def test_variable_that_is_not_a_setting_is_ignored(start: Start) -> None:
    """Of the commands, of the test suite and of other programs."""
    loaded = start(
        OTPVOICE_URL="http://x",
        OTPVOICE_API_KEY="k",
        OTPVOICE_REQUIRE="redis",
        OTPVOICE_TEST_ANYTHING="1",
        otpvoice_server_bind="x",
        PATH="/bin",
    )
    assert loaded.warnings == ()


@pytest.mark.parametrize(("former", "present"), FORMER_NAMES.items(), ids=dotted_name)
def test_former_name_in_the_file_is_an_error_with_the_present_one(
    former: SettingPath, present: SettingPath, errors_of: ErrorsOf
) -> None:
    """The error names the former setting and the one to set."""
    errors = errors_of(f"[{former[0]}]\n{former[1]} = 1\n")
    assert f"was renamed: set {dotted_name(present)}" in errors[dotted_name(former)]


@pytest.mark.parametrize(("former", "present"), FORMER_NAMES.items(), ids=dotted_name)
def test_former_variable_is_an_error_with_the_present_one(
    former: SettingPath, present: SettingPath, errors_of: ErrorsOf
) -> None:
    """The error names both variables."""
    errors = errors_of(**{variable_name(former): "1"})
    assert variable_name(former) in errors[dotted_name(former)]
    assert variable_name(present) in errors[dotted_name(former)]
