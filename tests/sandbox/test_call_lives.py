"""What happens at the phone, and whether phone and ledger tell the truth about it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from otpvoice.sandbox import RunningSandbox

Place = Callable[[RunningSandbox, dict[str, Any]], requests.Response]
Behave = Callable[..., None]
EndedCalls = Callable[..., list[dict[str, Any]]]

HELLO = "Hello YourName, your otp for login is 1, 2, 3, 4, 5, 6"


def ledger(sandbox: RunningSandbox) -> list[dict[str, Any]]:
    """The ledger as everybody can read it."""
    entries: list[dict[str, Any]] = requests.get(f"{sandbox.url}/ledger", timeout=5).json()
    return entries


def test_an_answered_call(
    sandbox: RunningSandbox, place: Place, obd: dict[str, Any], ended_calls: EndedCalls
) -> None:
    """A phone that nobody set up answers and hears the flow with the variables filled in."""
    call_id = place(sandbox, obd).json()["data"][0]["id"]

    [call] = ended_calls()

    assert call["id"] == call_id
    assert call["route"] == "obd"
    assert call["status"] == "ANSWER"
    assert call["spoken"] == HELLO
    assert call["answered_by"] == "person"
    assert call["variables"] == {"Name": "YourName", "otp": "1, 2, 3, 4, 5, 6"}
    assert call["bridge"] == obd["bridge"]
    assert call["request"] == obd
    assert call["attempts_rung"] == 1


def test_a_c2c_call_hears_its_flow(
    sandbox: RunningSandbox, place: Place, c2c: dict[str, Any], ended_calls: EndedCalls
) -> None:
    """C2C rings ``from`` and plays the flow named in ``to``."""
    call_id = place(sandbox, c2c).json()["callId"]

    [call] = ended_calls()

    assert (call["id"], call["route"], call["spoken"]) == (call_id, "c2c", "Code 1 2 3 4 4")


def test_a_sound_speaks_no_code(
    sandbox: RunningSandbox, place: Place, obd: dict[str, Any], ended_calls: EndedCalls
) -> None:
    """A call that plays a sound says nothing of the variables."""
    del obd["flow_id"]
    place(sandbox, obd | {"audio": "https://sounds.example/hello.mp3"})

    assert ended_calls()[0]["spoken"] == "(sound https://sounds.example/hello.mp3)"


@pytest.mark.parametrize(
    ("behaviour", "status", "rang", "heard"),
    [
        ("answer", "ANSWER", True, (HELLO, "person")),
        ("busy", "BUSY", False, (None, None)),
        ("no_answer", "NOANSWER", True, (None, None)),
        ("decline", "BUSY", True, (None, None)),
        ("voicemail", "ANSWER", True, (HELLO, "machine")),
        ("hang_up_early", "ANSWER", True, ("Hello Your", "person")),
        ("no_callback", "ANSWER", True, (HELLO, "person")),
        ("late_callback", "ANSWER", True, (HELLO, "person")),
        ("duplicate_callback", "ANSWER", True, (HELLO, "person")),
    ],
)
def test_behaviours_of_a_phone(
    sandbox: RunningSandbox,
    place: Place,
    obd: dict[str, Any],
    ended_calls: EndedCalls,
    behaviour: str,
    status: str,
    rang: bool,
    heard: tuple[str | None, str | None],
) -> None:
    """Each ends in the vendor's word for it; a voice speaks only where something answers."""
    phone = f"{sandbox.url}/phones/{obd['to']}"
    requests.put(phone, json={"behaviour": behaviour}, timeout=5)
    assert place(sandbox, obd).json()["status"] == 200

    [call] = ended_calls()

    assert (call["status"], call["attempts_rung"]) == (status, int(rang))
    assert (call["spoken"], call["answered_by"]) == heard
    [entry] = ledger(sandbox)
    assert (entry["outcome"], entry["rang"], entry["call"]) == (behaviour, rang, call["id"])


@pytest.mark.parametrize("behaviour", ["error_500", "error_401", "out_of_credit"])
def test_refusing_behaviours_ring_nowhere(
    sandbox: RunningSandbox, place: Place, obd: dict[str, Any], behave: Behave, behaviour: str
) -> None:
    """A refused request is in the ledger, no call is."""
    behave(behaviour)
    reply = place(sandbox, obd)

    assert (
        reply.status_code == {"error_500": 500, "error_401": 401, "out_of_credit": 402}[behaviour]
    )
    assert reply.json()["status"] == reply.status_code
    [entry] = ledger(sandbox)
    assert (entry["outcome"], entry["rang"], entry["call"]) == (behaviour, False, None)
    assert sandbox.state.network.phone_calls(obd["to"]) == []


