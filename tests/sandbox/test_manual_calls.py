"""Phones that ring until a test presses a button."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

import pytest
import requests
from sandbox.vendor import C2C, OBD, PERSON, ended_calls, place_call, press, set_behaviour

from otpvoice_sandbox import RunningSandbox, SandboxConfig

HELLO = "Hello YourName, your otp for login is 1, 2, 3, 4, 5, 6"


def wait_for_status(sandbox: RunningSandbox, status: str, attempts: int = 1) -> None:
    """Wait until the call has this status."""
    network = sandbox.state

    def is_so() -> bool:
        call = network.current_call(PERSON)
        return bool(call and call.status == status and len(call.attempts) == attempts)

    assert sandbox.state.wait_until(is_so, 60), network.phone_calls(PERSON)


@pytest.mark.parametrize(
    ("button", "ending"),
    [
        ("decline", ("BUSY", None)),
        ("ignore", ("NOANSWER", None)),
        ("answer", ("ANSWER", "person")),
        ("voicemail", ("ANSWER", "machine")),
    ],
)
def test_button_sets_outcome_of_call(
    sandbox: RunningSandbox,
    inbox: SimpleQueue[dict[str, Any]],
    button: str,
    ending: tuple[str, str | None],
) -> None:
    """The phone rings longer than others do; call and callback report the button."""
    set_behaviour(sandbox, "by_hand")
    place_call(sandbox, OBD)
    wait_for_status(sandbox, "ringing")
    assert not sandbox.state.wait_until(lambda: not inbox.empty(), 0.1)

    status, answered_by = ending
    assert press(sandbox, button) == 204
    if answered_by:
        wait_for_status(sandbox, "talking")
        press(sandbox, "hang_up")
    [call] = ended_calls(sandbox)

    assert (call["status"], call["answered_by"], call["attempts_rung"]) == (status, answered_by, 1)
    assert f'"status":"{status}"' in inbox.get(timeout=5)["body"]


def test_manual_call_without_button_is_not_answered(sandbox: RunningSandbox) -> None:
    """It rings for the configured seconds; a later button is rejected."""
    set_behaviour(sandbox, "by_hand", seconds=0.1)
    place_call(sandbox, OBD)
    [call] = ended_calls(sandbox)

    assert call["status"] == "NOANSWER"
    ringing = call["attempts"][0]
    assert ringing["ended_at"] - ringing["started_at"] >= 0.1
    assert press(sandbox, "answer") == 409


def test_manual_conversation_takes_real_time(
    sandbox: RunningSandbox, inbox: SimpleQueue[dict[str, Any]]
) -> None:
    """The reported duration and text end where the user hangs up.

    The scheduled end of the ringing has no effect on an answered call.
    """
    set_behaviour(sandbox, "by_hand", seconds=1)
    place_call(sandbox, OBD)
    wait_for_status(sandbox, "ringing")
    press(sandbox, "answer")
    wait_for_status(sandbox, "talking")
    call = sandbox.state.current_call(PERSON)
    assert call
    answered = call.answered_at
    assert call.spoken_text == HELLO
    assert not sandbox.state.wait_until(lambda: not inbox.empty(), 1.1)
    assert (call.status, call.answered_at) == ("talking", answered)
    assert press(sandbox, "answer") == 409

    assert press(sandbox, "hang_up") == 204
    [call_json] = ended_calls(sandbox)

    assert call_json["status"] == "ANSWER"
    assert call_json["spoken"] == HELLO[: len(call_json["spoken"])] != HELLO
    seconds = len(call_json["spoken"]) // 10
    assert f'"duration":"{seconds}"' in inbox.get(timeout=5)["body"]


def test_redial_rings_by_hand_again(sandbox: RunningSandbox) -> None:
    """A declined call that the vendor redials rings the same phone again."""
    set_behaviour(sandbox, "by_hand")
    place_call(sandbox, C2C | {"attempts": "1"})
    wait_for_status(sandbox, "ringing")
    press(sandbox, "decline")
    wait_for_status(sandbox, "ringing", attempts=2)
    press(sandbox, "answer")
    wait_for_status(sandbox, "talking", attempts=2)
    press(sandbox, "hang_up")

    assert [call["attempts_rung"] for call in ended_calls(sandbox)] == [2]


def test_simultaneous_buttons_first_one_counts(sandbox: RunningSandbox) -> None:
    """The others get 409."""
    set_behaviour(sandbox, "by_hand")
    place_call(sandbox, OBD)
    wait_for_status(sandbox, "ringing")

    with ThreadPoolExecutor(8) as hands:
        statuses = list(hands.map(lambda _: press(sandbox, "decline"), range(8)))

    assert sorted(statuses) == [204] + [409] * 7
    assert len(ended_calls(sandbox)) == 1


@pytest.mark.parametrize("document", [{}, {"button": "reject"}, {"button": 1}, {"butto": "x"}])
def test_press_with_invalid_button_returns_422(
    sandbox: RunningSandbox, document: dict[str, Any]
) -> None:
    """A typo is rejected."""
    url = f"{sandbox.url}/phones/{PERSON}/press"
    assert requests.post(url, json=document, timeout=5).status_code == 422


def test_button_before_automatic_answer_wins(start: Callable[..., RunningSandbox]) -> None:
    """The call ends once."""
    sandbox = start(SandboxConfig(token="t0ken", ring_seconds=5))
    place_call(sandbox, OBD)
    wait_for_status(sandbox, "ringing")
    assert press(sandbox, "decline") == 204
    network = sandbox.state
    assert sandbox.state.wait_until(lambda: all(c.ended_at for c in network.calls), 60)
    assert [call["status"] for call in network.phone_calls(PERSON)] == ["BUSY"]
