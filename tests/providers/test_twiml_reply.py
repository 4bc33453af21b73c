"""Outcomes of replies from vendors of the TwiML family: docs/providers/twiml.md, section 4."""

from typing import Any

import pytest
from providers.twiml_samples import (
    CREATED,
    NUMBER,
    SID,
    TELNYX_CREATED,
    TELNYX_CREATED_WITH_ID,
    TELNYX_SID,
    TOKEN,
    encode,
)

from otpvoice.http_client import HttpResponse
from otpvoice.providers.base import PlacementOutcome, PlacementResult
from otpvoice.providers.placement import MismatchedReplyError
from otpvoice.providers.twiml.reply import parse_placement

ACCEPTED, REFUSED = PlacementOutcome.ACCEPTED, PlacementOutcome.REFUSED
AMBIGUOUS, BACK_OFF = PlacementOutcome.AMBIGUOUS, PlacementOutcome.BACK_OFF
MISCONFIGURED = PlacementOutcome.MISCONFIGURED


def parse(body: Any, status: int = 201, retry_after_s: float | None = None) -> PlacementResult:
    """Parse a reply to the request for a call to the number of the samples."""
    response = HttpResponse(status, encode(body), retry_after_s)
    return parse_placement(NUMBER, response, (TOKEN, "Asha Rao"))


@pytest.mark.parametrize("status", [200, 201, 202])
@pytest.mark.parametrize(
    ("body", "sid"),
    [
        (CREATED, SID),
        (TELNYX_CREATED, None),
        (TELNYX_CREATED_WITH_ID, TELNYX_SID),
        ({"sid": SID}, SID),
        ({"sid": SID, "status": "in-progress"}, SID),
        ({"sid": SID, "status": "scheduled"}, SID),
        ({"sid": SID, "status": None}, SID),
        ({"sid": SID, "to": None}, SID),
        ({"sid": SID, "to": "sip:x@y"}, SID),
        ({"sid": SID, "to": NUMBER[1:]}, SID),
        ({"status": "Queued"}, None),
        ({"status": "initiated", "sid": ["CA1"]}, None),
        ({"status": "queued", "sid": "x" * 200}, None),
        ({"status": "queued", "sid": "CA 1"}, None),
    ],
)
def test_reply_with_a_call_is_accepted(status: int, body: Any, sid: str | None) -> None:
    """The call has an id, or a status before its end."""
    result = parse(body, status)
    assert (result.outcome, result.provider_id) == (ACCEPTED, sid)


@pytest.mark.parametrize("status", [200, 201, 202])
@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"\xff\xfe", b"null", b"[]", b'"queued"', b"{", b"{}", b"<html>It works!</html>"),
        *({"status": 201}, {"status": {"x": 1}}, {"status": "completed"}, {"status": "busy"}),
        *({"sid": None}, {"sid": 7}, {"sid": ""}, {"call_sid": []}, [CREATED]),
        {"code": 20003, "message": "Authenticate", "status": 401},
        b"[" * 60_000,
    ],
)
def test_unclear_reply_is_ambiguous(status: int, body: Any) -> None:
    """The phone may ring."""
    result = parse(body, status)
    assert (result.outcome, result.provider_id) == (AMBIGUOUS, None)


