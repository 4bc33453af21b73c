"""Flows of the portal that ask for a key: who hears the code, and which key the vendor reports."""

from dataclasses import replace

import pytest
from sandbox.vendor import C2C, OBD, PERSON, ended_calls, place_call, press, set_behaviour, vendor

from otpvoice_sandbox import RunningSandbox, SandboxConfig
from otpvoice_sandbox.scheduling import VENDOR_ZONE

PROMPT, CODE = "For YourName: press 1.", "Code 1, 2, 3, 4, 5, 6"


@pytest.fixture
def config(config: SandboxConfig) -> SandboxConfig:
    """An account with two flows that ask for a key, one of them with the default prompt."""
    flows = {"24": "Code {otp}", "220": "Code {otp}", "30": "Plain {otp}"}
    return replace(config, flows=flows, prompts={"24": "For {Name}: press 1.", "220": ""})


def reported_keys(sandbox: RunningSandbox) -> list[str]:
    """Return ``dtmf`` of all ended calls, in the log of calls."""
    page = vendor(sandbox, "GET", "voice/calls", params={"datetime[end_at]": today(sandbox)})
    return [entry["dtmf"] for entry in page.json()["data"]["data"]]


def today(sandbox: RunningSandbox) -> str:
    """Return the day of the last call, as the vendor's log is asked for it."""
    (*_, last) = sandbox.state.calls
    return " - ".join([f"{last.received_at.wall.astimezone(VENDOR_ZONE):%b %d, %Y}"] * 2)


@pytest.mark.parametrize(
    ("behaviour", "options", "spoken", "key"),
    [
        ("press_1", {}, f"{PROMPT} {CODE}", "1"),
        ("answer", {"key": "#"}, f"{PROMPT} {CODE}", "#"),
        ("press_9", {}, PROMPT, "9"),
        ("answer", {}, PROMPT, ""),
        ("voicemail", {}, PROMPT, ""),
        ("screening", {}, PROMPT, ""),
        ("screening", {"key": "1"}, PROMPT, ""),
        ("hang_up_early", {"key": "1"}, PROMPT[:10], ""),
    ],
)
def test_code_is_spoken_to_a_person_who_pressed_a_key(
    sandbox: RunningSandbox, behaviour: str, options: dict[str, str], spoken: str, key: str
) -> None:
    """Not after 9, and to no machine. The status queries report the key, the callback does not."""
    set_behaviour(sandbox, behaviour, **options)
    place_call(sandbox, OBD)
    (call,) = ended_calls(sandbox)
    assert (call["spoken"], call["key"], call["status"]) == (spoken, key, "ANSWER")
    status = vendor(sandbox, "GET", "outgoing/callstatus", params={"mobile": PERSON}).json()
    assert [entry["dtmf"] for entry in status["data"]] == [key]
    assert reported_keys(sandbox) == [key]


def test_screening_assistant_listens_longer_than_the_prompt(sandbox: RunningSandbox) -> None:
    """So the length of the conversation does not give it away."""
    set_behaviour(sandbox, "screening")
    place_call(sandbox, OBD | {"flow_id": "30"})
    (call,) = ended_calls(sandbox)
    assert (call["spoken"], call["answered_by"]) == ("Plain 1, 2, 3, 4, 5, 6", "machine")
    assert sandbox.state.calls[0].talk_seconds == 20


def test_flow_without_a_prompt_asks_for_no_key(sandbox: RunningSandbox) -> None:
    set_behaviour(sandbox, "press_9")
    place_call(sandbox, OBD | {"flow_id": "30"})
    assert ended_calls(sandbox)[0]["spoken"] == "Plain 1, 2, 3, 4, 5, 6"
    assert reported_keys(sandbox) == [""]


def test_c2c_call_asks_with_the_default_prompt(sandbox: RunningSandbox) -> None:
    set_behaviour(sandbox, "press_1")
    place_call(sandbox, C2C)
    (call,) = ended_calls(sandbox)
    assert call["spoken"] == (
        "Your login code. To hear it, press 1. If you did not ask for it, press 9. Code 12344"
    )
    assert reported_keys(sandbox) == ["1"]


def test_key_is_pressed_by_hand_once(sandbox: RunningSandbox) -> None:
    """Before it, the conversation waits; after it, the code is spoken."""
    set_behaviour(sandbox, "by_hand")
    place_call(sandbox, OBD)
    state = sandbox.state
    assert state.wait_until(lambda: bool(state.calls and state.calls[0].status == "ringing"), 30)
    assert press(sandbox, "1") == 409
    buttons = ("answer", "5", "5", "hang_up")
    assert [press(sandbox, button) for button in buttons] == [204, 204, 409, 204]
    (call,) = ended_calls(sandbox)
    assert call["key"] == "5"
    assert call["spoken"].startswith(PROMPT)  # the key ends it at once
