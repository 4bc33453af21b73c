"""``otpvoice preview`` shows what is sent, and warns of what listeners would not understand."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import requests
from cli.cli_runner import listen_for_code, run_command

from otpvoice_client import Client
from otpvoice_demo.stack import Stack

GOOD = "Hello {Name}. The code is: {otp}. Again: {otp}."
DOCUMENT = Path(__file__).parents[2] / "docs" / "flow-texts.md"
SECTIONS = re.findall(
    r"^## [^\n]+ \(`(\w+)`\).*?```text\n(.+?)\n```",
    DOCUMENT.read_text(encoding="utf-8"),
    re.MULTILINE | re.DOTALL,
)


def flows(**texts: str) -> str:
    """Return the setting for flows with these texts, by locale."""
    return json.dumps({key: {"id": "24", "text": text} for key, text in texts.items()})


@pytest.fixture
def environ(environ: dict[str, str]) -> dict[str, str]:
    """Configure the flows' texts."""
    return environ | {"OTPVOICE_PROVIDER_FLOWS": flows(default=GOOD, hi="{Name} जी: {otp}। {otp}")}


def preview(environ: dict[str, str], *words: str, **changes: str) -> dict[str, Any]:
    """Run the command with ``--json``. ``changes``: settings, without their OTPVOICE_."""
    changed = {f"OTPVOICE_{name.upper()}": value for name, value in changes.items()}
    done = run_command("preview", "--client", "login", "--json", *words, **environ | changed)
    assert done.exit_code == 0, done.output
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_preview_shows_the_request_of_the_call(stack: Stack, client: Client) -> None:
    """It equals the dialer's request, except for the number."""
    environ = {"OTPVOICE_CONFIG": str(stack.config_path)}
    shown = json.loads(run_command("preview", "--name", "Asha", "--json", **environ).stdout)
    number = "+919876543377"

    client.create(number, name="Asha", code="407113")

    assert listen_for_code(stack, number) == "407113"
    [call] = requests.get(f"{stack.sandbox_url}/phones/{number[1:]}/calls", timeout=5).json()
    obd = shown["requests"]["obd"]
    assert obd["body"] | {"to": number[1:]} == call["request"]
    assert obd["url"] == f"{stack.sandbox_url}/api/v2/outgoing/send"
    assert shown["requests"]["c2c"]["body"]["variables[otp]"] == "4, 0, 7, 1, 1, 3"


ABROAD = {
    "providers_abroad_kind": "twiml",
    "providers_abroad_vendor": "twilio",
    "providers_abroad_account": "AC1",
    "providers_abroad_token": "t0ken-of-the-vendor",
    "providers_abroad_bridge": "12025550100",
    "providers_abroad_texts": '{"default": "Own text: {otp}", "hi": "अपना {otp}"}',
    "providers_abroad_webhook_path_token": "path-token-of-the-vendor-0123456789",
}


def test_preview_of_a_provider_with_texts_of_its_own(environ: dict[str, str]) -> None:
    """Its line, its text in the language, and no secret."""
    shown = preview(environ, "--locale", "hi", "--name", "Asha", **ABROAD)
    body = shown["requests"]["abroad"]["body"]
    assert (body["From"], body["Timeout"]) == ("+12025550100", "45")
    assert '<Say language="hi-IN">अपना 4, 0, 7, 1, 1, 3</Say>' in body["Twiml"]
    assert "path-token" not in body["StatusCallback"]
    tried = preview(environ, "--text", "Tried {otp}", **ABROAD)["requests"]["abroad"]["body"]
    assert "Tried 4, 0" in tried["Twiml"]
    done = run_command(
        *("preview", "--client", "login"),
        **environ | {f"OTPVOICE_{name.upper()}": value for name, value in ABROAD.items()},
    )
    assert "abroad  POST https://api.twilio.com/2010-04-01/Accounts/AC1/Calls.json" in done.stdout


def test_preview_of_a_text_with_a_key_gate(environ: dict[str, str]) -> None:
    """The request asks for the key, and has no code."""
    text = '{"text": "Your code: {otp}", "gate": true, "prompt": "For {Name}. Press 1."}'
    gated = ABROAD | {"providers_abroad_texts": f'{{"default": {text}}}'}
    shown = preview(environ, "--name", "Asha", **gated)["requests"]["abroad"]["body"]
    assert shown["Twiml"].count("For Asha. Press 1.") == 2
    assert "Your code" not in shown["Twiml"]


def test_preview_shows_speech_duration_and_requests(environ: dict[str, str]) -> None:
    """Without warnings for a good text."""
    done = run_command("preview", "--client", "login", "--name", "Asha", **environ)

    assert done.exit_code == 0, done.output
    assert "Hello Asha. The code is: 4, 0, 7, 1, 1, 3. Again: 4, 0, 7, 1, 1, 3." in done.output
    assert "Speech of about 7 s, and the code is spoken once after 4 s:" in done.output
    assert re.search(r"^obd  POST https://\S+/outgoing/send$", done.output, re.MULTILINE)
    assert re.search(r"^c2c  POST https://\S+/voice/c2c$", done.output, re.MULTILINE)
    assert re.search(r"^  variables\[Name\] +Asha$", done.output, re.MULTILINE)
    assert done.output.endswith("No warnings.\n")
    assert environ["OTPVOICE_PROVIDER_TOKEN"] not in done.output


