"""Where clients take their events, and what signs them."""

from base64 import b64encode
from collections.abc import Callable

import pytest

from otpvoice.cli.secret_audit import find_weak_secrets
from otpvoice.settings import LoadedSettings
from otpvoice.settings.secret_values import secret_values

Start = Callable[..., LoadedSettings]
Refusal = Callable[..., dict[str, str]]

URL, SECRET = "OTPVOICE_CLIENTS_APP_EVENT_URL", "OTPVOICE_CLIENTS_APP_EVENT_SECRET"
HERE = "https://app.example.com/events/"
PRODUCTION = {
    "OTPVOICE_SERVER_PRODUCTION": "true",
    "OTPVOICE_SERVER_PUBLIC_URL": "https://otp.example.com",
}


def secret_of(key: bytes) -> str:
    """As it is written."""
    return "whsec_" + b64encode(key).decode()


ONE, TWO = secret_of(bytes(range(32))), secret_of(bytes(range(100, 164)))


def test_a_client_that_is_told(start: Start) -> None:
    """The address stays as it is written, slash and all; of two secrets each is known."""
    client = start(**{URL: HERE, SECRET: f"{ONE},{TWO}"}).settings.clients["app"]
    assert (client.event_url, client.event_secret) == (HERE, (ONE, TWO))


def test_a_client_that_is_not(start: Start) -> None:
    """Nothing set, or set to nothing, is no address."""
    for variables in ({}, {URL: "", SECRET: ""}):
        client = start(**variables).settings.clients["app"]
        assert (client.event_url, client.event_secret) == ("", ())


def test_both_or_neither(refusal: Refusal) -> None:
    """Events are signed, and a secret is for events: the one that is missing is named."""
    assert list(refusal(**{URL: HERE})) == ["clients.app.event_secret"]
    assert list(refusal(**{SECRET: ONE})) == ["clients.app.event_url"]


@pytest.mark.parametrize(
    "url",
    ["app.example.com", "ftp://app.example.com", "https://u:p@app.example.com", "https://a/?b=c"],
)
def test_wrong_addresses(refusal: Refusal, url: str) -> None:
    """No http or https, or with what does not belong into it."""
    assert list(refusal(**{URL: url, SECRET: ONE})) == ["clients.app.event_url"]


@pytest.mark.parametrize(
    ("secret", "why"),
    [
        ("s3cret", "whsec_"),
        (ONE.removeprefix("whsec_"), "whsec_"),
        (ONE.rstrip("="), "not base64"),
        (ONE.replace("A", "-"), "not base64"),
        (secret_of(b"x" * 23), "23 bytes"),
        (secret_of(b"x" * 65), "65 bytes"),
    ],
)
def test_wrong_secrets(refusal: Refusal, secret: str, why: str) -> None:
    """Named, with what is wrong; never repeated."""
    said = refusal(**{URL: HERE, SECRET: f"{TWO},{secret}"})
    assert list(said) == ["clients.app.event_secret[1]"]
    assert why in said["clients.app.event_secret[1]"]
    assert secret not in str(said)


def test_production_wants_tls(start: Start, refusal: Refusal) -> None:
    """An address in plain http stops production, but on this very machine; elsewhere it may be."""
    plain = {URL: "http://app.example.com/events", SECRET: ONE}
    assert list(refusal(**PRODUCTION, **plain)) == ["clients.app.event_url"]
    assert start(**plain)
    assert start(**PRODUCTION, **{URL: "http://127.0.0.1:9000/events", SECRET: ONE})
    assert start(**PRODUCTION, **{URL: HERE, SECRET: ONE})


def test_production_refuses_the_sample(refusal: Refusal) -> None:
    """The sample's secret is known to everybody."""
    sample = "whsec_SAMPLEREPLACEMESAMPLEREPLACEMESAMPLEREPL"
    said = refusal(**PRODUCTION, **{URL: HERE, SECRET: f"{ONE},{sample}"})
    assert list(said) == ["clients.app.event_secret[1]"]


def test_the_secret_is_masked(start: Start) -> None:
    """In every repr, and in the log: known there by its base64, wherever that stands."""
    settings = start(**{URL: HERE, SECRET: f"{ONE},{TWO}"}).settings
    assert ONE not in repr(settings)
    assert "event_secret='***'" in repr(settings.clients["app"])
    known = secret_values(settings)
    assert {each.removeprefix("whsec_") for each in (ONE, TWO)} <= {*known}


@pytest.mark.parametrize(
    ("secret", "why"),
    [
        ("whsec_SAMPLEREPLACEMESAMPLEREPLACEMESAMPLEREPL", "sample"),
        (secret_of(b"a" * 32), "easy to guess"),
        (secret_of(b"this is a text and no random key"), "easy to guess"),
        (secret_of(b"n" * 32), "the same as secrets.number_key"),
        (ONE, "the same as clients.app.event_secret[0]"),
    ],
)
def test_the_doctor_finds_poor_secrets(start: Start, secret: str, why: str) -> None:
    """A sample's, one that is no secret, and one that serves two purposes."""
    settings = start(**{URL: HERE, SECRET: f"{ONE},{secret}"}).settings
    said = {fault.name: fault.remedy for fault in find_weak_secrets(settings)}
    assert why in said["clients.app.event_secret[1]"]
    assert "clients.app.event_secret[0]" not in said
