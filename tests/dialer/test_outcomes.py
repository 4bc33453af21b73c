"""Responses of the provider and the resulting status of a call (mobtexting.md, section 2)."""

import re
import socket
import unicodedata
from collections.abc import Callable
from typing import Any

import pytest
from providers.servers import connect_proxy
from support.service import ASHA, ClientAndDialer, SandboxPhones
from support.timing import finishes_within

from otpvoice.core.service import Verifications
from otpvoice.core.verification import CallReason, CallStatus
from otpvoice.dialer.dialer import Dialer
from otpvoice.store.redis_store import RedisStore

REFUSED = (CallStatus.FAILED, CallReason.REFUSED)
DOWN = (CallStatus.FAILED, CallReason.ROUTE_DOWN)
DOUBT = (CallStatus.UNKNOWN, CallReason.PROVIDER_ERROR)


LOGIN_PAGE = "<html><title>Login</title><input type='password'></html>"
BALANCE = {"status": "ERROR", "message": "Insufficient Balance"}


def reply(status: int, body: Any) -> dict[str, Any]:
    """Return a behaviour with this response of the provider."""
    return {"behaviour": "reply", "status": status, "body": body}


def call(status: str, mobile: str = ASHA) -> dict[str, Any]:
    """Return the body of an accepted request whose call has this status."""
    return {"status": "OK", "data": [{"id": "7", "mobile": mobile, "status": status}]}


def test_accepted_call_is_placed_and_speaks_the_code(
    harness: ClientAndDialer, phones: SandboxPhones
) -> None:
    """The phone rings once, and the voice speaks the name and the digits of the code."""
    verification = harness.create(name="Asha", code="0123")
    assert harness.dial_next()
    (call,) = harness.calls_of(verification)
    assert (call.status, call.route, call.reason) == (CallStatus.PLACED, "obd", None)
    assert call.placed_at is not None
    (heard,) = phones.calls(ASHA)
    assert heard["variables"] == {"Name": "Asha", "otp": "0, 1, 2, 3"}
    assert not harness.dial_next()


def test_c2c_call_uses_the_flow_of_the_locale(
    harness: ClientAndDialer, phones: SandboxPhones
) -> None:
    """The voice speaks the same name and code."""
    verification = harness.create(name="आशा", code="123456", route="c2c", locale="hi-IN")
    harness.dial_next()
    (call,) = harness.calls_of(verification)
    assert (call.status, call.route, call.locale) == (CallStatus.PLACED, "c2c", "hi")
    (heard,) = phones.calls(ASHA)
    assert heard["request"]["to"] == "flow:25"
    assert heard["request"]["mid"] == call.id
    assert heard["request"]["attempts"] == "0"


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        pytest.param({"behaviour": "error_401"}, DOWN, id="401"),
        pytest.param({"behaviour": "out_of_credit"}, DOWN, id="402"),
        pytest.param(reply(403, {"status": 403}), DOWN, id="403"),
        pytest.param(reply(302, ""), DOWN, id="302"),
        pytest.param(reply(404, {"status": 404}), DOWN, id="404"),
        pytest.param(reply(405, "<html>"), DOWN, id="405"),
        pytest.param(reply(200, LOGIN_PAGE), DOWN, id="login page"),
        pytest.param(reply(200, BALANCE), DOWN, id="200 with a balance"),
        pytest.param(reply(200, {"status": "ERROR"}), REFUSED, id="200 with a word"),
        pytest.param(reply(200, call("notallowed")), REFUSED, id="200 with a call not allowed"),
        pytest.param(reply(200, {"status": "OK", "data": [None]}), REFUSED, id="200 with [null]"),
        pytest.param(reply(200, {"status": "OK", "data": [{}]}), REFUSED, id="200 with [{}]"),
        pytest.param(reply(200, call("ringing")), DOUBT, id="200 with an unknown promise"),
        pytest.param(reply(200, call("queued", "917000000000")), DOUBT, id="another number"),
        pytest.param(reply(422, {"status": 422, "message": "no"}), REFUSED, id="422"),
        pytest.param(reply(200, {"status": 401}), DOWN, id="200 with 401"),
        pytest.param(reply(200, {"status": "422"}), REFUSED, id="200 with 422"),
        pytest.param(reply(200, {"status": 200, "data": []}), REFUSED, id="200 with empty data"),
        pytest.param({"behaviour": "error_500"}, DOUBT, id="500"),
        pytest.param(reply(502, "<html>Bad Gateway</html>"), DOUBT, id="502 with HTML"),
        pytest.param(reply(200, {"status": 500}), DOUBT, id="200 with 500"),
        pytest.param({"behaviour": "empty"}, DOUBT, id="empty"),
        pytest.param({"behaviour": "garbage"}, DOUBT, id="garbage"),
        pytest.param({"behaviour": "huge"}, DOUBT, id="10 MB"),
        pytest.param({"behaviour": "cut"}, DOUBT, id="cut off"),
        pytest.param({"behaviour": "trickle", "seconds": 1}, DOUBT, id="a byte a second"),
        pytest.param({"behaviour": "timeout"}, DOUBT, id="no answer"),
    ],
)
def test_failed_placement_is_never_placed(
    harness: ClientAndDialer,
    phones: SandboxPhones,
    behaviour: dict[str, Any],
    expected: tuple[CallStatus, CallReason],
) -> None:
    """Each has its class, ends by the deadline, and is not repeated on its route."""
    phones.set_behaviour(ASHA, **behaviour)
    verification = harness.create()
    with finishes_within(2):
        harness.dial_next(send_within=1.0, end_within=1.5)
    first, *others = harness.calls_of(verification)
    assert (first.status, first.reason) == expected
    assert [entry["route"] for entry in phones.ledger()] == ["obd"]
    if first.status is CallStatus.UNKNOWN:
        assert others == []
        assert not harness.dial_next()
    else:
        assert [(call.status, call.route) for call in others] == [(CallStatus.QUEUED, "c2c")]


