"""How Mobtexting refuses, and what is no acceptance: docs/provider.md, section 2."""

import json
from typing import Any

import pytest
from providers.scripted_server import ScriptedServer, deadlines_in, http_response
from structlog.testing import capture_logs

from otpvoice.core.verification import Route
from otpvoice.http_client import Deadlines, HttpClient, HttpResponse
from otpvoice.providers.base import OutboundCall, PlacementOutcome, PlacementResult
from otpvoice.providers.mobtexting.provider import Mobtexting
from otpvoice.providers.mobtexting.reply import parse_placement

ACCEPTED, REFUSED = PlacementOutcome.ACCEPTED, PlacementOutcome.REFUSED
DOUBT, DOWN, LATER = (
    PlacementOutcome.AMBIGUOUS,
    PlacementOutcome.MISCONFIGURED,
    PlacementOutcome.BACK_OFF,
)
ROUTES = (Route.OBD, Route.C2C)
TOKEN = "38e896f55670311982434e929559bxxxx"
NUMBER = "918867135000"


def outbound_call(route: Route, name: str = "Asha Rao") -> OutboundCall:
    """A call to the usual number."""
    call_id = "call_0123456789abcdef0123456789abcdef"
    return OutboundCall(call_id, route, f"+{NUMBER}", "918068280000", "24", name, "1, 2, 3, 4")


def parse(route: Route, body: Any, status: int = 200, name: str = "Asha Rao") -> PlacementResult:
    """What a reply with this body means."""
    text = body if isinstance(body, str) else json.dumps(body)
    return parse_placement(outbound_call(route, name), HttpResponse(status, text.encode()), TOKEN)


def with_call(**members: Any) -> dict[str, Any]:
    """A reply of the newer documents about one call with these members."""
    return {"status": "OK", "message": "Calls queued successfully", "data": [members]}


# The status of the call itself


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("word", ["queued", "Queued", " SENT ", "accepted", "initiated", "200"])
def test_call_that_is_under_way_is_accepted(route: Route, word: str) -> None:
    """Compared without case and spaces; the id is the call's."""
    placement = parse(route, with_call(id="7", status=word))
    assert (placement.outcome, placement.provider_id) == (ACCEPTED, "7")


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    "word",
    [
        *("notallowed", "NOT ALLOWED", "not-allowed", "Not_Allowed", "failed", "FAILED (DND)"),
        *("rejected", "blocked", "dnd", "invalid", "error", "error104", "cancelled", "xyz", "422"),
    ],
)
def test_call_with_any_other_word_is_refused(route: Route, word: str) -> None:
    """Although the whole reply is OK; the id of a refused call is not kept."""
    placement = parse(route, with_call(id="7", status=word))
    assert (placement.outcome, placement.provider_id) == (REFUSED, None)


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    "word", ["success", "ringing", "in progress", "queued for delivery", "1", "-200", True, ["x"]]
)
def test_call_with_an_undocumented_promise_is_in_doubt(route: Route, word: Any) -> None:
    """It may ring: neither placed, nor called by another route."""
    assert parse(route, with_call(id="7", status=word)).outcome is DOUBT


def test_word_of_a_refused_call_is_told() -> None:
    """Operators see which word it was."""
    assert parse(Route.OBD, with_call(status="notallowed")).detail == (
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
        ([{"status": "failed"}, {"status": "ringing"}], DOUBT, DOUBT),
        ([{"status": "401"}], DOWN, DOWN),
        ([{"status": 500}], DOUBT, DOUBT),
    ],
)
def test_data_of_any_shape_is_read(data: Any, obd: PlacementOutcome, c2c: PlacementOutcome) -> None:
    """One object, a list, a list of several, or nothing; C2C's documented replies have none."""
    body = {"status": 200, "message": "OK", "data": data}
    assert (parse(Route.OBD, body).outcome, parse(Route.C2C, body).outcome) == (obd, c2c)


def test_id_is_that_of_the_accepted_call() -> None:
    """Of several entries not simply the first."""
    data = [{"id": "1", "status": "failed"}, {"id": "2:1", "status": "queued"}]
    assert parse(Route.OBD, {"status": "OK", "data": data}).provider_id == "2"
    assert parse(Route.C2C, {"status": 200, "callId": "9", "data": [{}]}).provider_id == "9"


