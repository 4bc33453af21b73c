"""Event endpoints of clients and their secrets."""

from base64 import b64encode
from collections.abc import Callable

import pytest

from otpvoice.cli.doctor.settings import weak_secrets
from otpvoice.settings import LoadedSettings
from otpvoice.settings.credentials import secret_values

Start = Callable[..., LoadedSettings]
ErrorsOf = Callable[..., dict[str, str]]

URL, SECRET = "OTPVOICE_CLIENTS_APP_EVENT_URL", "OTPVOICE_CLIENTS_APP_EVENT_SECRET"
HERE = "https://app.example.com/events/"
PRODUCTION = {
    "OTPVOICE_SERVER_PRODUCTION": "true",
    "OTPVOICE_SERVER_PUBLIC_URL": "https://otp.example.com",
}


def secret_of(key: bytes) -> str:
    """Return an event secret."""
    return "whsec_" + b64encode(key).decode()


ONE, TWO = secret_of(bytes(range(32))), secret_of(bytes(range(100, 164)))


def test_event_url_and_secrets_are_kept_as_written(start: Start) -> None:
    """With a slash at the end, and with two secrets."""
    client = start(**{URL: HERE, SECRET: f"{ONE},{TWO}"}).settings.clients["app"]
    assert (client.event_url, client.event_secret) == (HERE, (ONE, TWO))


def test_client_without_event_url_has_none(start: Start) -> None:
    """Also with empty variables."""
    for variables in ({}, {URL: "", SECRET: ""}):
        client = start(**variables).settings.clients["app"]
        assert (client.event_url, client.event_secret) == ("", ())


def test_event_url_and_event_secret_need_each_other(errors_of: ErrorsOf) -> None:
    """The error names the missing one."""
    assert list(errors_of(**{URL: HERE})) == ["clients.app.event_secret"]
    assert list(errors_of(**{SECRET: ONE})) == ["clients.app.event_url"]


@pytest.mark.parametrize(
    "url",
    ["app.example.com", "ftp://app.example.com", "https://u:p@app.example.com", "https://a/?b=c"],
)
def test_event_url_that_is_not_a_web_url_is_an_error(errors_of: ErrorsOf, url: str) -> None:
    """Or has credentials or a query."""
    assert list(errors_of(**{URL: url, SECRET: ONE})) == ["clients.app.event_url"]


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
def test_malformed_event_secret_is_an_error_without_its_text(
    errors_of: ErrorsOf, secret: str, why: str
) -> None:
    """The error says what is wrong."""
    errors = errors_of(**{URL: HERE, SECRET: f"{TWO},{secret}"})
    assert list(errors) == ["clients.app.event_secret[1]"]
    assert why in errors["clients.app.event_secret[1]"]
    assert secret not in str(errors)


def test_event_url_without_tls_is_an_error_in_production(start: Start, errors_of: ErrorsOf) -> None:
    """Unless it is on this machine."""
    plain = {URL: "http://app.example.com/events", SECRET: ONE}
    assert list(errors_of(**PRODUCTION, **plain)) == ["clients.app.event_url"]
    assert start(**plain)
    assert start(**PRODUCTION, **{URL: "http://127.0.0.1:9000/events", SECRET: ONE})
    assert start(**PRODUCTION, **{URL: HERE, SECRET: ONE})


def test_event_secret_of_the_sample_is_an_error_in_production(errors_of: ErrorsOf) -> None:
    """It is public."""
    sample = "whsec_SAMPLEREPLACEMESAMPLEREPLACEMESAMPLEREPL"
    errors = errors_of(**PRODUCTION, **{URL: HERE, SECRET: f"{ONE},{sample}"})
    assert list(errors) == ["clients.app.event_secret[1]"]


def test_event_secret_is_masked(start: Start) -> None:
    """In every repr; logs redact its base64."""
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
def test_weak_event_secret_is_found(start: Start, secret: str, why: str) -> None:
    """A sample's, one that is easy to guess, and one with two purposes."""
    settings = start(**{URL: HERE, SECRET: f"{ONE},{secret}"}).settings
    errors = {each.subject: each.found for each in weak_secrets(settings)}
    assert why in errors["clients.app.event_secret[1]"]
    assert "clients.app.event_secret[0]" not in errors
