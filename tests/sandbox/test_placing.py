"""Asking for a call: what is accepted, how it is confirmed, what is refused."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import requests

from otpvoice.sandbox import ReplyStyle, RunningSandbox, SandboxConfig

Place = Callable[[RunningSandbox, dict[str, Any]], requests.Response]
Vendor = Callable[..., requests.Response]
Start = Callable[[SandboxConfig], RunningSandbox]

UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def masked(text: str) -> str:
    """The text with ids and times made equal."""
    text = re.sub(UUID, "<uuid>", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", "<utc>", text)
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "<time>", text)


def test_older_obd_reply(sandbox: RunningSandbox, place: Place, obd: dict[str, Any]) -> None:
    """An accepted OBD call is confirmed byte for byte as in the vendor's first document."""
    documented = (
        '{"status":200,"message":"1 numbers accepted for delivery.","data":[{"id":'
        '"70fa87e0-9df9-4327-bc80-a561c48703d8:1","mobile":"918919525224","charges":"0.5000",'
        '"customid":"","customid1":"","iso_code":null,"submitted_at":"2019-08-16 15:09:51"}]}'
    )

    reply = place(sandbox, obd | {"to": "918919525224"})

    assert reply.status_code == 200
    assert reply.headers["Content-Type"] == "application/json"
    assert masked(reply.text) == masked(documented)


def test_newer_obd_reply(
    start: Start, config: SandboxConfig, place: Place, obd: dict[str, Any]
) -> None:
    """A newer company confirms with status OK, a bare uuid and the queued call."""
    documented = (
        '{"status":"OK","message":"Calls queued successfully","data":[{"id":'
        '"70fa87e0-9df9-4327-bc80-a561c48703d8","channel":"outgoing","caller_id":"918068280000",'
        '"mobile":"918867135000","flow_id":"24","credits":1,"created_at":'
        '"2024-07-10T06:09:43.054164Z","foreign_id":null,"options":null,"status":"queued"}]}'
    )

    newer = start(replace(config, reply_style=ReplyStyle(obd_reply="newer")))

    assert masked(place(newer, obd).text) == masked(documented)


def test_c2c_reply_with_id(sandbox: RunningSandbox, place: Place, c2c: dict[str, Any]) -> None:
    """An accepted C2C call is confirmed with its callId, as in the vendor's sample."""
    reply = place(sandbox, c2c)

    assert masked(reply.text) == (
        '{"callId":"<uuid>","message":"call initiated successfully","status":200}'
    )


def test_reply_style_of_one_phone(
    sandbox: RunningSandbox, place: Place, obd: dict[str, Any], c2c: dict[str, Any]
) -> None:
    """A phone can have the other replies while the rest of the company keeps its own."""
    document = {"behaviour": "answer", "obd_reply": "newer", "c2c_reply": "bare"}
    requests.put(f"{sandbox.url}/phones/{obd['to']}", json=document, timeout=5)

    assert place(sandbox, obd).json()["status"] == "OK"
    assert place(sandbox, c2c).json() == {
        "status": 200,
        "message": "Call initiated successfully",
    }
    assert place(sandbox, obd | {"to": "918867135001"}).json()["status"] == 200


@pytest.mark.parametrize(
    "change",
    [
        {"webhook_id": "7", "name": "obd_api_call", "interval": "0"},
        {"webhook_id": 7, "interval": 5},
        {"flow_id": None, "audio": "39888925-718e-43bb-a8b1-d4a300000000"},
        {"flow_id": None, "audio": "http://youraudiofilelocation.mp3"},
        {"variables[otp]": None, "variables[Name]": None},
    ],
)
def test_documented_obd_members(
    sandbox: RunningSandbox, place: Place, obd: dict[str, Any], change: dict[str, Any]
) -> None:
    """Everything that the OBD document lists is accepted."""
    assert place(sandbox, changed(obd, change)).status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        {"record": "1", "duration": "1", "attempts": "2", "mid": "ref-1", "webhook_id": "8"},
        {"record": 0, "duration": 10, "attempts": 1},
        {"attempts": None},
    ],
)
def test_documented_c2c_members(
    sandbox: RunningSandbox, place: Place, c2c: dict[str, Any], change: dict[str, Any]
) -> None:
    """Everything that the C2C document lists is accepted."""
    assert place(sandbox, changed(c2c, change)).status_code == 200


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("bridge", None),
        ("bridge", "+918068280000"),
        ("bridge", 918068280000),
        ("to", None),
        ("to", "+918867135000"),
        ("to", "08867135000"),
        ("to", "९१८८६७१३५०००"),
        ("to", "918867135000\n"),
        ("to", ["918867135000"]),
        ("flow_id", None),
        ("flow_id", 24),
        ("flow_id", "25"),
        ("flow_id", "flow:24"),
        ("audio", "http://youraudiofilelocation.mp3"),
        ("interval", "10"),
        ("interval", True),
        ("webhook_id", "9"),
        ("webhook_id", ""),
        ("name", ""),
        ("variables", {"otp": "123456"}),
        ("variables[otp]", 123456),
        ("variables.otp", "123456"),
        ("variable[otp]", "123456"),
        ("attempts", "0"),
        ("flowid", "24"),
    ],
)
def test_wrong_obd_members(
    sandbox: RunningSandbox, place: Place, obd: dict[str, Any], member: str, value: Any
) -> None:
    """Anything else is refused with 422 and the member's name, rings nowhere, tells no value."""
    reply = place(sandbox, changed(obd, {member: value}))

    assert (reply.status_code, reply.json()["status"]) == (422, 422)
    assert member.partition("[")[0] in reply.json()["message"]
    assert "123456" not in reply.text
    assert "8867135000" not in reply.text
    assert sandbox.state.network.list_calls() == []


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("from", "+918867135000"),
        ("to", None),
        ("to", "220"),
        ("to", "flow:221"),
        ("to", "918867135001"),
        ("record", "yes"),
        ("record", False),
        ("duration", "0"),
        ("duration", "1.5"),
        ("attempts", "3"),
        ("attempts", -1),
        ("mid", ""),
        ("flow_id", "220"),
        ("interval", "5"),
    ],
)
def test_wrong_c2c_members(
    sandbox: RunningSandbox, place: Place, c2c: dict[str, Any], member: str, value: Any
) -> None:
    """The same for C2C."""
    reply = place(sandbox, changed(c2c, {member: value}))

    assert (reply.status_code, reply.json()["status"]) == (422, 422)
    assert member in reply.json()["message"]
    assert sandbox.state.network.list_calls() == []


