"""Which call in Mobtexting's response is the one that was asked for, and how long it lasted."""

from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from providers.samples import (
    BRIDGE,
    C2C_ENTRY,
    C2C_QUERY,
    NEWER_STATUS,
    OBD_ENTRY,
    OBD_ID,
    OBD_QUERY,
    RECIPIENT,
    calls_response,
    kolkata_ms,
)
from providers.status_queries import fetch, status_of

from otpvoice.core.verification import CallStatus
from otpvoice.providers.base import CallQuery
from otpvoice.providers.mobtexting.modes import Mode


@pytest.mark.parametrize(
    "other",
    [
        {"id": "9"},
        {"start_at": "2024-07-10 08:28:59", "id": "9", "status": "BUSY"},
        {"id": None},
    ],
)
@pytest.mark.parametrize(("query", "entry"), [(OBD_QUERY, OBD_ENTRY), (C2C_QUERY, C2C_ENTRY)])
def test_two_matches_are_ambiguous_without_id(
    query: CallQuery, entry: dict[str, Any], other: dict[str, Any]
) -> None:
    """The id decides, if it is known."""
    body = calls_response(entry, entry | other)
    assert fetch(query, body) is None
    assert status_of(fetch(replace(query, provider_id=entry["id"]), body)) is CallStatus.ANSWERED


@pytest.mark.parametrize(
    ("route", "change"),
    [
        (Mode.OBD, {"to": "917619360001"}),
        (Mode.OBD, {"to": None}),
        (Mode.OBD, {"from": "358910000001"}),
        (Mode.OBD, {"start_at": "2024-07-10 08:25:12"}),
        (Mode.OBD, {"start_at": "2024-07-10 08:32:14"}),
        (Mode.OBD, {"start_at": "", "created_at": "0000-00-00 00:00:00"}),
        (Mode.C2C, {"call_from": "917619360001"}),
        (Mode.C2C, {"call_from": BRIDGE, "call_to": RECIPIENT}),
        (Mode.C2C, {"bridge": "358910000001"}),
        (Mode.C2C, {"service": "OBD"}),
        (Mode.C2C, {"start_at": "2024-07-10 08:25:12"}),
        (Mode.C2C, {"start_at": "2024-07-10 08:32:14"}),
        (Mode.C2C, {"start_at": "yesterday"}),
    ],
)
def test_other_call_is_no_match(route: Mode, change: dict[str, Any]) -> None:
    """Another recipient, bridge, service or time."""
    query, entry = (OBD_QUERY, OBD_ENTRY) if route is Mode.OBD else (C2C_QUERY, C2C_ENTRY)
    other = entry | {"id": "other", "status": "BUSY"} | change
    assert fetch(query, calls_response(other)) is None
    assert status_of(fetch(query, calls_response(other, entry))) is CallStatus.ANSWERED


@pytest.mark.parametrize("start", ["2024-07-10 08:25:13", "2024-07-10 08:32:13"])
@pytest.mark.parametrize(("query", "entry"), [(OBD_QUERY, OBD_ENTRY), (C2C_QUERY, C2C_ENTRY)])
def test_start_matches_up_to_its_bounds(
    query: CallQuery, entry: dict[str, Any], start: str
) -> None:
    """From 120 seconds before to 300 seconds after the request."""
    assert fetch(query, calls_response(entry | {"start_at": start}))


def test_missing_bridge_matches() -> None:
    """The report has the bridge of the query."""
    entry = OBD_ENTRY | {"from": "", "start_at": "", "status": "NOANSWER"}
    report = fetch(OBD_QUERY, calls_response(entry))
    assert report
    assert (report.bridge, report.started_at_ms) == (BRIDGE, kolkata_ms("2024-07-10 08:27:14"))


def test_times_are_in_timezone_of_settings() -> None:
    """In another zone, the call is from another time."""
    assert fetch(OBD_QUERY, NEWER_STATUS, zone=ZoneInfo("UTC")) is None
    shifted = replace(OBD_QUERY, sent_at_ms=OBD_QUERY.sent_at_ms + 19_800_000)
    assert fetch(shifted, NEWER_STATUS, zone=ZoneInfo("UTC"))


@pytest.mark.parametrize(("query", "entry"), [(OBD_QUERY, OBD_ENTRY), (C2C_QUERY, C2C_ENTRY)])
def test_known_id_decides_alone(query: CallQuery, entry: dict[str, Any]) -> None:
    """No other entry matches; the tail is ignored."""
    named = replace(query, provider_id="other")
    assert fetch(named, calls_response(entry), calls_response(entry)) is None
    assert fetch(
        named, calls_response(entry | {"id": "other:1", "start_at": "2019-01-01 00:00:00"})
    )


def test_id_with_two_statuses_is_not_reported() -> None:
    """As while the provider redials: the call has not ended."""
    named = replace(OBD_QUERY, provider_id=OBD_ID)
    busy, queued = OBD_ENTRY | {"status": "BUSY"}, OBD_ENTRY | {"status": "queued"}
    assert fetch(named, calls_response(busy, queued)) is None


@pytest.mark.parametrize(
    ("change", "seconds"),
    [
        ({"end_at": "2024-07-10 08:27:26"}, 0),
        ({"end_at": "2024-07-10 08:27:25"}, None),
        ({"end_at": "2024-07-10 10:27:26"}, None),
        ({"end_at": ""}, None),
        ({"end_at": None}, None),
        ({"start_at": ""}, None),
        ({"status": "NOANSWER"}, None),
        ({"duration": "01:00:12"}, 3612),
        ({"duration": "00:00:00"}, 0),
        ({"duration": "soon"}, 3),
    ],
)
def test_obd_duration_is_measured_if_missing(change: dict[str, Any], seconds: int | None) -> None:
    """From start and end of an answered call, if they are valid."""
    report = fetch(OBD_QUERY, calls_response(OBD_ENTRY | change))
    assert report
    assert report.duration_s == seconds


def test_c2c_duration_is_the_shorter_leg() -> None:
    """As in callbacks."""
    report = fetch(C2C_QUERY, calls_response(C2C_ENTRY | {"billing": "00:00:05"}))
    assert report
    assert report.duration_s == 5
