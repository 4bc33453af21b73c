"""When a create finds the verification under way, and when it begins a new one."""

import pytest
from api.api_client import ApiClient, ManualDialer, assert_problem


def is_superseded(api: ApiClient, verification: dict[str, object]) -> bool:
    """Whether a newer one took its place, and its call with it."""
    now = api.get_verification(verification)
    ended = {(call["status"], call["reason"]) for call in now["calls"]}
    assert ended == {("canceled", "ended_first")}
    return (now["status"], now["reason"]) == ("canceled", "superseded")


@pytest.mark.parametrize("reference", [None, "", "login-81", "r" * 64])
def test_the_same_reference_is_the_same_login(api: ApiClient, reference: str | None) -> None:
    """A second create is 200 with the same id and adds no call."""
    began = api.create(reference=reference)
    again = api.create_response(reference=reference)
    assert again.status_code == 200
    assert again.headers["Location"] == began["url"]
    shown = again.get_json()
    assert (shown["id"], shown["version"]) == (began["id"], began["version"])
    assert shown["calls"] == began["calls"]


def test_no_reference_is_a_null_reference(api: ApiClient) -> None:
    """Absent and null are equal; an empty one is another."""
    began = api.create()
    assert api.create_again(reference=None)["id"] == began["id"]
    other = api.create(reference="")
    assert other["id"] != began["id"]
    assert api.get_verification(began)["status"] == "pending"


@pytest.mark.parametrize("other", ["login-82", None, "LOGIN-81", "login-81 "])
def test_create_with_another_reference_leaves_the_first_pending(
    api: ApiClient, other: str | None
) -> None:
    """Two login sessions never share one: 201, and the code of the first is still accepted."""
    began = api.create(reference="login-81", code="1234")
    newer = api.create(reference=other)
    assert newer["id"] != began["id"]
    assert api.check(began, "1234").get_json()["valid"] is True


def test_the_same_own_code_is_the_same(api: ApiClient) -> None:
    """Equal or absent: the one under way goes on."""
    began = api.create(code="1234")
    assert api.create_again(code="1234")["id"] == began["id"]
    assert api.create_again()["id"] == began["id"]


def test_the_newest_code_wins(api: ApiClient, dialer: ManualDialer) -> None:
    """Another own code supersedes; only the newest is spoken and accepted."""
    first = api.create(code="1234")
    second = api.create(code="4321")
    assert is_superseded(api, first)
    assert dialer.decrypt(dialer.claim())[1] == "4321"
    assert dialer.has_nothing_due()
    assert api.check(second, "1234").get_json()["valid"] is False
    assert api.check(second, "4321").get_json()["valid"] is True


def test_an_own_code_is_compared_with_a_generated_one(api: ApiClient, dialer: ManualDialer) -> None:
    """Equal by chance or knowledge: the same one; different: a new one."""
    began = api.create(ttl=600)
    _, code, _ = dialer.decrypt(dialer.claim())
    assert api.create_again(code=code)["id"] == began["id"]
    other = "0000" if code != "0000" else "1111"
    assert api.create(code=other)["id"] != began["id"]


def test_each_client_has_its_own(api: ApiClient) -> None:
    """One pending per client *and* number."""
    ours, banks = api.create(), api.as_bank().create()
    assert ours["id"] != banks["id"]
    assert (
        api.get_verification(ours)["status"]
        == api.as_bank().get_verification(banks)["status"]
        == "pending"
    )


def test_one_number_however_it_is_written(api: ApiClient) -> None:
    """The canonical number counts: with the trunk zero it is the same one."""
    began = api.create()
    again = api.create_again("+9109876543210")
    assert (again["id"], again["to"]) == (began["id"], began["to"])


def test_a_repeat_keeps_what_was_begun(api: ApiClient, dialer: ManualDialer) -> None:
    """``name``, ``ttl`` and ``ip`` of a repeat are ignored."""
    began = api.create(name="Asha", ttl=120)
    again = api.create_again(name="Ravi", ttl=600, ip="203.0.113.9")
    assert again["expires_at"] == began["expires_at"]
    assert dialer.decrypt(dialer.claim())[2] == "Asha"


def test_a_repeat_makes_sure_that_a_call_comes(api: ApiClient, dialer: ManualDialer) -> None:
    """After a busy line it queues one, at the gap's end, by the route and flow it asks for."""
    began = api.create(ttl=600)
    claim = dialer.place()
    assert len(api.create_again(route="c2c")["calls"]) == 1
    api.send_callback(id=claim.call_id, status="BUSY")
    first, second = api.create_again(route="c2c", locale="hi")["calls"]
    assert (first["route"], first["locale"]) == ("obd", "default")
    assert (second["status"], second["route"], second["locale"]) == ("queued", "c2c", "hi")
    assert dialer.has_nothing_due()
    api.advance_time(61)
    assert dialer.claim().call_id == second["id"]
    assert len(api.get_verification(began)["calls"]) == 2


