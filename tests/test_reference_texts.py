"""The reference texts of docs/flow-texts.md: their durations, and that they lead to no warning."""

import json
import re
from pathlib import Path
from typing import Final, NamedTuple

import pytest
from cli.cli_runner import run_command

from otpvoice.providers.base import Speech
from otpvoice.providers.mobtexting.provider import Mobtexting
from otpvoice.providers.plivo import document as plivo
from otpvoice.providers.twiml import document as twiml

PAGE: Final = (Path(__file__).parents[1] / "docs" / "flow-texts.md").read_text(encoding="utf-8")
CODE: Final = "407113"
ADITI: Final = "Polly.Aditi"
LONGEST_NAME: Final = "Venkatanarasimharajuvaripeta Subramaniam"


class Reference(NamedTuple):
    """A flow and a text that say the same."""

    heading: str
    locale: str
    flow: str
    text: str


_BLOCK: Final = r".*?^```text\n([^\n]+)\n```$"
REFERENCES: Final = [
    Reference(*found)
    for found in re.findall(
        rf"^### ([^\n]*?\(`([\w-]+)`\)[^\n]*)\n{_BLOCK}{_BLOCK}", PAGE, re.MULTILINE | re.DOTALL
    )
]


def speech(text: str, name: str = "Asha") -> Speech:
    """Return the example of the page."""
    return Speech("hi", text, name, CODE, variables={"brand": "ACME Pay"})


def rows_of_flows() -> list[str]:
    """Return the table of flows."""
    provider = Mobtexting(base_url="http://x/", token="x")
    plans = [(each.heading, provider.plan_speech(speech(each.flow))) for each in REFERENCES]
    return [f"| {head} | {plan.code_after_s} s | {plan.duration_s} s |" for head, plan in plans]


def rows_of_texts() -> list[str]:
    """Return the table of texts."""
    rows = []
    for each in REFERENCES:
        said = speech(each.text)
        ours = twiml.plan_speech(said, twiml.Voice(ADITI, "hi-IN"))
        theirs = plivo.plan_speech(said, plivo.Voice(ADITI, "hi-IN"))
        cells = (ours.code_after_s, ours.duration_s, theirs.code_after_s, theirs.duration_s)
        rows.append(f"| {each.heading} | {' | '.join(f'{seconds} s' for seconds in cells)} |")
    return rows


def test_durations_of_the_page_are_measured() -> None:
    """Each row of both tables."""
    assert len(REFERENCES) == 12
    for rows in (rows_of_flows(), rows_of_texts()):
        assert "\n".join(rows) in PAGE, "\n".join(["", *rows])


def test_drafts_are_marked_in_their_headings() -> None:
    """All but English and Hindi."""
    drafts = [each.locale for each in REFERENCES if "draft, not reviewed" in each.heading]
    assert drafts == ["bn", "mr", "ta", "te", "kn", "gu", "ml"]
    others = {each.locale for each in REFERENCES} - {*drafts}
    assert others == {"en", "hi", "default"}


@pytest.mark.parametrize("name", ["Asha", LONGEST_NAME])
@pytest.mark.parametrize("reference", REFERENCES, ids=lambda each: each.heading)
def test_reference_texts_lead_to_no_warning(
    environ: dict[str, str], reference: Reference, name: str
) -> None:
    """At the settings' defaults, also with the longest name, by each kind of company."""
    flow, text = {"id": "25", "text": reference.flow}, reference.text
    voices = json.dumps({"default": ADITI})
    tables = {
        "PROVIDER_FLOWS": json.dumps({"default": flow, reference.locale: flow}),
        "CLIENTS_LOGIN_TEXTS": json.dumps({"default": text, reference.locale: text}),
        "CLIENTS_LOGIN_SPOKEN_BRAND": "ACME Pay",
        "CLIENTS_BANK_SPOKEN_BRAND": "Bank",
        "PROVIDERS_ABROAD_KIND": "twiml",
        "PROVIDERS_ABROAD_VENDOR": "twilio",
        "PROVIDERS_ABROAD_ACCOUNT": "AC1",
        "PROVIDERS_ABROAD_TOKEN": "t0ken-of-the-vendor",
        "PROVIDERS_ABROAD_BRIDGE": "12025550100",
        "PROVIDERS_ABROAD_TEXTS": '{"default": "{otp}"}',
        "PROVIDERS_ABROAD_VOICES": voices,
        "PROVIDERS_HOME_KIND": "plivo",
        "PROVIDERS_HOME_AUTH_ID": "MA000000000000000000",
        "PROVIDERS_HOME_AUTH_TOKEN": "t0ken-of-plivo",
        "PROVIDERS_HOME_BRIDGE": "918047285000",
        "PROVIDERS_HOME_TEXTS": '{"default": "{otp}"}',
        "PROVIDERS_HOME_VOICES": voices,
    }
    if "screen-safe" in reference.heading:
        tables["VERIFICATION_MIN_REMAINING_LIFE"] = "75"
    changed = {f"OTPVOICE_{setting}": value for setting, value in tables.items()}
    command = ["preview", "--client", "login", "--json"]
    if reference.locale != "default":
        command += ["--locale", reference.locale]
    done = run_command(*command, "--name", name, **environ | changed)
    shown = json.loads(done.stdout)
    assert shown["warnings"] == []
    assert shown["says"].count("4, 0, 7, 1, 1, 3") >= 3
    assert [*shown["requests"]] == ["obd", "c2c", "abroad", "home"]