# The status of the whole reply


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("ERROR", REFUSED),
        ("fail", REFUSED),
        ("Rejected!", REFUSED),
        ("E104", REFUSED),
        (False, REFUSED),
        ("404", REFUSED),
        ("success", DOUBT),
        ("Successful", DOUBT),
        ("queued", DOUBT),
        ("in_progress", DOUBT),
        (True, DOUBT),
        ("true", DOUBT),
        (0, DOUBT),
        ("-200", DOUBT),
        ({"code": 200}, DOUBT),
        ([200], DOUBT),
        ("405", REFUSED),
        ("429", LATER),
        ("unauthorized", DOWN),
        ("INSUFFICIENT_BALANCE", DOWN),
    ],
)
def test_status_of_the_reply_is_a_word_of_the_table(
    route: Route, status: Any, outcome: PlacementOutcome
) -> None:
    """A word that sounds like acceptance and is not documented leaves the call in doubt."""
    assert parse(route, {"status": status, "data": [{"id": "7"}]}).outcome is outcome


# What a refusal says


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


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("message", ACCOUNT)
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
def test_refusal_of_the_account_closes_the_route(
    route: Route, message: str, status: int, body: dict[str, Any]
) -> None:
    """Balance, credit, token, login: no call can be placed until an operator acts."""
    assert parse(route, body | {"message": message}, status).outcome is DOWN


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
def test_reason_is_found_wherever_it_stands(body: dict[str, Any]) -> None:
    """In the message, in an error of any depth, or with the call."""
    assert parse(Route.OBD, body).outcome is DOWN


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
def test_refusal_of_one_call_does_not_close_the_route(message: Any) -> None:
    """Otherwise one person's number could close it for all."""
    assert parse(Route.OBD, {"status": "ERROR", "message": message}).outcome is REFUSED


def test_name_in_a_message_is_not_judged() -> None:
    """A person who uses such a name cannot close a route."""
    message = {"status": "ERROR", "message": "Cannot speak 'Low Balance Token'"}
    assert parse(Route.OBD, message, name="Low Balance Token").outcome is REFUSED


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    "message", ["1 numbers accepted, balance 12.5", "Queued. Your balance is low", "1 credit used"]
)
def test_accepted_call_stays_accepted_whatever_the_balance(route: Route, message: str) -> None:
    """It rings: it must not be called by another route as well."""
    body = with_call(id="7", status="queued") | {"message": message}
    assert parse(route, body).outcome is ACCEPTED
    assert parse(route, {"status": 200, "callId": "7", "message": message}).outcome is ACCEPTED


@pytest.mark.parametrize("message", ["Invalid DID", "Call failed", "Number not allowed"])
def test_acceptance_that_contradicts_itself_is_in_doubt(message: str) -> None:
    """200 without a call's id, and a text that says no."""
    assert parse(Route.C2C, {"status": 200, "message": message}).outcome is DOUBT


@pytest.mark.parametrize("status", [500, 502, 503])
def test_server_error_stays_in_doubt_whatever_it_says(status: int) -> None:
    """It may ring all the same."""
    assert parse(Route.OBD, {"message": "Invalid token"}, status).outcome is DOUBT


@pytest.mark.parametrize(
    ("page", "outcome"),
    [
        ("<html><title>Login - Portal</title></html>", DOWN),
        ("<title>\n Sign in </title>", DOWN),
        ('<form action="/login" method="post"><input name="email"></form>', DOWN),
        ("<input name='p' class='x' type='password'>", DOWN),
        ("<INPUT TYPE=PASSWORD>", DOWN),
        ("<html><body><h1>It works!</h1></body></html>", DOUBT),
        ("<title>Bad Gateway</title>", DOUBT),
        ("Call queued. Log in to see it.", DOUBT),
        ("<input " * 9_000, DOUBT),
    ],
)
def test_login_page_closes_the_route(page: str, outcome: PlacementOutcome) -> None:
    """HTML with 200: the request met the portal's login, so no call was placed."""
    assert parse(Route.OBD, page).outcome is outcome


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 404, 405])
def test_wrong_address_closes_the_route(status: int) -> None:
    """A redirect to a login, or what is not the API at all."""
    assert parse(Route.OBD, "<html>", status).outcome is DOWN


