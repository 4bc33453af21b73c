"""Where values come from: the file, variables, files that they name; and what is no setting."""

from collections.abc import Callable
from pathlib import Path

import pytest

from otpvoice.core.speech import Flow
from otpvoice.settings import LoadedSettings, SettingsError, load

Start = Callable[..., LoadedSettings]
Refusal = Callable[..., dict[str, str]]
SecretFile = Callable[[bytes], str]


def test_environment_alone(start: Start) -> None:
    """Without a file the variables are enough."""
    settings = start(OTPVOICE_CONFIG=None).settings
    assert settings.provider.token == "token-of-the-tests"
    assert settings.secrets.keys[0].id == "k1"
    assert settings.secrets.keys[0].key == b"r" * 32


def test_environment_wins(start: Start) -> None:
    """A variable wins over the file, even over a value there that is wrong."""
    toml = "[verification]\nttl = 5\nmax_checks = 3\n"
    settings = start(toml, OTPVOICE_VERIFICATION_TTL="2m").settings
    assert settings.verification.ttl == 120
    assert settings.verification.max_checks == 3


@pytest.mark.parametrize(
    ("text", "production"), [("true", True), ("1", True), ("false", False), ("0", False)]
)
def test_booleans_from_the_environment(start: Start, text: str, production: bool) -> None:
    """A variable says true, false, 1 or 0."""
    loaded = start(
        OTPVOICE_SERVER_PRODUCTION=text, OTPVOICE_SERVER_PUBLIC_URL="https://otp.example.com"
    )
    assert loaded.settings.server.production is production


def test_numbers_and_lists_from_the_environment(start: Start) -> None:
    """Numbers are read from text, lists are split at commas, an empty variable is an empty list."""
    settings = start(
        OTPVOICE_DIALER_THREADS="8",
        OTPVOICE_PROVIDER_INTERVAL="15",
        OTPVOICE_PROVIDER_ROUTES="c2c, obd",
        OTPVOICE_LIMITS_CALL_GAP="30,1m",
        OTPVOICE_LIMITS_REGIONS="",
    ).settings
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
def test_flows_from_the_environment(start: Start, text: str) -> None:
    """A variable gives flows as pairs or as JSON."""
    flows = start(OTPVOICE_PROVIDER_FLOWS=text).settings.provider.flows
    assert flows == {"default": Flow("24"), "hi": Flow("25")}


@pytest.mark.parametrize("text", ["24", '{"default": ', "default=24,hi"])
def test_wrong_flows_from_the_environment(refusal: Refusal, text: str) -> None:
    """Text that is neither is refused by the variable's name."""
    said = refusal(OTPVOICE_PROVIDER_FLOWS=text)
    assert "OTPVOICE_PROVIDER_FLOWS" in said["provider.flows"]
    assert "default=24,hi=25" in said["provider.flows"]


def test_wrong_text_in_a_variable(refusal: Refusal) -> None:
    """A wrong variable is named beside its field."""
    said = refusal(
        OTPVOICE_SERVER_PRODUCTION="yes",
        OTPVOICE_SERVER_THREADS="many",
        OTPVOICE_LIMITS_REGIONS="IN,XX",
    )
    assert "OTPVOICE_SERVER_PRODUCTION" in said["server.production"]
    assert "OTPVOICE_SERVER_THREADS" in said["server.threads"]
    assert "OTPVOICE_LIMITS_REGIONS" in said["limits.regions[1]"]


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_secret_file(start: Start, secret_file: SecretFile, end: bytes) -> None:
    """A variable with _FILE names a file; its content counts without the line break at its end."""
    loaded = start(
        OTPVOICE_PROVIDER_TOKEN=None,
        OTPVOICE_PROVIDER_TOKEN_FILE=secret_file(b"from-a-file" + end),
    )
    assert loaded.settings.provider.token == "from-a-file"


def test_list_in_a_secret_file(start: Start, secret_file: SecretFile) -> None:
    """A list in a file has one member a line, or commas."""
    path = secret_file(b"new\nold,older\n")
    loaded = start(
        OTPVOICE_PROVIDER_WEBHOOK_SECRET=None, OTPVOICE_PROVIDER_WEBHOOK_SECRET_FILE=path
    )
    assert loaded.settings.provider.webhook_secret == ("new", "old", "older")


def test_variable_and_its_file(refusal: Refusal, secret_file: SecretFile) -> None:
    """X and X_FILE together are refused, and both are named."""
    said = refusal(OTPVOICE_PROVIDER_TOKEN_FILE=secret_file(b"other"))
    assert "OTPVOICE_PROVIDER_TOKEN and OTPVOICE_PROVIDER_TOKEN_FILE" in said["provider.token"]


