"""``otpvoice preview`` shows what is sent, and warns of what listeners would not understand."""

import json
import re

import pytest
import requests
from cli.cli_runner import listen_for_code, run_command
from cli.previews import ABROAD, WITH_TEXTS, preview

from otpvoice_client import Client
from otpvoice_demo.stack import Stack


@pytest.fixture
def environ(environ: dict[str, str]) -> dict[str, str]:
    """Configure the flows' texts."""
    return environ | WITH_TEXTS


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


def test_preview_shows_the_lines_that_take_turns(environ: dict[str, str]) -> None:
    """Those of the region of the example's number; the request has the first."""
    lines = {"clients_login_bridges": "12025550100,918068280001,918068280002"}
    request = preview(environ, **lines)["requests"]["obd"]
    assert request["lines"] == ["918068280001", "918068280002"]
    assert request["body"]["bridge"] == "918068280001"
    changes = {f"OTPVOICE_{name.upper()}": value for name, value in lines.items()}
    done = run_command("preview", "--client", "login", **environ | changes)
    assert "  In turns with this line: 918068280002" in done.stdout.splitlines()


TEXT = "{brand}, for {Name}. {pause 3} {otp}"


def test_preview_of_a_provider_with_texts_of_its_own(environ: dict[str, str]) -> None:
    """Its line, its text in the language, and no secret."""
    shown = preview(environ, "--locale", "hi", "--name", "Asha", **ABROAD)
    body = shown["requests"]["abroad"]["body"]
    assert (body["From"], body["Timeout"]) == ("+12025550100", "45")
    assert '<Say language="hi-IN">अपना 4, 0, 7, 1, 1, 3</Say>' in body["Twiml"]
    assert "path-token" not in body["StatusCallback"]
    assert [*shown["requests"]] == ["obd", "c2c", "abroad"]
    tried = preview(environ, "--text", "Tried {otp}", **ABROAD)["requests"]["abroad"]["body"]
    assert "Tried 4, 0" in tried["Twiml"]


def test_preview_of_a_route_shows_how_its_provider_speaks(environ: dict[str, str]) -> None:
    """Its text, voice, document and durations, and nothing of other routes."""
    own = {"providers_abroad_voices": "default=Polly.Aditi"}
    shown = preview(environ, "--route", "abroad", "--text", TEXT, "--name", "Asha", **ABROAD | own)
    assert [*shown["requests"]] == ["abroad"]
    assert shown["flow"] == {"locale": "default", "id": "", "setting": "providers.abroad.texts"}
    assert shown["says"] == "ACME Pay, for Asha. {pause 3} 4, 0, 7, 1, 1, 3"
    # A second, 19 characters, three seconds, six digits and five breaks.
    once = 1 + 19 / 15 + 3 + 6 / 2.5 + 5 * 0.5
    assert shown["heard_after"] == round(once)
    assert shown["seconds"] == pytest.approx(3 * once, abs=0.6)
    assert (shown["repetitions"], shown["voice"]) == (3, "Polly.Aditi")
    assert shown["document"] == shown["requests"]["abroad"]["body"]["Twiml"]
    assert shown["document"].count('<Pause length="3"/>') == 3
    assert shown["warnings"] == []


def test_preview_of_a_route_in_words(environ: dict[str, str]) -> None:
    """With the setting that the text comes from: the client's own."""
    own = {"clients_login_texts": '{"default": "{brand}, for {Name}. It is {otp}."}'}
    changes = {f"OTPVOICE_{name.upper()}": value for name, value in (ABROAD | own).items()}
    command = ("preview", "--client", "login", "--route", "abroad", "--name", "Asha")
    done = run_command(*command, **environ | changes)
    lines = done.stdout.splitlines()
    first = "Text clients.login.texts.default by route abroad in the provider's own voice, "
    assert lines[0] == f"{first}with an example code."
    assert "in which the text is spoken 3 times, and the code is spoken once after" in lines[1]
    assert any(line.startswith("  <Response><Pause") for line in lines)
    assert "abroad  POST https://api.twilio.com/2010-04-01/Accounts/AC1/Calls.json" in lines
    assert lines[-1] == "No warnings."


