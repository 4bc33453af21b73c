"""The users of the examples: a person with a browser, and that person's phone."""

import re
from typing import Any

from playwright.sync_api import Page, expect
from support.service import SandboxPhones

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


class Visitor:
    """A user of the login page, who finds elements by their visible texts."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def request_call(self, number: str, name: str = "Asha", call_me: str = "Call me") -> None:
        """Fill in and submit the first form."""
        self.page.locator("#number").fill(number)
        self.page.locator("#name").fill(name)
        self.page.get_by_role("button", name=call_me, exact=True).click()

    def enter_code(self, code: str) -> None:
        """Type the code into the focused field and press Enter."""
        field = self.page.get_by_role("textbox")
        expect(field).to_be_focused()
        field.fill(code)
        self.page.keyboard.press("Enter")

    def press(self, button: str) -> None:
        """Press a button as soon as it is enabled."""
        self.page.get_by_role("button", name=button, exact=True).click()

    def expect_text(self, *sentences: str) -> None:
        """Expect all texts to become visible."""
        for sentence in sentences:
            expect(self.page.get_by_text(sentence).first).to_be_visible()


def digits(text: str) -> str:
    """Return the digits of a text."""
    return "".join(re.findall(r"\d", text))


def mistyped(code: str) -> str:
    """Return another code."""
    return code[:-1] + str((int(code[-1]) + 1) % 10)
