"""Plivo's own SDK judges what the adapter makes and accepts."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from integrations.locked_packages import python_packages
from providers.plivo_samples import AUTH_ID, KEY_URL, NONCE, NUMBER, TOKEN, URL, hangup_form
from support.processes import environment
from support.service import SandboxPhones

from otpvoice.providers.base import Speech
from otpvoice.providers.plivo.document import (
    DEFAULT_VOICES,
    EMPTY_DOCUMENT,
    Voice,
    build_document,
    build_prompt,
)
from otpvoice.providers.plivo.signature import is_signed
from otpvoice_sandbox import RunningSandbox, SandboxConfig

SDK = Path(__file__).parent / "plivo_sdk"
TIMEOUT_S = 110

Case = dict[str, Any]
Run = Callable[[str, list[Any]], list[Any]]
"""Runs one of the scripts with cases, and returns a result for each."""


@pytest.fixture(scope="module")
def run() -> Run:
    """Return a function that runs a script with the SDK."""
    packages = python_packages(SDK / "plivo4.txt")

    def run(script: str, cases: list[Any]) -> list[Any]:
        done = subprocess.run(
            [sys.executable, SDK / script],
            input=json.dumps(cases),
            env=environment() | {"PYTHONPATH": str(packages)},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        results: list[Any] = json.loads(done.stdout)
        return results

    return run


def case(url: str = URL, form: dict[str, str] | None = None, token: str = TOKEN) -> Case:
    """Return a POST that is signed."""
    return {"url": url, "form": form or hangup_form(), "token": token, "nonce": NONCE}


GENUINE = [
    case(),
    case("https://otp.example.com/webhooks/plivo"),
    case("https://otp.example.com:8443/calls/plivo/a.b?call=1&b=2&a=%20x&a=b&c="),
    case("http://127.0.0.1:8000/x?z=1&a=2"),
    case(form={"To": "+91 98765", "A": "ä€", "a": "", "Digits": "9"}),
    case(form=hangup_form(HangupCauseName="Cancelled (Out Of Credits)", To=None)),
]


def verify(genuine: Case, signature: str, **changes: Any) -> bool:
    """Return the adapter's verdict on a POST."""
    signed = {**genuine, **changes}
    headers = {
        "x-plivo-signature-v3": signature,
        "x-plivo-signature-v3-nonce": signed["nonce"],
    }
    return is_signed(signed["url"], signed["form"].items(), headers, (signed["token"],))


def test_signatures_of_the_sdk_are_accepted(run: Run) -> None:
    """Ports, escapes, repeated and empty members, any script, and no query string."""
    signatures = run("judge.py", GENUINE)
    assert [verify(*each) for each in zip(GENUINE, signatures, strict=True)] == [True] * len(
        GENUINE
    )


CHANGES: list[Case] = [
    {},
    {"url": URL + "1"},
    {"url": URL.replace("https", "http")},
    {"url": URL + "#ct=2000"},
    {"form": hangup_form(CallStatus="busy")},
    {"form": hangup_form(X="")},
    {"token": TOKEN[1:]},
    {"nonce": NONCE[1:]},
]


def test_verdicts_equal_those_of_the_sdk(run: Run) -> None:
    """On each change of the signed message, and on each list of signatures."""
    genuine = case()
    (signature,) = run("judge.py", [genuine])
    offers = [
        (changes, shape.format(signature))
        for changes in CHANGES
        for shape in ("{}", "x,{}", "{}x", "{},", "x")
    ]
    verdicts = run(
        "judge.py", [genuine | changes | {"signature": each} for changes, each in offers]
    )
    assert [verify(genuine, each, **changes) for changes, each in offers] == verdicts
    assert 3 < verdicts.count(True) < len(verdicts) / 2


def test_sdk_knows_each_element_of_a_document(run: Run) -> None:
    """Names, attributes and nesting; a wrong document would end the call."""
    text, prompt = "ACME. {pause 5} {Name}, {otp}", "ACME, {Name}. {pause 2} Press 1."
    speech = Speech("", text, "O'Neil & Söhne", "4711", prompt)
    voices = (*DEFAULT_VOICES.values(), Voice("WOMAN", "en-US"))
    documents = [
        EMPTY_DOCUMENT,
        *(build_document(speech, each) for each in voices),
        *(build_prompt(speech, each, KEY_URL) for each in voices),
    ]
    wrong = "<Response><Say voice='x'/><Speak rate='1'><Wait/></Speak></Response>"
    *found, found_in_wrong = run("documents.py", [*(each.decode() for each in documents), wrong])
    assert found == [[]] * len(documents)
    assert found_in_wrong == [
        "<Say> in <Response>", "<Say>", "<Speak rate>", "<Wait> in <Speak>"
    ]  # fmt: skip


def test_sandbox_places_the_calls_of_the_sdk(run: Run) -> None:
    """The sandbox is strict, so it must accept what the SDK sends, and be understood by it."""
    config = SandboxConfig(token=TOKEN, ring_seconds=0.01, talk_seconds=0.01)
    arguments = {"from_": "918047285000", "to_": NUMBER, "answer_url": "http://127.0.0.1:1/"}
    with RunningSandbox(config) as sandbox:
        account = {"base_url": f"{sandbox.url}/", "auth_id": AUTH_ID, "token": TOKEN}
        create = account | {"method": "create", "arguments": arguments}
        placed, refused = run("client.py", [create, create | {"token": "another"}])
        assert placed["message"] == "call fired"
        assert refused == {"error": "AuthenticationError"}
        assert sandbox.state.wait_until(lambda: bool(sandbox.state.calls[0].ended_at), 10)
        name = {"call_uuid": placed["request_uuid"]}
        record, missing, listed = run(
            "client.py",
            [
                account | {"method": "get", "arguments": name},
                account | {"method": "get", "arguments": {"call_uuid": "none"}},
                account | {"method": "list", "arguments": {"to_number": NUMBER, "limit": 20}},
            ],
        )
        SandboxPhones(sandbox.url).set_behaviour(NUMBER, "by_hand")
        (rings,) = run("client.py", [create])
        cancel = {"method": "cancel", "arguments": {"request_uuid": rings["request_uuid"]}}
        canceled, again = run("client.py", [account | cancel] * 2)
        assert sandbox.state.calls[1].status == "CANCEL"
    assert canceled is None or "error" not in canceled
    assert again == {"error": "ResourceNotFoundError"}
    assert (record["call_uuid"], record["to_number"]) == (placed["request_uuid"], NUMBER)
    assert missing == {"error": "ResourceNotFoundError"}
    assert [each["call_uuid"] for each in listed["objects"]] == [placed["request_uuid"]]
