"""The scenario of the example: an SMS that arrives, an SMS that is lost, and a newer SMS."""

import re
from typing import Any, Final

from otpvoice_demo.printer import HttpRequest, Printer, ScenarioError
from otpvoice_demo.stack import Stack

_ASHA: Final = "+919876543210"
_RAVI: Final = "+919812345678"


def run_scenario(stack: Stack, origin: str, printer: Printer) -> None:
    """Run the scenario with the SMS system at ``origin``.

    Raises:
        ScenarioError: a response differs from the scenario.
        StackError: a step did not happen in time.
        StopRequested: the user asked to stop.
    """
    scenario = _Scenario(stack, origin, printer)
    scenario.receive_sms()
    scenario.lose_sms()
    scenario.expect_one_call()
    scenario.resend_sms()


class _Scenario:
    def __init__(self, stack: Stack, origin: str, printer: Printer) -> None:
        self._stack = stack
        self._origin = origin
        self._printer = printer

    def receive_sms(self) -> None:
        """Enter the code of an SMS before the call is due."""
        self._printer.section("An SMS arrives in time, so no call is placed")
        login = self._start_login(_ASHA, "Asha")
        code = _digits(self._inbox(_ASHA)[-1])
        self._check_code(login, code, logged_in=True)
        self._printer.paragraph("The SMS system reports the right code; otpvoice cancels the call.")

    def lose_sms(self) -> None:
        """Get the code from the call."""
        self._printer.section("An SMS is lost, so the phone rings and speaks the same code")
        self._exchange("PUT", f"/inbox/{_RAVI}", 200, {"messages": "lost"})
        login = self._start_login(_RAVI, "Ravi")
        self._printer.paragraph("\nThree seconds later:")
        request = HttpRequest("GET", f"{self._stack.sandbox_url}/phones/{_RAVI[1:]}/calls")
        self._stack.wait_until(lambda: self._is_spoken(request), "no call was placed")
        (call,) = self._printer.exchange(request, 200, "spoken", "status")
        self._check_code(login, _digits(call["spoken"]), logged_in=True)

    def expect_one_call(self) -> None:
        """Check the provider's log of requests."""
        self._printer.section("Asha's call would be due by now: the provider's request log")
        request = HttpRequest("GET", f"{self._stack.sandbox_url}/ledger")
        entries = self._printer.exchange(request, 200, "person", "rang")
        if [entry["person"] for entry in entries] != [_RAVI[1:]]:
            raise ScenarioError("the provider received another request for a call")

    def resend_sms(self) -> None:
        """Enter the old code, which is rejected, then the new one."""
        self._printer.section("A newer SMS: the old code is rejected and never spoken")
        login = self._start_login(_ASHA, "Asha")
        self._exchange("POST", f"/logins/{login}/sms", 200)
        old, new = map(_digits, self._inbox(_ASHA)[-2:])
        self._check_code(login, old, logged_in=False)
        self._check_code(login, new, logged_in=True)

    def _is_spoken(self, request: HttpRequest) -> bool | None:
        calls = self._printer.fetch(request)
        return True if calls and calls[-1]["spoken"] else None

    def _start_login(self, number: str, name: str) -> str:
        started = self._exchange("POST", "/logins", 201, {"number": number, "name": name})
        return str(started["id"])

    def _inbox(self, number: str) -> list[str]:
        messages: list[str] = self._exchange("GET", f"/inbox/{number}", 200)
        return messages

    def _check_code(self, login: str, code: str, *, logged_in: bool) -> None:
        checked = self._exchange("POST", f"/logins/{login}/code", 200, {"code": code})
        if checked["logged_in"] is not logged_in:
            raise ScenarioError(f"logged_in is not {logged_in}")

    def _exchange(
        self, method: str, path: str, status: int, body: dict[str, str] | None = None
    ) -> Any:
        content = {} if body is None and method == "POST" else body
        request = HttpRequest(method, f"{self._origin}{path}", body=content)
        return self._printer.exchange(request, status, "id", "logged_in", "sent", "messages")


def print_next_steps(stack: Stack, origin: str, printer: Printer) -> None:
    """Print what a developer can try while the stack runs."""
    meera = "+919900112233"
    printer.section("Your turn")
    for request in (
        HttpRequest("PUT", f"{origin}/inbox/{meera}", body={"messages": "lost"}),
        HttpRequest("POST", f"{origin}/logins", body={"number": meera, "name": "Meera"}),
        HttpRequest("GET", f"{origin}/inbox/{meera}"),
        HttpRequest("GET", f"{stack.sandbox_url}/phones/{meera[1:]}/calls"),
    ):
        printer.request(request)
    printer.paragraph("")


def _digits(text: str) -> str:
    return "".join(re.findall(r"\d", text))
