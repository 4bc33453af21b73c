"""Plivo's reply to a request for a call: docs/providers/plivo.md, section 2."""

import json
from typing import Any

import pytest
from providers.plivo_samples import FIRED, NUMBER, REQUEST_UUID, TOKEN

from otpvoice.http_client import HttpResponse
from otpvoice.providers.base import PlacementOutcome, PlacementResult
from otpvoice.providers.plivo.reply import parse_placement

ACCEPTED, REFUSED = PlacementOutcome.ACCEPTED, PlacementOutcome.REFUSED
AMBIGUOUS, BACK_OFF = PlacementOutcome.AMBIGUOUS, PlacementOutcome.BACK_OFF
MISCONFIGURED = PlacementOutcome.MISCONFIGURED


def parse(
    status: int, body: Any, retry_after_s: float | None = None, name: str = "Asha Rao"
) -> PlacementResult:
    """Parse a reply with this body: bytes or JSON members."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return parse_placement(HttpResponse(status, content, retry_after_s), (TOKEN, name))


@pytest.mark.parametrize("status", [200, 201, 202])
@pytest.mark.parametrize("request_uuid", [REQUEST_UUID, [REQUEST_UUID]])
def test_reply_with_a_request_id_is_accepted(status: int, request_uuid: Any) -> None:
    """The documented reply; a list of one id is the same."""
    result = parse(status, FIRED | {"request_uuid": request_uuid})
    assert result == PlacementResult(ACCEPTED, f"HTTP {status}: call fired", REQUEST_UUID)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>It works!</html>",
        b"[]",
        b'{"request_uuid": "9834029e',
        b'{"a":' * 10_000,
        b"\xff\xfe",
        {"message": "call fired"},
        {"error": "insufficient balance"},
        FIRED | {"request_uuid": ""},
        FIRED | {"request_uuid": None},
        FIRED | {"request_uuid": "x" * 65},
        FIRED | {"request_uuid": "../../Account/"},
        FIRED | {"request_uuid": [REQUEST_UUID, CALL := "eac94337-b1cd"]},
        FIRED | {"request_uuid": {"a": REQUEST_UUID}},
    ],
)
def test_success_without_a_request_id_is_ambiguous(body: Any) -> None:
    """The phone may ring, so no second request follows."""
    result = parse(201, body)
    assert (result.outcome, result.provider_id) == (AMBIGUOUS, None)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        *((status, MISCONFIGURED) for status in (301, 302, 307, 401, 402, 403, 404, 405)),
        *((status, REFUSED) for status in (400, 409, 410, 422)),
        (429, BACK_OFF),
        *((status, AMBIGUOUS) for status in (204, 500, 502, 503, 504)),
    ],
)
@pytest.mark.parametrize("body", [b"", b"<html>", FIRED, {"error": "x"}])
def test_http_status_decides(status: int, outcome: PlacementOutcome, body: Any) -> None:
    """An id in a refusal accepts no call."""
    result = parse(status, body)
    assert (result.outcome, result.provider_id) == (outcome, None)


@pytest.mark.parametrize(
    "error",
    [
        *("insufficient balance", "Not enough credits", "account is suspended", "KYC is pending"),
        "KYC of the from number is pending",
        *("answer_url parameter is not valid", "call violates_media_anchoring"),
        *("India calling is not enabled", "trial account"),
    ],
)
@pytest.mark.parametrize("status", [400, 403])
def test_refusal_of_the_account_is_misconfigured(status: int, error: str) -> None:
    """Each call fails until an operator acts."""
    assert parse(status, {"error": error}).outcome is MISCONFIGURED


@pytest.mark.parametrize(
    "error",
    ["from number is not in your pool", "invalid caller id", "from is not valid"],
)
def test_refusal_of_the_line_concerns_this_line_only(error: str) -> None:
    """Calls from another line go on. A status that names the account decides first."""
    assert parse(400, {"error": error}).outcome is PlacementOutcome.LINE_REFUSED
    assert parse(403, {"error": error}).outcome is MISCONFIGURED


@pytest.mark.parametrize(
    "error",
    [
        *("to number is invalid", "to parameter is not valid", "invalid destination"),
        *("calls to this country are disabled in geo permissions", "destination number barred"),
        *("high risk destination, insufficient permission",),
    ],
)
@pytest.mark.parametrize("status", [400, 403])
def test_refusal_of_one_number_is_refused(status: int, error: str) -> None:
    """Otherwise one number could close the route for all others, whatever name goes with it."""
    assert parse(status, {"error": error}).outcome is REFUSED
    for name in {*error.split(), error}:
        assert parse(status, {"error": error}, name=name).outcome is REFUSED, name


def test_back_off_has_retry_after() -> None:
    """The wait is the provider's, if it names one."""
    assert parse(429, b"").retry_after_s is None
    assert parse(429, b"", 7.0).retry_after_s == 7
    assert parse(400, b"", 7.0).retry_after_s is None


@pytest.mark.parametrize(
    "error",
    [
        f"cannot call {NUMBER}",
        f"cannot call +{NUMBER} as Asha Rao with {TOKEN}",
        "code 4 7 1 1 0 2 for asha rao",
        {"to": [f"{NUMBER} is invalid"]},
        "x" * 5_000,
    ],
)
def test_detail_is_short_and_has_no_secret(error: Any) -> None:
    """Neither number, code, name nor token is logged."""
    detail = parse(400, {"error": error}).detail
    assert len(detail) <= 120
    assert not [each for each in (NUMBER, TOKEN, "4 7", "Asha", "asha") if each in detail]


def test_deeply_nested_error_is_parsed() -> None:
    """The search for a reason does not recurse."""
    text = '{"error":' + "[" * 300 + '"insufficient balance"' + "]" * 300 + "}"
    assert parse(400, text.encode()).outcome is MISCONFIGURED
