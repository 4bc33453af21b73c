"""An SMS system that falls back to a call: the story of docs/sms-fallback.md, with real processes.

A phone that rings needlessly costs money and trust, so that the company's own ledger is asked.
"""

import time
from typing import Any

from support.service import RunningService

SMS_CODE = "471102"
DELAY = 2
"""Seconds that the SMS is given."""
_SURELY_OVER = DELAY + 1.5


def sends_sms(service: RunningService, number: str, **members: Any) -> dict[str, Any]:
    """The SMS is on its way; a call is asked for in case it does not arrive."""
    return service.create(number, code=SMS_CODE, call_after=DELAY, **members)


def rang(service: RunningService, number: str) -> int:
    """Requests that made the phone ring."""
    return sum(1 for e in service.phones.ledger() if e["rang"] and f"+{e['person']}" == number)


def checked(service: RunningService, begun: dict[str, Any]) -> None:
    """The person types the code of the SMS, and we compare it."""
    assert service.check(begun, SMS_CODE).json()["valid"]


def approved(service: RunningService, begun: dict[str, Any]) -> None:
    """The SMS system compared the code itself, and says so."""
    answer = service.post(f"/v1/verifications/{begun['id']}/approve")
    assert answer.json()["reason"] == "approved_elsewhere"


def canceled(service: RunningService, begun: dict[str, Any]) -> None:
    """The person gave up."""
    assert service.post(f"/v1/verifications/{begun['id']}/cancel").status_code == 200


FASTER = {"+919876550001": checked, "+919876550002": approved, "+919876550003": canceled}


def test_who_was_faster_than_the_call_is_not_called(service: RunningService) -> None:
    """The call is canceled, unsent, and nothing rings when it would have been due."""
    for number, end in FASTER.items():
        begun = sends_sms(service, number)
        end(service, begun)
        call = service.wait_for_call(begun, "canceled")
        assert (call["reason"], call["placed_at"]) == ("ended_first", None)
    time.sleep(_SURELY_OVER)
    assert [rang(service, number) for number in FASTER] == [0, 0, 0]


def test_where_no_sms_arrives_the_call_speaks_its_code(service: RunningService) -> None:
    """Not before its time, the same digits, and they are accepted."""
    number = "+919876550011"
    began = time.monotonic()
    begun = sends_sms(service, number, name="Asha")
    assert service.wait_for_code(number) == SMS_CODE
    assert time.monotonic() - began >= DELAY - 0.1
    checked(service, begun)
    assert rang(service, number) == 1


def test_the_person_need_not_wait(service: RunningService) -> None:
    """*Call me now* brings the call forward; it stays one call."""
    number = "+919876550021"
    begun = service.create(number, code=SMS_CODE, call_after=200)
    assert begun["next"]["call"] == {
        "allowed": True,
        "reason": None,
        "at": None,
        "retry_after": None,
    }
    answer = service.post(f"/v1/verifications/{begun['id']}/calls")
    assert answer.status_code == 202
    assert service.wait_for_code(number) == SMS_CODE
    service.wait_for_call(begun, "answered")
    assert rang(service, number) == 1


def test_the_newest_sms_wins(service: RunningService) -> None:
    """A second SMS with another code ends the first verification; only its own code is spoken."""
    number = "+919876550031"
    first = sends_sms(service, number, reference="login-1")
    second = service.create(number, code="998877", call_after=DELAY, reference="login-1")
    assert service.get_verification(first)["reason"] == "superseded"
    assert service.wait_for_code(number) == "998877"
    assert service.check(first, SMS_CODE).status_code == 409
    assert service.check(second, "998877").json()["valid"]
    assert rang(service, number) == 1


def test_the_same_sms_asked_for_twice_is_one_call(service: RunningService) -> None:
    """A queue that delivers twice, or a retry: the same verification, one call."""
    number = "+919876550041"
    begun = sends_sms(service, number, reference="login-2")
    body = {"to": number, "code": SMS_CODE, "call_after": DELAY, "reference": "login-2"}
    again = service.post("/v1/verifications", body)
    assert (again.status_code, again.json()["id"]) == (200, begun["id"])
    service.wait_for_call(begun, "answered")
    assert rang(service, number) == 1