def test_the_locale_chooses_as_in_a_request(environ: dict[str, str]) -> None:
    """``hi-IN`` is spoken by the Hindi flow, and a language without one by the default."""
    hindi = preview(environ, "--locale", "hi-IN", "--name", "आशा")
    tamil = preview(environ, "--locale", "ta")

    assert hindi["flow"] == {"locale": "hi", "id": "24"}
    assert hindi["says"] == "आशा जी: 4, 0, 7, 1, 1, 3। 4, 0, 7, 1, 1, 3"
    assert tamil["flow"]["locale"] == "default"
    assert "No flow speaks ta" in tamil["warnings"][0]


@pytest.mark.parametrize(
    ("text", "settings", "warning"),
    [
        ("Hello {Name}. Your code is waiting.", {}, "The code is not spoken"),
        ("Hello {Name}. The code is {otp}.", {}, "only once"),
        ("Hello {Name}, {otp}, {otp}", {"provider_otp_format": "plain"}, "read as one number"),
        ("{otp}, {otp}, {Name}, good bye", {}, "comes at once"),
        ("Hello. The code is {otp}, {otp}.", {}, "name is not spoken"),
        ("Hello {name}, hello {Name}: {otp}, {otp}", {}, "{name} is not filled in"),
        (GOOD + " and so on" * 20, {}, "can expire while it is spoken"),
        (GOOD, {"verification_ttl": "60"}, "can expire while it is spoken"),
        (GOOD, {"verification_min_remaining_life": "0"}, "can expire while it is spoken"),
        (GOOD + " and so on" * 90, {}, "hangs up after 60 s"),
        (GOOD, {"provider_audio": "https://sounds.example/a.mp3"}, "sound of provider.audio"),
        ("", {}, "has no text in the settings"),
    ],
)
def test_preview_warns_of_a_text(
    environ: dict[str, str], text: str, settings: dict[str, str], warning: str
) -> None:
    """That listeners would not understand, or not in time."""
    document = preview(environ, "--name", "Asha", "--text", text, **settings)["warnings"]
    assert any(warning in each for each in document), document


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


def test_preview_accepts_the_digits_filter_for_plain_codes(environ: dict[str, str]) -> None:
    """``{{otp@digits}}`` is spoken digit by digit."""
    text = "Hello {{Name}}. The code is: {{otp@digits}}. Again: {{otp@digits}}."
    document = preview(environ, "--text", text, provider_otp_format="plain")

    assert document["warnings"] == []
    assert document["says"].endswith("Again: 4 0 7 1 1 3.")
    assert document["requests"]["obd"]["body"]["variables[otp]"] == "407113"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--client", "nobody"), "'nobody' is not configured (bank, login)"),
        (("--locale", "h"), "must be a language tag"),
        ((), "Several clients are configured: choose one with --client (bank, login)."),
    ],
)
def test_preview_with_an_invalid_choice_is_a_usage_error(
    environ: dict[str, str], words: tuple[str, ...], sentence: str
) -> None:
    """The error names the valid choices."""
    done = run_command("preview", *words, **environ)
    assert done.exit_code == 2
    assert sentence in " ".join(done.output.split())


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("Hi {Name}, code: {otp}, {otp}. See http://x.y/ for more", "A link cannot be followed"),
        ("Hi {Name}, code: {otp}, {otp}. See www.example.com", "A link cannot be followed"),
        ("Hi {Name}, code: {otp}, {otp}. Ticket 123", "A number in the text"),
        ("Hi {Name}, code: {otp}, {otp}. Call 1-8-0-0", "A number in the text"),
        ("Hi {Name}, code: ... {otp}, {otp}", "Dots next to the code"),
        ("Hi {Name}, code: {otp}... {otp}", "Dots next to the code"),
    ],
)
def test_preview_warns_of_confusing_wording(
    environ: dict[str, str], text: str, warning: str
) -> None:
    """With one warning each."""
    (only,) = preview(environ, "--name", "Asha", "--text", text)["warnings"]
    assert warning in only


@pytest.mark.parametrize("text", ["Hello {Name}, {code}", "Hello {Name}, your code waits."])
def test_preview_of_a_text_without_the_code_has_no_code_time(
    environ: dict[str, str], text: str
) -> None:
    """The JSON member ``heard_after`` is null."""
    shown = preview(environ, "--name", "Asha", "--text", text)
    assert shown["heard_after"] is None
    assert any("The code is not spoken" in each for each in shown["warnings"])
    done = run_command("preview", "--client", "login", "--text", text, **environ)
    assert "without the code" in done.output
    assert "is spoken once" not in done.output


@pytest.mark.parametrize(("locale", "text"), SECTIONS)
@pytest.mark.parametrize("name", ["Asha", "Venkatanarasimharajuvaripeta Subramaniam"])
def test_reference_texts_lead_to_no_warning(
    environ: dict[str, str], locale: str, text: str, name: str
) -> None:
    """At the settings' defaults, also with the longest name."""
    document = preview(
        environ,
        *("--locale", locale, "--name", name),
        provider_flows=flows(default=GOOD, **{locale: text}),
    )

    assert document["warnings"] == []
    assert document["flow"]["locale"] == locale
    assert document["says"].count("4, 0, 7, 1, 1, 3") == 2


def test_reference_texts_include_english_and_hindi() -> None:
    """Further languages are drafts."""
    assert {"en", "hi"} <= {locale for locale, _ in SECTIONS}
