"""A whole service whose calls ask for a key, through each company that speaks documents."""

import json
import re
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import pytest
import requests
from support import companies
from support.processes import TIMEOUT_S, free_port, wait_until
from support.service import SandboxPhones
from support.stack import Stack, running_service

from otpvoice_sandbox import RunningSandbox, SandboxConfig
from otpvoice_sandbox.twiml_vendors import TWIML_VENDORS

COMPANIES = ("twilio", "telnyx", "signalwire", "plivo")
PROMPT = "ACME, with the code for Asha. Press 1 to hear it, 9 if you did not ask for it."
TEXT = {"text": "Your code is {otp}.", "gate": True, "prompt": PROMPT.replace("Asha", "{Name}")}
_numbers = count(919876547000)


@pytest.fixture(scope="module")
def company() -> Iterator[RunningSandbox]:
    """Run the companies."""
    config = SandboxConfig(token=companies.TOKEN, ring_seconds=0.02, talk_seconds=0.02)
    with RunningSandbox(config) as running:
        yield running


@pytest.fixture(scope="module")
def stack(
    environ: Mapping[str, str], company: RunningSandbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """Run a service with an account at each company, whose text has a gate."""
    variables = companies.plivo(company.url)
    for vendor in COMPANIES[:3]:
        variables |= companies.twiml(vendor, company.url, vendor)
    for name in COMPANIES:
        variables[f"OTPVOICE_PROVIDERS_{name.upper()}_TEXTS"] = json.dumps({"default": TEXT})
    bind = f"127.0.0.1:{free_port()}"
    with running_service(
        environ,
        tmp_path_factory.mktemp("service"),
        OTPVOICE_DIALER_ROUTES=",".join(COMPANIES),
        OTPVOICE_SERVER_BIND=bind,
        OTPVOICE_SERVER_PUBLIC_URL=f"http://{bind}",
        **variables,
    ) as running:
        yield running


@pytest.fixture
def phones(company: RunningSandbox) -> SandboxPhones:
    """Return the phones that the companies call."""
    return SandboxPhones(company.url)


def heard(stack: Stack, created: dict[str, Any]) -> list[bool | None]:
    """Return of each call of a verification whether the code was heard."""
    return [call["heard"] for call in stack.service.get_verification(created)["calls"]]


def assert_unlogged(stack: Stack, secret: str) -> None:
    """Check that no log has the secret, apart from ids that have it by chance."""
    for process in (stack.api, stack.dialer):
        assert secret not in re.sub(r"[0-9a-f]{16,}", "", process.log.read_text("utf-8"))


@pytest.mark.parametrize("name", COMPANIES)
def test_key_lets_the_code_be_heard(stack: Stack, phones: SandboxPhones, name: str) -> None:
    """After the prompt, three times; the request for the call does not have it."""
    to = f"+{next(_numbers)}"
    phones.set_behaviour(to, "press_1")
    created = stack.service.create(to, name="Asha", route=name)
    wait_until(lambda: heard(stack, created) == [True], "the code to be heard")
    (call,) = phones.calls(to)
    prompt, spoken = call["spoken"][: len(PROMPT)], call["spoken"][len(PROMPT) :]
    digits = re.findall(r"\d", spoken)
    code = "".join(digits[:6])
    assert (prompt, digits) == (PROMPT, [*code] * 3)
    assert "Your code" not in str(call["request"])
    assert stack.service.check(created, code).json()["valid"] is True
    assert_unlogged(stack, code)


@pytest.mark.parametrize("name", COMPANIES)
def test_mailbox_never_gets_the_code(stack: Stack, phones: SandboxPhones, name: str) -> None:
    """It hears the prompt twice, and is called once more, by the next company."""
    to = f"+{next(_numbers)}"
    phones.set_behaviour(to, "voicemail")
    created = stack.service.create(to, name="Asha", route=name, code="471102")
    wait_until(lambda: heard(stack, created) == [False, False], "both calls to be unheard")
    assert [call["spoken"] for call in phones.calls(to)] == [f"{PROMPT} {PROMPT}"] * 2
    assert stack.service.get_verification(created)["status"] == "pending"
    assert_unlogged(stack, "471102")


@pytest.mark.parametrize("name", ["twilio", "plivo"])
def test_denied_call_ends_the_verification(stack: Stack, phones: SandboxPhones, name: str) -> None:
    """Nobody calls the number for a while."""
    to = f"+{next(_numbers)}"
    phones.set_behaviour(to, "press_9")
    created = stack.service.create(to, name="Asha", route=name)
    wait_until(lambda: heard(stack, created) == [False], "the end of the call")
    found = stack.service.get_verification(created)
    assert (found["status"], found["reason"]) == ("canceled", "denied")
    assert [call["spoken"] for call in phones.calls(to)] == [PROMPT]
    refused = stack.service.post("/v1/verifications", {"to": to, "reference": "another"})
    assert (refused.status_code, refused.json()["limit"]) == (429, "denial_block")


def test_copied_and_forged_keys_get_nothing(stack: Stack, phones: SandboxPhones) -> None:
    """Neither the code again, nor one for a stranger; they deny nothing. No token is logged."""
    to = f"+{next(_numbers)}"
    phones.set_behaviour(to, "press_1")
    created = stack.service.create(to, name="Asha", route="twilio")
    wait_until(lambda: heard(stack, created) == [True], "the code to be heard")
    (call,) = phones.calls(to)
    document = ET.fromstring(call["request"]["Twiml"])  # noqa: S314 - our own
    (url, _) = (each.attrib["action"] for each in document.iter("Gather"))
    for digits in ("1", "9"):
        form = {"CallSid": call["id"], "CallStatus": "in-progress", "Digits": digits}
        signed = TWIML_VENDORS["twilio"].sign(url, "", form, companies.TOKEN)
        copied = requests.post(url, form, headers=signed, timeout=TIMEOUT_S)
        assert (copied.status_code, "Say" in copied.text) == (200, False)
        forged = TWIML_VENDORS["twilio"].sign(url, "", form, "another token")
        for headers in (forged, {}):
            refused = requests.post(url, form, headers=headers, timeout=TIMEOUT_S)
            assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
    assert stack.service.get_verification(created)["status"] == "pending"
    assert_unlogged(stack, urlsplit(url).path.split("/")[3])
