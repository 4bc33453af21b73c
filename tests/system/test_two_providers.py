"""Two telephone companies in one service: regions, failover, and one live call for each number."""

from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import count, pairwise
from typing import Any

import pytest
from support.companies import TWILIO_LINE
from support.processes import wait_until
from support.service import BANK_KEY, BRIDGE, LOGIN_KEY
from system.two_companies import TwoCompanies, two_companies

_numbers = count(919876510000)
_american_numbers = count(12025550110)
LINES_OF_BANK = ("918068280077", "918068280078")


@pytest.fixture(scope="module")
def running(
    environ: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TwoCompanies]:
    """Run the service. Mobtexting calls India only; one of the clients has lines of its own."""
    own = {
        "OTPVOICE_ROUTES_OBD_PROVIDER": "mobtexting",
        "OTPVOICE_ROUTES_OBD_MODE": "obd",
        "OTPVOICE_ROUTES_OBD_REGIONS": "IN",
        "OTPVOICE_CLIENTS_BANK_BRIDGES": ",".join(LINES_OF_BANK),
        "OTPVOICE_VERIFICATION_CALLBACK_TIMEOUT": "5",
    }
    with two_companies(environ, tmp_path_factory.mktemp("service"), **own) as started:
        yield started


@pytest.fixture
def companies(running: TwoCompanies) -> TwoCompanies:
    """Return the service with all routes open."""
    running.open_routes()
    return running


@pytest.fixture
def number() -> str:
    """Return a number that no test has called."""
    return f"+{next(_numbers)}"


def rings(companies: TwoCompanies, number: str) -> int:
    """Return how many requests made a number ring, at both companies together."""
    return sum(entry["rang"] for entry in companies.requests_for(number))


def test_each_region_is_called_by_its_company(companies: TwoCompanies, number: str) -> None:
    """By one service, from its own line: India through Mobtexting, the United States by Twilio."""
    american = f"+{next(_american_numbers)}"
    for each, route, line in (
        (number, "obd", BRIDGE),
        (american, "twilio", f"+{TWILIO_LINE}"),
    ):
        begun = companies.service.create(each, code="271828")
        wait_until(
            lambda b=begun, r=route: companies.call_statuses(b) == [(r, "answered")],  # type: ignore[misc]
            f"the call by {route}",
        )
        (entry,) = companies.requests_for(each)
        assert entry["bridge"] == line
        (rung,) = companies.phones_of(route).calls(each)
        assert "".join(filter(str.isdigit, rung["spoken"])).startswith("271828")
        assert companies.service.check(begun, "271828").json()["valid"] is True


@pytest.mark.parametrize("behaviour", ["busy", "out_of_credit"])
def test_region_of_a_number_holds_for_further_calls(
    companies: TwoCompanies, behaviour: str
) -> None:
    """Neither a redial, a call after a refusal nor a client's wish leads to Mobtexting."""
    american = f"+{next(_american_numbers)}"
    abroad = companies.phones_of("twilio")
    abroad.set_behaviour(american, behaviour, calls=1)
    begun = companies.service.create(american)
    first = "busy" if behaviour == "busy" else "failed"
    wanted = [("twilio", first), ("plivo", "answered")]
    wait_until(lambda: companies.call_statuses(begun) == wanted, f"{wanted}")
    assert {entry["route"] for entry in companies.requests_for(american)} == {"twiml", "plivo"}
    refused = companies.service.post("/v1/verifications", {"to": american, "route": "obd"})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/route")


@pytest.mark.parametrize(
    ("refusing", "answering"),
    [
        (["obd"], "twilio"),
        (["twilio"], "obd"),
        (["plivo"], "obd"),
        (["dead"], "obd"),
        (["obd", "twilio"], "plivo"),
        (["plivo", "obd"], "twilio"),
    ],
)
def test_call_that_did_not_ring_follows_at_the_other_company(
    companies: TwoCompanies, number: str, refusing: list[str], answering: str
) -> None:
    """Once, with the same code. A company that is not reached is asked again before."""
    no = {"status": 422, "body": {"message": "no"}}
    for route in refusing:
        companies.phones_of(route).set_behaviour(number, "reply", **no, calls=1)
    begun = companies.service.create(number, route=refusing[0], code="314159")
    wanted = [*((route, "failed") for route in refusing), (answering, "answered")]
    wait_until(lambda: companies.call_statuses(begun) == wanted, f"{wanted}")
    (rung,) = companies.phones_of(answering).calls(number)
    assert "".join(filter(str.isdigit, rung["spoken"])).startswith("314159")
    assert rings(companies, number) == 1
    reached = [route for route in refusing if route != "dead"]
    assert len(companies.requests_for(number)) == len(reached) + 1
    assert companies.service.check(begun, "314159").json()["valid"] is True


LIES: dict[str, dict[str, Any]] = {
    "hangs": {"behaviour": "timeout"},
    "closes": {"behaviour": "reset"},
    "half a reply": {"behaviour": "cut"},
    "another page": {"behaviour": "garbage"},
    "nothing": {"behaviour": "empty"},
}
"""After each the phone rings."""