def test_preview_of_a_gated_text_begins_with_its_prompt(environ: dict[str, str]) -> None:
    """Then comes the text with the code."""
    text = {"text": "Code {otp}.", "gate": True, "prompt": "{brand}, for {Name}. Press 1."}
    gated = {"providers_abroad_texts": json.dumps({"default": text})}
    shown = preview(environ, "--route", "abroad", "--name", "Asha", **ABROAD | gated)
    assert shown["prompt"] == "ACME Pay, for Asha. Press 1."
    assert shown["says"] == "Code 4, 0, 7, 1, 1, 3."
    assert shown["warnings"] == []


def test_preview_of_a_payment_fills_an_example_in(environ: dict[str, str]) -> None:
    """In the language of the flow, and as variables. Requests without one speak nothing."""
    text = "{brand}: {amount} to {payee}, for {Name}. The code is: {otp}. Again: {otp}."
    hindi = preview(environ, "--locale", "hi", "--name", "Asha", "--text", text)
    assert hindi["says"].startswith("ACME Pay: 2500 रुपये to ACME Stores, for Asha.")
    for request in hindi["requests"].values():
        assert request["body"]["variables[amount]"] == "2500 रुपये"
        assert request["body"]["variables[payee]"] == "ACME Stores"
    (warning,) = hindi["warnings"]
    assert "speak nothing if a request has no transaction" in warning
    without = preview(environ, "--name", "Asha")
    assert not any("amount" in str(request) for request in without["requests"].values())
    assert without["warnings"] == []


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
    said = "ACME Pay, for Asha. The code is: 4, 0, 7, 1, 1, 3. Again: 4, 0, 7, 1, 1, 3."
    assert said in done.output
    assert "Speech of about 8 s, and the code is spoken once after 5 s:" in done.output
    assert re.search(r"^obd  POST https://\S+/outgoing/send$", done.output, re.MULTILINE)
    assert re.search(r"^c2c  POST https://\S+/voice/c2c$", done.output, re.MULTILINE)
    assert re.search(r"^  variables\[Name\] +Asha$", done.output, re.MULTILINE)
    assert done.output.endswith("No warnings.\n")
    assert environ["OTPVOICE_PROVIDER_TOKEN"] not in done.output


def test_the_locale_chooses_as_in_a_request(environ: dict[str, str]) -> None:
    """``hi-IN`` is spoken by the Hindi flow, and a language without one by the default."""
    hindi = preview(environ, "--locale", "hi-IN", "--name", "आशा")
    tamil = preview(environ, "--locale", "ta")

    assert hindi["flow"] == {"locale": "hi", "id": "24", "setting": "provider.flows"}
    assert hindi["says"] == "ACME Pay: आशा जी: 4, 0, 7, 1, 1, 3। 4, 0, 7, 1, 1, 3"
    assert tamil["flow"]["locale"] == "default"
    assert "No flow speaks ta" in tamil["warnings"][0]


def test_preview_accepts_the_digits_filter_for_plain_codes(environ: dict[str, str]) -> None:
    """``{{otp@digits}}`` is spoken digit by digit."""
    text = "{{brand}}, for {{Name}}. The code: {{otp@digits}}. Again: {{otp@digits}}."
    document = preview(environ, "--text", text, provider_otp_format="plain")

    assert document["warnings"] == []
    assert document["says"].endswith("Again: 4 0 7 1 1 3.")
    assert document["requests"]["obd"]["body"]["variables[otp]"] == "407113"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--client", "nobody"), "'nobody' is not configured (bank, login)"),
        (("--locale", "h"), "must be a language tag"),
        (("--client", "login", "--route", "sip"), "'sip' is not a route (obd, c2c)"),
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