@pytest.mark.parametrize(("attempts", "rings"), [(None, 3), ("0", 1), ("1", 2), ("2", 3)])
def test_c2c_redials_by_itself(
    sandbox: RunningSandbox,
    place: Place,
    c2c: dict[str, Any],
    behave: Behave,
    ended_calls: EndedCalls,
    attempts: str | None,
    rings: int,
) -> None:
    """An unanswered phone rings as often again as ``attempts`` says: twice when it says nothing."""
    behave("no_answer")
    del c2c["attempts"]
    place(sandbox, c2c if attempts is None else c2c | {"attempts": attempts})

    [call] = ended_calls()

    assert call["attempts_rung"] == rings
    assert len(ledger(sandbox)[0]["attempts"]) == rings


def test_c2c_does_not_redial_an_answered_phone(
    sandbox: RunningSandbox, place: Place, c2c: dict[str, Any], ended_calls: EndedCalls
) -> None:
    """Attempts are for unanswered calls."""
    place(sandbox, c2c | {"attempts": "2"})

    assert ended_calls()[0]["attempts_rung"] == 1


@pytest.mark.parametrize(("interval", "rings"), [("0", 1), ("5", 2)])
def test_obd_interval(
    sandbox: RunningSandbox,
    place: Place,
    obd: dict[str, Any],
    behave: Behave,
    ended_calls: EndedCalls,
    interval: str,
    rings: int,
) -> None:
    """An interval rings an unanswered phone once more, so many scaled minutes later."""
    behave("no_answer")
    place(sandbox, obd | {"interval": interval})

    [call] = ended_calls()

    assert call["attempts_rung"] == rings
    if rings == 2:
        first, second = call["attempts"]
        assert second["started_at"] - first["ended_at"] >= 5 * 0.004


def test_the_ledger_keeps_order_and_times(
    sandbox: RunningSandbox,
    place: Place,
    obd: dict[str, Any],
    c2c: dict[str, Any],
    ended_calls: EndedCalls,
) -> None:
    """Entries stand in order of arrival, with both clocks and the time each line was taken."""
    place(sandbox, obd)
    place(sandbox, c2c | {"to": "flow:999"})
    place(sandbox, c2c)
    ended_calls(2)

    entries = ledger(sandbox)

    assert [entry["route"] for entry in entries] == ["obd", "c2c", "c2c"]
    assert [entry["outcome"] for entry in entries] == ["answer", "refused", "answer"]
    assert [entry["person"] for entry in entries] == [obd["to"]] * 3
    assert [entry["bridge"] for entry in entries] == [obd["bridge"]] * 3
    assert entries[0]["request"] == obd
    assert entries[1]["refusal"] == "to: no such flow; this account has: 24, 220"
    assert entries[0]["received_at"] < entries[1]["received_at"] < entries[2]["received_at"]
    [attempt] = entries[0]["attempts"]
    assert entries[0]["received_at"] <= attempt["started_at"]
    # ring and talk are 0.02 s each: the line was taken for both
    assert attempt["ended_at"] - attempt["started_at"] >= 0.04


def test_overlapping_calls_can_be_seen(
    sandbox: RunningSandbox, place: Place, obd: dict[str, Any], ended_calls: EndedCalls
) -> None:
    """Two calls at once to one number overlap in the ledger; one after the other does not."""
    place(sandbox, obd)
    place(sandbox, obd)
    ended_calls(2)
    place(sandbox, obd)
    ended_calls(3)

    first, second, third = (entry["attempts"][0] for entry in ledger(sandbox))

    assert second["started_at"] < first["ended_at"]
    assert third["started_at"] > second["ended_at"]


def test_a_call_under_way_is_seen(
    sandbox: RunningSandbox, place: Place, obd: dict[str, Any]
) -> None:
    """A ringing phone is in the ledger with an open end before its request is answered."""
    with ThreadPoolExecutor(1) as other:
        reply = other.submit(place, sandbox, obd)
        rung = sandbox.state.wait_until(
            lambda: any(entry["rang"] for entry in sandbox.state.network.request_log()), 5
        )
        seen = sandbox.state.network.request_log()[0]
        reply.result()

    assert rung
    assert seen["call"] is not None
    assert seen["attempts"][0]["started_at"] > 0


def test_many_calls_at_once(
    sandbox: RunningSandbox, place: Place, obd: dict[str, Any], ended_calls: EndedCalls
) -> None:
    """Two hundred calls need no thread each, and every one is reported."""
    with ThreadPoolExecutor(8) as clients:
        bodies = [obd | {"to": str(918867000000 + n)} for n in range(200)]
        replies = list(clients.map(lambda body: place(sandbox, body).status_code, bodies))
    ended_calls(200)

    assert replies == [200] * 200
    assert len({entry["person"] for entry in ledger(sandbox) if entry["rang"]}) == 200
    assert sandbox.state.wait_until(
        lambda: all(call.callback_sent for call in sandbox.state.network.list_calls()), 10
    )
    assert {delivery["status"] for delivery in sandbox.state.callbacks.deliveries()} == {200}
