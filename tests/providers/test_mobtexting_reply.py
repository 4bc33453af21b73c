"""Outcomes of Mobtexting's replies: docs/providers/mobtexting.md, section 2."""

from typing import Any

import pytest
from providers.samples import (
    C2C_WITH_ID,
    C2C_WITHOUT_ID,
    NUMBER,
    OBD_NEWER,
    OBD_OLDER,
    TOKEN,
    parse_reply,
    reply_with_call,
)

from otpvoice.providers.base import PlacementOutcome
from otpvoice.providers.mobtexting.modes import Mode
from otpvoice.providers.placement import MismatchedReplyError

ACCEPTED, REFUSED = PlacementOutcome.ACCEPTED, PlacementOutcome.REFUSED
AMBIGUOUS, BACK_OFF = PlacementOutcome.AMBIGUOUS, PlacementOutcome.BACK_OFF
MISCONFIGURED = PlacementOutcome.MISCONFIGURED


# Accepted


@pytest.mark.parametrize("status", [200, 202])
@pytest.mark.parametrize(
    ("route", "body", "provider_id"),
    [
        (Mode.OBD, OBD_OLDER, "70fa87e0-9df9-4327-bc80-a561c48703d8"),
        (Mode.OBD, OBD_NEWER, "0a1b2c3d-0000-4000-8000-0123456789ab"),
        (Mode.OBD, b'{"status":"200","data":[{"id":71}]}', "71"),
        (Mode.OBD, b'{"status":"ok","data":[{"mobile":"918867135000"}]}', None),
        (Mode.OBD, b'{"status":200,"data":[{"id":{"x":1}}]}', None),
        (Mode.OBD, b'{"status":200,"data":["x"]}', None),
        (Mode.C2C, C2C_WITH_ID, "26074c32-b316-4ffa-99d7-9f6a99da56d6"),
        (Mode.C2C, C2C_WITHOUT_ID, None),
        (Mode.C2C, b'\xef\xbb\xbf {"status":"OK","callId":"a:12",}', "a"),
    ],
)
def test_documented_reply_is_accepted(
    status: int, route: Mode, body: bytes, provider_id: str | None
) -> None:
    """The id is returned without its tail."""
    number = "918919525224" if body is OBD_OLDER else NUMBER
    result = parse_reply(route, body, status, number=number)
    assert (result.outcome, result.provider_id) == (ACCEPTED, provider_id)


# The status of the call


@pytest.mark.parametrize("route", Mode)
@pytest.mark.parametrize("word", ["queued", "Queued", " SENT ", "accepted", "initiated", "200"])
def test_call_with_accepting_word_is_accepted(route: Mode, word: str) -> None:
    """Words are compared without case and spaces; the id is the call's."""
    placement = parse_reply(route, reply_with_call(id="7", status=word))
    assert (placement.outcome, placement.provider_id) == (ACCEPTED, "7")


@pytest.mark.parametrize("route", Mode)
@pytest.mark.parametrize(
    "word",
    [
        *("notallowed", "NOT ALLOWED", "not-allowed", "Not_Allowed", "failed", "FAILED (DND)"),
        *("rejected", "blocked", "dnd", "invalid", "error", "error104", "cancelled", "xyz", "422"),
    ],
)
def test_call_with_other_word_is_refused(route: Mode, word: str) -> None:
    """Although the whole reply is OK; the id of a refused call is dropped."""
    placement = parse_reply(route, reply_with_call(id="7", status=word))
    assert (placement.outcome, placement.provider_id) == (REFUSED, None)


@pytest.mark.parametrize("route", Mode)
@pytest.mark.parametrize(
    "word", ["success", "ringing", "in progress", "queued for delivery", "1", "-200", True, ["x"]]
)
def test_call_with_undocumented_acceptance_is_ambiguous(route: Mode, word: Any) -> None:
    """The phone may ring, so the call is neither placed nor sent by another route."""
    assert parse_reply(route, reply_with_call(id="7", status=word)).outcome is AMBIGUOUS


def test_detail_names_status_of_refused_call() -> None:
    """Operators see the word."""
    assert parse_reply(Mode.OBD, reply_with_call(status="notallowed")).detail == (
        "HTTP 200, status OK, call notallowed: Calls queued successfully"
    )


@pytest.mark.parametrize(
    ("data", "obd", "c2c"),
    [
        (None, REFUSED, ACCEPTED),
        ([], REFUSED, ACCEPTED),
        ({}, REFUSED, ACCEPTED),
        ("", REFUSED, ACCEPTED),
        ([None], REFUSED, REFUSED),
        ([{}], REFUSED, REFUSED),
        ([""], REFUSED, REFUSED),
        ([[]], REFUSED, REFUSED),
        ([None, {}], REFUSED, REFUSED),
        ([{"id": None, "status": ""}], REFUSED, REFUSED),
        ({"id": "7"}, ACCEPTED, ACCEPTED),
        ({"id": "7", "status": "queued"}, ACCEPTED, ACCEPTED),
        ({"id": "7", "status": "notallowed"}, REFUSED, REFUSED),
        ([None, {"id": "7", "status": "queued"}], ACCEPTED, ACCEPTED),
        ([{"status": "failed"}, {"id": "7", "status": "queued"}], ACCEPTED, ACCEPTED),
        ([{"status": "failed"}, {"status": "rejected"}], REFUSED, REFUSED),
        ([{"status": "failed"}, {"status": "ringing"}], AMBIGUOUS, AMBIGUOUS),
        ([{"status": "401"}], MISCONFIGURED, MISCONFIGURED),
        ([{"status": 500}], AMBIGUOUS, AMBIGUOUS),
    ],
)
def test_data_of_any_shape_is_parsed(
    data: Any, obd: PlacementOutcome, c2c: PlacementOutcome
) -> None:
    """One object, a list, or nothing; C2C's documented replies have no ``data``."""
    body = {"status": 200, "message": "OK", "data": data}
    assert parse_reply(Mode.OBD, body).outcome is obd
    assert parse_reply(Mode.C2C, body).outcome is c2c


