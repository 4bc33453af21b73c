"""Phones that ring until a person presses a button."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

import pytest
import requests

from otpvoice.sandbox import RunningSandbox, SandboxConfig

PERSON = "918867135000"
HELLO = "Hello YourName, your otp for login is 1, 2, 3, 4, 5, 6"

Place = Callable[[RunningSandbox, dict[str, Any]], requests.Response]
Behave = Callable[..., None]
EndedCalls = Callable[..., list[dict[str, Any]]]


def press(sandbox: RunningSandbox, button: str) -> int:
    """The status of the answer."""
    url = f"{sandbox.url}/phones/{PERSON}/press"
    return requests.post(url, json={"button": button}, timeout=5).status_code


def becomes(sandbox: RunningSandbox, status: str, attempts: int = 1) -> None:
    """Waits until the person's call is in this state."""
    network = sandbox.state.network

    def is_so() -> bool:
        call = network.current_call(PERSON)
        return bool(call and call.status == status and len(call.attempts) == attempts)

    assert sandbox.state.wait_until(is_so, 5), network.phone_calls(PERSON)


@pytest.mark.parametrize(
    ("button", "ending"),
    [
        ("decline", ("BUSY", None)),
        ("ignore", ("NOANSWER", None)),
        ("answer", ("ANSWER", "person")),
        ("voicemail", ("ANSWER", "machine")),
    ],
)
def test_a_button_decides(
    sandbox: RunningSandbox,
    place: Place,
    obd: dict[str, Any],
    behave: Behave,
    ended_calls: EndedCalls,
    inbox: SimpleQueue[dict[str, Any]],
    button: str,
    ending: tuple[str, str | None],
) -> None:
    """It rings far longer than others do; what was pressed stands in the call and its callback."""
    behave("by_hand")
    place(sandbox, obd)
    becomes(sandbox, "ringing")
    assert not sandbox.state.wait_until(lambda: not inbox.empty(), 0.1)

    status, answered_by = ending
    assert press(sandbox, button) == 204
    if answered_by:
        becomes(sandbox, "talking")
        press(sandbox, "hang_up")
    [call] = ended_calls()

    assert (call["status"], call["answered_by"], call["attempts_rung"]) == (status, answered_by, 1)
    assert f'"status":"{status}"' in inbox.get(timeout=5)["body"]


def test_nobody_presses(
    sandbox: RunningSandbox,
    place: Place,
    obd: dict[str, Any],
    behave: Behave,
    ended_calls: EndedCalls,
) -> None:
    """It rings so many seconds, and then nobody answered; a button comes too late."""
    behave("by_hand", seconds=0.1)
    place(sandbox, obd)
    [call] = ended_calls()

    assert call["status"] == "NOANSWER"
    ringing = call["attempts"][0]
    assert ringing["ended_at"] - ringing["started_at"] >= 0.1
    assert press(sandbox, "answer") == 409


def test_a_conversation_by_hand_lasts_as_long_as_it_takes(
    sandbox: RunningSandbox,
    place: Place,
    obd: dict[str, Any],
    behave: Behave,
    ended_calls: EndedCalls,
    inbox: SimpleQueue[dict[str, Any]],
) -> None:
    """The voice is not hurried; who hangs up early has heard the beginning, and that is told.

    The end of the ringing, which would have come meanwhile, changes nothing.
    """
    behave("by_hand", seconds=1)
    place(sandbox, obd)
    becomes(sandbox, "ringing")
    press(sandbox, "answer")
    becomes(sandbox, "talking")
    call = sandbox.state.network.current_call(PERSON)
    assert call
    answered = call.answered_at
    assert call.spoken_text == HELLO
    assert not sandbox.state.wait_until(lambda: not inbox.empty(), 1.1)
    assert (call.status, call.answered_at) == ("talking", answered)
    assert press(sandbox, "answer") == 409

    assert press(sandbox, "hang_up") == 204
    [heard] = ended_calls()

    assert heard["status"] == "ANSWER"
    assert heard["spoken"] == HELLO[: len(heard["spoken"])] != HELLO
    seconds = len(heard["spoken"]) // 10
    assert f'"duration":"{seconds}"' in inbox.get(timeout=5)["body"]


def test_each_ring_is_a_new_chance(
    sandbox: RunningSandbox,
    place: Place,
    c2c: dict[str, Any],
    behave: Behave,
    ended_calls: EndedCalls,
) -> None:
    """A vendor that dials again after a declined call rings the same phone by hand again."""
    behave("by_hand")
    place(sandbox, c2c | {"attempts": "1"})
    becomes(sandbox, "ringing")
    press(sandbox, "decline")
    becomes(sandbox, "ringing", attempts=2)
    press(sandbox, "answer")
    becomes(sandbox, "talking", attempts=2)
    press(sandbox, "hang_up")

    assert [call["attempts_rung"] for call in ended_calls()] == [2]


def test_one_hand_wins(
    sandbox: RunningSandbox,
    place: Place,
    obd: dict[str, Any],
    behave: Behave,
    ended_calls: EndedCalls,
) -> None:
    """Many pressed at once: one counts, the others are told that it was too late."""
    behave("by_hand")
    place(sandbox, obd)
    becomes(sandbox, "ringing")

    with ThreadPoolExecutor(8) as hands:
        statuses = list(hands.map(lambda _: press(sandbox, "decline"), range(8)))

    assert sorted(statuses) == [204] + [409] * 7
    assert len(ended_calls()) == 1


@pytest.mark.parametrize("document", [{}, {"button": "reject"}, {"button": 1}, {"butto": "x"}])
def test_there_are_no_other_buttons(sandbox: RunningSandbox, document: dict[str, Any]) -> None:
    """A typo does not pass."""
    url = f"{sandbox.url}/phones/{PERSON}/press"
    assert requests.post(url, json=document, timeout=5).status_code == 422


def test_phones_that_answer_by_themselves_have_buttons_too(
    start: Callable[..., RunningSandbox], place: Place, obd: dict[str, Any]
) -> None:
    """Whoever is quicker than the phone decides; pressed or not, it ends once."""
    sandbox = start(SandboxConfig(token="t0ken", ring_seconds=5))
    place(sandbox, obd)
    becomes(sandbox, "ringing")
    assert press(sandbox, "decline") == 204
    network = sandbox.state.network
    assert sandbox.state.wait_until(lambda: all(c.ended_at for c in network.list_calls()), 5)
    assert [call["status"] for call in network.phone_calls(PERSON)] == ["BUSY"]