def test_a_c2c_body_for_obd(sandbox: RunningSandbox, vendor: Vendor, c2c: dict[str, Any]) -> None:
    """The two routes do not take each other's bodies."""
    assert vendor(sandbox, "POST", "outgoing/send", json=c2c).status_code == 422


def test_nobody_to_call(sandbox: RunningSandbox, vendor: Vendor, c2c: dict[str, Any]) -> None:
    """Without ``from`` there is no C2C call."""
    del c2c["from"]
    reply = vendor(sandbox, "POST", "voice/c2c", json=c2c)

    assert (reply.status_code, reply.json()["message"]) == (422, "from: required")


def test_audio_that_is_no_sound(sandbox: RunningSandbox, place: Place, obd: dict[str, Any]) -> None:
    """A sound that was never uploaded and a URL of another scheme are refused."""
    for audio in ("no-such-sound", "ftp://files.example/a.mp3"):
        assert place(sandbox, changed(obd, {"flow_id": None, "audio": audio})).status_code == 422


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (b"{", "application/json"),
        (b"", "application/json"),
        (b"[]", "application/json"),
        (b'"text"', "application/json"),
        (b"[" * 100_000, "application/json"),
        (b"\xff", "application/json"),
        (None, "text/plain"),
        (None, "application/x-www-form-urlencoded"),
    ],
)
def test_bodies_that_are_no_json_object(
    sandbox: RunningSandbox,
    vendor: Vendor,
    obd: dict[str, Any],
    body: bytes | None,
    media_type: str,
) -> None:
    """Only a JSON object that is declared as JSON is read; the others are in the ledger too."""
    data = json.dumps(obd).encode() if body is None else body
    reply = vendor(
        sandbox, "POST", "outgoing/send", data=data, headers={"Content-Type": media_type}
    )

    assert reply.status_code == 422
    [entry] = requests.get(f"{sandbox.url}/ledger", timeout=5).json()
    assert (entry["outcome"], entry["rang"]) == ("refused", False)


def test_member_named_twice(sandbox: RunningSandbox, vendor: Vendor, obd: dict[str, Any]) -> None:
    """A body that names a member twice is refused: nobody knows which one the vendor takes."""
    body = json.dumps(obd)[:-1] + ',"to":"918867135001"}'
    headers = {"Content-Type": "application/json"}

    assert vendor(sandbox, "POST", "outgoing/send", data=body, headers=headers).status_code == 422


@pytest.mark.parametrize("authorization", [None, "Bearer wrong", "t0ken", "Basic t0ken", "bearer"])
def test_wrong_token(
    sandbox: RunningSandbox, vendor: Vendor, obd: dict[str, Any], authorization: str | None
) -> None:
    """Without the account's token nothing rings, also when it is in the query string."""
    reply = vendor(
        sandbox,
        "POST",
        "outgoing/send?token=t0ken",
        json=obd,
        headers={"Authorization": authorization},
    )

    assert (reply.status_code, reply.json()["status"]) == (401, 401)
    [entry] = requests.get(f"{sandbox.url}/ledger", timeout=5).json()
    assert (entry["outcome"], entry["rang"], entry["call"]) == ("refused", False, None)


def test_refusals_within_http_200(
    start: Start, config: SandboxConfig, place: Place, vendor: Vendor, obd: dict[str, Any]
) -> None:
    """A company can refuse with HTTP 200 and the status in the body only."""
    polite = start(replace(config, reply_style=ReplyStyle(refusals="in_body")))

    invalid = place(polite, obd | {"to": "+1"})
    unknown = vendor(polite, "GET", "finance/balance", headers={"Authorization": "Bearer no"})

    assert (invalid.status_code, invalid.json()["status"]) == (200, 422)
    assert (unknown.status_code, unknown.json()["status"]) == (200, 401)


def changed(body: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """The body with members replaced, or dropped where the change is None."""
    return {name: value for name, value in (body | change).items() if value is not None}
