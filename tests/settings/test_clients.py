"""Clients in the file and in variables, and their profiles."""

from collections.abc import Callable

import pytest

from otpvoice.core.lines import CallerLines
from otpvoice.core.speech import Flow
from otpvoice.settings import LoadedSettings

Start = Callable[..., LoadedSettings]
ErrorsOf = Callable[..., dict[str, str]]

ONE, TWO = "1a" * 32, "2b" * 32


def test_client_without_own_values_has_the_common_ones(start: Start) -> None:
    """From provider, limits and verification."""
    toml = '[provider]\ndefault_name = "Friend"\n[limits]\nregions = ["DE"]\n'
    profile = start(toml, OTPVOICE_VERIFICATION_TTL="120").settings.client_profile("app")
    assert profile.lines == CallerLines(("918068280000",))
    assert profile.default_name == "Friend"
    assert profile.flows == {"default": Flow("24")}
    assert profile.number_rules.regions == ("DE",)
    assert profile.ttl_s == 120


def test_client_with_own_values_overrides_the_common_ones(start: Start) -> None:
    """Its flows replace the common table."""
    toml = f"""
        [provider]
        caller_id = "+911111111111"
        [clients.bank]
        key_sha256 = "{ONE}"
        bridge = "918068281111"
        caller_id = "+912222222222"
        default_name = "Member"
        flows = {{ default = "40" }}
        regions = ["in", "ae"]
        ttl = "2m"
    """
    loaded = start(toml, OTPVOICE_PROVIDER_FLOWS="default=24,hi=25")
    profile = loaded.settings.client_profile("bank")
    assert profile.lines == CallerLines(("918068281111",), "+912222222222")
    assert profile.default_name == "Member"
    assert profile.flows == {"default": Flow("40")}
    assert profile.number_rules.regions == ("IN", "AE")
    assert profile.ttl_s == 120


@pytest.mark.parametrize(
    ("own", "caller_id"),
    [("", "+911111111111"), ('caller_id = ""', "")],
)
def test_caller_id_is_the_clients_then_the_providers(
    start: Start, own: str, caller_id: str
) -> None:
    """An empty one means the number of the line."""
    toml = f"""
        [provider]
        caller_id = "+911111111111"
        [clients.bank]
        key_sha256 = ["{ONE}"]
        bridge = "918068281111"
        {own}
    """
    lines = start(toml).settings.client_profile("bank").lines
    assert lines == CallerLines(("918068281111",), caller_id)


def test_client_with_empty_regions_calls_no_number(start: Start) -> None:
    """It does not have the common list."""
    loaded = start(OTPVOICE_CLIENTS_APP_REGIONS="")
    assert loaded.settings.client_profile("app").number_rules.regions == ()


def test_client_profile_of_unknown_client_raises(start: Start) -> None:
    """No profile exists without a client."""
    with pytest.raises(KeyError, match="stranger"):
        start().settings.client_profile("stranger")


def test_variable_overrides_a_field_of_a_client(start: Start) -> None:
    """The client's name has a hyphen."""
    toml = f'[clients.login-backend]\nkey_sha256 = ["{ONE}"]\nttl = 60\n'
    loaded = start(
        toml,
        OTPVOICE_CLIENTS_LOGIN_BACKEND_KEY_SHA256=f"{TWO.upper()},{ONE}",
        OTPVOICE_CLIENTS_LOGIN_BACKEND_DEFAULT_NAME="Member",
    )
    client = loaded.settings.clients["login-backend"]
    assert client.key_sha256 == (TWO, ONE)
    assert client.default_name == "Member"
    assert client.ttl == 60


