"""Texts and key gates of several telephone companies and clients."""

import json
from collections.abc import Callable

import pytest
from settings.provider_tables import NO_PROVIDER, PLIVO, SECOND, TWILIO

from otpvoice.container import Container
from otpvoice.core.speech import Flow, Gate
from otpvoice.settings import LoadedSettings

Start = Callable[..., LoadedSettings]
ErrorsOf = Callable[..., dict[str, str]]


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
