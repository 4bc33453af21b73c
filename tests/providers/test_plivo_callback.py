"""Plivo's callbacks and call records: docs/providers/plivo.md, sections 3 and 5."""

from typing import Any

import pytest
from providers.plivo_samples import (
    CALL_ID,
    CALL_UUID,
    LINE,
    NUMBER,
    RECORD,
    REQUEST_UUID,
    hangup_form,
)

from otpvoice.core.verification import CallReason, CallStatus
from otpvoice.providers.plivo.callback import parse_callback, parse_own_id, parse_record

ANSWERED, BUSY, NO_ANSWER = CallStatus.ANSWERED, CallStatus.BUSY, CallStatus.NO_ANSWER
FAILED, UNKNOWN = CallStatus.FAILED, CallStatus.UNKNOWN
HUNG_UP, REFUSED = CallReason.HUNG_UP_BEFORE_ANSWER, CallReason.REFUSED
DOWN, ERROR = CallReason.ROUTE_DOWN, CallReason.PROVIDER_ERROR


def result(**changes: str | None) -> tuple[CallStatus, CallReason | None]:
    """Return status and reason of a callback."""
    report = parse_callback(hangup_form(**changes), CALL_ID)
    return report.status, report.reason


def record(**changes: Any) -> dict[str, Any]:
    """Return a call record with numbers as text."""
    members = {**RECORD, **changes}
    return {name: str(v) if isinstance(v, int) else v for name, v in members.items()}


def test_callback_about_a_conversation() -> None:
    """The id in the address comes first; the duration is the conversation's."""
    report = parse_callback(hangup_form(), CALL_ID)
    assert report.ids == (CALL_ID, REQUEST_UUID, CALL_UUID)
    assert (report.number, report.bridge) == (f"+{NUMBER}", LINE)
    assert (report.status, report.reason, report.duration_s) == (ANSWERED, None, 19)
    assert (report.raw, report.is_known_status) == ("End Of XML Instructions", True)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("completed", (ANSWERED, None)),
        ("busy", (BUSY, None)),
        ("no-answer", (NO_ANSWER, None)),
        ("timeout", (NO_ANSWER, None)),
        ("cancel", (NO_ANSWER, HUNG_UP)),
        ("failed", (FAILED, None)),
        ("NO_ANSWER", (NO_ANSWER, None)),
        ("ringing", (UNKNOWN, None)),
        ("in-progress", (UNKNOWN, None)),
        ("", (UNKNOWN, None)),
        ("evaporated", (UNKNOWN, None)),
    ],
)
def test_state_without_a_cause(state: str, expected: tuple[CallStatus, CallReason | None]) -> None:
    """Only a known word is a result; an unknown word is reported."""
    cause = dict.fromkeys(("HangupCause", "HangupCauseName", "HangupCauseCode"))
    assert result(CallStatus=state, **cause) == expected
    report = parse_callback(hangup_form(CallStatus=state, **cause), CALL_ID)
    assert report.is_known_status == (state != "evaporated")


@pytest.mark.parametrize("state", ["busy", "failed", "no-answer", "timeout", "cancel"])
@pytest.mark.parametrize(
    ("name", "code", "expected"),
    [
        ("Busy Line", "3010", (BUSY, None)),
        ("Rejected", "3020", (BUSY, None)),
        ("No Answer", "3000", (NO_ANSWER, None)),
        ("Ring Timeout Reached", "6010", (NO_ANSWER, None)),
        ("Cancelled", "1000", (NO_ANSWER, HUNG_UP)),
        ("Invalid Destination Address", "2000", (FAILED, REFUSED)),
        ("Destination Country Barred", "2030", (FAILED, REFUSED)),
        ("Destination Out Of Service", "2010", (FAILED, None)),
        ("Cancelled (Out Of Credits)", "1010", (FAILED, DOWN)),
        ("violates_media_anchoring", "", (FAILED, DOWN)),
        ("Violates Media Anchoring", "2080", (FAILED, DOWN)),
        ("Error Reaching Answer URL", "7011", (FAILED, ERROR)),
    ],
)
def test_cause_decides_how_an_unanswered_call_ended(
    state: str, name: str, code: str, expected: tuple[CallStatus, CallReason | None]
) -> None:
    """It is more specific than the state."""
    assert result(CallStatus=state, HangupCauseName=name, HangupCauseCode=code) == expected


@pytest.mark.parametrize(
    ("cause", "closes"),
    [
        ("Cancelled (Out Of Credits)", True),
        ("DNO Caller ID", True),
        ("violates_media_anchoring", False),
        ("Busy Line", False),
        ("Cancelled", False),
    ],
)
def test_cause_in_the_account_closes_the_route(cause: str, *, closes: bool) -> None:
    """Not one that the number may be the reason for."""
    form = hangup_form(CallStatus="failed", HangupCauseName=cause)
    assert parse_callback(form, CALL_ID).closes_route is closes