def test_client_can_exist_in_variables_only(
    start: Start, secret_file: Callable[[bytes], str]
) -> None:
    """_ in the variable is a hyphen in the name."""
    loaded = start(
        OTPVOICE_CLIENTS_KEY_SHA256_DESK_KEY_SHA256_FILE=secret_file(f"{ONE}\n{TWO}\n".encode()),
        OTPVOICE_CLIENTS_KEY_SHA256_DESK_TTL="90s",
    )
    assert set(loaded.settings.clients) == {"app", "key-sha256-desk"}
    assert loaded.settings.clients["key-sha256-desk"].key_sha256 == (ONE, TWO)
    assert loaded.settings.clients["key-sha256-desk"].ttl == 90
    assert loaded.warnings == ()


@pytest.mark.parametrize("name", ["Bank", "bank_one", '"-bank"', '""', "b" * 65])
def test_client_name_that_is_unsafe_is_an_error(errors_of: ErrorsOf, name: str) -> None:
    """No variable, path or log line could contain it."""
    toml = f'[clients.{name}]\nkey_sha256 = ["{ONE}"]\n'
    bare = name.strip('"')
    assert "name" in errors_of(toml)[f"clients.{bare}"]


@pytest.mark.parametrize("key_hash", ["1a" * 31, "1a" * 33, "zz" * 32, "the-api-key-itself"])
def test_malformed_key_hash_is_an_error_without_its_text(
    errors_of: ErrorsOf, key_hash: str
) -> None:
    """The text may be the key itself."""
    errors = errors_of(f'[clients.bank]\nkey_sha256 = ["{ONE}", "{key_hash}"]\n')
    assert list(errors) == ["clients.bank.key_sha256[1]"]
    assert "64 hex" in errors["clients.bank.key_sha256[1]"]
    assert key_hash not in errors["clients.bank.key_sha256[1]"]


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("ttl = 30", "ttl"),
        ('bridge = ""', "bridge"),
        ('regions = ["XX"]', "regions[0]"),
        ('flows = { hi = "1" }', "flows.default"),
        ("key_sha256 = []", "key_sha256"),
    ],
)
def test_client_fields_have_the_bounds_of_the_common_ones(
    errors_of: ErrorsOf, line: str, name: str
) -> None:
    """And the same types."""
    hashes = "" if line.startswith("key") else f'key_sha256 = ["{ONE}"]'
    assert list(errors_of(f"[clients.bank]\n{hashes}\n{line}\n")) == [f"clients.bank.{name}"]


def test_key_of_two_clients_is_an_error(errors_of: ErrorsOf) -> None:
    """It names the other client, whatever the case of the digits."""
    toml = f"""
        [clients.bank]
        key_sha256 = ["{ONE}"]
        [clients.shop]
        key_sha256 = ["{TWO}", "{ONE.upper()}"]
    """
    errors = errors_of(toml)
    assert list(errors) == ["clients.shop.key_sha256[1]"]
    assert "client bank" in errors["clients.shop.key_sha256[1]"]


def test_settings_without_client_warn(start: Start) -> None:
    """Every request would be 401."""
    loaded = start(OTPVOICE_CLIENTS_APP_KEY_SHA256=None)
    assert any("clients" in warning for warning in loaded.warnings)


def test_deliver_only_client_needs_calls_per_day(errors_of: ErrorsOf, start: Start) -> None:
    """Few other limits hold without approvals."""
    client = {"OTPVOICE_CLIENTS_APP_DELIVER_ONLY": "true"}
    errors = errors_of(**client)
    assert list(errors) == ["clients.app.calls_per_day"]
    limits = start(**client, OTPVOICE_CLIENTS_APP_CALLS_PER_DAY="500").settings.call_limits()
    assert limits.clients["app"].deliver_only
    assert limits.clients["app"].calls_per_day == 500


def test_quotas_with_equal_windows_are_an_error(errors_of: ErrorsOf) -> None:
    """In common limits and in those of a client."""
    errors = errors_of(
        OTPVOICE_LIMITS_CALLS_PER_IP="30/60m,100/1h",
        OTPVOICE_CLIENTS_APP_CALLS_PER_CLIENT="1/1m,2/60s",
    )
    assert set(errors) == {"limits.calls_per_ip[1]", "clients.app.calls_per_client[1]"}