def test_deeply_nested_reply_is_judged() -> None:
    """Neither too deep for the reader, nor for those who look for its words."""
    text = '{"status":"ERROR","message":' + "[" * 300 + '"balance"' + "]" * 300 + "}"
    assert parse(Route.OBD, text).outcome is DOWN


# The number that a reply is about


@pytest.mark.parametrize(
    "written",
    [
        *(NUMBER, f"+{NUMBER}", f"00{NUMBER}", NUMBER[2:], f"0{NUMBER[2:]}", int(NUMBER)),
        *("+91 88671 35000", "(91) 88671-35000", "91886713XXXX", "", None, "7", ["x"]),
    ],
)
@pytest.mark.parametrize(("route", "member"), [(Route.OBD, "to"), (Route.C2C, "from")])
def test_number_of_the_call_is_known_however_written(
    route: Route, member: str, written: Any
) -> None:
    """With or without country code, signs and zeros; a masked one is none."""
    for name in (member, "mobile"):
        assert parse(route, with_call(id="7", **{name: written})).outcome is ACCEPTED
        assert parse(route, with_call(id="7") | {name: written}).outcome is ACCEPTED


def test_bridge_and_flow_are_not_the_person() -> None:
    """C2C's ``to`` is the flow; ``from`` may be the bridge."""
    for members in ({"from": "918068280000", "to": "220"}, {"to": "flow:220"}):
        assert parse(Route.C2C, with_call(id="7", **members)).outcome is ACCEPTED


def test_entry_about_the_call_counts_among_others() -> None:
    """Of a list about several numbers."""
    data = [{"id": "1", "mobile": "919000000001"}, {"id": "2", "mobile": NUMBER}]
    assert parse(Route.OBD, {"status": "OK", "data": data}).provider_id == "2"


@pytest.mark.parametrize(
    ("route", "body"),
    [
        (Route.OBD, with_call(id="7", mobile="918867135001")),
        (Route.OBD, with_call(id="7", to="8867135001")),
        (Route.OBD, {"status": "OK", "data": {"id": "7", "mobile": "+91 88671 35001"}}),
        (Route.OBD, with_call(id="7", status="failed", mobile="918867135001")),
        (Route.C2C, {"status": 200, "callId": "7", "from": "918867135001"}),
    ],
)
def test_reply_about_another_number_is_in_doubt(route: Route, body: dict[str, Any]) -> None:
    """Its id is not kept, an error is logged, and the next request uses a new connection."""
    wire = ScriptedServer()
    good = json.dumps(with_call(id="8", status="queued")).encode()
    wire.respond(http_response(json.dumps(body).encode()), http_response(good))
    provider = Mobtexting(base_url=wire.url, token=TOKEN, http=HttpClient())
    try:
        with capture_logs() as logged:
            placement = provider.place(outbound_call(route), default_deadlines())
        assert placement == PlacementResult(DOUBT, "HTTP 200, the reply is about another number")
        assert [(line["event"], line["log_level"]) for line in logged] == [
            ("provider.reply_mismatch", "error")
        ]
        assert NUMBER not in str(logged)
        assert provider.place(outbound_call(route), default_deadlines()).provider_id == "8"
        assert [request.connection for request in wire.requests] == [1, 2]
    finally:
        wire.close()


def test_call_after_an_interim_reply_keeps_its_own_id() -> None:
    """A 103 before a reply on a kept connection does not give the next call the id before it."""
    bodies = [json.dumps({"status": 200, "callId": n}).encode() for n in ("first", "second")]
    wire = ScriptedServer()
    wire.respond(
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + http_response(bodies[0]),
        http_response(bodies[1]),
    )
    provider = Mobtexting(base_url=wire.url, token=TOKEN, http=HttpClient())
    try:
        placed = [provider.place(outbound_call(Route.C2C), default_deadlines()) for _ in bodies]
    finally:
        wire.close()
    assert [each.provider_id for each in placed] == ["first", "second"]


def default_deadlines() -> Deadlines:
    """Five seconds."""
    return deadlines_in(5)
