"""Several telephone companies: their settings, their routes, and the order of routes."""

from collections.abc import Callable

import pytest
from settings.provider_tables import NO_PROVIDER, PLIVO, SECOND, TWILIO

from otpvoice.container import Container
from otpvoice.providers.plivo.provider import Plivo
from otpvoice.settings import LoadedSettings
from otpvoice.settings.credentials import secret_values
from otpvoice.settings.routing import planned_routes, providers_by_name, route_order

Start = Callable[..., LoadedSettings]
ErrorsOf = Callable[..., dict[str, str]]


def test_one_provider_has_a_route_for_each_mode(start: Start) -> None:
    """As settings of the first edition have it."""
    settings = start('[provider]\nroutes = ["c2c"]').settings
    assert route_order(settings) == ("c2c",)
    assert [*planned_routes(settings)] == ["obd", "c2c"]
    assert {route.provider for route in planned_routes(settings).values()} == {"mobtexting"}


def test_further_provider_has_one_route_with_its_name(start: Start) -> None:
    """After those of [provider], and in its first mode."""
    settings = start(TWILIO + SECOND).settings
    assert route_order(settings) == ("obd", "c2c", "twilio", "second")
    routes = planned_routes(settings)
    assert (routes["twilio"].mode, routes["second"].mode) == ("", "obd")


def test_routes_have_names_modes_regions_and_an_order(start: Start) -> None:
    """The order is that of the dialer's settings."""
    settings = start(
        TWILIO
        + SECOND
        + """
[routes.abroad]
provider = "twilio"
regions = ["us", "GB"]
[routes.click]
provider = "second"
mode = "c2c"
[dialer]
routes = ["click", "obd", "abroad"]
"""
    ).settings
    assert route_order(settings) == ("click", "obd", "abroad")
    routes = planned_routes(settings)
    assert routes["abroad"].regions == ("US", "GB")
    assert (routes["click"].provider, routes["click"].mode) == ("second", "c2c")
    assert "twilio" not in routes


def test_calls_are_live_as_long_as_their_company_may_take(start: Start) -> None:
    """Mobtexting's own redials count, and limits of other companies do not."""
    settings = start(TWILIO + "time_limit = 20\n" + PLIVO + SECOND + "c2c_attempts = 1\n").settings
    live_for_s = {name: route.live_for_s for name, route in Container(settings).routes.items()}
    expected = {"obd": 165, "c2c": 165, "twilio": 125, "plivo": 165, "second": 225}
    assert live_for_s == expected


def test_routes_with_regions_come_first_by_default(start: Start) -> None:
    """The client's own line stays with [provider]."""
    regional = '[routes.abroad]\nprovider = "twilio"\nregions = ["US"]'
    settings = start(TWILIO + SECOND + regional).settings
    assert route_order(settings) == ("abroad", "obd", "c2c", "second")
    assert settings.client_profile("app").lines.bridges == ("918068280000",)


def test_provider_table_may_be_missing_if_there_are_others(start: Start) -> None:
    """Without one of both, its fields are required."""
    settings = start(TWILIO, **NO_PROVIDER).settings
    assert [*providers_by_name(settings)] == ["twilio"]
    assert route_order(settings) == ("twilio",)
    profile = settings.client_profile("app")
    assert (profile.lines.bridges, profile.lines.caller_id) == (("12025550100",), "")
    assert profile.flows["hi"].text == "कोड {otp}"


def test_variables_set_fields_of_named_providers_and_routes(start: Start) -> None:
    """As those of clients do."""
    settings = start(
        TWILIO,
        OTPVOICE_PROVIDERS_TWILIO_TOKEN="another-token",
        OTPVOICE_ROUTES_FAR_AWAY_PROVIDER="twilio",
        OTPVOICE_ROUTES_FAR_AWAY_REGIONS="US,DE",
    ).settings
    assert "another-token" in secret_values(settings)
    assert planned_routes(settings)["far-away"].regions == ("US", "DE")