@pytest.mark.parametrize("word", ["failed", "Failed", "canceled"])
def test_call_that_failed_at_once_is_refused(word: str) -> None:
    """Another route may work; the id of a refused call is dropped."""
    result = parse({**CREATED, "status": word})
    assert (result.outcome, result.provider_id) == (REFUSED, None)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        *((status, MISCONFIGURED) for status in (301, 302, 307, 401, 402, 403, 404, 405)),
        *((status, REFUSED) for status in (400, 409, 410, 422)),
        *((status, AMBIGUOUS) for status in (203, 204, 206, 408, 500, 502, 503, 504, 599)),
        (429, BACK_OFF),
    ],
)
@pytest.mark.parametrize("body", [b"", b"<html>", CREATED, {"code": "x", "message": ["y"]}])
def test_status_decides_without_a_known_code(
    status: int, outcome: PlacementOutcome, body: Any
) -> None:
    """An id in an error is not a call's."""
    result = parse(body, status, retry_after_s=9)
    assert (result.outcome, result.provider_id) == (outcome, None)
    assert result.retry_after_s == (9 if outcome is BACK_OFF else None)


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        *((code, REFUSED) for code in (21211, 21214, 21215, 21217, 21219, 13227, 99999)),
        *((code, MISCONFIGURED) for code in (10001, 20003, 20005, 21205, 21609)),
        *((code, PlacementOutcome.LINE_REFUSED) for code in (21210, 21212, 21213)),
        (20429, BACK_OFF),
    ],
)
def test_code_of_a_refusal_decides(code: int, outcome: PlacementOutcome) -> None:
    """A refusal of the account or the caller line affects every call; as a number or as text."""
    for written in (code, str(code)):
        body = {"code": written, "message": "No.", "more_info": "https://x/", "status": 400}
        result = parse(body, 400)
        assert (result.outcome, result.detail) == (outcome, f"HTTP 400, code {code}: No.")


@pytest.mark.parametrize(
    "body",
    [
        *({"code": code, "message": "Forbidden"} for code in (21211, 21215, 21216, 32205)),
        {"errors": [{"code": "10010", "detail": "Dialed number is in no permitted country"}]},
    ],
)
def test_forbidden_number_is_refused(body: Any) -> None:
    """Otherwise one number, which a stranger may choose, could close the route for all others."""
    assert parse(body, 403).outcome is REFUSED


@pytest.mark.parametrize("code", [20003, 20005, None])
def test_forbidden_account_is_misconfigured(code: int | None) -> None:
    """Whatever its message is about."""
    message = "Account suspended" if code is None else "No international calls"
    assert parse({"code": code, "message": message}, 403).outcome is MISCONFIGURED


def test_code_does_not_soften_an_ambiguous_status() -> None:
    """A server error may come after the call was placed."""
    assert parse({"code": 21211, "message": "No."}, 500).outcome is AMBIGUOUS
    assert parse({"code": 21211, "message": "No."}, 401).outcome is MISCONFIGURED


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (
            {"errors": [{"code": "10015", "title": "Bad", "detail": "From is not yours"}]},
            "HTTP 422, code 10015: From is not yours",
        ),
        (
            {"errors": [{"code": "10015", "title": "Bad Request"}]},
            "HTTP 422, code 10015: Bad Request",
        ),
        ({"errors": []}, "HTTP 422"),
        ({"errors": ["x"]}, "HTTP 422"),
        ({"errors": {"code": "10015"}}, "HTTP 422"),
        (
            {"message": f"The number {NUMBER} of asha rao, code 4 7 1"},
            "HTTP 422: The number … of …, code … … …",
        ),
        ({"message": f"token={TOKEN}!"}, "HTTP 422: token=…!"),
        ({"code": NUMBER, "message": "a\tb\x00"}, "HTTP 422: a b"),
    ],
)
def test_detail_has_the_vendors_words_without_secrets(body: Any, detail: str) -> None:
    """Twilio's members or Telnyx's list; the token, the name and words with digits are removed."""
    assert parse(body, 422).detail == detail


def test_detail_has_at_most_120_characters() -> None:
    """However long the message is."""
    assert len(parse({"message": "x" * 60_000}, 422).detail) == 120


@pytest.mark.parametrize("to", ["+14155550100", "14155550100", " +918867135001 "])
@pytest.mark.parametrize("body", [CREATED, TELNYX_CREATED, {"status": "failed"}])
def test_reply_about_another_number_is_a_mismatch(to: str, body: dict[str, Any]) -> None:
    """Whether it accepts or refuses."""
    with pytest.raises(MismatchedReplyError):
        parse({**body, "to": to})
