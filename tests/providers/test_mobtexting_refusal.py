"""Mobtexting's refusals: those of a call, of the account, and what only looks like one."""

from typing import Any

import pytest
from providers.samples import OBD_NEWER, parse_reply, reply_with_call

from otpvoice.providers.base import PlacementOutcome
from otpvoice.providers.mobtexting.modes import Mode

ACCEPTED, REFUSED = PlacementOutcome.ACCEPTED, PlacementOutcome.REFUSED
AMBIGUOUS, BACK_OFF = PlacementOutcome.AMBIGUOUS, PlacementOutcome.BACK_OFF
MISCONFIGURED = PlacementOutcome.MISCONFIGURED


# The reason of a refusal


ACCOUNT = [
    *("Insufficient Balance", "insufficient_balance", "Low balance", "Not enough credits"),
    *("No credit", "Insufficient funds", "Please recharge your wallet", "Invalid token"),
    *("InvalidToken", "Token expired", "Token mismatch", "Unauthenticated.", "Unauthorized"),
    *("un-authorised request", "Authentication failed", "Not authorized", "Invalid API key"),
    *("invalid api_key", "Your account has expired", "Account is suspended", "Blocked account"),
    *("Your plan has expired", "Expired subscription", "Please log in", "Please login first"),
    *("Invalid username or password", "Access denied", "Forbidden", "Validity expired"),
    "Insufficient balance to call this number",
]


@pytest.mark.parametrize("route", Mode)
@pytest.mark.parametrize(
    ("status", "body"),
    [
        pytest.param(200, {"status": "ERROR"}, id="word"),
        pytest.param(200, {"status": 422}, id="number"),
        pytest.param(200, {"status": 500}, id="500 in the body"),
        pytest.param(200, {}, id="no status"),
        pytest.param(200, {"status": 200}, id="200 without a call"),
        pytest.param(400, {}, id="HTTP 400"),
        pytest.param(422, {"status": 422}, id="HTTP 422"),
    ],
)
def test_refusal_of_the_account_is_misconfigured(
    route: Mode, status: int, body: dict[str, Any]
) -> None:
    """Balance, credit, token, login: every call fails until an operator acts."""
    outcomes = {
        message: parse_reply(route, body | {"message": message}, status).outcome
        for message in ACCOUNT
    }
    assert outcomes == dict.fromkeys(ACCOUNT, MISCONFIGURED)


@pytest.mark.parametrize(
    "body",
    [
        {"status": "ERROR", "error": "Insufficient Balance"},
        {"status": "ERROR", "errors": {"token": ["The token is invalid."]}},
        {"status": "ERROR", "errors": [{"reason": ["Insufficient credits"]}]},
        {"status": "OK", "data": [{"status": "failed", "message": "Insufficient Balance"}]},
        {"status": "OK", "data": [{"status": "insufficient-balance"}]},
        {"status": "OK", "data": ["Insufficient Balance"]},
        {"status": "OK", "data": "Insufficient Balance"},
    ],
)
def test_reason_is_found_in_any_member(body: dict[str, Any]) -> None:
    """In the message, in an error of any depth, or in the call's entry."""
    assert parse_reply(Mode.OBD, body).outcome is MISCONFIGURED


@pytest.mark.parametrize(
    "message",
    [
        *(
            "Invalid flow",
            "Invalid number",
            "Number is in DND",
            "Number is blocked",
            "no such flow",
        ),
        *("Number not authorized", "This mobile is not authorized", "busy", "", None, ["x"], "500"),
        *("The destination is forbidden", "Invalid bridge"),
    ],
)
def test_refusal_of_one_call_is_refused(message: Any) -> None:
    """Otherwise one number could close the route for all others."""
    assert parse_reply(Mode.OBD, {"status": "ERROR", "message": message}).outcome is REFUSED


def test_recipients_name_in_a_message_is_ignored() -> None:
    """A person with such a name must not close a route."""
    message = {"status": "ERROR", "message": "Cannot speak 'Low Balance Token'"}
    assert parse_reply(Mode.OBD, message, name="Low Balance Token").outcome is REFUSED


