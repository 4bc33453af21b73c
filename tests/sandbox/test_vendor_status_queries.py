"""Status queries: call status, call log and balance."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sandbox.vendor import C2C, OBD, ended_calls, place_call, vendor

from otpvoice_sandbox import RunningSandbox, SandboxConfig

Start = Callable[[SandboxConfig], RunningSandbox]

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
    """Return the parameter of the call log."""
    return {"datetime[end_at]": f"{first:%b %d, %Y} - {last:%b %d, %Y}"}


def test_call_status_finds_ended_call_by_id(sandbox: RunningSandbox) -> None:
    """With or without the suffix, in the documented format."""
    call_id = place_call(sandbox, OBD).json()["data"][0]["id"]
    ended_calls(sandbox)

    status = vendor(sandbox, "GET", "outgoing/callstatus", params={"id": call_id}).json()

    assert list(status) == ["status", "message", "data"]
    assert (status["status"], status["message"]) == (200, "OK")
    [item] = status["data"]
    assert list(item) == STATUS_MEMBERS
    assert (item["id"], item["channel"], item["status"]) == (call_id, "outgoing", "ANSWER")
    assert (item["from"], item["to"]) == (OBD["bridge"], OBD["to"])
    assert item["created_at"] <= item["start_at"] <= item["end_at"]
    bare = vendor(sandbox, "GET", "outgoing/callstatus", params={"id": call_id.partition(":")[0]})
    assert bare.json() == status


def test_call_status_filters_obd_calls(sandbox: RunningSandbox) -> None:
    """By number, campaign and day; without a filter it returns 422."""
    place_call(sandbox, OBD | {"name": "login"})
    place_call(sandbox, OBD | {"to": "918867135001"})
    place_call(sandbox, C2C)
    ended_calls(sandbox, 3)

    def item(**wanted: str) -> int:
        response = vendor(sandbox, "GET", "outgoing/callstatus", params=wanted)
        return len(response.json()["data"])

    today = f"{datetime.now(INDIA):%Y-%m-%d}"
    assert (item(mobile=OBD["to"]), item(cid="login"), item(date=today)) == (1, 1, 2)
    assert (item(id="unknown"), item(date="2019-08-12"), item(cid="login", id="no")) == (0, 0, 0)
    assert vendor(sandbox, "GET", "outgoing/callstatus").status_code == 422


def test_call_status_of_active_call_is_queued(start: Start, config: SandboxConfig) -> None:
    """The call log does not contain it."""
    slow = start(replace(config, ring_seconds=60))
    place_call(slow, OBD)

    [item] = vendor(slow, "GET", "outgoing/callstatus", params={"mobile": OBD["to"]}).json()["data"]
    now = datetime.now(INDIA)

    assert (item["status"], item["end_at"]) == ("queued", "")
    log = vendor(slow, "GET", "voice/calls", params=days(now, now)).json()
    assert log["data"]["data"] == []


def test_call_log_has_ended_calls_of_both_routes(sandbox: RunningSandbox) -> None:
    """Newest first, with the documented members."""
    place_call(sandbox, OBD)
    ended_calls(sandbox, 1)
    call_id = place_call(sandbox, C2C).json()["callId"]
    ended_calls(sandbox, 2)
    now = datetime.now(INDIA)

    log = vendor(sandbox, "GET", "voice/calls", params=days(now, now)).json()

    assert log["status"] == "OK"
    newest, oldest = log["data"]["data"]
    assert list(newest) == list(oldest) == LOG_MEMBERS
    assert (newest["id"], newest["service"], newest["status"]) == (call_id, "C2C", "COMPLETED")
    assert (newest["call_from"], newest["call_to"]) == (C2C["from"], "flow:220")
    assert newest["duration"] == "00:00:04"
    assert (oldest["service"], oldest["status"]) == ("OBD", "ANSWER")
    assert (oldest["call_from"], oldest["call_to"]) == (OBD["bridge"], OBD["to"])


def test_call_log_has_fifteen_calls_a_page(sandbox: RunningSandbox) -> None:
    """Other days have none."""
    for _ in range(17):
        place_call(sandbox, OBD)
    ended_calls(sandbox, 17)
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
def test_call_log_with_invalid_days_returns_422(
    sandbox: RunningSandbox, params: dict[str, str]
) -> None:
    """There is one format."""
    assert vendor(sandbox, "GET", "voice/calls", params=params).status_code == 422


def test_balance_returns_credits(sandbox: RunningSandbox) -> None:
    """As configured for the account."""
    assert vendor(sandbox, "GET", "finance/balance").json() == {
        "status": 200,
        "message": "OK",
        "data": {"credits": "1000.0000"},
    }


def test_rate_limit_applies_to_get_only(start: Start, config: SandboxConfig) -> None:
    """Further GET requests of the minute return 429."""
    strict = start(replace(config, gets_per_minute=2))

    statuses = [vendor(strict, "GET", "finance/balance").status_code for _ in range(3)]

    assert statuses == [200, 200, 429]
    assert place_call(strict, {"to": ""}).status_code == 422