def test_provider_id_is_that_of_the_accepted_call() -> None:
    """It need not be the first entry."""
    data = [{"id": "1", "status": "failed"}, {"id": "2:1", "status": "queued"}]
    assert parse_reply(Mode.OBD, {"status": "OK", "data": data}).provider_id == "2"
    assert parse_reply(Mode.C2C, {"status": 200, "callId": "9", "data": [{}]}).provider_id == "9"


# The status of the whole reply


@pytest.mark.parametrize("route", Mode)
@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("ERROR", REFUSED),
        ("fail", REFUSED),
        ("Rejected!", REFUSED),
        ("E104", REFUSED),
        (False, REFUSED),
        ("404", REFUSED),
        ("success", AMBIGUOUS),
        ("Successful", AMBIGUOUS),
        ("queued", AMBIGUOUS),
        ("in_progress", AMBIGUOUS),
        (True, AMBIGUOUS),
        ("true", AMBIGUOUS),
        (0, AMBIGUOUS),
        ("-200", AMBIGUOUS),
        ({"code": 200}, AMBIGUOUS),
        ([200], AMBIGUOUS),
        *((status, MISCONFIGURED) for status in (302, 401, "402", 403)),
        *((status, REFUSED) for status in (422, "405", "Not OK")),
        *((status, AMBIGUOUS) for status in (202, 500, -1, "")),
        ("429", BACK_OFF),
        ("unauthorized", MISCONFIGURED),
        ("INSUFFICIENT_BALANCE", MISCONFIGURED),
    ],
)
def test_status_of_the_reply_decides(route: Mode, status: Any, outcome: PlacementOutcome) -> None:
    """A word that suggests acceptance and is not documented is ambiguous."""
    assert parse_reply(route, {"status": status, "data": [{"id": "7"}]}).outcome is outcome


# The number in a reply


@pytest.mark.parametrize(
    "written",
    [
        *(NUMBER, f"+{NUMBER}", f"00{NUMBER}", NUMBER[2:], f"0{NUMBER[2:]}", int(NUMBER)),
        *("+91 88671 35000", "(91) 88671-35000", "91886713XXXX", "", None, "7", ["x"]),
    ],
)
@pytest.mark.parametrize(("route", "member"), [(Mode.OBD, "to"), (Mode.C2C, "from")])
def test_number_of_the_call_matches_in_any_format(route: Mode, member: str, written: Any) -> None:
    """With or without country code, signs and zeros; a masked one is ignored."""
    for name in (member, "mobile"):
        assert parse_reply(route, reply_with_call(id="7", **{name: written})).outcome is ACCEPTED
        assert parse_reply(route, reply_with_call(id="7") | {name: written}).outcome is ACCEPTED


def test_bridge_and_flow_are_no_mismatch() -> None:
    """C2C's ``to`` is the flow; ``from`` may be the bridge."""
    for members in ({"from": "918068280000", "to": "220"}, {"to": "flow:220"}):
        assert parse_reply(Mode.C2C, reply_with_call(id="7", **members)).outcome is ACCEPTED


def test_entry_about_the_call_is_found_among_others() -> None:
    """The list is about several numbers."""
    data = [{"id": "1", "mobile": "919000000001"}, {"id": "2", "mobile": NUMBER}]
    assert parse_reply(Mode.OBD, {"status": "OK", "data": data}).provider_id == "2"


@pytest.mark.parametrize(
    ("route", "body"),
    [
        (Mode.OBD, reply_with_call(id="7", mobile="918867135001")),
        (Mode.OBD, reply_with_call(id="7", to="8867135001")),
        (Mode.OBD, reply_with_call(id="7", status="failed", mobile="918867135001")),
        (Mode.C2C, {"status": 200, "callId": "7", "from": "918867135001"}),
    ],
)
def test_reply_about_another_number_is_a_mismatch(route: Mode, body: dict[str, Any]) -> None:
    """Whether it accepts or refuses."""
    with pytest.raises(MismatchedReplyError):
        parse_reply(route, body)


# Detail


@pytest.mark.parametrize(
    ("message", "detail"),
    [
        ("Unauthenticated.", "HTTP 200, status 401: Unauthenticated."),
        ("", "HTTP 200, status 401"),
        (["no", "text"], "HTTP 200, status 401"),
        (f"Number +{NUMBER} is on the list", "HTTP 200, status 401: Number … is on the list"),
        ("otp 1, 2, 3, 4, 5, 6 refused", "HTTP 200, status 401: otp … … … … … … refused"),
        ("Dear ASHA RAO: no\tcredit\x00", "HTTP 200, status 401: Dear …: no credit"),
        (f"token={TOKEN}!", "HTTP 200, status 401: token=…!"),
        ("१२३ देखो", "HTTP 200, status 401: … देखो"),
    ],
)
def test_detail_has_providers_words_without_secrets(message: object, detail: str) -> None:
    """The token, the name and every word with a digit are removed."""
    assert parse_reply(Mode.OBD, {"status": 401, "message": message}).detail == detail


def test_detail_has_at_most_120_characters() -> None:
    """However long the provider's message is."""
    assert len(parse_reply(Mode.OBD, {"status": 422, "message": "x" * 60_000}).detail) == 120
