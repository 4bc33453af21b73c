"""When a create finds the verification under way, and when it begins a new one."""

import pytest
from api.door import Door, HandDialer, problem


def is_superseded(door: Door, verification: dict[str, object]) -> bool:
    """Whether a newer one took its place, and its call with it."""
    now = door.looks(verification)
    ended = {(call["status"], call["reason"]) for call in now["calls"]}
    assert ended == {("canceled", "ended_first")}
    return (now["status"], now["reason"]) == ("canceled", "superseded")


@pytest.mark.parametrize("reference", [None, "", "login-81", "r" * 64])
def test_the_same_reference_is_the_same_login(door: Door, reference: str | None) -> None:
    """A second create is 200 with the same id and adds no call."""
    began = door.asks(reference=reference)
    again = door.creates(reference=reference)
    assert again.status_code == 200
    assert again.headers["Location"] == began["url"]
    shown = again.get_json()
    assert (shown["id"], shown["version"]) == (began["id"], began["version"])
    assert shown["calls"] == began["calls"]


def test_no_reference_is_a_null_reference(door: Door) -> None:
    """Absent and null are equal; an empty one is another."""
    began = door.asks()
    assert door.asks_again(reference=None)["id"] == began["id"]
    other = door.asks(reference="")
    assert other["id"] != began["id"]
    assert door.looks(began)["status"] == "pending"


@pytest.mark.parametrize("other", ["login-82", None, "LOGIN-81", "login-81 "])
def test_create_with_another_reference_leaves_the_first_pending(
    door: Door, other: str | None
) -> None:
    """Two login sessions never share one: 201, and the code of the first is still accepted."""
    began = door.asks(reference="login-81", code="1234")
    newer = door.asks(reference=other)
    assert newer["id"] != began["id"]
    assert door.checks(began, "1234").get_json()["valid"] is True


def test_the_same_own_code_is_the_same(door: Door) -> None:
    """Equal or absent: the one under way goes on."""
    began = door.asks(code="1234")
    assert door.asks_again(code="1234")["id"] == began["id"]
    assert door.asks_again()["id"] == began["id"]


def test_the_newest_code_wins(door: Door, dialer: HandDialer) -> None:
    """Another own code supersedes; only the newest is spoken and accepted."""
    first = door.asks(code="1234")
    second = door.asks(code="4321")
    assert is_superseded(door, first)
    assert dialer.reads(dialer.claims())[1] == "4321"
    assert dialer.finds_nothing()
    assert door.checks(second, "1234").get_json()["valid"] is False
    assert door.checks(second, "4321").get_json()["valid"] is True


def test_an_own_code_is_compared_with_a_generated_one(door: Door, dialer: HandDialer) -> None:
    """Equal by chance or knowledge: the same one; different: a new one."""
    began = door.asks(ttl=600)
    _, code, _ = dialer.reads(dialer.claims())
    assert door.asks_again(code=code)["id"] == began["id"]
    other = "0000" if code != "0000" else "1111"
    assert door.asks(code=other)["id"] != began["id"]


def test_each_client_has_its_own(door: Door) -> None:
    """One pending per client *and* number."""
    ours, banks = door.asks(), door.bank().asks()
    assert ours["id"] != banks["id"]
    assert door.looks(ours)["status"] == door.bank().looks(banks)["status"] == "pending"


def test_one_number_however_it_is_written(door: Door) -> None:
    """The canonical number counts: with the trunk zero it is the same one."""
    began = door.asks()
    again = door.asks_again("+9109876543210")
    assert (again["id"], again["to"]) == (began["id"], began["to"])


def test_a_repeat_keeps_what_was_begun(door: Door, dialer: HandDialer) -> None:
    """``name``, ``ttl`` and ``ip`` of a repeat are ignored."""
    began = door.asks(name="Asha", ttl=120)
    again = door.asks_again(name="Ravi", ttl=600, ip="203.0.113.9")
    assert again["expires_at"] == began["expires_at"]
    assert dialer.reads(dialer.claims())[2] == "Asha"


def test_a_repeat_makes_sure_that_a_call_comes(door: Door, dialer: HandDialer) -> None:
    """After a busy line it queues one, at the gap's end, by the route and flow it asks for."""
    began = door.asks(ttl=600)
    claim = dialer.places()
    assert len(door.asks_again(route="c2c")["calls"]) == 1
    door.calls_back(id=claim.call_id, status="BUSY")
    first, second = door.asks_again(route="c2c", locale="hi")["calls"]
    assert (first["route"], first["locale"]) == ("obd", "default")
    assert (second["status"], second["route"], second["locale"]) == ("queued", "c2c", "hi")
    assert dialer.finds_nothing()
    door.later(61)
    assert dialer.claims().call_id == second["id"]
    assert len(door.looks(began)["calls"]) == 2


