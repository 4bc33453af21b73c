"""``otpvoice preview`` warns of what listeners would not trust or understand."""

import json

import pytest
from cli.previews import ABROAD, GOOD, WITH_TEXTS, flows, preview


@pytest.fixture
def environ(environ: dict[str, str]) -> dict[str, str]:
    """Configure the flows' texts."""
    return environ | WITH_TEXTS


def test_preview_warns_of_half_a_payment(environ: dict[str, str]) -> None:
    text = "{brand}: {amount} {other}, for {Name}. The code is: {otp}. Again: {otp}."
    warnings = preview(environ, "--name", "Asha", "--text", text)["warnings"]
    assert any("The payee of a payment is not spoken. Write {payee}" in each for each in warnings)
    assert any(
        "{other} is not filled in. The variables are {Name}, {amount}, " in each
        for each in warnings
    )


def test_preview_warns_of_the_texts_of_every_provider(environ: dict[str, str]) -> None:
    """With the table that each text stands in."""
    (warning, *_) = preview(environ, "--name", "Asha", **ABROAD)["warnings"]
    assert warning.startswith("Route abroad: The first sentence does not say who calls.")
    missing = preview(environ, "--route", "abroad", "--locale", "ta", **ABROAD)["warnings"][0]
    assert "No flow speaks ta" in missing
    assert "Add the locale to providers.abroad.texts." in missing


@pytest.mark.parametrize(
    ("change", "warning"),
    [
        ({"providers_abroad_time_limit": "10"}, "raise providers.abroad.time_limit."),
        ({"providers_abroad_ring_timeout": "60"}, "60 s of ringing"),
        ({"providers_abroad_texts": '{"default": "{otp}' + "x" * 4000 + '"}'}, "cannot speak"),
    ],
)
def test_preview_warns_of_the_bounds_of_a_provider(
    environ: dict[str, str], change: dict[str, str], warning: str
) -> None:
    """By its own settings."""
    shown = preview(environ, "--route", "abroad", **ABROAD | change)
    assert any(warning in each for each in shown["warnings"]), shown["warnings"]


@pytest.mark.parametrize(
    ("limit", "prompt", "warned"), [("60", 60, False), ("30", 60, True), ("60", 300, True)]
)
def test_preview_warns_of_a_prompt_that_leaves_no_time(
    environ: dict[str, str], limit: str, prompt: int, warned: bool
) -> None:
    """For the code once, after a key at the last moment."""
    asked = "{brand}, for {Name}. " + "x" * prompt
    text = json.dumps({"text": "{otp}", "gate": True, "prompt": asked})
    own = {
        "providers_abroad_texts": f'{{"default": {text}}}',
        "providers_abroad_time_limit": limit,
    }
    shown = preview(environ, "--route", "abroad", "--name", "Asha", **ABROAD | own)["warnings"]
    assert any("at the last moment" in each for each in shown) is warned


OPENING = "{brand}, for {Name}. The code is: "
NOT_SAID, ONCE = "does not say who calls", "spoken only once"
AT_ONCE, NAMELESS = "comes at once", "name is not spoken"
NUMBER, LINK, DOTS = "A number in the text", "A link cannot be", "Dots next to the code"


@pytest.mark.parametrize(
    ("text", "warnings"),
    [
        (GOOD, []),
        (OPENING + "{otp}, {otp}", []),
        ("Here is ACME PAY for {Name}: {otp}, {otp}", []),
        ("Hello {Name}, this is {brand}. Your code: {otp}, {otp}", []),
        ("Hello {Name}. This is {brand}. Your code: {otp}, {otp}", [NOT_SAID]),
        ("नमस्ते {Name}। {brand} का कोड: {otp}। {otp}", [NOT_SAID]),
        ("Hello {Name}! {brand} has a code: {otp}, {otp}", [NOT_SAID]),
        ("Hello {Name}. Your code is: {otp}, {otp}", [NOT_SAID]),
        (OPENING + "waiting for you.", ["The code is not spoken"]),
        (OPENING + "{otp}.", [ONCE]),
        ("{otp}, {otp} is it, {Name}, from {brand}.", [AT_ONCE]),
        ("{brand}, {Name}: {pause 2} {otp}, {otp}", []),
        ("{brand}. The code is: {otp}. Again: {otp}", [NAMELESS]),
        (
            GOOD + " {name}",
            ["{name} is not filled in. The variables are {Name}, {amount}, {brand}, {otp}"],
        ),
        (GOOD + " See http://x.y/ for more", [LINK]),
        (GOOD + " See www.example.com", [LINK]),
        (GOOD + " Ticket 123", [NUMBER]),
        (GOOD + " Call 1-8-0-0", [NUMBER]),
        (GOOD + " Digits 1.2.3", [NUMBER]),
        (GOOD + " {pause 10} and step 1", []),
        (OPENING + "... {otp}, {otp}", [DOTS]),
        (OPENING + "{otp}... {otp}", [DOTS]),
        (OPENING + "so on " * 30 + "{otp}, {otp}", ["can expire before it is spoken"]),
        (GOOD + " and so on" * 90, ["hangs up after 60 s"]),
        ("Code {otp}. www.x.y 12", [NOT_SAID, ONCE, AT_ONCE, NAMELESS, LINK, NUMBER]),
        ("", ["Copy the text from the portal into provider.flows."]),
    ],
)
def test_preview_warns_of_a_text(environ: dict[str, str], text: str, warnings: list[str]) -> None:
    """That listeners would not trust or understand, or not in time. There are no others."""
    shown = preview(environ, "--name", "Asha", "--text", text)["warnings"]
    assert len(shown) == len(warnings), shown
    assert all(part in each for part, each in zip(warnings, shown, strict=True)), shown


@pytest.mark.parametrize(
    ("settings", "warning"),
    [
        ({"verification_ttl": "60"}, "raise verification.min_remaining_life or ttl"),
        ({"verification_min_remaining_life": "0"}, "can expire before it is spoken"),
        ({"provider_audio": "https://sounds.example/a.mp3"}, "sound of provider.audio"),
        ({"provider_otp_format": "plain"}, "read as one number"),
    ],
)
def test_preview_warns_of_settings(
    environ: dict[str, str], settings: dict[str, str], warning: str
) -> None:
    """By which a good text is not understood."""
    (only,) = preview(environ, "--name", "Asha", **settings)["warnings"]
    assert warning in only


def test_preview_warns_of_a_client_without_a_brand(environ: dict[str, str]) -> None:
    """It names the setting."""
    text = "ACME Pay, for {Name}. The code is: {otp}. Again: {otp}."
    changes = {"clients_login_spoken_brand": "", "provider_flows": flows(default=text)}
    (only,) = preview(environ, "--name", "Asha", **changes)["warnings"]
    assert "Set clients.login.spoken_brand, and begin the text with {brand}." in only


@pytest.mark.parametrize(
    ("name", "warning"),
    [
        ("Asha 2", "not spoken as given, but as Asha."),
        ("A" * 60, "but as " + "A" * 40),
        ("12345", "No part of the name can be spoken, so Customer is spoken instead."),
    ],
)
def test_preview_warns_of_a_changed_name(environ: dict[str, str], name: str, warning: str) -> None:
    """With the name that is spoken. A name that is spoken as given leads to no warning."""
    assert warning in preview(environ, "--name", name)["warnings"][0]
    assert preview(environ, "--name", " Asha ")["warnings"] == []
    assert preview(environ)["warnings"] == []
