"""The life of a call, and its record at the phone and in the request log."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from sandbox.vendor import C2C, OBD, changed, ended_calls, place_call, set_behaviour

from otpvoice_sandbox import RunningSandbox

HELLO = "Hello YourName, your otp for login is 1, 2, 3, 4, 5, 6"


def request_log(sandbox: RunningSandbox) -> list[dict[str, Any]]:
    """Return the request log from ``GET /ledger``."""
    entries: list[dict[str, Any]] = requests.get(f"{sandbox.url}/ledger", timeout=5).json()
    return entries


def test_phone_without_behaviour_answers_and_hears_flow(sandbox: RunningSandbox) -> None:
    """The spoken text has the variables filled in."""
    call_id = place_call(sandbox, OBD).json()["data"][0]["id"]

    [call] = ended_calls(sandbox)

    assert call["id"] == call_id
    assert call["route"] == "obd"
    assert call["status"] == "ANSWER"
    assert call["spoken"] == HELLO
    assert call["answered_by"] == "person"
    assert call["variables"] == {"Name": "YourName", "otp": "1, 2, 3, 4, 5, 6"}
    assert call["bridge"] == OBD["bridge"]
    assert call["request"] == OBD
    assert call["attempts_rung"] == 1


def test_c2c_call_speaks_flow_to_caller(sandbox: RunningSandbox) -> None:
    """C2C rings ``from`` and plays the flow named in ``to``."""
    call_id = place_call(sandbox, C2C).json()["callId"]

    [call] = ended_calls(sandbox)

    assert (call["id"], call["route"], call["spoken"]) == (call_id, "c2c", "Code 1 2 3 4 4")


def test_call_with_sound_speaks_no_variables(sandbox: RunningSandbox) -> None:
    """A sound is played instead of a flow."""
    sound = {"flow_id": None, "audio": "https://sounds.example/hello.mp3"}
    place_call(sandbox, changed(OBD, sound))

    assert ended_calls(sandbox)[0]["spoken"] == "(sound https://sounds.example/hello.mp3)"


@pytest.mark.parametrize(
    ("behaviour", "status", "rang", "spoken_to"),
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
def test_behaviour_ends_call_with_vendor_status(
    sandbox: RunningSandbox,
    behaviour: str,
    status: str,
    rang: bool,
    spoken_to: tuple[str | None, str | None],
) -> None:
    """A text is spoken only if the call is answered."""
    phone = f"{sandbox.url}/phones/{OBD['to']}"
    requests.put(phone, json={"behaviour": behaviour}, timeout=5)
    assert place_call(sandbox, OBD).json()["status"] == 200

    [call] = ended_calls(sandbox)

    assert (call["status"], call["attempts_rung"]) == (status, int(rang))
    assert (call["spoken"], call["answered_by"]) == spoken_to
    [entry] = request_log(sandbox)
    assert (entry["outcome"], entry["rang"], entry["call"]) == (behaviour, rang, call["id"])


@pytest.mark.parametrize("behaviour", ["error_500", "error_401", "out_of_credit"])
def test_error_behaviour_logs_request_without_call(sandbox: RunningSandbox, behaviour: str) -> None:
    """The phone does not ring."""
    set_behaviour(sandbox, behaviour)
    reply = place_call(sandbox, OBD)

    assert (
        reply.status_code == {"error_500": 500, "error_401": 401, "out_of_credit": 402}[behaviour]
    )
    assert reply.json()["status"] == reply.status_code
    [entry] = request_log(sandbox)
    assert (entry["outcome"], entry["rang"], entry["call"]) == (behaviour, False, None)
    assert sandbox.state.phone_calls(OBD["to"]) == []


@pytest.mark.parametrize(("attempts", "rings"), [(None, 3), ("0", 1), ("1", 2), ("2", 3)])
def test_c2c_unanswered_call_is_redialed_as_attempts_says(
    sandbox: RunningSandbox, attempts: str | None, rings: int
) -> None:
    """Without ``attempts`` the vendor redials twice."""
    set_behaviour(sandbox, "no_answer")
    place_call(sandbox, changed(C2C, {"attempts": attempts}))

    [call] = ended_calls(sandbox)

    assert call["attempts_rung"] == rings
    assert len(request_log(sandbox)[0]["attempts"]) == rings


def test_c2c_answered_call_is_not_redialed(sandbox: RunningSandbox) -> None:
    """Attempts apply to unanswered calls."""
    place_call(sandbox, C2C | {"attempts": "2"})

    assert ended_calls(sandbox)[0]["attempts_rung"] == 1


@pytest.mark.parametrize(("interval", "rings"), [("0", 1), ("5", 2)])
def test_obd_interval_redials_unanswered_call_once(
    sandbox: RunningSandbox, interval: str, rings: int
) -> None:
    """The redial comes after the scaled minutes."""
    set_behaviour(sandbox, "no_answer")
    place_call(sandbox, OBD | {"interval": interval})

    [call] = ended_calls(sandbox)

    assert call["attempts_rung"] == rings
    if rings == 2:
        first, second = call["attempts"]
        assert second["started_at"] - first["ended_at"] >= 5 * 0.004


def test_request_log_has_order_of_arrival_and_times(sandbox: RunningSandbox) -> None:
    """Entries have both clocks and the times of each attempt."""
    place_call(sandbox, OBD)
    place_call(sandbox, C2C | {"to": "flow:999"})
    place_call(sandbox, C2C)
    ended_calls(sandbox, 2)

    entries = request_log(sandbox)

    assert [entry["route"] for entry in entries] == ["obd", "c2c", "c2c"]
    assert [entry["outcome"] for entry in entries] == ["answer", "refused", "answer"]
    assert [entry["person"] for entry in entries] == [OBD["to"]] * 3
    assert [entry["bridge"] for entry in entries] == [OBD["bridge"]] * 3
    assert entries[0]["request"] == OBD
    assert entries[1]["refusal"] == "to: no such flow; this account has: 24, 220"
    assert entries[0]["received_at"] < entries[1]["received_at"] < entries[2]["received_at"]
    [attempt] = entries[0]["attempts"]
    assert entries[0]["received_at"] <= attempt["started_at"]
    # ring and talk are 0.02 s each: the line was taken for both
    assert attempt["ended_at"] - attempt["started_at"] >= 0.04


def test_request_log_shows_overlapping_calls(sandbox: RunningSandbox) -> None:
    """Attempts of simultaneous calls overlap; those of consecutive calls do not."""
    place_call(sandbox, OBD)
    place_call(sandbox, OBD)
    ended_calls(sandbox, 2)
    place_call(sandbox, OBD)
    ended_calls(sandbox, 3)

    first, second, third = (entry["attempts"][0] for entry in request_log(sandbox))

    assert second["started_at"] < first["ended_at"]
    assert third["started_at"] > second["ended_at"]


def test_request_log_shows_ringing_call_before_reply(sandbox: RunningSandbox) -> None:
    """The attempt has no end yet."""
    with ThreadPoolExecutor(1) as other:
        reply = other.submit(place_call, sandbox, OBD)
        rung = sandbox.state.wait_until(
            lambda: any(entry["rang"] for entry in sandbox.state.request_log()), 5
        )
        entry = sandbox.state.request_log()[0]
        reply.result()

    assert rung
    assert entry["call"] is not None
    assert entry["attempts"][0]["started_at"] > 0


def test_two_hundred_simultaneous_calls_are_reported(sandbox: RunningSandbox) -> None:
    """Calls need no thread each."""
    with ThreadPoolExecutor(8) as clients:
        bodies = [OBD | {"to": str(918867000000 + n)} for n in range(200)]
        replies = list(clients.map(lambda body: place_call(sandbox, body).status_code, bodies))
    ended_calls(sandbox, 200)

    assert replies == [200] * 200
    assert len({entry["person"] for entry in request_log(sandbox) if entry["rang"]}) == 200
    assert sandbox.state.wait_until(
        lambda: all(call.callback_sent for call in sandbox.state.calls), 10
    )
    assert {delivery["status"] for delivery in sandbox.state.callbacks.deliveries()} == {200}