@pytest.mark.parametrize("name", ["Number", "number is", "um"])
def test_recipients_name_does_not_hide_the_number(name: str) -> None:
    """Nor must a person whose name is a word of the reason."""
    message = {"status": "ERROR", "message": "Number is not authorized"}
    assert parse_reply(Mode.OBD, message, name=name).outcome is REFUSED


@pytest.mark.parametrize("route", Mode)
@pytest.mark.parametrize(
    "message", ["1 numbers accepted, balance 12.5", "Queued. Your balance is low", "1 credit used"]
)
def test_accepted_call_stays_accepted_whatever_the_message(route: Mode, message: str) -> None:
    """The phone rings, so the call must not be sent by another route as well."""
    body = reply_with_call(id="7", status="queued") | {"message": message}
    assert parse_reply(route, body).outcome is ACCEPTED
    assert (
        parse_reply(route, {"status": 200, "callId": "7", "message": message}).outcome is ACCEPTED
    )


@pytest.mark.parametrize("message", ["Invalid DID", "Call failed", "Number not allowed"])
def test_contradictory_reply_is_ambiguous(message: str) -> None:
    """200 without a call's id, and a text that refuses."""
    assert parse_reply(Mode.C2C, {"status": 200, "message": message}).outcome is AMBIGUOUS


@pytest.mark.parametrize("status", [500, 502, 503])
def test_server_error_is_ambiguous_whatever_the_message(status: int) -> None:
    """The phone may ring."""
    assert parse_reply(Mode.OBD, {"message": "Invalid token"}, status).outcome is AMBIGUOUS


@pytest.mark.parametrize(
    ("page", "outcome"),
    [
        ("<html><title>Login - Portal</title></html>", MISCONFIGURED),
        ("<title>\n Sign in </title>", MISCONFIGURED),
        ('<form action="/login" method="post"><input name="email"></form>', MISCONFIGURED),
        ("<input name='p' class='x' type='password'>", MISCONFIGURED),
        ("<INPUT TYPE=PASSWORD>", MISCONFIGURED),
        ("<html><body><h1>It works!</h1></body></html>", AMBIGUOUS),
        ("<title>Bad Gateway</title>", AMBIGUOUS),
        ("Call queued. Log in to see it.", AMBIGUOUS),
        ("<input " * 9_000, AMBIGUOUS),
    ],
)
def test_login_page_is_misconfigured(page: str, outcome: PlacementOutcome) -> None:
    """HTML with 200: the request reached the portal's login page, so no call was placed."""
    assert parse_reply(Mode.OBD, page).outcome is outcome


@pytest.mark.parametrize("body", [b"", b"<html>", OBD_NEWER, b'{"status":200,"data":[1]}'])
@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        *((status, MISCONFIGURED) for status in (301, 302, 307, 308, 401, 402, 403, 404, 405)),
        *((status, REFUSED) for status in (400, 410, 422)),
        (429, BACK_OFF),
        *((status, AMBIGUOUS) for status in (201, 204, 500, 502, 504)),
    ],
)
def test_other_http_status_decides_alone(
    status: int, outcome: PlacementOutcome, body: bytes
) -> None:
    """Whatever the body contains."""
    result = parse_reply(Mode.OBD, body, status)
    assert (result.outcome, result.provider_id) == (outcome, None)
    assert result.detail.startswith(f"HTTP {status}")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>OK</html>",
        b"[]",
        b"200",
        b'{"message":"hello"}',
        b'{"status":1e400}',
        b'{"status":200,"data":[{"id":"7',
        b'{"status":200,"data":"\xff"}',
        b'{"a":' * 10_000,
        b'{"status":' + b"9" * 5_000 + b"}",
    ],
)
def test_body_without_status_is_ambiguous(body: bytes) -> None:
    """A 200 without readable JSON or without a status does not refuse the call."""
    assert parse_reply(Mode.OBD, body).outcome is AMBIGUOUS


def test_deeply_nested_reply_is_parsed() -> None:
    """Neither the decoder nor the search for a reason recurses too deeply."""
    text = '{"status":"ERROR","message":' + "[" * 300 + '"balance"' + "]" * 300 + "}"
    assert parse_reply(Mode.OBD, text).outcome is MISCONFIGURED