@pytest.mark.parametrize("state", ["failed", "completed"])
@pytest.mark.parametrize("code", ["7011", "7012", "8011", "8012"])
def test_call_without_a_usable_document_failed(state: str, code: str) -> None:
    """The recipient picked up and heard nothing, whatever the duration."""
    form = hangup_form(CallStatus=state, HangupCauseName="Invalid Answer XML", HangupCauseCode=code)
    report = parse_callback(form, CALL_ID)
    assert (report.status, report.reason, report.duration_s) == (FAILED, ERROR, None)


@pytest.mark.parametrize(
    "cause", ["Normal Hangup", "End Of XML Instructions", "Rejected", "No Answer", "Mystery", ""]
)
def test_completed_call_is_answered_whatever_the_cause(cause: str) -> None:
    """No cause turns a conversation into a call that nobody picked up."""
    assert result(HangupCauseName=cause, HangupCauseCode="4000") == (ANSWERED, None)


@pytest.mark.parametrize("state", ["ringing", "in-progress", "", "evaporated"])
def test_cause_alone_is_no_result(state: str) -> None:
    """A message about a call that has not ended ends no call."""
    assert result(CallStatus=state, HangupCauseName="Busy Line") == (UNKNOWN, None)


@pytest.mark.parametrize(
    ("changes", "seconds"),
    [
        ({}, 19),
        ({"AnswerTime": None}, 19),
        ({"EndTime": "soon"}, 19),
        ({"Duration": "31"}, 19),
        ({"Duration": None, "AnswerTime": None}, 60),
        ({"Duration": "7.9"}, 7),
        ({"Duration": "-1", "BillDuration": "", "AnswerTime": None}, None),
        ({"AnswerTime": "2026-11-30 18:52:10", "Duration": "12"}, 12),
        ({"Duration": "9" * 30, "BillDuration": "x", "AnswerTime": "9" * 30}, None),
    ],
)
def test_duration_is_the_shortest_that_is_reported(
    changes: dict[str, str | None], seconds: int | None
) -> None:
    """A longer one may include the ringing, or be rounded up for the bill."""
    assert parse_callback(hangup_form(**changes), CALL_ID).duration_s == seconds


@pytest.mark.parametrize(
    "value",
    ["", "x", "+", "sip:agent@phone.plivo.com", "0" * 12, "9" * 40, "\udc80", "919876543210<1"],
)
def test_invalid_members_count_as_missing(value: str) -> None:
    """Neither an id nor a number is made of them."""
    form = dict.fromkeys(hangup_form(), value)
    report = parse_callback(form, "")
    assert (report.number, report.bridge, report.duration_s) == (None, None, None)
    assert (report.status, report.started_at_ms) == (UNKNOWN, None)
    assert all(len(each) <= 64 for each in report.ids)


@pytest.mark.parametrize(
    "cause",
    [f"to {NUMBER}", "code 482913", "code 4, 8, 2, 9, 1, 3", "x" * 100, "a\x00b\u202ec"],
)
def test_raw_word_is_short_and_has_no_number(cause: str) -> None:
    """Operators read it in logs and in the console."""
    raw = parse_callback(hangup_form(HangupCauseName=cause), CALL_ID).raw or ""
    assert len(raw) <= 40
    assert raw.isprintable()
    digits = "".join(filter(str.isdigit, raw))
    assert not [secret for secret in (NUMBER, "482913") if secret in digits]


@pytest.mark.parametrize(
    "text",
    ["", "call_", CALL_ID[:-1], CALL_ID + "0", CALL_ID.upper(), f" {CALL_ID}", "vrf_" + "0" * 32],
)
def test_own_id_is_the_id_of_a_call(text: str) -> None:
    """Nothing else in the address is used."""
    assert parse_own_id(CALL_ID) == CALL_ID
    assert parse_own_id(text) == ""


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, (ANSWERED, None, 19)),
        ({"call_state": None}, (ANSWERED, None, 19)),
        ({"call_state": "BUSY", "hangup_cause_name": "Busy Line"}, (BUSY, None, None)),
        ({"call_state": None, "answer_time": None, "hangup_cause_name": "Rejected"},
         (BUSY, None, None)),
        ({"call_state": "NO_ANSWER", "hangup_cause_name": None}, (NO_ANSWER, None, None)),
        ({"call_state": None, "answer_time": None, "hangup_cause_name": "violates_media_anchoring"},
         (FAILED, DOWN, None)),
        ({"call_state": None, "answer_time": None, "end_time": None}, (UNKNOWN, None, None)),
        ({"call_state": "ANSWER", "hangup_cause_code": 8011}, (FAILED, ERROR, None)),
        ({"bill_duration": 4}, (ANSWERED, None, 4)),
    ],
)  # fmt: skip
def test_call_record(
    changes: dict[str, Any], expected: tuple[CallStatus, CallReason | None, int | None]
) -> None:
    """A record without a state is answered if it has the time of the answer."""
    report = parse_record(record(**changes))
    assert (report.status, report.reason, report.duration_s) == expected
    assert (report.ids, report.number) == ((REQUEST_UUID,), f"+{NUMBER}")
