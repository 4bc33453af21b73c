"""``GET``, ``calls``, ``cancel`` and ``approve``, and to whom a verification is known."""

from collections.abc import Callable
from typing import Any

import pytest
from api.door import UNKNOWN, VERIFICATIONS, Door, HandDialer, pointers, problem

STEPS = ["", "/checks", "/calls", "/cancel", "/approve"]
EMPTY: list[tuple[bytes, str | None]] = [
    (b"", None),
    (b"", "text/plain"),
    (b"", "application/json"),
    (b"{}", "application/json"),
    (b" {\n} ", "application/json; charset=utf-8"),
]
"""Bodies that say nothing, with their Content-Type."""


def take(door: Door, verification_id: str, step: str) -> Any:
    """One request about a verification, well-formed."""
    path = f"{VERIFICATIONS}/{verification_id}{step}"
    if not step:
        return door.get(path)
    return door.post(path, {"code": "123456"} if step == "/checks" else None)


@pytest.mark.parametrize("step", STEPS)
def test_anothers_verification_is_as_unknown_as_none(door: Door, step: str) -> None:
    """The same 404, byte for byte but for the request's id; and nothing happens to it."""
    theirs = door.bank().asks(code="123456")
    ids = [theirs["id"], UNKNOWN, "vrf_", "x" * 300, theirs["id"].upper(), "vrf_%00", "हिन्दी"]
    texts, headers = set(), set()
    for verification_id in ids:
        answer = take(door, verification_id, step)
        body = problem(answer, 404, "not_found")
        texts.add(answer.text.replace(body["instance"], ""))
        headers.add(tuple(h for h in answer.headers.items() if h[0] != "Request-Id"))
    assert len(texts) == 1
    assert len(headers) == 1
    assert door.bank().looks(theirs)["version"] == theirs["version"]


def test_an_ended_one_can_still_be_read(door: Door) -> None:
    """With its object as it ended, for as long as it is kept."""
    began = door.asks(code="1234")
    ended = door.does(began, "cancel").get_json()
    door.later(3600)
    assert door.looks(began) == ended


@pytest.mark.parametrize(("raw", "content_type"), EMPTY)
def test_calls_without_a_body(door: Door, raw: bytes, content_type: str | None) -> None:
    """Nothing asked for in particular: 202 and the object."""
    began = door.asks(call_after=60)
    answer = door.posts(f"{VERIFICATIONS}/{began['id']}/calls", raw, content_type)
    assert (answer.status_code, answer.get_json()["id"]) == (202, began["id"])


@pytest.mark.parametrize("step", ["cancel", "approve"])
@pytest.mark.parametrize(("raw", "content_type"), EMPTY)
def test_ends_without_a_body(door: Door, step: str, raw: bytes, content_type: str | None) -> None:
    """There is nothing to say: 200."""
    began = door.asks()
    answer = door.posts(f"{VERIFICATIONS}/{began['id']}/{step}", raw, content_type)
    assert (answer.status_code, answer.get_json()["id"]) == (200, began["id"])


@pytest.mark.parametrize("step", ["calls", "cancel", "approve"])
def test_unknown_members_are_refused_everywhere(door: Door, step: str) -> None:
    """422 that names them, and nothing happens."""
    began = door.asks(call_after=60)
    body = problem(door.does(began, step, {"why": 1, "name": "x"}), 422, "invalid_request")
    assert sorted(pointers(body)) == ["/name", "/why"]
    assert door.looks(began)["version"] == began["version"]


@pytest.mark.parametrize(
    ("member", "value"), [("route", "sms"), ("route", 1), ("locale", "hi IN"), ("locale", 1)]
)
def test_calls_takes_no_wrong_wish(door: Door, member: str, value: Any) -> None:
    """422 that points at it, and nothing is queued or moved."""
    began = door.asks(call_after=60)
    body = problem(door.does(began, "calls", {member: value}), 422, "invalid_request")
    assert pointers(body) == [f"/{member}"]
    assert door.looks(began)["calls"] == began["calls"]


def test_a_further_call_goes_as_asked(door: Door, dialer: HandDialer) -> None:
    """Its route and flow are the ones asked for; without, the verification's own."""
    began = door.asks(ttl=600, route="c2c", locale="hi", code="1234")
    for n, (wish, route, locale) in enumerate(
        [({"route": "obd", "locale": "en-IN"}, "obd", "default"), ({}, "c2c", "hi")], 1
    ):
        claim = dialer.places()
        door.calls_back(id=claim.call_id, status="BUSY")
        door.later(61)
        call = door.does(began, "calls", wish).get_json()["calls"][n]
        assert (call["status"], call["route"], call["locale"]) == ("queued", route, locale)
    assert dialer.reads(dialer.claims())[1] == "1234"


def test_a_call_is_brought_forward(door: Door, dialer: HandDialer) -> None:
    """The SMS did not come: the delayed call is due now, and it is the same call."""
    began = door.asks(call_after=200)
    assert dialer.finds_nothing()
    shown = door.does(began, "calls").get_json()
    assert [call["id"] for call in shown["calls"]] == [began["calls"][0]["id"]]
    assert shown["version"] > began["version"]
    assert dialer.claims().call_id == began["calls"][0]["id"]


