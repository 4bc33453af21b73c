"""A user of a page with the element, who finds things by what is shown."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from playwright.sync_api import Error, Page, expect

_POLL: Final = "() => document.dispatchEvent(new Event('visibilitychange'))"
"""A page that becomes visible polls at once, so no test waits for the interval."""


@dataclass
class Visitor:
    """A user with a browser."""

    page: Page

    def enter_code(self, code: str) -> None:
        """Type a code into the focused field and press Enter."""
        # The page may still show its form: the phone can be faster.
        expect(self.page.get_by_role("textbox")).to_have_count(1)
        field = self.page.get_by_role("textbox")
        expect(field).to_be_focused()
        field.fill(code)
        self.page.keyboard.press("Enter")

    def press(self, button: str) -> None:
        """Press a button as soon as it is enabled."""
        self.page.get_by_role("button", name=button, exact=True).click()

    def expect_text(self, *texts: str) -> None:
        """Expect all texts to become visible, after a poll that begins at once."""
        with suppress(Error):  # the page is being left: the next one polls by itself
            self.page.evaluate(_POLL)
        for text in texts:
            expect(self.page.get_by_text(text).first).to_be_visible()
