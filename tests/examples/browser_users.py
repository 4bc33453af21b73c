"""Who meets the examples: a person with a browser, and the same person's phone."""

import re
from typing import Any

from playwright.sync_api import Page, expect
from support.service import SandboxPhones

from otpvoice_demo.stack import Stack


class Phone:
    """A phone of the pretend company."""

    def __init__(self, stack: Stack, number: str) -> None:
        self.number = number
        self._stack = stack
        self._phones = SandboxPhones(stack.sandbox_url)

    def set_behaviour(self, behaviour: str) -> None:
        """From the next call on."""
        self._phones.set_behaviour(self.number, behaviour)

    def wait_for_code(self) -> str:
        """The digits of the newest call, as soon as they are spoken."""

        def spoken() -> str | None:
            calls = self._phones.calls(self.number)
            return calls[-1]["spoken"] if calls else None

        return digits(self._stack.wait_until(spoken, "the phone heard nothing"))

    def calls(self) -> list[dict[str, Any]]:
        """What the company was asked to do for this phone, by its ledger."""
        return [e for e in self._phones.ledger() if f"+{e['person']}" == self.number]


class Visitor:
    """A person at the login page. The words on it are what is looked for, as a person does."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def request_call(self, number: str, name: str = "Asha", call_me: str = "Call me") -> None:
        """Fills in the first form."""
        self.page.locator("#number").fill(number)
        self.page.locator("#name").fill(name)
        self.page.get_by_role("button", name=call_me, exact=True).click()

    def enter_code(self, code: str) -> None:
        """Into the field that has the focus already, and then Enter."""
        field = self.page.get_by_role("textbox")
        expect(field).to_be_focused()
        field.fill(code)
        self.page.keyboard.press("Enter")

    def press(self, button: str) -> None:
        """A button by its words, as soon as it may be pressed."""
        self.page.get_by_role("button", name=button, exact=True).click()

    def expect_text(self, *sentences: str) -> None:
        """All of them are there, or soon are."""
        for sentence in sentences:
            expect(self.page.get_by_text(sentence).first).to_be_visible()


def digits(text: str) -> str:
    """Those of a text."""
    return "".join(re.findall(r"\d", text))


def mistyped(code: str) -> str:
    """Another code."""
    return code[:-1] + str((int(code[-1]) + 1) % 10)