def test_a_call_brought_forward_comes_as_it_is_asked_for(door: Door, dialer: HandDialer) -> None:
    """Who asks for it names the language now; what is not named stays as it was."""
    began = door.asks(call_after=200, route="c2c")
    (call,) = door.does(began, "calls", {"locale": "hi-IN"}).get_json()["calls"]
    assert (call["route"], call["locale"]) == ("c2c", "hi")
    began = door.asks("+919812345678", call_after=200, locale="hi")
    (call,) = door.does(began, "calls", {"route": "c2c"}).get_json()["calls"]
    assert (call["route"], call["locale"]) == ("c2c", "hi")
    assert dialer.claims().route == "c2c"


def test_asking_again_adds_nothing(door: Door, dialer: HandDialer) -> None:
    """202 while a call is queued or dialing, and it stays the only one."""
    began = door.asks()
    queued = door.does(began, "calls", {"route": "c2c"})
    dialer.claims()
    dialing = door.does(began, "calls", {"route": "c2c"})
    for answer, status in ((queued, "queued"), (dialing, "dialing")):
        assert answer.status_code == 202
        (call,) = answer.get_json()["calls"]
        assert (call["status"], call["route"]) == (status, "obd")


def test_a_promised_call_needs_no_dialer_to_be_brought_forward(door: Door) -> None:
    """It was taken on before: 202 though nobody was heard of for 30 s."""
    began = door.asks(call_after=100)
    door.store.clock_offset += 31_000
    assert door.does(began, "calls").status_code == 202


def test_no_further_call_over_capacity(door: Door, dialer: HandDialer) -> None:
    """503 with the verification while others wait for more than a minute."""
    began = door.asks(ttl=600)
    claim = dialer.places()
    door.calls_back(id=claim.call_id, status="BUSY")
    door.asks("+919876543211", ttl=600)
    door.later(61)
    body = problem(door.does(began, "calls"), 503, "over_capacity")
    assert body["verification"] == door.looks(began)


def test_cancel_calls_the_call_off(door: Door, dialer: HandDialer) -> None:
    """200, again 200 with the same object; the queued call never comes."""
    began = door.asks(code="1234")
    answers = [door.does(began, "cancel") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    first, second = (answer.get_json() for answer in answers)
    assert first == second
    assert (first["status"], first["reason"]) == ("canceled", "requested")
    assert [(c["status"], c["reason"]) for c in first["calls"]] == [("canceled", "ended_first")]
    assert dialer.finds_nothing()


def test_a_placed_call_can_not_be_called_back(door: Door, dialer: HandDialer) -> None:
    """Cancel ends the verification; the call rings on, and its end becomes known."""
    began = door.asks()
    claim = dialer.places()
    assert door.does(began, "cancel").get_json()["calls"][0]["status"] == "placed"
    door.calls_back(id=claim.call_id, status="ANSWER")
    shown = door.looks(began)
    assert (shown["status"], shown["calls"][0]["status"]) == ("canceled", "answered")


def test_approve_is_proof_by_other_means(door: Door, dialer: HandDialer) -> None:
    """200 ``approved_elsewhere``, again 200 with the same object; the code is of no use then."""
    began = door.asks(code="1234", call_after=60)
    answers = [door.does(began, "approve") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    first, second = (answer.get_json() for answer in answers)
    assert first == second
    assert (first["status"], first["reason"]) == ("approved", "approved_elsewhere")
    assert "valid" not in first
    problem(door.checks(began, "1234"), 409, "verification_closed")
    door.later(61)
    assert dialer.finds_nothing()


def test_approving_what_a_check_approved_changes_nothing(door: Door) -> None:
    """200, and the object stays what the check made of it."""
    began = door.asks(code="1234")
    door.checks(began, "1234")
    proved = door.looks(began)
    answer = door.does(began, "approve")
    assert (answer.status_code, answer.get_json()) == (200, proved)
    assert proved["reason"] is None


def test_a_superseded_one_is_canceled_already(door: Door) -> None:
    """Cancel is 200 and leaves the reason as it is."""
    began = door.asks(code="1234")
    door.asks(code="4321")
    answer = door.does(began, "cancel")
    assert (answer.status_code, answer.get_json()["reason"]) == (200, "superseded")


@pytest.mark.parametrize(
    ("end", "refused", "status"),
    [
        ("cancel", ["approve", "calls", "checks"], "canceled"),
        ("approve", ["cancel", "calls", "checks"], "approved"),
        ("check", ["cancel", "calls", "checks"], "approved"),
        ("expire", ["cancel", "approve", "calls", "checks"], "expired"),
        ("guess", ["cancel", "approve", "calls", "checks"], "max_attempts_reached"),
    ],
)
def test_an_end_is_final(door: Door, end: str, refused: list[str], status: str) -> None:
    """409 with the object for every other step, and the object stays as it ended."""
    began = door.asks(code="1234")
    ends: dict[str, Callable[[], object]] = {
        "cancel": lambda: door.does(began, "cancel"),
        "approve": lambda: door.does(began, "approve"),
        "check": lambda: door.checks(began, "1234"),
        "expire": lambda: door.later(301),
        "guess": lambda: [door.checks(began, f"000{n}") for n in range(5)],
    }
    ends[end]()
    ended = door.looks(began)
    assert ended["status"] == status
    for step in refused:
        body = {"code": "1234"} if step == "checks" else None
        shown = problem(door.does(began, step, body), 409, "verification_closed")
        assert shown["verification"] == ended
    assert door.looks(began) == ended
