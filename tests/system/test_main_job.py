"""The main scenario over real sockets: create, ring, speak, check, and report the answer."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from support.processes import wait_until
from support.service import BANK_KEY, LOGIN_KEY, RunningService


def test_number_is_verified_by_voice(service: RunningService) -> None:
    """The spoken code is accepted once, and the callback reports the answer."""
    verification = service.create(name="Asha", reference="login-81")
    assert verification["calls"][0]["status"] in {"queued", "dialing", "placed"}
    code = service.wait_for_code()
    wrong = service.check(verification, "000000" if code != "000000" else "111111").json()
    assert (wrong["valid"], wrong["checks_left"], wrong["status"]) == (False, 4, "pending")
    right = service.check(verification, code).json()
    assert (right["valid"], right["status"], right["reason"]) == (True, "approved", None)
    again = service.check(verification, code)
    assert (again.status_code, again.json()["code"]) == (409, "verification_closed")
    assert again.json()["verification"]["status"] == "approved"
    call = service.wait_for_call(verification, "answered")
    assert (call["route"], call["locale"], call["caller_id"]) == (
        "obd",
        "default",
        "+918068280000",
    )
    assert call["duration"] > 0
    (heard,) = service.phones.calls("+919876543210")
    assert heard["spoken"].startswith("Hello Asha, your otp for login is ")


@pytest.mark.parametrize("route", ["obd", "c2c"])
@pytest.mark.parametrize(
    ("behaviour", "status"),
    [("answer", "answered"), ("busy", "busy"), ("no_answer", "no_answer"), ("decline", "busy")],
)
def test_every_result_of_a_call_is_reported(
    service: RunningService, route: str, behaviour: str, status: str
) -> None:
    """By either route. The verification stays pending."""
    number = f"+9198765400{('obd', 'c2c').index(route)}{len(behaviour)}"
    service.phones.set_behaviour(number, behaviour)
    verification = service.create(number, route=route)
    call = service.wait_for_call(verification, status)
    assert call["ended_at"] is not None
    assert service.get_verification(verification)["status"] == "pending"


def test_c2c_callback_without_id_matches_by_number_and_line(service: RunningService) -> None:
    """The reply has no callId and the callback has no mid."""
    number = "+919876540200"
    service.phones.set_behaviour(number, "answer", c2c_reply="bare", c2c_mid="dropped")
    verification = service.create(number, route="c2c")
    service.wait_for_call(verification, "answered")


def test_five_wrong_codes_end_the_verification(service: RunningService) -> None:
    """Then the correct one is refused."""
    number = "+919876540300"
    verification = service.create(number, code="123456")
    left = [service.check(verification, f"00000{n}").json()["checks_left"] for n in range(1, 6)]
    assert left == [4, 3, 2, 1, 0]
    assert service.get_verification(verification)["status"] == "max_attempts_reached"
    assert service.check(verification, "123456").status_code == 409


def test_parallel_creates_make_one_verification_and_one_call(service: RunningService) -> None:
    """Of twenty creates one gets 201, and all get the same id.

    Another reference makes a new verification.
    """
    number = "+919876540500"
    service.phones.set_behaviour(number, "by_hand")  # it rings for as long as they ask

    def create(_: int) -> tuple[int, str]:
        answer = service.post("/v1/verifications", {"to": number})
        return answer.status_code, answer.json()["id"]

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(create, range(20)))
    assert len({verification_id for _, verification_id in answers}) == 1
    assert sorted(status for status, _ in answers) == [200] * 19 + [201]
    first = {"id": answers[0][1]}
    service.wait_for_call(first, "placed")
    assert len(service.phones.calls(number)) == 1
    second = service.create(number, reference="another login")
    assert [service.get_verification(each)["status"] for each in (first, second)] == [
        "pending",
        "pending",
    ]
    assert len(service.phones.calls(number)) == 1


def test_calls_to_one_number_never_overlap(service: RunningService) -> None:
    """With many requests of two clients for three numbers."""
    numbers = [f"+91987654070{n}" for n in range(3)]

    def ask(n: int) -> None:
        body = {"to": numbers[n % 3], "reference": str(n)}
        answer = service.post("/v1/verifications", body, (LOGIN_KEY, BANK_KEY)[n % 2])
        assert answer.status_code == 201, answer.text

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(48)))
    for number in numbers:
        wait_until(
            lambda number=number: len(service.phones.calls(number)) >= 2,  # type: ignore[misc]
            "a second call to the number",
        )
    rung = sorted(
        (entry["person"], attempt["started_at"], attempt["ended_at"])
        for entry in service.phones.ledger()
        for attempt in entry["attempts"]
        if "+" + entry["person"] in numbers and attempt["ended_at"]
    )
    overlaps = [(one, two) for one, two in pairwise(rung) if one[0] == two[0] and two[1] < one[2]]
    assert overlaps == []
