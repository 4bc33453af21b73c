"""Several telephone companies: their settings, their routes, and the order of routes."""

import json
from collections.abc import Callable

import pytest

from otpvoice.container import Container
from otpvoice.core.speech import Flow, Gate
from otpvoice.providers.plivo.provider import Plivo
from otpvoice.settings import LoadedSettings
from otpvoice.settings.credentials import secret_values
from otpvoice.settings.routing import planned_routes, providers_by_name, route_order

Start = Callable[..., LoadedSettings]
ErrorsOf = Callable[..., dict[str, str]]

TWILIO = """
[providers.twilio]
kind = "twiml"
vendor = "twilio"
account = "AC1"
token = "secret-token-of-twilio"
bridge = "12025550100"
texts = { default = "Your code is {otp}.", hi = "कोड {otp}" }
"""
PLIVO = """
[providers.plivo]
kind = "plivo"
auth_id = "MA000000000000000000"
auth_token = "secret-token-of-plivo"
bridge = "918047285000"
texts = { default = "Your code is {otp}.", hi = "कोड {otp}" }
"""
SECOND = """
[providers.second]
kind = "mobtexting"
token = "secret-token-of-second"
bridge = "918068280009"
flows = { default = "7" }
webhook_secret = "second-hook"
"""
NO_PROVIDER = dict.fromkeys(
    f"OTPVOICE_PROVIDER_{name}" for name in ("TOKEN", "BRIDGE", "FLOWS", "WEBHOOK_SECRET")
)


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


OWN_WORDS = '[clients.app]\ntexts = { default = "ACME: {otp}" }\nflows = { default = "30" }\n'


def test_texts_of_a_client_are_with_every_provider_that_speaks_texts(start: Start) -> None:
    """And its flows with [provider] alone, whose ids they are."""
    settings = start(OWN_WORDS + TWILIO + SECOND).settings
    routes = Container(settings).routes
    said = {name: route.flows.choose("app", "hi")[1] for name, route in routes.items()}
    assert said == {
        "obd": Flow("30"),
        "c2c": Flow("30"),
        "twilio": Flow("", "ACME: {otp}"),
        "second": Flow("7"),
    }
    assert routes["twilio"].flows.choose("another", "hi")[1].text == "कोड {otp}"


def test_texts_of_a_client_are_with_the_first_provider_if_it_speaks_texts(start: Start) -> None:
    """Then there is nothing for which flows of the client could stand."""
    own = OWN_WORDS.replace('flows = { default = "30" }', "")
    profile = start(own + TWILIO, **NO_PROVIDER).settings.client_profile("app")
    assert profile.flows == {"default": Flow("", "ACME: {otp}")}


def test_flows_of_a_client_without_a_provider_of_flows_are_an_error(errors_of: ErrorsOf) -> None:
    """They would never be used. An unused text is a warning only."""
    errors = errors_of(OWN_WORDS + TWILIO, **NO_PROVIDER)
    assert "Set texts instead" in errors["clients.app.flows"]


def test_texts_of_a_client_without_a_provider_that_speaks_them_are_a_warning(start: Start) -> None:
    """They may be there before the provider is."""
    assert any("clients.app.texts has no use" in each for each in start(OWN_WORDS).warnings)
    assert not any("clients.app.texts" in each for each in start(OWN_WORDS + PLIVO).warnings)


@pytest.mark.parametrize(
    ("toml", "where"),
    [
        (TWILIO.replace("Your", "{brand}. Your"), "providers.twilio.texts.default"),
        (TWILIO.replace("कोड", "{{ brand }} कोड"), "providers.twilio.texts.hi"),
        (OWN_WORDS.replace("ACME", "{brand}") + PLIVO, "clients.app.texts.default"),
        (
            PLIVO.replace(
                '"Your code is {otp}."', '{ text = "{otp}", gate = true, prompt = "{brand}" }'
            ),
            "providers.plivo.texts.default",
        ),
        (
            '[provider]\nflows = { default = { id = "24", text = "{brand}: {otp}" } }',
            "provider.flows.default",
        ),
    ],
)
def test_text_that_speaks_a_brand_needs_one(
    start: Start, errors_of: ErrorsOf, toml: str, where: str
) -> None:
    """Of each client that it speaks for."""
    variables = {"OTPVOICE_PROVIDER_FLOWS": None} if "[provider]" in toml else {}
    errors = errors_of(toml, **variables)
    assert [*errors] == ["clients.app.spoken_brand"]
    assert f"is missing: {where} speaks {{brand}}" in errors["clients.app.spoken_brand"]
    settings = start(toml, OTPVOICE_CLIENTS_APP_SPOKEN_BRAND="ACME Pay", **variables).settings
    (*_, route) = Container(settings).routes.values()
    assert route.flows.variables("app") == {"brand": "ACME Pay"}
    assert route.flows.variables("another") == {}


