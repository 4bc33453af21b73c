"""An SMS system that falls back to a call, as in docs/sms-fallback.md, with real processes."""

import time
from typing import Any

from support.service import RunningService

SMS_CODE = "471102"
DELAY = 2
"""Seconds that the SMS is given."""
_SURELY_OVER = DELAY + 1.5


def sends_sms(service: RunningService, number: str, **members: Any) -> dict[str, Any]:
    """Create a delayed call for an SMS that is on its way."""
    return service.create(number, code=SMS_CODE, call_after=DELAY, **members)


def rang(service: RunningService, number: str) -> int:
    """Return the requests that made the phone ring."""
    return sum(1 for e in service.phones.ledger() if e["rang"] and f"+{e['person']}" == number)


def checked(service: RunningService, begun: dict[str, Any]) -> None:
    """Submit the code of the SMS."""
    assert service.check(begun, SMS_CODE).json()["valid"]


def approved(service: RunningService, begun: dict[str, Any]) -> None:
    """Approve the verification, because the SMS system compared the code itself."""
    answer = service.post(f"/v1/verifications/{begun['id']}/approve")
    assert answer.json()["reason"] == "approved_elsewhere"


def canceled(service: RunningService, begun: dict[str, Any]) -> None:
    """Cancel the verification."""
    assert service.post(f"/v1/verifications/{begun['id']}/cancel").status_code == 200


FASTER = {"+919876550001": checked, "+919876550002": approved, "+919876550003": canceled}


def test_code_entered_before_the_call_cancels_it(service: RunningService) -> None:
    """The call is canceled unsent, and no phone rings at its due time."""
    for number, end in FASTER.items():
        begun = sends_sms(service, number)
        end(service, begun)
        call = service.wait_for_call(begun, "canceled")
        assert (call["reason"], call["placed_at"]) == ("ended_first", None)
    time.sleep(_SURELY_OVER)
    assert [rang(service, number) for number in FASTER] == [0, 0, 0]


def test_call_speaks_the_code_of_the_lost_sms(service: RunningService) -> None:
    """At its due time, with the same digits."""
    number = "+919876550011"
    began = time.monotonic()
    begun = sends_sms(service, number, name="Asha")
    assert service.wait_for_code(number) == SMS_CODE
    assert time.monotonic() - began >= DELAY - 0.1
    checked(service, begun)
    assert rang(service, number) == 1


def test_call_me_now_brings_the_call_forward(service: RunningService) -> None:
    """It stays one call."""
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


def test_new_sms_supersedes_the_verification(service: RunningService) -> None:
    """The call speaks only the new code."""
    number = "+919876550031"
    first = sends_sms(service, number, reference="login-1")
    second = service.create(number, code="998877", call_after=DELAY, reference="login-1")
    assert service.get_verification(first)["reason"] == "superseded"
    assert service.wait_for_code(number) == "998877"
    assert service.check(first, SMS_CODE).status_code == 409
    assert service.check(second, "998877").json()["valid"]
    assert rang(service, number) == 1


def test_repeated_sms_request_makes_one_call(service: RunningService) -> None:
    """For a queue that delivers twice, or a retry."""
    number = "+919876550041"
    begun = sends_sms(service, number, reference="login-2")
    body = {"to": number, "code": SMS_CODE, "call_after": DELAY, "reference": "login-2"}
    again = service.post("/v1/verifications", body)
    assert (again.status_code, again.json()["id"]) == (200, begun["id"])
    service.wait_for_call(begun, "answered")
    assert rang(service, number) == 1