def test_secrets_of_named_providers_are_masked(start: Start) -> None:
    """In every repr."""
    settings = start(TWILIO + PLIVO + SECOND).settings
    tokens = [f"secret-token-of-{name}" for name in ("twilio", "plivo", "second")]
    for secret in (*tokens, "second-hook"):
        assert secret in secret_values(settings)
        assert secret not in repr(settings)


@pytest.mark.parametrize(
    ("toml", "name", "detail"),
    [
        (
            TWILIO.replace("twiml", "sip"),
            "providers.twilio.kind",
            "one of mobtexting, plivo, twiml",
        ),
        (TWILIO.replace('kind = "twiml"', ""), "providers.twilio.kind", "is missing"),
        (PLIVO.replace("auth_token", "x"), "providers.plivo.auth_token", "is missing"),
        (
            PLIVO.replace('= "secret-token-of-plivo"', "= []"),
            "providers.plivo.auth_token",
            "missing",
        ),
        (PLIVO.replace("MA0", "MA/"), "providers.plivo.auth_id", "4 to 40"),
        (PLIVO + "time_limit = 106", "providers.plivo.time_limit", "more than 150 seconds"),
        (PLIVO.replace("{otp}", "x"), "providers.plivo.texts.default", "speaks {otp}"),
        (TWILIO + "flows = {}", "providers.twilio.flows", "is unknown"),
        (TWILIO.replace("{otp}", "x"), "providers.twilio.texts.default", "speaks {otp}"),
        (TWILIO.replace('"twilio"', '"telnyx"'), "providers.twilio.application_id", "is missing"),
        (
            TWILIO.replace("[providers.twilio]", "[providers.mobtexting]"),
            "providers.mobtexting",
            "choose another name",
        ),
        ('[routes.x]\nprovider = "y"', "routes.x.provider", "known: mobtexting"),
        ('[routes.x]\nprovider = "mobtexting"\nmode = "y"', "routes.x.mode", "known: obd, c2c"),
        ('[dialer]\nroutes = ["obd", "y"]', "dialer.routes[1]", "known: obd, c2c"),
        ('[dialer]\nroutes = ["obd", "obd"]', "dialer.routes[1]", "already in the list"),
        ('[routes."X y"]\nprovider = "mobtexting"', "routes.X y", "a route's name"),
    ],
)
def test_invalid_provider_or_route_is_an_error(
    errors_of: ErrorsOf, toml: str, name: str, detail: str
) -> None:
    """It names what is known."""
    assert detail in errors_of(toml)[name]


def test_missing_secret_of_a_named_provider_is_a_warning(start: Start) -> None:
    """And an error in production."""
    (warning,) = start(SECOND.replace('webhook_secret = "second-hook"', "")).warnings
    assert "providers.second.webhook_secret" in warning


def test_plivo_settings_become_an_adapter(start: Start) -> None:
    """Voices of the settings replace the default ones; a language without a region gets one."""
    toml = PLIVO + 'voices = { default = "Polly.Raveena", en-gb = "Polly.Amy", fr = "MAN" }'
    settings = start(toml, OTPVOICE_PROVIDERS_PLIVO_AUTH_TOKEN="new,old").settings
    plivo = Container(settings).providers["plivo"]
    assert isinstance(plivo, Plivo)
    assert plivo.auth_tokens == ("new", "old")
    assert {tag: (voice.name, voice.language) for tag, voice in plivo.voices.items()} == {
        "default": ("Polly.Raveena", "en-IN"),
        "hi": ("Polly.Aditi", "hi-IN"),
        "en-gb": ("Polly.Amy", "en-GB"),
        "fr": ("MAN", "fr-FR"),
    }
    assert plivo.addresses.callback("call_1").endswith("/webhooks/plivo?call=call_1")


def test_plivo_in_production_needs_https(errors_of: ErrorsOf) -> None:
    """The token travels over it."""
    toml = PLIVO + 'base_url = "http://127.0.0.1:8100/v1/"'
    errors = errors_of(toml, OTPVOICE_SERVER_PRODUCTION="true")
    assert "https" in errors["providers.plivo.base_url"]
