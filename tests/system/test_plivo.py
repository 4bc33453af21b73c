"""A whole service that calls through Plivo: the provider fetches what each call speaks."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests
from support.processes import TIMEOUT_S, free_port, otpvoice_process, wait_until
from support.service import SandboxPhones
from support.stack import Stack, running_service

from otpvoice_sandbox import RunningSandbox, SandboxConfig

TOKEN = "auth-token-of-the-tests"
HINDI = "ACME. {Name} आपका कोड {otp} है।"


@pytest.fixture(scope="module")
def plivo() -> Iterator[RunningSandbox]:
    """Run the provider."""
    config = SandboxConfig(token=TOKEN, ring_seconds=0.05, talk_seconds=0.05)
    with RunningSandbox(config) as running:
        yield running


@pytest.fixture(scope="module")
def stack(
    environ: Mapping[str, str], plivo: RunningSandbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """Run a service whose calls go through Plivo."""
    bind = f"127.0.0.1:{free_port()}"
    own = {
        "KIND": "plivo",
        "AUTH_ID": "MA000000000000000000",
        "AUTH_TOKEN": TOKEN,
        "BASE_URL": f"{plivo.url}/v1/",
        "BRIDGE": "918047285000",
        "TEXTS": f"default=ACME. Your code is {{otp}}.,hi={HINDI}",
    }
    with running_service(
        environ,
        tmp_path_factory.mktemp("service"),
        OTPVOICE_SERVER_BIND=bind,
        OTPVOICE_SERVER_PUBLIC_URL=f"http://{bind}",
        OTPVOICE_DIALER_ROUTES="plivo",
        **{f"OTPVOICE_PROVIDERS_PLIVO_{name}": value for name, value in own.items()},
    ) as started:
        yield started


def first_call(stack: Stack, created: dict[str, Any]) -> dict[str, Any]:
    """Return the verification's first call."""
    call: dict[str, Any] = stack.service.get_verification(created)["calls"][0]
    return call


def wait_for_status(stack: Stack, created: dict[str, Any], status: str) -> dict[str, Any]:
    """Wait for the first call's status, and return the call."""
    wait_until(lambda: first_call(stack, created)["status"] == status, f"status {status}")
    return first_call(stack, created)


def test_spoken_code_is_accepted(stack: Stack, plivo: RunningSandbox) -> None:
    """In the language of the request, with the name, three times; and in nobody's logs."""
    to = "+919876540001"
    created = stack.service.create(to, name="आशा", locale="hi")
    call = wait_for_status(stack, created, "answered")
    assert (call["route"], call["caller_id"], call["heard"]) == ("plivo", "+918047285000", True)
    (rung,) = SandboxPhones(plivo.url).calls(to)
    spoken = re.findall(r"ACME\. आशा आपका कोड ((?:\d ?){6}) है।", rung["spoken"])
    assert len(spoken) == 3
    code = spoken[0].replace(" ", "")
    assert stack.service.check(created, code).json()["valid"] is True
    logs = stack.api.log.read_text("utf-8") + stack.dialer.log.read_text("utf-8")
    assert "call.spoken" in logs
    (entry,) = [each for each in plivo.state.request_log() if each["person"] == to[1:]]
    for text in (logs, str(entry)):
        assert code not in text
    assert entry["request"]["answer_url"].rpartition("/")[2].partition("?")[0] not in logs


def test_stranger_learns_nothing(stack: Stack, plivo: RunningSandbox) -> None:
    """Not with the address, and not after the call."""
    to = "+919876540005"
    wait_for_status(stack, stack.service.create(to), "answered")
    (entry,) = [each for each in plivo.state.request_log() if each["person"] == to[1:]]
    url = entry["request"]["answer_url"]
    for address in (url, url.partition("?")[0], f"{url}0"):
        response = requests.post(address, data={"CallStatus": "in-progress"}, timeout=TIMEOUT_S)
        assert (response.status_code, response.json()["code"]) == (404, "not_found")
    assert requests.get(url, timeout=TIMEOUT_S).status_code == 405


def test_api_document_has_both_addresses(stack: Stack) -> None:
    """Of callbacks and of what calls speak."""
    document = stack.service.get("/openapi.json").json()
    assert {*document["paths"]["/calls/plivo/{path_token}"]} == {"post"}
    assert "post" in document["paths"]["/webhooks/plivo"]
    operations = [
        each["operationId"] for path in document["paths"].values() for each in path.values()
    ]
    assert len(operations) == len({*operations})


def test_phone_stops_ringing_when_the_verification_ends(
    stack: Stack, plivo: RunningSandbox
) -> None:
    """The dialer takes the call back from the provider."""
    to = "+919876540006"
    SandboxPhones(plivo.url).set_behaviour(to, "by_hand", seconds=300)
    created = stack.service.create(to)
    wait_for_status(stack, created, "placed")
    canceled = stack.service.post(f"/v1/verifications/{created['id']}/cancel").json()
    assert (canceled["status"], canceled["calls"][0]["status"]) == ("canceled", "placed")
    call = wait_for_status(stack, created, "canceled")
    assert (call["reason"], call["ended_at"] is None) == ("ended_first", False)
    (rung,) = SandboxPhones(plivo.url).calls(to)
    assert (rung["status"], rung["spoken"]) == ("CANCEL", None)
    wait_until(lambda: "call.cancel_requested" in stack.dialer.output(), "the log of the request")


def test_another_dialer_cancels_the_call_of_a_dead_one(
    stack: Stack, plivo: RunningSandbox, tmp_path: Path
) -> None:
    """The dialer that placed the call does nothing any more, so its verification's end waits."""
    to = "+919876540007"
    SandboxPhones(plivo.url).set_behaviour(to, "by_hand", seconds=300)
    created = stack.service.create(to)
    wait_for_status(stack, created, "placed")
    with stack.dialer.paused():
        stack.service.post(f"/v1/verifications/{created['id']}/cancel")
        assert SandboxPhones(plivo.url).calls(to)[0]["status"] == "ringing"
        with otpvoice_process("dialer", stack.variables, tmp_path):
            wait_for_status(stack, created, "canceled")
    assert SandboxPhones(plivo.url).calls(to)[0]["status"] == "CANCEL"


@pytest.mark.parametrize(
    ("number", "behaviour", "status"),
    [
        ("+919876540002", "busy", "busy"),
        ("+919876540003", "no_answer", "no_answer"),
        ("+919876540004", "out_of_credit", "failed"),
    ],
)
def test_call_that_is_not_answered(
    stack: Stack, plivo: RunningSandbox, number: str, behaviour: str, status: str
) -> None:
    """The last one closes the only route."""
    SandboxPhones(plivo.url).set_behaviour(number, behaviour)
    wait_for_status(stack, stack.service.create(number), status)