def test_call_that_may_ring_is_requested_nowhere_else(companies: TwoCompanies) -> None:
    """Its status is unknown until the company is asked for it."""
    ways = [(route, lie) for lie in LIES for route in ("obd", "twilio", "plivo")]
    numbers = {way: f"+{next(_numbers)}" for way in ways}
    begun = {}
    for way, number in numbers.items():
        route, lie = way
        companies.open_routes()
        companies.phones_of(route).set_behaviour(number, **LIES[lie], copies=0)
        begun[way] = companies.service.create(number, route=route)
        wait_until(lambda n=number: companies.requests_for(n), "the request")  # type: ignore[misc]
    for (route, _), each in begun.items():
        wait_until(
            lambda e=each, r=route: companies.call_statuses(e) == [(r, "answered")],  # type: ignore[misc]
            "the company to be asked",
        )
    requests = {way: len(companies.requests_for(number)) for way, number in numbers.items()}
    assert requests == dict.fromkeys(ways, 1)
    assert {way: rings(companies, number) for way, number in numbers.items()} == requests


def test_client_calls_from_the_line_that_the_create_shows(companies: TwoCompanies) -> None:
    """Its lines take turns, until people stop answering one of them."""

    def call_many() -> Counter[str]:
        begun = {}
        for number in (f"+{next(_numbers)}" for _ in range(16)):
            answer = companies.service.post("/v1/verifications", {"to": number}, BANK_KEY)
            assert answer.status_code == 201, answer.text
            begun[number] = answer.json()

        def is_answered(path: str) -> bool:
            found = companies.service.get(path, BANK_KEY).json()
            return bool(found["calls"][-1]["status"] == "answered")

        for each in begun.values():
            wait_until(lambda p=f"/v1/verifications/{each['id']}": is_answered(p), "the call")  # type: ignore[misc]
        used: Counter[str] = Counter()
        for number, each in begun.items():
            (entry,) = companies.requests_for(number)
            assert f"+{entry['bridge']}" == each["calls"][0]["caller_id"]
            used[entry["bridge"]] += 1
        return used

    assert {*call_many()} == {*LINES_OF_BANK}
    weak, other = LINES_OF_BANK
    companies.set_line_rates({weak: "5.000 90.000", other: "60.000 90.000"})
    assert call_many()[other] >= 10


UNHEARD: dict[str, tuple[dict[str, Any], str]] = {
    "busy": ({"behaviour": "busy"}, "busy"),
    "nobody answers": ({"behaviour": "no_answer"}, "no_answer"),
    "phone is off": ({"behaviour": "answer", "ends": "CONGESTION"}, "failed"),
    "hung up at once": ({"behaviour": "hang_up_early"}, "answered"),
}
"""How a call ends whose code was not heard, and its status. Mobtexting's flow has no text here, by
which a call would be too short."""


def test_code_that_was_not_heard_is_repeated_by_the_next_company(companies: TwoCompanies) -> None:
    """Once, with the same code."""
    following = {"obd": "twilio", "twilio": "plivo", "plivo": "dead"}
    ways = [(route, end) for route in ("obd", "twilio") for end in UNHEARD]
    ways.remove(("obd", "hung up at once"))
    numbers = {way: f"+{next(_numbers)}" for way in ways}
    wanted, begun = {}, {}
    for (route, end), number in numbers.items():
        options, status = UNHEARD[end]
        companies.phones_of(route).set_behaviour(number, **options, calls=1)
        begun[route, end] = companies.service.create(number, route=route, code="161803")
        wanted[route, end] = [(route, status), (following[route], "answered")]
    for way, each in begun.items():
        wait_until(
            lambda e=each, w=way: companies.call_statuses(e) == wanted[w],  # type: ignore[misc]
            "the second call",
        )
    for (route, end), number in numbers.items():
        first, second = companies.service.get_verification(begun[route, end])["calls"]
        assert (bool(first["heard"]), second["heard"]) == (False, True)
        (*_, rung) = companies.phones_of(following[route]).calls(number)
        assert "".join(filter(str.isdigit, rung["spoken"])).startswith("161803")


@pytest.mark.parametrize("first", ["obd", "twilio", "plivo"])
def test_late_reply_after_the_callback_starts_no_second_call(
    companies: TwoCompanies, number: str, first: str
) -> None:
    """The callback of the first company arrives before its reply."""
    companies.phones_of(first).set_behaviour(number, "early_callback")
    begun = companies.service.create(number, route=first)
    wait_until(lambda: companies.call_statuses(begun) == [(first, "answered")], "the callback")
    assert len(companies.requests_for(number)) == 1


def test_calls_of_two_companies_to_one_number_never_overlap(companies: TwoCompanies) -> None:
    """Fifty parallel creates of two clients, whose lines differ, on three routes."""
    numbers = [f"+{next(_numbers)}" for _ in range(3)]

    def create(n: int) -> None:
        route = ("obd", "twilio", "plivo")[n // 3 % 3]
        body = {"to": numbers[n % 3], "reference": str(n), "route": route}
        answer = companies.service.post("/v1/verifications", body, (LOGIN_KEY, BANK_KEY)[n % 2])
        assert answer.status_code == 201, answer.text

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(create, range(50)))

    def has_calls_of_both(number: str) -> bool:
        entries = companies.requests_for(number)
        ended = {entry["route"] for entry in entries if _ended(entry)}
        return "obd" in ended and len(ended) > 1

    for number in numbers:
        wait_until(
            lambda number=number: has_calls_of_both(number),  # type: ignore[misc]
            "calls of both companies",
        )
    for number in numbers:
        times = sorted(
            (attempt["started_at"], attempt["ended_at"])
            for entry in companies.requests_for(number)
            if _ended(entry)
            for attempt in entry["attempts"]
        )
        assert all(one[1] < two[0] for one, two in pairwise(times)), times


def _ended(entry: dict[str, Any]) -> bool:
    return bool(entry["attempts"]) and all(each["ended_at"] for each in entry["attempts"])