def test_refused_call_continues_on_the_next_route_at_once(
    harness: ClientAndDialer, phones: SandboxPhones
) -> None:
    """Without a gap, with the same code. After a second refusal no further call follows."""
    phones.set_behaviour(ASHA, "reply", status=422, body={"status": 422})
    verification = harness.create(code="123456")
    assert [harness.dial_next(), harness.dial_next(), harness.dial_next()] == [True, True, False]
    assert [(call.route, call.status) for call in harness.calls_of(verification)] == [
        ("obd", CallStatus.FAILED),
        ("c2c", CallStatus.FAILED),
    ]
    codes = {entry["request"]["variables[otp]"] for entry in phones.ledger()}
    assert codes == {"1, 2, 3, 4, 5, 6"}


def test_429_repeats_the_call_at_most_three_times(
    harness: ClientAndDialer, phones: SandboxPhones, store: RedisStore
) -> None:
    """It waits in the queue, leaves no gap, and then the next route follows."""
    phones.set_behaviour(
        ASHA, "reply", status=429, body={"status": 429}, headers={"Retry-After": "5"}
    )
    verification = harness.create()
    for _ in range(2):
        assert harness.dial_next()
        (call,) = harness.calls_of(verification)
        assert call.status is CallStatus.QUEUED
        assert not harness.dial_next()
        store.clock_offset_ms += 5_001
    assert harness.dial_next()
    first, second = harness.calls_of(verification)
    assert (first.status, first.reason) == (CallStatus.FAILED, CallReason.PROVIDER_ERROR)
    assert (second.status, second.route) == (CallStatus.QUEUED, "c2c")
    assert [entry["route"] for entry in phones.ledger()] == ["obd", "obd", "obd"]


def test_refused_connection_is_retried_until_too_late(
    service: Verifications, store: RedisStore, make_dialer: Callable[..., Dialer]
) -> None:
    """Then on the next route, until the remaining lifetime is too short. No gap is left."""
    with socket.socket() as nobody_listens:
        nobody_listens.bind(("127.0.0.1", 0))
        base_url = f"http://127.0.0.1:{nobody_listens.getsockname()[1]}/api/v2/"
        harness = ClientAndDialer(service, store, make_dialer(OTPVOICE_PROVIDER_BASE_URL=base_url))
        verification = harness.create()
        dialed = 0
        for _ in range(200):
            dialed += harness.dial_next()
            store.clock_offset_ms += 2_000
    assert dialed > 10
    assert [(call.route, call.status, call.reason) for call in harness.calls_of(verification)] == [
        ("obd", CallStatus.FAILED, CallReason.PROVIDER_ERROR),
        ("c2c", CallStatus.EXPIRED, CallReason.TOO_LATE),
    ]
    assert service.get("login", verification.id).verification.gap_until == 0


