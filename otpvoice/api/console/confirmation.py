"""Confirmations: what an operator types must be the number that the page shows."""

from dataclasses import dataclass
from typing import Final

from otpvoice.store.admin import NumberIdentity

_VALID_FOR_MS: Final = 600_000
"""Milliseconds. An older page may show limits that have long changed."""


class NotConfirmed(Exception):
    """The form does not confirm what its page showed; nothing was done. The text says why."""


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What a form says about the page that it stands on."""

    number_hash: str
    """The hash of the number on that page."""
    rendered_at_ms: str
    """When the page was made, in milliseconds of the store's clock."""

    def check_number(self, typed: NumberIdentity) -> None:
        """Compare the typed number with the shown one.

        Raises:
            NotConfirmed: they differ, or the form names none.
        """
        if self.number_hash != typed.hash:
            raise NotConfirmed(
                f"You typed {typed.masked}, which is not the number that the page showed. "
                "Search for the number that you mean and confirm it there."
            )

    def check_age(self, now_ms: int) -> None:
        """Refuse a page that was left open, and a result page that is loaded again.

        Raises:
            NotConfirmed: the page is older than ten minutes.
        """
        shown_at = (
            int(self.rendered_at_ms)
            if self.rendered_at_ms.isascii() and self.rendered_at_ms.isdigit()
            else 0
        )
        if not 0 <= now_ms - shown_at <= _VALID_FOR_MS:
            raise NotConfirmed(
                "The page is older than ten minutes. Search again to see how the limits are now."
            )
