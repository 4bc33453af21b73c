"""Telnyx's SDK judges what the adapter believes and sends, and what the sandbox accepts."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from integrations.locked_packages import python_packages
from providers.twiml_callbacks import PUBLIC_KEY, sign_ed25519
from providers.twiml_samples import BRIDGE, CALLBACK, NUMBER, TOKEN, account, outbound_call
from support.processes import environment

from otpvoice.providers.base import Speech
from otpvoice.providers.twiml.document import Voice, render_document
from otpvoice.providers.twiml.placement import CallOptions, build_request
from otpvoice.providers.twiml.signature import SignedMessage, create_verifier
from otpvoice.providers.twiml.vendors import SignatureScheme
from otpvoice_sandbox import RunningSandbox, SandboxConfig
from otpvoice_sandbox.twiml_vendors import TWIML_VENDORS, telnyx_public_key

SCRIPTS = Path(__file__).parent / "telnyx_sdk"
TIMEOUT_S = 110
BODY = urlencode({**CALLBACK, "CallerName": "आशा & Söhne"}).encode()


def messages() -> dict[str, tuple[bytes, dict[str, str], str]]:
    """Return a body, headers and public key for each case."""
    now = int(time.time())
    signed = sign_ed25519(BODY, now)
    sandbox = dict(TWIML_VENDORS["telnyx"].sign("", BODY.decode(), {}, TOKEN))
    lowered = {name.lower(): value for name, value in sandbox.items()}
    without = [{name: value} for name, value in signed.items()]
    moved = {**signed, "telnyx-timestamp": str(now - 1)}
    short = {**signed, "telnyx-signature-ed25519": "AAAA"}
    return {
        "signed": (BODY, signed, PUBLIC_KEY),
        "by the sandbox": (BODY, lowered, telnyx_public_key(TOKEN)),
        "a minute old": (BODY, sign_ed25519(BODY, now - 60), PUBLIC_KEY),
        "four minutes ahead": (BODY, sign_ed25519(BODY, now + 240), PUBLIC_KEY),
        "stale": (BODY, sign_ed25519(BODY, now - 600), PUBLIC_KEY),
        "ahead": (BODY, sign_ed25519(BODY, now + 600), PUBLIC_KEY),
        "altered": (BODY.replace(b"completed", b"busy"), signed, PUBLIC_KEY),
        "another time": (BODY, moved, PUBLIC_KEY),
        "another key": (BODY, signed, telnyx_public_key(TOKEN)),
        "no time": (BODY, sign_ed25519(BODY, "x"), PUBLIC_KEY),
        "short": (BODY, short, PUBLIC_KEY),
        "no signature": (BODY, without[0], PUBLIC_KEY),
        "no timestamp": (BODY, without[1], PUBLIC_KEY),
    }


@pytest.fixture(scope="module")
def cases() -> dict[str, tuple[bytes, dict[str, str], str]]:
    """Return the messages."""
    return messages()


@pytest.fixture(scope="module")
def verdict(cases: dict[str, tuple[bytes, dict[str, str], str]]) -> dict[str, Any]:
    """Return what the SDK makes of all messages, and of a call with the adapter's members."""
    packages = str(python_packages(SCRIPTS / "telnyx4.txt"))
    options = CallOptions(application_id="12345")
    document = render_document(Speech("hi", "ACME. {otp}.", "Asha", "4710"), Voice("Polly.Aditi"))
    sent = build_request(account("telnyx"), options, outbound_call(), {"Texml": document})
    with RunningSandbox(SandboxConfig(token=TOKEN, ring_seconds=0.01)) as sandbox:
        request = {
            "url": f"{sandbox.url}/v2",
            "token": TOKEN,
            "members": sent.members,
            "messages": [
                {"body": body.decode(), "headers": headers, "key": key}
                for body, headers, key in cases.values()
            ],
        }
        done = subprocess.run(
            [sys.executable, SCRIPTS / "judge.py"],
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


def test_sdk_and_adapter_believe_the_same_messages(
    cases: dict[str, tuple[bytes, dict[str, str], str]], verdict: dict[str, Any]
) -> None:
    """Genuine ones of the last minutes, and no other."""
    ours = [
        create_verifier(SignatureScheme.TELNYX, (key,)).is_signed(
            SignedMessage((), body, {}, headers)
        )
        for body, headers, key in cases.values()
    ]
    assert dict(zip(cases, ours, strict=True)) == dict(zip(cases, verdict["verified"], strict=True))
    assert ours == [True] * 4 + [False] * 9


def test_sdk_knows_the_members_of_a_request(verdict: dict[str, Any]) -> None:
    """By name and type; and it understands the sandbox's replies to them."""
    assert verdict["call"] == {
        "wrong": [],
        "created": [f"+{BRIDGE}", NUMBER, "queued"],
        "is_same": True,
    }