def test_late_dialer_sends_nothing(harness: ClientAndDialer, phones: SandboxPhones) -> None:
    """The call returns to the queue."""
    verification = harness.create()
    harness.dial_next(send_within=-0.001)
    (call,) = harness.calls_of(verification)
    assert call.status is CallStatus.QUEUED
    assert phones.ledger() == []


def test_call_through_a_proxy_is_placed(
    service: Verifications,
    store: RedisStore,
    phones: SandboxPhones,
    make_dialer: Callable[..., Dialer],
) -> None:
    """With ``provider.proxy`` the request goes through a tunnel, and the phone rings."""
    with connect_proxy() as proxy:
        harness = ClientAndDialer(service, store, make_dialer(OTPVOICE_PROVIDER_PROXY=proxy.url))
        verification = harness.create()
        harness.dial_next()
    assert harness.calls_of(verification)[0].status is CallStatus.PLACED
    assert len(phones.ledger()) == 1
    assert bytes(proxy.relayed).startswith(b"POST /api/v2/outgoing/send")


@pytest.mark.parametrize("status", [403, 407, 502])
def test_call_that_the_proxy_refuses_is_unsent(
    service: Verifications,
    store: RedisStore,
    phones: SandboxPhones,
    make_dialer: Callable[..., Dialer],
    status: int,
) -> None:
    """It is sent again later and leaves no gap, because the provider was sent nothing."""
    with connect_proxy() as proxy:
        proxy.response = f"HTTP/1.1 {status} No\r\n\r\n".encode()
        harness = ClientAndDialer(service, store, make_dialer(OTPVOICE_PROVIDER_PROXY=proxy.url))
        verification = harness.create()
        harness.dial_next()
        assert harness.calls_of(verification)[0].status is CallStatus.QUEUED
        assert phones.ledger() == []
        proxy.response = b""
        store.clock_offset_ms += 1_001
        harness.dial_next()
    assert harness.calls_of(verification)[0].status is CallStatus.PLACED


CODE = "9071"
SPELLED = "9, 0, 7, 1"


@pytest.mark.parametrize("route", ["obd", "c2c"])
@pytest.mark.parametrize(
    ("name", "reaches"),
    [
        ("{otp}", "otp"),
        ("{{otp@digits}}", "otpdigits"),
        ("{{https://evil.example/x@play}}", "httpsevil.examplexplay"),
        ("<speak><say-as interpret-as='digits'>1</say-as></speak>", None),
        ("Asha\r\nvariables[otp]: 6666", "Asha variablesotp"),
        ('Asha","variables[otp]":"6666', "Ashavariablesotp"),
        ("\u202eahsA\u202c\u200f", "ahsA"),
        ("Asha 6666 ६६६६ ６６६６", "Asha"),
        ("a" * 10_000, "a" * 40),
        ("😀🎉", "Customer"),
        ("രാജന്\u200d", "രാജൻ"),
        ("Z" + "\u0335" * 500 + "algo", "Z" + "\u0335" * 6 + "algo"),
    ],
)
def test_spoken_name_contains_letters_marks_and_four_signs_only(
    harness: ClientAndDialer, phones: SandboxPhones, name: str, reaches: str | None, route: str
) -> None:
    """At most 40 characters. The code is the only other text with digits."""
    harness.create(name=name, code=CODE, route=route)
    assert harness.dial_next()
    (call,) = phones.calls(ASHA)
    reported = call["variables"]
    assert reported == {"Name": reaches or reported["Name"], "otp": SPELLED}
    assert len(reported["Name"]) <= 40
    assert all(c in " '-." or unicodedata.category(c)[0] in "LM" for c in reported["Name"])
    (entry,) = phones.ledger()
    # An id of hex digits may contain them.
    assert "6666" not in re.sub(r"[0-9a-f]{32}", "", str(entry["request"]))