def test_unreadable_secret_files(refusal: Refusal, tmp_path: Path, secret_file: SecretFile) -> None:
    """A file that can not be read is told by field, variable and cause, once, without its path."""
    said = refusal(
        OTPVOICE_PROVIDER_TOKEN=None,
        OTPVOICE_PROVIDER_TOKEN_FILE=str(tmp_path / "s3cret-by-mistake"),
        OTPVOICE_PROVIDER_VALIDATION_KEY_FILE=secret_file(b"\xff\xfe"),
    )
    assert set(said) == {"provider.token", "provider.validation_key"}
    assert "OTPVOICE_PROVIDER_TOKEN_FILE" in said["provider.token"]
    assert "No such file" in said["provider.token"]
    assert "s3cret" not in said["provider.token"]
    assert "UTF-8" in said["provider.validation_key"]


def test_everything_missing_is_named() -> None:
    """With nothing given, every required field is named with the variable that would set it."""
    with pytest.raises(SettingsError) as refused:
        load({})
    assert {wrong.name for wrong in refused.value.invalid} == {
        "OTPVOICE_CONFIG",
        "secrets.keys",
        "secrets.number_key",
        "provider.token",
        "provider.bridge",
        "provider.flows",
    }
    assert "OTPVOICE_PROVIDER_TOKEN[_FILE]" in str(refused.value)


def test_all_faults_at_once(refusal: Refusal) -> None:
    """One start tells everything that is wrong, wherever it stands."""
    toml = """
        [verification]
        ttl = 5
        [provider]
        timezone = "Mars"
        routes = ["sip", "obd", "fax"]
        [clients.web]
    """
    said = refusal(toml, OTPVOICE_DIALER_THREADS="0", OTPVOICE_PROVIDER_BRIDGE=None)
    assert set(said) == {
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
def test_unknown_members(refusal: Refusal, toml: str, name: str) -> None:
    """What has no effect is refused by its name, so that nobody believes that it works."""
    said = refusal(toml)
    assert list(said) == [name]
    assert "unknown" in said[name]
    assert "otpvoice.toml" in said[name]


@pytest.mark.parametrize("toml", ["server = 5\n", "[[server]]\n"])
def test_section_that_is_no_table(refusal: Refusal, toml: str) -> None:
    """A section has to be a table."""
    assert "must be a table" in refusal(toml)["server"]


def test_clients_that_are_no_tables(refusal: Refusal) -> None:
    """Clients, and each of them, have to be tables."""
    assert "must be a table" in refusal("clients = 5\n")["clients"]
    assert "must be a table" in refusal("[clients]\nweb = 'x'\n")["clients.web"]


def test_unusable_config(start: Start, tmp_path: Path) -> None:
    """A file that is not there, no TOML, or no text stops the start and is named."""
    with pytest.raises(SettingsError, match=r"nowhere\.toml.*No such file"):
        load({"OTPVOICE_CONFIG": str(tmp_path / "nowhere.toml")})
    with pytest.raises(SettingsError, match=r"otpvoice\.toml.*not TOML.*line 2"):
        start("[server]\nbind\n")
    (tmp_path / "latin.toml").write_bytes(b'[provider]\ncampaign = "\xe9"\n')
    with pytest.raises(SettingsError, match=r"latin\.toml.*UTF-8"):
        load({"OTPVOICE_CONFIG": str(tmp_path / "latin.toml")})


def test_unknown_variables(start: Start) -> None:
    """An unknown variable of ours is a warning that names it and hides its value."""
    warnings = start(OTPVOICE_PROVIDER_TOKN="s3cret", OTPVOICE_CLIENTS__TTL="60").warnings
    assert len(warnings) == 2
    assert any("OTPVOICE_PROVIDER_TOKN " in warning for warning in warnings)
    assert any("OTPVOICE_CLIENTS__TTL " in warning for warning in warnings)
    assert "s3cret" not in str(warnings)


def test_variables_that_are_no_settings(start: Start) -> None:
    """Variables of the commands, of the tests and of others are no news."""
    loaded = start(
        OTPVOICE_URL="http://x",
        OTPVOICE_API_KEY="k",
        OTPVOICE_REQUIRE="redis",
        OTPVOICE_TEST_ANYTHING="1",
        otpvoice_server_bind="x",
        PATH="/bin",
    )
    assert loaded.warnings == ()