def test_a_repeat_may_say_when(door: Door, dialer: HandDialer) -> None:
    """``call_after`` beyond the gap's end is when the new call is due."""
    door.asks(ttl=600)
    claim = dialer.places()
    door.calls_back(id=claim.call_id, status="BUSY")
    door.asks_again(call_after=100)
    door.later(98)
    assert dialer.finds_nothing()
    door.later(3)
    assert dialer.claims()


def test_a_repeat_leaves_a_delayed_call_where_it_is(door: Door) -> None:
    """It is queued already; only ``calls`` brings it forward."""
    began = door.asks(call_after=100)
    assert door.asks_again(call_after=0)["calls"] == began["calls"]


def test_too_late_for_this_one_begins_a_new_one(door: Door, dialer: HandDialer) -> None:
    """If no call can come in time for the pending one, 201 and the old is superseded."""
    began = door.asks(ttl=60, code="1234")
    claim = dialer.places()
    door.calls_back(id=claim.call_id, status="BUSY")
    newer = door.asks(code="1234")
    assert newer["id"] != began["id"]
    old = door.looks(began)
    assert (old["status"], old["reason"]) == ("canceled", "superseded")
    assert newer["next"]["call"]["reason"] == "call_in_progress"


def test_the_gap_refuses_only_when_no_call_could_come(door: Door, dialer: HandDialer) -> None:
    """429 ``call_gap`` with the pending one in it; nothing ends, and later it is taken."""
    began = door.asks(ttl=60)
    claim = dialer.places()
    door.calls_back(id=claim.call_id, status="BUSY")
    body = problem(door.creates(ttl=60), 429, "rate_limited")
    assert body["limit"] == "call_gap"
    assert body["retry_after"] in {29, 30}
    assert body["verification"]["id"] == began["id"]
    assert door.looks(began)["status"] == "pending"
    door.later(body["retry_after"])
    assert door.asks(ttl=60)["id"] != began["id"]


def test_a_stale_code_ends_even_when_the_new_one_is_refused(door: Door, dialer: HandDialer) -> None:
    """Another own code refused by the gap: 429 shows the old one, superseded."""
    began = door.asks(ttl=60, code="1234")
    claim = dialer.places()
    door.calls_back(id=claim.call_id, status="BUSY")
    body = problem(door.creates(ttl=60, code="4321"), 429, "rate_limited")
    assert body["verification"]["id"] == began["id"]
    assert body["verification"]["reason"] == "superseded"
    problem(door.checks(began, "1234"), 409, "verification_closed")


def test_without_a_dialer_no_call_is_promised(door: Door) -> None:
    """30 s after a dialer was last heard: 503, except for a call that is for later."""
    door.store.clock_offset += 31_000
    body = problem(door.creates(), 503, "calls_unavailable")
    assert "verification" not in body
    assert door.asks(call_after=20)["status"] == "pending"


def test_without_a_dialer_the_pending_one_is_shown(door: Door, dialer: HandDialer) -> None:
    """A repeat that would need a call is 503 with the verification, which goes on."""
    began = door.asks(ttl=600)
    claim = dialer.places()
    door.calls_back(id=claim.call_id, status="BUSY")
    door.store.clock_offset += 31_000
    for answer in (door.creates(), door.does(began, "calls")):
        body = problem(answer, 503, "calls_unavailable")
        assert body["verification"]["id"] == began["id"]
        assert body["verification"]["status"] == "pending"
    assert len(door.looks(began)["calls"]) == 1
    stale = problem(door.creates(code="4321"), 503, "calls_unavailable")
    assert stale["verification"]["reason"] == "superseded"


def test_a_repeat_needs_no_dialer_while_its_call_is_under_way(door: Door) -> None:
    """The call was promised before."""
    began = door.asks()
    door.store.clock_offset += 31_000
    assert door.asks_again()["id"] == began["id"]


def test_over_capacity_when_a_due_call_waits_a_minute(door: Door, dialer: HandDialer) -> None:
    """503 for new ones while the oldest call that could be dialed waits more than 60 s."""
    began = door.asks("+919876543211", ttl=600)
    door.later(59)
    assert door.asks("+919876543212", ttl=600)
    door.later(2)
    assert "verification" not in problem(door.creates(), 503, "over_capacity")
    assert dialer.claims().verification_id == began["id"]
    assert door.asks()["status"] == "pending"


def test_a_held_call_is_no_sign_of_too_many(door: Door, dialer: HandDialer) -> None:
    """One that waits for its number's live call does not count."""
    door.asks(ttl=600)
    dialer.places()
    door.bank().asks(ttl=600)
    assert dialer.finds_nothing()
    door.later(100)
    assert dialer.finds_nothing()
    assert door.asks("+919876543211")["status"] == "pending"


def test_an_approval_takes_the_gap_away(door: Door, dialer: HandDialer) -> None:
    """The number proved itself: its next verification is called at once."""
    began = door.asks(code="1234")
    dialer.places()
    assert door.checks(began, "1234").get_json()["valid"] is True
    newer = door.asks()
    assert newer["calls"][0]["due_at"] == newer["created_at"]
