"""Requests for calls: accepted fields, replies and rejections."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import requests
from sandbox.vendor import C2C, OBD, changed, place_call, vendor

from otpvoice_sandbox import ReplyStyle, RunningSandbox, SandboxConfig

Start = Callable[[SandboxConfig], RunningSandbox]

UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def without_ids_and_times(text: str) -> str:
    """Replace ids and times, so that texts can be compared."""
    text = re.sub(UUID, "<uuid>", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", "<utc>", text)
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "<time>", text)


def test_obd_reply_equals_older_document(sandbox: RunningSandbox) -> None:
    """Byte for byte, as in the vendor's first document."""
    documented = (
        '{"status":200,"message":"1 numbers accepted for delivery.","data":[{"id":'
        '"70fa87e0-9df9-4327-bc80-a561c48703d8:1","mobile":"918919525224","charges":"0.5000",'
        '"customid":"","customid1":"","iso_code":null,"submitted_at":"2019-08-16 15:09:51"}]}'
    )

    reply = place_call(sandbox, OBD | {"to": "918919525224"})

    assert reply.status_code == 200
    assert reply.headers["Content-Type"] == "application/json"
    assert without_ids_and_times(reply.text) == without_ids_and_times(documented)


def test_obd_reply_in_newer_style_equals_newer_document(
    start: Start, config: SandboxConfig
) -> None:
    """Status OK, a bare uuid and the queued call."""
    documented = (
        '{"status":"OK","message":"Calls queued successfully","data":[{"id":'
        '"70fa87e0-9df9-4327-bc80-a561c48703d8","channel":"outgoing","caller_id":"918068280000",'
        '"mobile":"918867135000","flow_id":"24","credits":1,"created_at":'
        '"2024-07-10T06:09:43.054164Z","foreign_id":null,"options":null,"status":"queued"}]}'
    )

    newer = start(replace(config, reply_style=ReplyStyle(obd_reply="newer")))

    assert without_ids_and_times(place_call(newer, OBD).text) == without_ids_and_times(documented)


def test_c2c_reply_has_call_id(sandbox: RunningSandbox) -> None:
    """As in the vendor's sample."""
    reply = place_call(sandbox, C2C)

    assert without_ids_and_times(reply.text) == (
        '{"callId":"<uuid>","message":"call initiated successfully","status":200}'
    )


def test_reply_style_of_phone_overrides_account(sandbox: RunningSandbox) -> None:
    """Other phones keep the account's style."""
    document = {"behaviour": "answer", "obd_reply": "newer", "c2c_reply": "bare"}
    requests.put(f"{sandbox.url}/phones/{OBD['to']}", json=document, timeout=5)

    assert place_call(sandbox, OBD).json()["status"] == "OK"
    assert place_call(sandbox, C2C).json() == {
        "status": 200,
        "message": "Call initiated successfully",
    }
    assert place_call(sandbox, OBD | {"to": "918867135001"}).json()["status"] == 200


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
def test_obd_documented_fields_are_accepted(
    sandbox: RunningSandbox, change: dict[str, Any]
) -> None:
    """Every field that the OBD document lists."""
    assert place_call(sandbox, changed(OBD, change)).status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        {"record": "1", "duration": "1", "attempts": "2", "mid": "ref-1", "webhook_id": "8"},
        {"record": 0, "duration": 10, "attempts": 1},
        {"attempts": None},
    ],
)
def test_c2c_documented_fields_are_accepted(
    sandbox: RunningSandbox, change: dict[str, Any]
) -> None:
    """Every field that the C2C document lists."""
    assert place_call(sandbox, changed(C2C, change)).status_code == 200


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
def test_obd_invalid_field_returns_422(sandbox: RunningSandbox, member: str, value: Any) -> None:
    """The message names the field and contains no value; no phone rings."""
    reply = place_call(sandbox, changed(OBD, {member: value}))

    assert (reply.status_code, reply.json()["status"]) == (422, 422)
    assert member.partition("[")[0] in reply.json()["message"]
    assert "123456" not in reply.text
    assert "8867135000" not in reply.text
    assert sandbox.state.calls == []


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
def test_c2c_invalid_field_returns_422(sandbox: RunningSandbox, member: str, value: Any) -> None:
    """The message names the field; no phone rings."""
    reply = place_call(sandbox, changed(C2C, {member: value}))

    assert (reply.status_code, reply.json()["status"]) == (422, 422)
    assert member in reply.json()["message"]
    assert sandbox.state.calls == []


def test_obd_with_c2c_body_returns_422(sandbox: RunningSandbox) -> None:
    """The two routes have different fields."""
    assert vendor(sandbox, "POST", "outgoing/send", json=dict(C2C)).status_code == 422


def test_c2c_without_from_returns_422(sandbox: RunningSandbox) -> None:
    """The field is required."""
    reply = vendor(sandbox, "POST", "voice/c2c", json=changed(C2C, {"from": None}))

    assert (reply.status_code, reply.json()["message"]) == (422, "from: required")


def test_obd_with_unknown_audio_returns_422(sandbox: RunningSandbox) -> None:
    """An unknown sound, or a URL with another scheme."""
    for audio in ("no-such-sound", "ftp://files.example/a.mp3"):
        assert (
            place_call(sandbox, changed(OBD, {"flow_id": None, "audio": audio})).status_code == 422
        )


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
def test_body_other_than_json_object_returns_422(
    sandbox: RunningSandbox, body: bytes | None, media_type: str
) -> None:
    """The request log contains these requests too."""
    data = json.dumps(dict(OBD)).encode() if body is None else body
    reply = vendor(
        sandbox, "POST", "outgoing/send", data=data, headers={"Content-Type": media_type}
    )

    assert reply.status_code == 422
    [entry] = requests.get(f"{sandbox.url}/ledger", timeout=5).json()
    assert (entry["outcome"], entry["rang"]) == ("refused", False)


def test_repeated_member_returns_422(sandbox: RunningSandbox) -> None:
    """It is undefined which value the vendor uses."""
    body = json.dumps(dict(OBD))[:-1] + ',"to":"918867135001"}'
    headers = {"Content-Type": "application/json"}

    assert vendor(sandbox, "POST", "outgoing/send", data=body, headers=headers).status_code == 422


@pytest.mark.parametrize("authorization", [None, "Bearer wrong", "t0ken", "Basic t0ken", "bearer"])
def test_invalid_token_returns_401(sandbox: RunningSandbox, authorization: str | None) -> None:
    """Also if the right token is in the query string; no phone rings."""
    reply = vendor(
        sandbox,
        "POST",
        "outgoing/send?token=t0ken",
        json=dict(OBD),
        headers={"Authorization": authorization},
    )

    assert (reply.status_code, reply.json()["status"]) == (401, 401)
    [entry] = requests.get(f"{sandbox.url}/ledger", timeout=5).json()
    assert (entry["outcome"], entry["rang"], entry["call"]) == ("refused", False, None)


def test_rejection_in_body_style_has_http_200(start: Start, config: SandboxConfig) -> None:
    """The status is only in the body."""
    polite = start(replace(config, reply_style=ReplyStyle(refusals="in_body")))

    invalid = place_call(polite, OBD | {"to": "+1"})
    unknown = vendor(polite, "GET", "finance/balance", headers={"Authorization": "Bearer no"})

    assert (invalid.status_code, invalid.json()["status"]) == (200, 422)
    assert (unknown.status_code, unknown.json()["status"]) == (200, 401)
