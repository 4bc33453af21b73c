"""Asking the company what became of calls."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import requests

from otpvoice.sandbox import RunningSandbox, SandboxConfig

Place = Callable[[RunningSandbox, dict[str, Any]], requests.Response]
Vendor = Callable[..., requests.Response]
Start = Callable[[SandboxConfig], RunningSandbox]
EndedCalls = Callable[..., list[dict[str, Any]]]

INDIA = ZoneInfo("Asia/Kolkata")
STATUS_MEMBERS = [
    "id",
    "channel",
    "from",
    "to",
    "created_at",
    "foreign_id",
    "status",
    "start_at",
    "end_at",
    "dtmf",
]
LOG_MEMBERS = [
    "id",
    "call_from",
    "call_to",
    "service",
    "bridge",
    "status",
    "duration",
    "billing",
    "charges",
    "start_at",
    "end_at",
    "hangup_by",
    "dtmf",
    "provider",
]


def days(first: datetime, last: datetime) -> dict[str, str]:
    """The call log's only parameter."""
    return {"datetime[end_at]": f"{first:%b %d, %Y} - {last:%b %d, %Y}"}


def test_call_status_of_an_ended_call(
    sandbox: RunningSandbox,
    place: Place,
    vendor: Vendor,
    obd: dict[str, Any],
    ended_calls: EndedCalls,
) -> None:
    """An OBD call is found by its id, with or without the tail, in the documented shape."""
    call_id = place(sandbox, obd).json()["data"][0]["id"]
    ended_calls()

    answer = vendor(sandbox, "GET", "outgoing/callstatus", params={"id": call_id}).json()

    assert list(answer) == ["status", "message", "data"]
    assert (answer["status"], answer["message"]) == (200, "OK")
    [found] = answer["data"]
    assert list(found) == STATUS_MEMBERS
    assert (found["id"], found["channel"], found["status"]) == (call_id, "outgoing", "ANSWER")
    assert (found["from"], found["to"]) == (obd["bridge"], obd["to"])
    assert found["created_at"] <= found["start_at"] <= found["end_at"]
    bare = vendor(sandbox, "GET", "outgoing/callstatus", params={"id": call_id.partition(":")[0]})
    assert bare.json() == answer


def test_call_status_filters(
    sandbox: RunningSandbox,
    place: Place,
    vendor: Vendor,
    obd: dict[str, Any],
    c2c: dict[str, Any],
    ended_calls: EndedCalls,
) -> None:
    """Number, campaign and day find OBD calls only; unknown ids find nothing; no filter is 422."""
    place(sandbox, obd | {"name": "login"})
    place(sandbox, obd | {"to": "918867135001"})
    place(sandbox, c2c)
    ended_calls(3)

    def found(**wanted: str) -> int:
        answer = vendor(sandbox, "GET", "outgoing/callstatus", params=wanted)
        return len(answer.json()["data"])

    today = f"{datetime.now(INDIA):%Y-%m-%d}"
    assert (found(mobile=obd["to"]), found(cid="login"), found(date=today)) == (1, 1, 2)
    assert (found(id="unknown"), found(date="2019-08-12"), found(cid="login", id="no")) == (0, 0, 0)
    assert vendor(sandbox, "GET", "outgoing/callstatus").status_code == 422


def test_a_call_under_way_is_queued(
    start: Start, config: SandboxConfig, place: Place, vendor: Vendor, obd: dict[str, Any]
) -> None:
    """Before its end a call has no result, and is not in the call log."""
    slow = start(replace(config, ring_seconds=60))
    place(slow, obd)

    [found] = vendor(slow, "GET", "outgoing/callstatus", params={"mobile": obd["to"]}).json()[
        "data"
    ]
    now = datetime.now(INDIA)

    assert (found["status"], found["end_at"]) == ("queued", "")
    log = vendor(slow, "GET", "voice/calls", params=days(now, now)).json()
    assert log["data"]["data"] == []


def test_call_log(
    sandbox: RunningSandbox,
    place: Place,
    vendor: Vendor,
    obd: dict[str, Any],
    c2c: dict[str, Any],
    ended_calls: EndedCalls,
) -> None:
    """The log holds the ended calls of both routes, newest first, with the documented members."""
    place(sandbox, obd)
    ended_calls(1)
    call_id = place(sandbox, c2c).json()["callId"]
    ended_calls(2)
    now = datetime.now(INDIA)

    log = vendor(sandbox, "GET", "voice/calls", params=days(now, now)).json()

    assert log["status"] == "OK"
    newest, oldest = log["data"]["data"]
    assert list(newest) == list(oldest) == LOG_MEMBERS
    assert (newest["id"], newest["service"], newest["status"]) == (call_id, "C2C", "COMPLETED")
    assert (newest["call_from"], newest["call_to"]) == (c2c["from"], "flow:220")
    assert newest["duration"] == "00:00:04"
    assert (oldest["service"], oldest["status"]) == ("OBD", "ANSWER")
    assert (oldest["call_from"], oldest["call_to"]) == (obd["bridge"], obd["to"])


def test_call_log_pages_and_days(
    sandbox: RunningSandbox,
    place: Place,
    vendor: Vendor,
    obd: dict[str, Any],
    ended_calls: EndedCalls,
) -> None:
    """Fifteen a page; other days hold nothing."""
    for _ in range(17):
        place(sandbox, obd)
    ended_calls(17)
    now, yesterday = datetime.now(INDIA), datetime.now(INDIA) - timedelta(days=1)

    first = vendor(sandbox, "GET", "voice/calls", params=days(yesterday, now)).json()["data"]
    page_two = days(now, now) | {"page": "2"}
    second = vendor(sandbox, "GET", "voice/calls", params=page_two).json()["data"]
    before = vendor(sandbox, "GET", "voice/calls", params=days(yesterday, yesterday)).json()["data"]

    assert (len(first["data"]), len(second["data"]), len(before["data"])) == (15, 2, 0)
    assert (first["current_page"], first["last_page"], first["total"]) == (1, 2, 17)
    assert not {line["id"] for line in first["data"]} & {line["id"] for line in second["data"]}


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"datetime[end_at]": "2019-08-12"},
        {"datetime[end_at]": "Aug 12, 2019"},
        {"datetime[end_at]": "Aug 12, 2019 - Aug 12, 2019", "page": "0"},
    ],
)
def test_call_log_needs_its_days(
    sandbox: RunningSandbox, vendor: Vendor, params: dict[str, str]
) -> None:
    """The days are written in one way only."""
    assert vendor(sandbox, "GET", "voice/calls", params=params).status_code == 422


def test_balance(sandbox: RunningSandbox, vendor: Vendor) -> None:
    """The balance tells the credits of the account."""
    assert vendor(sandbox, "GET", "finance/balance").json() == {
        "status": 200,
        "message": "OK",
        "data": {"credits": "1000.0000"},
    }


def test_get_limit(start: Start, config: SandboxConfig, vendor: Vendor, place: Place) -> None:
    """More GETs a minute than allowed are answered 429; POSTs have no part in it."""
    strict = start(replace(config, gets_per_minute=2))

    statuses = [vendor(strict, "GET", "finance/balance").status_code for _ in range(3)]

    assert statuses == [200, 200, 429]
    assert place(strict, {"to": ""}).status_code == 422
