"""The SMS example: its own codes, a pretend gateway, and a phone that rings when one is lost."""

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
        begun = self.asks("POST", "/logins", {"number": phone.number, "name": "Asha"})
        self.path = f"/logins/{begun['id']}"

    def asks(self, method: str, path: str, body: Any = None, status: int = 0) -> Any:
        """The JSON of an answer, which has this status, or is a good one."""
        answer = requests.request(method, f"{self._url}{path}", json=body or {}, timeout=10)
        assert answer.status_code == status if status else answer.ok, answer.text
        return answer.json()

    def sms(self) -> list[str]:
        """The codes that arrived, oldest first."""
        messages = requests.get(f"{self._url}/inbox/{self._phone.number}", timeout=10).json()
        return [digits(message) for message in messages]

    def enters(self, code: str) -> bool:
        """Whether it was the code."""
        entered: bool = self.asks("POST", f"{self.path}/code", {"code": code})["logged_in"]
        return entered


def messages_are(what: str, sms_url: str, phone: Phone) -> None:
    """``lost`` or ``delivered``, from now on."""
    requests.put(f"{sms_url}/inbox/{phone.number}", json={"messages": what}, timeout=10)


def test_a_call_comes_only_when_nobody_was_faster(sms_url: str, phones: Iterator[Phone]) -> None:
    """None to who typed the SMS's code, gave up, or guessed too often; one where it was lost."""
    called = typed, gave_up, guessed, lost = [*islice(phones, 4)]
    first = SmsLogin(sms_url, typed)
    assert first.enters(first.sms()[0])
    second = SmsLogin(sms_url, gave_up)
    second.asks("DELETE", second.path)
    third = SmsLogin(sms_url, guessed)
    assert [third.enters(mistyped(third.sms()[0])) for _ in range(5)] == [False] * 5
    messages_are("lost", sms_url, lost)
    fourth = SmsLogin(sms_url, lost)
    assert fourth.sms() == []
    assert fourth.enters(lost.wait_for_code())
    assert [len(phone.calls()) for phone in called] == [0, 0, 0, 1]
    for login in (first, second, third, fourth):
        login.asks("POST", f"{login.path}/code", {"code": "123456"}, status=404)


def test_the_call_speaks_the_code_of_the_sms(sms_url: str, phone: Phone) -> None:
    """And comes at once if the person does not like to wait; it stays one call."""
    login = SmsLogin(sms_url, phone)
    login.asks("POST", f"{login.path}/call")
    assert phone.wait_for_code() == login.sms()[0]
    assert login.enters(login.sms()[0])
    assert len(phone.calls()) == 1


def test_a_newer_sms_supersedes_the_older_one(sms_url: str, phone: Phone) -> None:
    """The older code opens nothing and is never spoken."""
    login = SmsLogin(sms_url, phone)
    messages_are("lost", sms_url, phone)
    login.asks("POST", f"{login.path}/sms")
    (older,) = login.sms()
    newer = phone.wait_for_code()
    assert newer != older
    assert not login.enters(older)
    assert login.enters(newer)
    assert len(phone.calls()) == 1


@pytest.mark.parametrize(("right", "status"), [(True, "approved"), (False, "canceled")])
def test_the_service_is_told_what_came_of_it(
    right: bool, status: str, sms_url: str, stack: Stack, phone: Phone
) -> None:
    """Proven here counts as proven there, so that honest people's limits are given back."""
    login = SmsLogin(sms_url, phone)
    code = login.sms()[0]
    for _ in range(1 if right else 5):
        assert login.enters(code if right else mistyped(code)) is right
    news = Database(stack.folder / "login.sqlite")

    def told() -> bool | None:
        verification: Any = news.events_of(login.path.rpartition("/")[2])["verification"]
        return True if verification and verification["status"] == status else None

    assert stack.wait_until(told, f"it was not {status}")


def test_an_sms_goes_out_while_the_service_is_away() -> None:
    """There is no reserve then, and nothing else is missing; who asks for the call is told."""
    away = Client(f"http://127.0.0.1:{free_port()}", "ovk_1", timeout=0.1)
    sms = create_app(away, call_after_s=30).test_client()
    begun = sms.post("/logins", json={"number": ASHA, "name": "Asha"})
    path = f"/logins/{begun.json['id']}" if begun.json else ""
    assert sms.post(f"{path}/call").status_code == 503
    (message,) = sms.get(f"/inbox/{ASHA}").json or []
    entered = sms.post(f"{path}/code", json={"code": digits(message)})
    assert entered.json == {"logged_in": True}
