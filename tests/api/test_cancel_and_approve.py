"""``GET``, ``calls``, ``cancel`` and ``approve``, and to whom a verification is known."""

from collections.abc import Callable
from typing import Any

import pytest
from api.api_client import UNKNOWN, VERIFICATIONS, ApiClient, ManualDialer, assert_problem, pointers

STEPS = ["", "/checks", "/calls", "/cancel", "/approve"]
EMPTY: list[tuple[bytes, str | None]] = [
    (b"", None),
    (b"", "text/plain"),
    (b"", "application/json"),
    (b"{}", "application/json"),
    (b" {\n} ", "application/json; charset=utf-8"),
]
"""Bodies that say nothing, with their Content-Type."""


def take(api: ApiClient, verification_id: str, step: str) -> Any:
    """One request about a verification, well-formed."""
    path = f"{VERIFICATIONS}/{verification_id}{step}"
    if not step:
        return api.get(path)
    return api.post(path, {"code": "123456"} if step == "/checks" else None)


@pytest.mark.parametrize("step", STEPS)
def test_anothers_verification_is_as_unknown_as_none(api: ApiClient, step: str) -> None:
    """The same 404, byte for byte but for the request's id; and nothing happens to it."""
    theirs = api.as_bank().create(code="123456")
    ids = [theirs["id"], UNKNOWN, "vrf_", "x" * 300, theirs["id"].upper(), "vrf_%00", "हिन्दी"]
    texts, headers = set(), set()
    for verification_id in ids:
        answer = take(api, verification_id, step)
        body = assert_problem(answer, 404, "not_found")
        texts.add(answer.text.replace(body["instance"], ""))
        headers.add(tuple(h for h in answer.headers.items() if h[0] != "Request-Id"))
    assert len(texts) == 1
    assert len(headers) == 1
    assert api.as_bank().get_verification(theirs)["version"] == theirs["version"]


def test_an_ended_one_can_still_be_read(api: ApiClient) -> None:
    """With its object as it ended, for as long as it is kept."""
    began = api.create(code="1234")
    ended = api.act(began, "cancel").get_json()
    api.advance_time(3600)
    assert api.get_verification(began) == ended


@pytest.mark.parametrize(("raw", "content_type"), EMPTY)
def test_calls_without_a_body(api: ApiClient, raw: bytes, content_type: str | None) -> None:
    """Nothing asked for in particular: 202 and the object."""
    began = api.create(call_after=60)
    answer = api.post_raw(f"{VERIFICATIONS}/{began['id']}/calls", raw, content_type)
    assert (answer.status_code, answer.get_json()["id"]) == (202, began["id"])


@pytest.mark.parametrize("step", ["cancel", "approve"])
@pytest.mark.parametrize(("raw", "content_type"), EMPTY)
def test_ends_without_a_body(
    api: ApiClient, step: str, raw: bytes, content_type: str | None
) -> None:
    """There is nothing to say: 200."""
    began = api.create()
    answer = api.post_raw(f"{VERIFICATIONS}/{began['id']}/{step}", raw, content_type)
    assert (answer.status_code, answer.get_json()["id"]) == (200, began["id"])


@pytest.mark.parametrize("step", ["calls", "cancel", "approve"])
def test_unknown_members_are_refused_everywhere(api: ApiClient, step: str) -> None:
    """422 that names them, and nothing happens."""
    began = api.create(call_after=60)
    body = assert_problem(api.act(began, step, {"why": 1, "name": "x"}), 422, "invalid_request")
    assert sorted(pointers(body)) == ["/name", "/why"]
    assert api.get_verification(began)["version"] == began["version"]


@pytest.mark.parametrize(
    ("member", "value"), [("route", "sms"), ("route", 1), ("locale", "hi IN"), ("locale", 1)]
)
def test_calls_takes_no_wrong_wish(api: ApiClient, member: str, value: Any) -> None:
    """422 that points at it, and nothing is queued or moved."""
    began = api.create(call_after=60)
    body = assert_problem(api.act(began, "calls", {member: value}), 422, "invalid_request")
    assert pointers(body) == [f"/{member}"]
    assert api.get_verification(began)["calls"] == began["calls"]


def test_a_further_call_goes_as_asked(api: ApiClient, dialer: ManualDialer) -> None:
    """Its route and flow are the ones asked for; without, the verification's own."""
    began = api.create(ttl=600, route="c2c", locale="hi", code="1234")
    for n, (wish, route, locale) in enumerate(
        [({"route": "obd", "locale": "en-IN"}, "obd", "default"), ({}, "c2c", "hi")], 1
    ):
        claim = dialer.place()
        api.send_callback(id=claim.call_id, status="BUSY")
        api.advance_time(61)
        call = api.act(began, "calls", wish).get_json()["calls"][n]
        assert (call["status"], call["route"], call["locale"]) == ("queued", route, locale)
    assert dialer.decrypt(dialer.claim())[1] == "1234"


def test_a_call_is_brought_forward(api: ApiClient, dialer: ManualDialer) -> None:
    """The SMS did not come: the delayed call is due now, and it is the same call."""
    began = api.create(call_after=200)
    assert dialer.has_nothing_due()
    shown = api.act(began, "calls").get_json()
    assert [call["id"] for call in shown["calls"]] == [began["calls"][0]["id"]]
    assert shown["version"] > began["version"]
    assert dialer.claim().call_id == began["calls"][0]["id"]