def test_language_that_only_a_further_provider_has_is_a_warning(start: Start) -> None:
    """The first provider's flows decide which languages calls have."""
    text = TWILIO.replace("hi =", "hi-IN = '{otp}', ta = '{otp}', hi =")

    def never_spoken(toml: str, flows: str) -> list[str]:
        warnings = start(toml, OTPVOICE_PROVIDER_FLOWS=flows).warnings
        return [each.partition(" is never")[0] for each in warnings if "never spoken" in each]

    assert never_spoken(text, "default=24,hi-IN=25,ta=26") == ["providers.twilio.texts.hi"]
    assert never_spoken(text, "default=24,hi=25") == [
        "providers.twilio.texts.hi-in",
        "providers.twilio.texts.ta",
    ]
    own = '[clients.app]\nflows = { default = "1", hi-IN = "2", ta = "3", hi = "4" }\n'
    assert never_spoken(own + text, "default=24") == []
    other = own + '[clients.app.texts]\ndefault = "{otp}"\ngu = "{otp}"\n' + PLIVO
    assert never_spoken(other, "default=24") == ["clients.app.texts.gu"]


@pytest.mark.parametrize("brand", ["3M", "AT&T", "ACME {otp}", " ACME", "x" * 41, "...", "<b>"])
def test_brand_that_cannot_be_spoken_is_an_error(errors_of: ErrorsOf, brand: str) -> None:
    """A digit in it could be taken for one of the code."""
    errors = errors_of("", OTPVOICE_CLIENTS_APP_SPOKEN_BRAND=brand)
    assert "write digits and signs in words" in errors["clients.app.spoken_brand"]


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


PROMPT = "To hear it, press 1."


@pytest.mark.parametrize("provider", [TWILIO, PLIVO])
def test_text_is_text_or_a_table_with_a_gate(start: Start, provider: str) -> None:
    """Each language has its own; a variable has the same table as JSON."""
    gated = f'{{ text = "कोड {{otp}}", gate = true, prompt = "{PROMPT}" }}'
    toml = provider.replace('"कोड {otp}"', gated)
    (section,) = start(toml).settings.providers.values()
    flows = section.spoken_flows()
    assert flows["default"] == Flow("", "Your code is {otp}.")
    assert flows["default"].gate_kind is None
    assert flows["hi"] == Flow("", "कोड {otp}", gate=True, prompt=PROMPT)
    assert flows["hi"].gate_kind is Gate.DOOR

    as_json = json.dumps({"default": {"text": "{otp}", "gate": True, "prompt": PROMPT}})
    name = "TWILIO" if provider is TWILIO else "PLIVO"
    (section,) = start(
        provider, **{f"OTPVOICE_PROVIDERS_{name}_TEXTS": as_json}
    ).settings.providers.values()
    assert section.spoken_flows() == {"default": Flow("", "{otp}", gate=True, prompt=PROMPT)}


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ('{ text = "x" }', "text speaks no {otp}"),
        ('{ gate = true, prompt = "1" }', "missing required field `text`"),
        ('{ text = "{otp}", gate = true }', "prompt is missing"),
        ('{ text = "{otp}", gate = true, prompt = " " }', "prompt is missing"),
        ('{ text = "{otp}", prompt = "1" }', "without gate = true"),
        ('{ text = "{otp}", gate = true, prompt = "{{ otp@digits }}" }', "behind the gate"),
        ('{ text = "{otp}", gates = true }', "unknown field `gates`"),
        ("5", "a text that speaks {otp}, or {"),
    ],
)
def test_invalid_text_or_gate_is_an_error(errors_of: ErrorsOf, text: str, detail: str) -> None:
    """The code must be spoken, and only after the gate."""
    errors = errors_of(PLIVO.replace('"कोड {otp}"', text))
    assert detail in errors["providers.plivo.texts.hi"]


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


GATED_TEXT = '{ text = "कोड {otp}", gate = true, prompt = "1" }'


def test_gate_that_another_provider_lacks_leads_to_a_warning(start: Start) -> None:
    """A redial may go by it. One warning for each language, and none if all have the gate."""
    gated = TWILIO.replace('"कोड {otp}"', GATED_TEXT)
    flows = json.dumps({"default": "24", "hi": {"id": "25", "gate": True}})

    def found(*parts: str) -> list[str]:
        warnings = start("".join(parts), OTPVOICE_PROVIDER_FLOWS=flows).warnings
        return [each for each in warnings if "key gate" in each]

    (warning,) = found(gated, PLIVO)
    assert warning.startswith("the calls of provider have a key gate for hi, those of")
    assert "providers.plivo have none" in warning
    assert found(gated) == []
    assert not [each for each in start(TWILIO + PLIVO).warnings if "key gate" in each]
    own = f'[clients.app]\nkey_sha256 = "{"a" * 64}"\ntexts = {{ default = "{{otp}}" }}\n'
    assert len(found(gated, own)) == 1
