"""What the example tells: an SMS that arrives, one that is lost, and a newer one."""

import re
from typing import Any, Final

from otpvoice_demo.printer import HttpRequest, Printer, ScenarioError
from otpvoice_demo.stack import Stack

_ASHA: Final = "+919876543210"
_RAVI: Final = "+919812345678"


def run_scenario(stack: Stack, origin: str, narrator: Printer) -> None:
    """The story, with the SMS system at ``origin``.

    Raises:
        StoryError: something was answered differently.
        StackError, Stopped: something did not happen in time, or was stopped.
    """
    story = _Scenario(stack, origin, narrator)
    story.receive_sms()
    story.lose_sms()
    story.expect_one_call()
    story.resend_sms()


class _Scenario:
    def __init__(self, stack: Stack, origin: str, narrator: Printer) -> None:
        self._stack = stack
        self._origin = origin
        self._narrator = narrator

    def receive_sms(self) -> None:
        """And its code is typed before the call is due."""
        self._narrator.section("An SMS arrives in time, so that no call is needed")
        login = self._start_login(_ASHA, "Asha")
        code = _digits(self._inbox(_ASHA)[-1])
        self._check_code(login, code, logged_in=True)
        self._narrator.paragraph("It has told otpvoice: the call is canceled, unsent.")

    def lose_sms(self) -> None:
        """The phone rings instead."""
        self._narrator.section("An SMS is lost, so the phone rings and speaks the very same code")
        self._exchange("PUT", f"/inbox/{_RAVI}", 200, {"messages": "lost"})
        login = self._start_login(_RAVI, "Ravi")
        self._narrator.paragraph("\nThree seconds later:")
        listen = HttpRequest("GET", f"{self._stack.sandbox_url}/phones/{_RAVI[1:]}/calls")
        self._stack.wait_until(lambda: self._is_spoken(listen), "no call came")
        (call,) = self._narrator.exchange(listen, 200, "spoken", "status")
        self._check_code(login, _digits(call["spoken"]), logged_in=True)

    def expect_one_call(self) -> None:
        """The company's own ledger says so."""
        self._narrator.section("By now Asha's call would have come: the telephone company's ledger")
        ledger = HttpRequest("GET", f"{self._stack.sandbox_url}/ledger")
        calls = self._narrator.exchange(ledger, 200, "person", "rang")
        if [call["person"] for call in calls] != [_RAVI[1:]]:
            raise ScenarioError("somebody else was called")

    def resend_sms(self) -> None:
        """The older code is worth nothing."""
        self._narrator.section("A newer SMS: the older code is never spoken, and opens nothing")
        login = self._start_login(_ASHA, "Asha")
        self._exchange("POST", f"/logins/{login}/sms", 200)
        older, newer = map(_digits, self._inbox(_ASHA)[-2:])
        self._check_code(login, older, logged_in=False)
        self._check_code(login, newer, logged_in=True)

    def _is_spoken(self, listen: HttpRequest) -> bool | None:
        calls = self._narrator.fetch(listen)
        return True if calls and calls[-1]["spoken"] else None

    def _start_login(self, number: str, name: str) -> str:
        begun = self._exchange("POST", "/logins", 201, {"number": number, "name": name})
        return str(begun["id"])

    def _inbox(self, number: str) -> list[str]:
        messages: list[str] = self._exchange("GET", f"/inbox/{number}", 200)
        return messages

    def _check_code(self, login: str, code: str, *, logged_in: bool) -> None:
        entered = self._exchange("POST", f"/logins/{login}/code", 200, {"code": code})
        if entered["logged_in"] is not logged_in:
            raise ScenarioError("that code should have been judged differently")

    def _exchange(
        self, method: str, path: str, status: int, body: dict[str, str] | None = None
    ) -> Any:
        given = {} if body is None and method == "POST" else body
        request = HttpRequest(method, f"{self._origin}{path}", body=given)
        return self._narrator.exchange(request, status, "id", "logged_in", "sent", "messages")


def print_next_steps(stack: Stack, origin: str, narrator: Printer) -> None:
    """What can be tried while everything stays up."""
    meera = "+919900112233"
    narrator.section("Your turn")
    for request in (
        HttpRequest("PUT", f"{origin}/inbox/{meera}", body={"messages": "lost"}),
        HttpRequest("POST", f"{origin}/logins", body={"number": meera, "name": "Meera"}),
        HttpRequest("GET", f"{origin}/inbox/{meera}"),
        HttpRequest("GET", f"{stack.sandbox_url}/phones/{meera[1:]}/calls"),
    ):
        narrator.request(request)
    narrator.paragraph("")


def _digits(text: str) -> str:
    return "".join(re.findall(r"\d", text))
