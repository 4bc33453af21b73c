"""The SMS example: its codes, its simulated gateway and its fallback calls."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest
import requests
from examples.browser_users import Phone, digits, mistyped
from support.service import ASHA

from login_backend.database import Database
from otpvoice_client import Client
from otpvoice_demo.stack import Stack, free_port
from sms_fallback import create_app


class SmsLogin:
    """A login at the SMS system, over its HTTP API."""

    def __init__(self, url: str, phone: Phone) -> None:
        self._url = url
        self._phone = phone
        started = self.request("POST", "/logins", {"number": phone.number, "name": "Asha"})
        self.path = f"/logins/{started['id']}"

    def request(self, method: str, path: str, body: Any = None, status: int = 0) -> Any:
        """Send a request, check the status, and return the JSON."""
        response = requests.request(method, f"{self._url}{path}", json=body or {}, timeout=10)
        assert response.status_code == status if status else response.ok, response.text
        return response.json()

    def sms(self) -> list[str]:
        """Return the codes that arrived, oldest first."""
        messages = requests.get(f"{self._url}/inbox/{self._phone.number}", timeout=10).json()
        return [digits(message) for message in messages]

    def check_code(self, code: str) -> bool:
        """Check a code, and return whether it is right."""
        is_right: bool = self.request("POST", f"{self.path}/code", {"code": code})["logged_in"]
        return is_right


def set_delivery(what: str, sms_url: str, phone: Phone) -> None:
    """Set the delivery of future SMS: ``lost`` or ``delivered``."""
    requests.put(f"{sms_url}/inbox/{phone.number}", json={"messages": what}, timeout=10)


def test_call_is_placed_only_for_lost_sms(sms_url: str, phones: Iterator[Phone]) -> None:
    """No call after the right code, a cancellation or too many wrong codes."""
    four = typed, canceled, guessed, lost = [*islice(phones, 4)]
    first = SmsLogin(sms_url, typed)
    assert first.check_code(first.sms()[0])
    second = SmsLogin(sms_url, canceled)
    second.request("DELETE", second.path)
    third = SmsLogin(sms_url, guessed)
    assert [third.check_code(mistyped(third.sms()[0])) for _ in range(5)] == [False] * 5
    set_delivery("lost", sms_url, lost)
    fourth = SmsLogin(sms_url, lost)
    assert fourth.sms() == []
    assert fourth.check_code(lost.wait_for_code())
    assert [len(phone.calls()) for phone in four] == [0, 0, 0, 1]
    for login in (first, second, third, fourth):
        login.request("POST", f"{login.path}/code", {"code": "123456"}, status=404)


def test_call_now_speaks_code_of_sms_once(sms_url: str, phone: Phone) -> None:
    """There is no second call."""
    login = SmsLogin(sms_url, phone)
    login.request("POST", f"{login.path}/call")
    assert phone.wait_for_code() == login.sms()[0]
    assert login.check_code(login.sms()[0])
    assert len(phone.calls()) == 1


def test_resent_sms_replaces_code(sms_url: str, phone: Phone) -> None:
    """The old code is rejected and never spoken."""
    login = SmsLogin(sms_url, phone)
    set_delivery("lost", sms_url, phone)
    login.request("POST", f"{login.path}/sms")
    (older,) = login.sms()
    newer = phone.wait_for_code()
    assert newer != older
    assert not login.check_code(older)
    assert login.check_code(newer)
    assert len(phone.calls()) == 1


@pytest.mark.parametrize(("right", "status"), [(True, "approved"), (False, "canceled")])
def test_result_is_reported_to_service(
    right: bool, status: str, sms_url: str, stack: Stack, phone: Phone
) -> None:
    """An approval releases the number's limits."""
    login = SmsLogin(sms_url, phone)
    code = login.sms()[0]
    for _ in range(1 if right else 5):
        assert login.check_code(code if right else mistyped(code)) is right
    events = Database(stack.folder / "login.sqlite")

    def is_reported() -> bool | None:
        verification: Any = events.events_of(login.path.rpartition("/")[2])["verification"]
        return True if verification and verification["status"] == status else None

    assert stack.wait_until(is_reported, f"it was not {status}")


def test_sms_is_sent_while_service_is_unavailable() -> None:
    """There is no fallback call then, and *Call me now* returns 503."""
    away = Client(f"http://127.0.0.1:{free_port()}", "ovk_1", timeout=0.1)
    sms = create_app(away, call_after_s=30).test_client()
    started = sms.post("/logins", json={"number": ASHA, "name": "Asha"})
    path = f"/logins/{started.json['id']}" if started.json else ""
    assert sms.post(f"{path}/call").status_code == 503
    (message,) = sms.get(f"/inbox/{ASHA}").json or []
    entered = sms.post(f"{path}/code", json={"code": digits(message)})
    assert entered.json == {"logged_in": True}