# Caller lines ------------------------------------------------------------------------------------

SEVERAL = 'bridges = ["918068281111", "12025550100"]'


def test_client_has_its_lines_or_those_of_the_provider(start: Start) -> None:
    """People see the line that calls, whatever number the provider's one line shows."""
    toml = f"""
        [provider]
        caller_id = "+911111111111"
        [clients.bank]
        key_sha256 = "{TWO}"
        {SEVERAL}
    """
    settings = start(toml).settings
    lines = settings.client_profile("bank").lines
    assert lines == CallerLines(("918068281111", "12025550100"))
    assert lines.serving("US") == ("12025550100",)
    assert lines.serving("GB") == lines.bridges
    assert settings.client_profile("app").lines.caller_id == "+911111111111"


@pytest.mark.parametrize("own", ["", 'caller_id = ""', "bridges = []"])
def test_client_without_lines_has_all_of_the_provider(start: Start, own: str) -> None:
    toml = f"[provider]\n{SEVERAL}\n[clients.app]\n{own}"
    lines = start(toml, OTPVOICE_PROVIDER_BRIDGE=None).settings.client_profile("app").lines
    assert lines == CallerLines(("918068281111", "12025550100"))


def test_one_line_of_a_client_replaces_those_of_the_provider(start: Start) -> None:
    """It may show another number."""
    toml = f"""
        [provider]
        {SEVERAL}
        [clients.app]
        bridge = "918068280000"
        caller_id = "+911800123456"
    """
    lines = start(toml, OTPVOICE_PROVIDER_BRIDGE=None).settings.client_profile("app").lines
    assert lines == CallerLines(("918068280000",), "+911800123456")


def test_lines_are_read_from_a_variable(start: Start) -> None:
    """Separated by commas."""
    lines = (
        start(OTPVOICE_CLIENTS_APP_BRIDGES="918068281111, 918068281112")
        .settings.client_profile("app")
        .lines
    )
    assert lines.bridges == ("918068281111", "918068281112")


@pytest.mark.parametrize(
    ("toml", "setting", "detail"),
    [
        (f"[provider]\n{SEVERAL}", "provider.bridges", "together with bridge"),
        (
            f'[clients.app]\nbridge = "918068280000"\n{SEVERAL}',
            "clients.app.bridges",
            "together with bridge",
        ),
        ('[clients.app]\nbridges = ["1234567", "1234567"]', "clients.app.bridges[1]", "already"),
        ('[clients.app]\nbridges = ["+1234567"]', "clients.app.bridges[0]", "7 to 15 digits"),
        (
            f'[clients.app]\ncaller_id = "+911111111111"\n{SEVERAL}',
            "clients.app.caller_id",
            "has no use with several lines",
        ),
    ],
    ids=["both", "both_of_a_client", "twice", "plus", "caller_id"],
)
def test_lines_that_contradict_are_an_error(
    errors_of: Callable[..., dict[str, str]], toml: str, setting: str, detail: str
) -> None:
    """Each names the setting."""
    assert detail in errors_of(toml)[setting]


def test_caller_id_with_lines_of_the_provider_is_an_error(
    errors_of: Callable[..., dict[str, str]],
) -> None:
    """It would be shown for every line."""
    toml = f'[provider]\n{SEVERAL}\n[clients.app]\ncaller_id = "+911111111111"'
    errors = errors_of(toml, OTPVOICE_PROVIDER_BRIDGE=None)
    assert "has no use with several lines" in errors["clients.app.caller_id"]


def test_provider_needs_a_line(errors_of: Callable[..., dict[str, str]]) -> None:
    """One or several."""
    assert "is missing" in errors_of(OTPVOICE_PROVIDER_BRIDGE=None)["provider.bridge"]
