"""The phones in one's hand."""

from collections.abc import Callable
from typing import Any

import pytest
import requests

from otpvoice.sandbox import RunningSandbox, SandboxConfig
from otpvoice.sandbox.phones import BEHAVIOURS

Place = Callable[[RunningSandbox, dict[str, Any]], requests.Response]
Behave = Callable[..., None]
EndedCalls = Callable[..., list[dict[str, Any]]]


def test_every_promised_behaviour_exists() -> None:
    """The behaviours that others rely on are there."""
    promised = (
        "answer busy no_answer decline voicemail hang_up_early no_callback late_callback "
        "duplicate_callback slow timeout error_500 error_401 out_of_credit garbage "
        "early_callback reply"
    )
    assert set(promised.split()) <= set(BEHAVIOURS)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"behaviour": "anser"},
        {"behaviour": ["answer"]},
        {"behavior": "answer"},
        {"behaviour": "slow", "second": 1},
        {"behaviour": "slow", "seconds": -1},
        {"behaviour": "slow", "seconds": "1"},
        {"behaviour": "slow", "seconds": True},
        {"behaviour": "answer", "rings": "no"},
        {"behaviour": "answer", "ends": 1},
        {"behaviour": "answer", "duration": 1.5},
        {"behaviour": "answer", "copies": -1},
        {"behaviour": "busy", "calls": 0},
        {"behaviour": "busy", "calls": True},
        {"behaviour": "answer", "obd_reply": "old"},
        {"behaviour": "answer", "refusals": ["http"]},
        {"behaviour": "answer", "status": 200},
        {"behaviour": "reply", "status": 99},
        {"behaviour": "reply", "headers": {"X": 1}},
    ],
)
def test_wrong_documents(sandbox: RunningSandbox, document: dict[str, Any]) -> None:
    """A typo in a behaviour does not pass, or a test would not test what it says."""
    answer = requests.put(f"{sandbox.url}/phones/918867135000", json=document, timeout=5)

    assert answer.status_code == 422
    assert answer.json()["error"]


@pytest.mark.parametrize("number", ["+918867135000", "91-88", "abc"])
def test_phones_have_digits_only(sandbox: RunningSandbox, number: str) -> None:
    """A phone is named by the digits that the vendor sees."""
    assert requests.get(f"{sandbox.url}/phones/{number}/calls", timeout=5).status_code == 422


def test_phone_behaviour_for_two_calls_then_answers(
    place: Place,
    obd: dict[str, Any],
    sandbox: RunningSandbox,
    behave: Behave,
    ended_calls: EndedCalls,
) -> None:
    """A redial can be tried without a change between the calls."""
    behave("busy", calls=2)
    for count in (1, 2, 3):
        place(sandbox, obd)
        calls = ended_calls(count)
    assert [call["status"] for call in calls] == ["BUSY", "BUSY", "ANSWER"]


def test_reset(
    sandbox: RunningSandbox,
    place: Place,
    obd: dict[str, Any],
    behave: Behave,
    ended_calls: EndedCalls,
) -> None:
    """A reset phone answers and shows no call; the ledger forgets nothing."""
    behave("busy")
    place(sandbox, obd)
    ended_calls(1)

    phone = f"{sandbox.url}/phones/{obd['to']}"
    assert requests.delete(phone, timeout=5).status_code == 204

    assert requests.get(f"{phone}/calls", timeout=5).json() == []
    place(sandbox, obd)
    [call] = ended_calls(2)
    assert call["status"] == "ANSWER"
    assert len(requests.get(f"{sandbox.url}/ledger", timeout=5).json()) == 2


def test_phones_do_not_share_behaviour(
    sandbox: RunningSandbox,
    place: Place,
    obd: dict[str, Any],
    behave: Behave,
    ended_calls: EndedCalls,
) -> None:
    """Only the phone that was told so is busy; its calls are its own."""
    behave("busy")
    place(sandbox, obd)
    place(sandbox, obd | {"to": "918867135001"})

    [mine] = ended_calls(2)

    assert mine["status"] == "BUSY"
    [other] = sandbox.state.network.phone_calls("918867135001")
    assert other["status"] == "ANSWER"


def test_pages_for_people_and_probes(sandbox: RunningSandbox) -> None:
    """The root says what this is and which addresses it has; healthz answers."""
    root = requests.get(sandbox.url, timeout=5)

    assert root.headers["Content-Type"].startswith("text/plain")
    for address in ("/api/v2/outgoing/send", "/phones/<digits>", "/ledger", "early_callback"):
        assert address in root.text
    assert requests.get(f"{sandbox.url}/healthz", timeout=5).json() == {"status": "ok"}


def test_wrong_configurations() -> None:
    """A company with an open door or a subscription to nothing does not start."""
    with pytest.raises(ValueError, match="token"):
        SandboxConfig(token="")
    with pytest.raises(ValueError, match="subscription"):
        SandboxConfig(subscription="7")


def test_configurations_do_not_show_secrets(config: SandboxConfig) -> None:
    """Printing a configuration gives no secret away."""
    assert "t0ken" not in repr(config)
    assert "s3cret" not in repr(config)
