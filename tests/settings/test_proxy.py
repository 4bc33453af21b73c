"""``provider.proxy`` and ``events.proxy``."""

import base64
from collections.abc import Callable

import pytest

from otpvoice.settings import LoadedSettings
from otpvoice.settings.credentials import secret_values

Start = Callable[..., LoadedSettings]
ErrorsOf = Callable[..., dict[str, str]]

NAMES = {"provider": "OTPVOICE_PROVIDER_PROXY", "events": "OTPVOICE_EVENTS_PROXY"}
URL = "http://user:p%40ssw%2Frd@proxy.example.com:3128"


def test_proxy_without_setting_is_empty(start: Start) -> None:
    """Also with an empty variable."""
    for variables in ({}, dict.fromkeys(NAMES.values(), "")):
        settings = start(**variables).settings
        assert (settings.provider.proxy, settings.events.proxy) == ("", "")


def test_proxy_is_read_from_file_and_environment(start: Start) -> None:
    """The two are independent."""
    settings = start("[events]\nproxy = 'http://[::1]:8080'\n", **{NAMES["provider"]: URL}).settings
    assert (settings.provider.proxy, settings.events.proxy) == (URL, "http://[::1]:8080")


@pytest.mark.parametrize("section", NAMES)
@pytest.mark.parametrize(
    "url",
    [
        "proxy.example.com:3128",
        "proxy.example.com",
        "https://proxy.example.com:3128",
        "socks5://proxy.example.com:1080",
        "HTTP://proxy.example.com:3128",
        "http://proxy.example.com",
        "http://:3128",
        "http://proxy.example.com:0",
        "http://proxy.example.com:99999",
        "http://proxy.example.com:3128/path",
        "http://proxy.example.com:3128?a=b",
        "http://user:s3cr3t@proxy.example.com",
        "http://user:s3cr3t@proxy.example.com:31 28",
        "direct",
    ],
)
def test_malformed_proxy_is_an_error_without_its_password(
    errors_of: ErrorsOf, section: str, url: str
) -> None:
    """The error says what is expected."""
    errors = errors_of(**{NAMES[section]: url})
    assert list(errors) == [f"{section}.proxy"]
    assert "http://[user:password@]host:port" in errors[f"{section}.proxy"]
    assert "s3cr3t" not in str(errors)


@pytest.mark.parametrize("section", NAMES)
def test_proxy_password_is_masked_everywhere(start: Start, section: str) -> None:
    """In every repr; logs redact it as written, as sent, and in the header's base64."""
    settings = start(**{NAMES[section]: URL}).settings
    assert not [form for form in ("p%40ss", "p@ss") if form in repr(settings)]
    header = base64.b64encode(b"user:p@ssw/rd").decode()
    assert {"p%40ssw%2Frd", "p@ssw/rd", header} <= {*secret_values(settings)}
