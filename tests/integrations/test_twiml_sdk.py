"""Twilio's SDK judges what the adapter of the TwiML family and the sandbox send and accept."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree as ET

import pytest
from integrations.locked_packages import python_packages
from providers.twiml_callbacks import receive
from providers.twiml_samples import ADDRESSES, CALL_ID, CALLBACK, TOKEN, account
from support.processes import environment
from support.service import SandboxPhones

from otpvoice.core.verification import CallStatus
from otpvoice.providers.base import CallbackAuthError, Speech
from otpvoice.providers.twiml.document import Voice, render_document, render_prompt
from otpvoice_sandbox import RunningSandbox, SandboxConfig
from otpvoice_sandbox.twiml_vendors import TWIML_VENDORS

SCRIPTS = Path(__file__).parent / "twilio_sdks"
TIMEOUT_S = 110
RINGING = "+918867135001"
FORMS: dict[str, dict[str, list[str]]] = {
    "documented": {name: [value] for name, value in CALLBACK.items()},
    "empty values": {"CallStatus": ["completed"], "ErrorCode": [""], "": ["x"]},
    "any script": {"CallStatus": ["completed"], "CallerName": ["आशा & Söhne = 100 %"]},
    "repeated": {"CallStatus": ["completed"], "Tag": ["b", "a", "b", ""]},
    "names that begin alike": {"CallStatus": ["completed"], "Call": ["z"], "CallS": ["y"]},
    "case": {"CallStatus": ["completed"], "callstatus": ["busy"], "_": ["1"], "9": ["2"]},
}
HOSTS = {
    "https": "https://otp.example.com",
    "port": "https://voice.example.com:8443",
    "http": "http://127.0.0.1:8000",
}
DOCUMENTS = [["Asha", "4710"], ["O'Brien & <Söhne>", "0123456789"], ["आशा", "1234"]]


def address(host: str) -> str:
    """Return the address of a callback."""
    chosen = account(webhook_url=f"{HOSTS[host]}/webhooks/voice")
    return chosen.callback_urls(CALL_ID)[0]


@pytest.fixture(scope="module")
def cases() -> list[dict[str, Any]]:
    """Each form at each address, signed by the sandbox if no member is repeated."""
    found = []
    for host in HOSTS:
        for name, form in FORMS.items():
            case: dict[str, Any] = {"host": host, "form": name, "key": TOKEN}
            case |= {"url": address(host), "members": form}
            if all(len(values) == 1 for values in form.values()):
                members = {each: value for each, (value,) in form.items()}
                signed = TWIML_VENDORS["twilio"].sign(case["url"], "", members, TOKEN)
                case["signature"] = signed["X-Twilio-Signature"]
            found.append(case)
    return found


@pytest.fixture(scope="module")
def verdict(cases: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what the SDK makes of all cases."""
    packages = str(python_packages(SCRIPTS / "twilio9.txt"))
    with RunningSandbox(SandboxConfig(token=TOKEN, ring_seconds=0.01)) as sandbox:
        SandboxPhones(sandbox.url).set_behaviour(RINGING, "by_hand")
        request = {
            "signatures": cases,
            "documents": DOCUMENTS,
            "prompts": [[name, ADDRESSES.key(CALL_ID)] for name, _ in DOCUMENTS],
            "sandbox": [sandbox.url, TOKEN, "+918867135000", RINGING],
        }
        done = subprocess.run(
            [sys.executable, SCRIPTS / "twiml.py"],
            input=json.dumps(request),
            env=environment() | {"PYTHONPATH": packages},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    judged: dict[str, Any] = json.loads(done.stdout)
    return judged


def test_signatures_of_the_sdk_are_accepted(
    cases: list[dict[str, Any]], verdict: dict[str, Any]
) -> None:
    """And none of them for another form or at another address."""
    signatures = [judged["signature"] for judged in verdict["signatures"]]
    assert len(set(signatures)) == len(cases)
    for case, signature in zip(cases, signatures, strict=True):
        chosen = account(webhook_url=f"{HOSTS[case['host']]}/webhooks/voice")
        body = urlencode(case["members"], doseq=True).encode()
        headers = {"x-twilio-signature": signature}
        report = receive(case["url"], body, headers, chosen=chosen)
        assert report.status is CallStatus.ANSWERED
        for other in set(signatures) - {signature}:
            with pytest.raises(CallbackAuthError):
                receive(case["url"], body, {"x-twilio-signature": other}, chosen=chosen)


def test_signatures_of_the_sandbox_are_valid(
    cases: list[dict[str, Any]], verdict: dict[str, Any]
) -> None:
    """For the SDK; a case without a signature is not."""
    is_valid = [judged["is_valid"] for judged in verdict["signatures"]]
    assert is_valid == ["signature" in case for case in cases]
    assert is_valid.count(True) == 15


def test_documents_equal_those_of_the_sdk(verdict: dict[str, Any]) -> None:
    """As XML: the same elements, attributes and texts."""
    voice = Voice("Polly.Aditi", "hi-IN")
    text = "ACME. {Name}, your login code is {otp}."
    for (name, code), written in zip(DOCUMENTS, verdict["documents"], strict=True):
        ours = render_document(Speech("", text, name, code), voice)
        assert ET.canonicalize(ours) == ET.canonicalize(written)


def test_prompts_equal_those_of_the_sdk(verdict: dict[str, Any]) -> None:
    """Also the address in them."""
    voice, key_url = Voice("Polly.Aditi", "hi-IN"), ADDRESSES.key(CALL_ID)
    for (name, _), written in zip(DOCUMENTS, verdict["prompts"], strict=True):
        speech = Speech("", "{otp}", name, "4711", "ACME, for {Name}. Press 1.")
        ours = render_prompt(speech, voice, key_url)
        assert ET.canonicalize(ours) == ET.canonicalize(written)


def test_sdk_calls_the_sandbox(verdict: dict[str, Any]) -> None:
    """It parses the replies to creates and queries, and the refusal."""
    assert verdict["sandbox"] == {
        "created": ["queued", "+918867135000", True],
        "is_same": True,
        "canceled": "canceled",
        "refusal": [400, 21211],
    }
