"""Settings of accounts with vendors of the TwiML family: docs/providers/twiml.md."""

import re
import textwrap
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path

import pytest

from otpvoice.container import Container
from otpvoice.providers.twiml.provider import CancelableTwiml, FetchedTwiml, Twiml
from otpvoice.providers.twiml.signature import HmacVerifier
from otpvoice.settings import LoadedSettings
from otpvoice.settings.routing import planned_routes, providers_by_name

Start = Callable[..., LoadedSettings]
ErrorsOf = Callable[..., dict[str, str]]

PUBLIC_KEY = "ERERERERERERERERERERERERERERERERERERERERERE="


def toml(vendor: str, *lines: str) -> str:
    """Return the table of an account, with further lines."""
    common = ('kind = "twiml"', 'account = "A1"', 'token = "t0ken-of-it"', 'bridge = "12025550100"')
    text = 'texts = { default = "Your code is {otp}." }'
    return "\n".join(["[providers.x]", f'vendor = "{vendor}"', *common, text, *lines])


SIGNALWIRE = 'base_url = "https://acme.signalwire.com/api/laml/2010-04-01/"'
TELNYX = 'application_id = "12345"'
KEY = f'webhook_key = "{PUBLIC_KEY}"'


@pytest.mark.parametrize(
    ("vendor", "lines", "kind"),
    [
        ("twilio", (), CancelableTwiml),
        ("twilio", ('user = "SK1"', KEY), CancelableTwiml),
        ("somleng", (), CancelableTwiml),
        ("telnyx", (TELNYX, KEY), Twiml),
        ("signalwire", (SIGNALWIRE, KEY), FetchedTwiml),
    ],
)
def test_complete_account_has_an_adapter(
    start: Start, vendor: str, lines: tuple[str, ...], kind: type[Twiml]
) -> None:
    """Its callbacks come to the webhook with its name."""
    settings = start(toml(vendor, *lines)).settings
    adapter = Container(settings).providers["x"]
    assert type(adapter) is kind
    assert isinstance(adapter, Twiml)
    assert adapter.account.webhook_url == f"{settings.server.public_url}/webhooks/x"


@pytest.mark.parametrize("vendor", ["twilio", "somleng"])
def test_tokens_verify_callbacks_while_they_are_rotated(start: Start, vendor: str) -> None:
    """The first one authenticates requests."""
    text = toml(vendor).replace('"t0ken-of-it"', '["t0ken-new", "t0ken-old"]')
    adapter = Container(start(text).settings).providers["x"]
    assert isinstance(adapter, Twiml)
    assert isinstance(adapter.verifier, HmacVerifier)
    assert adapter.verifier.keys == ("t0ken-new", "t0ken-old")
    pair = b64decode(adapter.account.headers()["Authorization"].removeprefix("Basic "))
    assert pair == b"A1:t0ken-new"


def test_account_without_a_token_is_an_error(errors_of: ErrorsOf) -> None:
    """Also as an empty list."""
    for written in ('""', "[]"):
        errors = errors_of(toml("telnyx", TELNYX, KEY).replace('"t0ken-of-it"', written))
        assert "is missing" in errors["providers.x.token"]


def test_vendor_talks_at_least_for_its_minimum(start: Start) -> None:
    """The time in which a call is live covers it."""
    settings = start(toml("telnyx", TELNYX, KEY, "time_limit = 10")).settings
    assert Container(settings).routes["x"].live_for_s == 45 + 30 + 60


def test_settings_of_the_page(start: Start) -> None:
    """They are complete."""
    page = (Path(__file__).parents[2] / "docs" / "providers" / "twiml.md").read_text("utf-8")
    (block,) = re.findall(r"^ +```toml\n(.*?)^ +```", page, re.DOTALL | re.MULTILINE)
    settings = start(textwrap.dedent(block)).settings
    assert [*providers_by_name(settings)] == ["mobtexting", "abroad"]
    assert planned_routes(settings)["abroad"].regions == ("US", "GB")


@pytest.mark.parametrize(
    ("vendor", "lines", "name", "detail"),
    [
        ("twilio", ('user = "SK1"',), "webhook_key", "is missing"),
        ("signalwire", (SIGNALWIRE,), "webhook_key", "is missing"),
        ("signalwire", (KEY,), "base_url", "is missing"),
        ("telnyx", (TELNYX,), "webhook_key", "is missing"),
        ("telnyx", (KEY,), "application_id", "is missing"),
        ("telnyx", (TELNYX, 'webhook_key = "x"'), "webhook_key", "44 characters of Base64"),
        ("twilio", ("time_limit = 120",), "time_limit", "more than 150 seconds"),
        ("vonage", (), "vendor", "twilio"),
    ],
)
def test_incomplete_account_is_an_error(
    errors_of: ErrorsOf, vendor: str, lines: tuple[str, ...], name: str, detail: str
) -> None:
    """An auth token signs at Twilio and Somleng only, and an API key's secret nowhere."""
    assert detail in errors_of(toml(vendor, *lines))[f"providers.x.{name}"]