def test_a_repeat_may_say_when(api: ApiClient, dialer: ManualDialer) -> None:
    """``call_after`` beyond the gap's end is when the new call is due."""
    api.create(ttl=600)
    claim = dialer.place()
    api.send_callback(id=claim.call_id, status="BUSY")
    api.create_again(call_after=100)
    api.advance_time(98)
    assert dialer.has_nothing_due()
    api.advance_time(3)
    assert dialer.claim()


def test_a_repeat_leaves_a_delayed_call_where_it_is(api: ApiClient) -> None:
    """It is queued already; only ``calls`` brings it forward."""
    began = api.create(call_after=100)
    assert api.create_again(call_after=0)["calls"] == began["calls"]


def test_too_late_for_this_one_begins_a_new_one(api: ApiClient, dialer: ManualDialer) -> None:
    """If no call can come in time for the pending one, 201 and the old is superseded."""
    began = api.create(ttl=60, code="1234")
    claim = dialer.place()
    api.send_callback(id=claim.call_id, status="BUSY")
    newer = api.create(code="1234")
    assert newer["id"] != began["id"]
    old = api.get_verification(began)
    assert (old["status"], old["reason"]) == ("canceled", "superseded")
    assert newer["next"]["call"]["reason"] == "call_in_progress"


def test_the_gap_refuses_only_when_no_call_could_come(api: ApiClient, dialer: ManualDialer) -> None:
    """429 ``call_gap`` with the pending one in it; nothing ends, and later it is taken."""
    began = api.create(ttl=60)
    claim = dialer.place()
    api.send_callback(id=claim.call_id, status="BUSY")
    body = assert_problem(api.create_response(ttl=60), 429, "rate_limited")
    assert body["limit"] == "call_gap"
    assert body["retry_after"] in {29, 30}
    assert body["verification"]["id"] == began["id"]
    assert api.get_verification(began)["status"] == "pending"
    api.advance_time(body["retry_after"])
    assert api.create(ttl=60)["id"] != began["id"]


def test_a_stale_code_ends_even_when_the_new_one_is_refused(
    api: ApiClient, dialer: ManualDialer
) -> None:
    """Another own code refused by the gap: 429 shows the old one, superseded."""
    began = api.create(ttl=60, code="1234")
    claim = dialer.place()
    api.send_callback(id=claim.call_id, status="BUSY")
    body = assert_problem(api.create_response(ttl=60, code="4321"), 429, "rate_limited")
    assert body["verification"]["id"] == began["id"]
    assert body["verification"]["reason"] == "superseded"
    assert_problem(api.check(began, "1234"), 409, "verification_closed")


def test_without_a_dialer_no_call_is_promised(api: ApiClient) -> None:
    """30 s after a dialer was last heard: 503, except for a call that is for later."""
    api.store.clock_offset_ms += 31_000
    body = assert_problem(api.create_response(), 503, "calls_unavailable")
    assert "verification" not in body
    assert api.create(call_after=20)["status"] == "pending"


def test_without_a_dialer_the_pending_one_is_shown(api: ApiClient, dialer: ManualDialer) -> None:
    """A repeat that would need a call is 503 with the verification, which goes on."""
    began = api.create(ttl=600)
    claim = dialer.place()
    api.send_callback(id=claim.call_id, status="BUSY")
    api.store.clock_offset_ms += 31_000
    for answer in (api.create_response(), api.act(began, "calls")):
        body = assert_problem(answer, 503, "calls_unavailable")
        assert body["verification"]["id"] == began["id"]
        assert body["verification"]["status"] == "pending"
    assert len(api.get_verification(began)["calls"]) == 1
    stale = assert_problem(api.create_response(code="4321"), 503, "calls_unavailable")
    assert stale["verification"]["reason"] == "superseded"


def test_a_repeat_needs_no_dialer_while_its_call_is_under_way(api: ApiClient) -> None:
    """The call was promised before."""
    began = api.create()
    api.store.clock_offset_ms += 31_000
    assert api.create_again()["id"] == began["id"]


def test_over_capacity_when_a_due_call_waits_a_minute(api: ApiClient, dialer: ManualDialer) -> None:
    """503 for new ones while the oldest call that could be dialed waits more than 60 s."""
    began = api.create("+919876543211", ttl=600)
    api.advance_time(59)
    assert api.create("+919876543212", ttl=600)
    api.advance_time(2)
    assert "verification" not in assert_problem(api.create_response(), 503, "over_capacity")
    assert dialer.claim().verification_id == began["id"]
    assert api.create()["status"] == "pending"


def test_a_held_call_is_no_sign_of_too_many(api: ApiClient, dialer: ManualDialer) -> None:
    """One that waits for its number's live call does not count."""
    api.create(ttl=600)
    dialer.place()
    api.as_bank().create(ttl=600)
    assert dialer.has_nothing_due()
    api.advance_time(100)
    assert dialer.has_nothing_due()
    assert api.create("+919876543211")["status"] == "pending"


def test_an_approval_takes_the_gap_away(api: ApiClient, dialer: ManualDialer) -> None:
    """The number proved itself: its next verification is called at once."""
    began = api.create(code="1234")
    dialer.place()
    assert api.check(began, "1234").get_json()["valid"] is True
    newer = api.create()
    assert newer["calls"][0]["due_at"] == newer["created_at"]
