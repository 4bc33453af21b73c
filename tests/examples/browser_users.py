"""The users of the examples: a person with a browser, and that person's phone."""

import re
from typing import Any

from support.service import SandboxPhones
from support.visitor import Visitor

from otpvoice_demo.stack import Stack


class Phone:
    """A phone of the sandbox."""

    def __init__(self, stack: Stack, number: str) -> None:
        self.number = number
        self._stack = stack
        self._phones = SandboxPhones(stack.sandbox_url)

    def set_behaviour(self, behaviour: str) -> None:
        """Set the behaviour for the next calls."""
        self._phones.set_behaviour(self.number, behaviour)

    def wait_for_code(self) -> str:
        """Wait until the newest call speaks, and return its digits."""

        def spoken() -> str | None:
            calls = self._phones.calls(self.number)
            return calls[-1]["spoken"] if calls else None

        return digits(self._stack.wait_until(spoken, "the phone got no code"))

    def calls(self) -> list[dict[str, Any]]:
        """Return the requests for calls to this phone, from the request log."""
        return [e for e in self._phones.ledger() if f"+{e['person']}" == self.number]


class LoginVisitor(Visitor):
    """A user of the login page."""

    def request_call(self, number: str, name: str = "Asha", call_me: str = "Call me") -> None:
        """Fill in and submit the first form."""
        self.page.locator("#number").fill(number)
        self.page.locator("#name").fill(name)
        self.press(call_me)


def digits(text: str) -> str:
    """Return the digits of a text."""
    return "".join(re.findall(r"\d", text))


def mistyped(code: str) -> str:
    """Return another code."""
    return code[:-1] + str((int(code[-1]) + 1) % 10)