def test_a_call_brought_forward_comes_as_it_is_asked_for(
    api: ApiClient, dialer: ManualDialer
) -> None:
    """Who asks for it names the language now; what is not named stays as it was."""
    began = api.create(call_after=200, route="c2c")
    (call,) = api.act(began, "calls", {"locale": "hi-IN"}).get_json()["calls"]
    assert (call["route"], call["locale"]) == ("c2c", "hi")
    began = api.create("+919812345678", call_after=200, locale="hi")
    (call,) = api.act(began, "calls", {"route": "c2c"}).get_json()["calls"]
    assert (call["route"], call["locale"]) == ("c2c", "hi")
    assert dialer.claim().route == "c2c"


def test_asking_again_adds_nothing(api: ApiClient, dialer: ManualDialer) -> None:
    """202 while a call is queued or dialing, and it stays the only one."""
    began = api.create()
    queued = api.act(began, "calls", {"route": "c2c"})
    dialer.claim()
    dialing = api.act(began, "calls", {"route": "c2c"})
    for answer, status in ((queued, "queued"), (dialing, "dialing")):
        assert answer.status_code == 202
        (call,) = answer.get_json()["calls"]
        assert (call["status"], call["route"]) == (status, "obd")


def test_a_promised_call_needs_no_dialer_to_be_brought_forward(api: ApiClient) -> None:
    """It was taken on before: 202 though nobody was heard of for 30 s."""
    began = api.create(call_after=100)
    api.store.clock_offset_ms += 31_000
    assert api.act(began, "calls").status_code == 202


def test_no_further_call_over_capacity(api: ApiClient, dialer: ManualDialer) -> None:
    """503 with the verification while others wait for more than a minute."""
    began = api.create(ttl=600)
    claim = dialer.place()
    api.send_callback(id=claim.call_id, status="BUSY")
    api.create("+919876543211", ttl=600)
    api.advance_time(61)
    body = assert_problem(api.act(began, "calls"), 503, "over_capacity")
    assert body["verification"] == api.get_verification(began)


def test_cancel_calls_the_call_off(api: ApiClient, dialer: ManualDialer) -> None:
    """200, again 200 with the same object; the queued call never comes."""
    began = api.create(code="1234")
    answers = [api.act(began, "cancel") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    first, second = (answer.get_json() for answer in answers)
    assert first == second
    assert (first["status"], first["reason"]) == ("canceled", "requested")
    assert [(c["status"], c["reason"]) for c in first["calls"]] == [("canceled", "ended_first")]
    assert dialer.has_nothing_due()


def test_a_placed_call_can_not_be_called_back(api: ApiClient, dialer: ManualDialer) -> None:
    """Cancel ends the verification; the call rings on, and its end becomes known."""
    began = api.create()
    claim = dialer.place()
    assert api.act(began, "cancel").get_json()["calls"][0]["status"] == "placed"
    api.send_callback(id=claim.call_id, status="ANSWER")
    shown = api.get_verification(began)
    assert (shown["status"], shown["calls"][0]["status"]) == ("canceled", "answered")


def test_approve_is_proof_by_other_means(api: ApiClient, dialer: ManualDialer) -> None:
    """200 ``approved_elsewhere``, again 200 with the same object; the code is of no use then."""
    began = api.create(code="1234", call_after=60)
    answers = [api.act(began, "approve") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    first, second = (answer.get_json() for answer in answers)
    assert first == second
    assert (first["status"], first["reason"]) == ("approved", "approved_elsewhere")
    assert "valid" not in first
    assert_problem(api.check(began, "1234"), 409, "verification_closed")
    api.advance_time(61)
    assert dialer.has_nothing_due()


def test_approving_what_a_check_approved_changes_nothing(api: ApiClient) -> None:
    """200, and the object stays what the check made of it."""
    began = api.create(code="1234")
    api.check(began, "1234")
    proved = api.get_verification(began)
    answer = api.act(began, "approve")
    assert (answer.status_code, answer.get_json()) == (200, proved)
    assert proved["reason"] is None


def test_a_superseded_one_is_canceled_already(api: ApiClient) -> None:
    """Cancel is 200 and leaves the reason as it is."""
    began = api.create(code="1234")
    api.create(code="4321")
    answer = api.act(began, "cancel")
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
def test_an_end_is_final(api: ApiClient, end: str, refused: list[str], status: str) -> None:
    """409 with the object for every other step, and the object stays as it ended."""
    began = api.create(code="1234")
    ends: dict[str, Callable[[], object]] = {
        "cancel": lambda: api.act(began, "cancel"),
        "approve": lambda: api.act(began, "approve"),
        "check": lambda: api.check(began, "1234"),
        "expire": lambda: api.advance_time(301),
        "guess": lambda: [api.check(began, f"000{n}") for n in range(5)],
    }
    ends[end]()
    ended = api.get_verification(began)
    assert ended["status"] == status
    for step in refused:
        body = {"code": "1234"} if step == "checks" else None
        shown = assert_problem(api.act(began, step, body), 409, "verification_closed")
        assert shown["verification"] == ended
    assert api.get_verification(began) == ended
