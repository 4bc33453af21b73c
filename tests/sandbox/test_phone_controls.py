"""The control API of phones."""

from typing import Any

import pytest
import requests
from sandbox.vendor import OBD, ended_calls, place_call, set_behaviour

from otpvoice_sandbox import RunningSandbox, SandboxConfig
from otpvoice_sandbox.phones import BEHAVIOURS


def test_behaviours_of_contract_exist() -> None:
    """Other tests and documents rely on them."""
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
        {"behaviour": "answer", "copies": 101},
        {"behaviour": "busy", "calls": 0},
        {"behaviour": "busy", "calls": True},
        {"behaviour": "answer", "obd_reply": "old"},
        {"behaviour": "answer", "refusals": ["http"]},
        {"behaviour": "answer", "status": 200},
        {"behaviour": "reply", "status": 99},
        {"behaviour": "reply", "headers": {"X": 1}},
        {"behaviour": "reply", "headers": {"X": "a\nb"}},
        {"behaviour": "reply", "headers": {"X": "€"}},
        {"behaviour": "reply", "headers": {"X:": "a"}},
        {"behaviour": "reply", "body": "\ud800"},
    ],
)
def test_set_phone_with_invalid_document_returns_422(
    sandbox: RunningSandbox, document: dict[str, Any]
) -> None:
    """A typo would otherwise test another behaviour."""
    response = requests.put(f"{sandbox.url}/phones/918867135000", json=document, timeout=5)

    assert response.status_code == 422
    assert response.json()["error"]


@pytest.mark.parametrize("number", ["+918867135000", "91-88", "abc"])
def test_phone_number_with_other_characters_returns_422(
    sandbox: RunningSandbox, number: str
) -> None:
    """A phone's name is the digits that the vendor uses."""
    assert requests.get(f"{sandbox.url}/phones/{number}/calls", timeout=5).status_code == 422


def test_behaviour_with_calls_ends_after_that_number(sandbox: RunningSandbox) -> None:
    """A redial can be tested without a change between the calls."""
    set_behaviour(sandbox, "busy", calls=2)
    for count in (1, 2, 3):
        place_call(sandbox, OBD)
        calls = ended_calls(sandbox, count)
    assert [call["status"] for call in calls] == ["BUSY", "BUSY", "ANSWER"]


def test_reset_phone_forgets_calls_and_behaviour(sandbox: RunningSandbox) -> None:
    """The request log keeps them."""
    set_behaviour(sandbox, "busy")
    place_call(sandbox, OBD)
    ended_calls(sandbox, 1)

    phone = f"{sandbox.url}/phones/{OBD['to']}"
    assert requests.delete(phone, timeout=5).status_code == 204

    assert requests.get(f"{phone}/calls", timeout=5).json() == []
    place_call(sandbox, OBD)
    [call] = ended_calls(sandbox, 2)
    assert call["status"] == "ANSWER"
    assert len(requests.get(f"{sandbox.url}/ledger", timeout=5).json()) == 2


def test_behaviour_applies_to_one_phone(sandbox: RunningSandbox) -> None:
    """Other phones keep theirs, and their calls."""
    set_behaviour(sandbox, "busy")
    place_call(sandbox, OBD)
    place_call(sandbox, OBD | {"to": "918867135001"})

    [mine] = ended_calls(sandbox, 2)

    assert mine["status"] == "BUSY"
    [other] = sandbox.state.phone_calls("918867135001")
    assert other["status"] == "ANSWER"


def test_index_and_healthz_respond(sandbox: RunningSandbox) -> None:
    """The index lists all addresses."""
    root = requests.get(sandbox.url, timeout=5)

    assert root.headers["Content-Type"].startswith("text/plain")
    for address in ("/api/v2/outgoing/send", "/phones/<digits>", "/ledger", "early_callback"):
        assert address in root.text
    assert requests.get(f"{sandbox.url}/healthz", timeout=5).json() == {"status": "ok"}


def test_invalid_config_raises_value_error() -> None:
    """An empty token or an unknown subscription is an error."""
    with pytest.raises(ValueError, match="token"):
        SandboxConfig(token="")
    with pytest.raises(ValueError, match="subscription"):
        SandboxConfig(subscription="7")


def test_config_repr_has_no_secrets(config: SandboxConfig) -> None:
    """Logs and tracebacks may contain it."""
    assert "t0ken" not in repr(config)
    assert "s3cret" not in repr(config)
