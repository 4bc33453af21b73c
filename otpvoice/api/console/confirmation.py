"""Confirmations: what an operator types must be the number that the page shows."""

from dataclasses import dataclass
from typing import Final

from otpvoice.store.admin import Telephone

_VALID_FOR: Final = 600_000
"""Milliseconds. An older page may show limits that have long changed."""


class NotConfirmed(Exception):
    """The form does not confirm what its page showed; nothing was done. The text says why."""


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What a form says about the page that it stands on."""

    shown: str
    """The hash of the number on that page."""
    shown_at: str
    """When the page was made, in milliseconds of the store's clock."""

    def check_number(self, typed: Telephone) -> None:
        """Compare the typed number with the shown one.

        Raises:
            NotConfirmed: they differ, or the form names none.
        """
        if self.shown != typed.name:
            raise NotConfirmed(
                f"You typed {typed.masked}, which is not the number that the page showed. "
                "Search for the number that you mean and confirm it there."
            )

    def check_age(self, now: int) -> None:
        """Refuse a page that was left open, and a result page that is loaded again.

        Raises:
            NotConfirmed: the page is older than ten minutes.
        """
        shown_at = int(self.shown_at) if self.shown_at.isascii() and self.shown_at.isdigit() else 0
        if not 0 <= now - shown_at <= _VALID_FOR:
            raise NotConfirmed(
                "The page is older than ten minutes. Search again to see how the limits are now."
            )
