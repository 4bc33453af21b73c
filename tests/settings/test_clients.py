"""Clients: from the file, from variables, and what holds for each of them."""

from collections.abc import Callable

import pytest

from otpvoice.core.speech import Flow
from otpvoice.settings import LoadedSettings

Start = Callable[..., LoadedSettings]
Refusal = Callable[..., dict[str, str]]

ONE, TWO = "1a" * 32, "2b" * 32


def test_client_without_wishes(start: Start) -> None:
    """A client that sets nothing gets what the provider, limits and verification say."""
    toml = '[provider]\ndefault_name = "Friend"\n[limits]\nregions = ["DE"]\n'
    profile = start(toml, OTPVOICE_VERIFICATION_TTL="120").settings.client_profile("app")
    assert profile.bridge == "918068280000"
    assert profile.caller_id == "+918068280000"
    assert profile.default_name == "Friend"
    assert profile.flows == {"default": Flow("24")}
    assert profile.number_rules.regions == ("DE",)
    assert profile.ttl_s == 120


def test_client_with_wishes(start: Start) -> None:
    """What a client sets wins; its flows replace the common ones as a whole."""
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
    assert profile.bridge == "918068281111"
    assert profile.caller_id == "+912222222222"
    assert profile.default_name == "Member"
    assert profile.flows == {"default": Flow("40")}
    assert profile.number_rules.regions == ("IN", "AE")
    assert profile.ttl_s == 120


@pytest.mark.parametrize(
    ("own", "caller_id"),
    [("", "+911111111111"), ('caller_id = ""', "+918068281111")],
)
def test_caller_id(start: Start, own: str, caller_id: str) -> None:
    """The caller's number is the client's, else the provider's; empty means the bridge's."""
    toml = f"""
        [provider]
        caller_id = "+911111111111"
        [clients.bank]
        key_sha256 = ["{ONE}"]
        bridge = "918068281111"
        {own}
    """
    assert start(toml).settings.client_profile("bank").caller_id == caller_id


def test_no_regions_is_a_wish(start: Start) -> None:
    """A client with an empty list of regions may call nobody; it does not get the common list."""
    loaded = start(OTPVOICE_CLIENTS_APP_REGIONS="")
    assert loaded.settings.client_profile("app").number_rules.regions == ()


def test_unknown_client(start: Start) -> None:
    """Nobody gets a profile without being a client."""
    with pytest.raises(KeyError, match="stranger"):
        start().settings.client_profile("stranger")


def test_variables_for_a_client_of_the_file(start: Start) -> None:
    """A variable overrides one field of a client whose name has a hyphen."""
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


def test_client_of_the_environment(start: Start, secret_file: Callable[[bytes], str]) -> None:
    """A client may exist in variables only; _ in its name is a hyphen."""
    loaded = start(
        OTPVOICE_CLIENTS_KEY_SHA256_DESK_KEY_SHA256_FILE=secret_file(f"{ONE}\n{TWO}\n".encode()),
        OTPVOICE_CLIENTS_KEY_SHA256_DESK_TTL="90s",
    )
    assert set(loaded.settings.clients) == {"app", "key-sha256-desk"}
    assert loaded.settings.clients["key-sha256-desk"].key_sha256 == (ONE, TWO)
    assert loaded.settings.clients["key-sha256-desk"].ttl == 90
    assert loaded.warnings == ()


@pytest.mark.parametrize("name", ["Bank", "bank_one", '"-bank"', '""', "b" * 65])
def test_wrong_names(refusal: Refusal, name: str) -> None:
    """A client's name is refused when no variable, path or log could carry it safely."""
    toml = f'[clients.{name}]\nkey_sha256 = ["{ONE}"]\n'
    bare = name.strip('"')
    assert "name" in refusal(toml)[f"clients.{bare}"]


@pytest.mark.parametrize("key_hash", ["1a" * 31, "1a" * 33, "zz" * 32, "the-api-key-itself"])
def test_wrong_hashes(refusal: Refusal, key_hash: str) -> None:
    """A hash has 64 hex digits; what stands there instead is not repeated, it may be the key."""
    said = refusal(f'[clients.bank]\nkey_sha256 = ["{ONE}", "{key_hash}"]\n')
    assert list(said) == ["clients.bank.key_sha256[1]"]
    assert "64 hex" in said["clients.bank.key_sha256[1]"]
    assert key_hash not in said["clients.bank.key_sha256[1]"]


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
def test_wrong_wishes(refusal: Refusal, line: str, name: str) -> None:
    """A client's own fields have the bounds of the common ones."""
    hashes = "" if line.startswith("key") else f'key_sha256 = ["{ONE}"]'
    assert list(refusal(f"[clients.bank]\n{hashes}\n{line}\n")) == [f"clients.bank.{name}"]


def test_one_key_for_two_clients(refusal: Refusal) -> None:
    """A key belongs to one client: the other one is named, whatever the case of the digits."""
    toml = f"""
        [clients.bank]
        key_sha256 = ["{ONE}"]
        [clients.shop]
        key_sha256 = ["{TWO}", "{ONE.upper()}"]
    """
    said = refusal(toml)
    assert list(said) == ["clients.shop.key_sha256[1]"]
    assert "client bank" in said["clients.shop.key_sha256[1]"]


def test_no_client(start: Start) -> None:
    """Without any client the start warns: nobody could ask for anything."""
    loaded = start(OTPVOICE_CLIENTS_APP_KEY_SHA256=None)
    assert any("clients" in warning for warning in loaded.warnings)


def test_deliver_only_needs_a_bound(refusal: Refusal, start: Start) -> None:
    """Without approvals hardly a limit holds it, so that it has to have its own for a day."""
    client = {"OTPVOICE_CLIENTS_APP_DELIVER_ONLY": "true"}
    said = refusal(**client)
    assert list(said) == ["clients.app.calls_per_day"]
    limits = start(**client, OTPVOICE_CLIENTS_APP_CALLS_PER_DAY="500").settings.call_limits()
    assert limits.clients["app"].deliver_only
    assert limits.clients["app"].calls_per_day == 500


def test_quotas_of_one_window(refusal: Refusal) -> None:
    """Two that say the same thing of one window are refused, of a client as in common."""
    said = refusal(
        OTPVOICE_LIMITS_CALLS_PER_IP="30/60m,100/1h",
        OTPVOICE_CLIENTS_APP_CALLS_PER_CLIENT="1/1m,2/60s",
    )
    assert set(said) == {"limits.calls_per_ip[1]", "clients.app.calls_per_client[1]"}
