"""Checks of the console's forms: a confirmation belongs to the number and the time of its page."""

from typing import Final

from flask import request

from otpvoice.store.admin import NumberIdentity

_FORM_VALID_MS: Final = 600_000
"""An older page may show limits that have changed since."""


class FormError(Exception):
    """A form that cannot be processed. The text gives the reason."""


def check_number(typed: NumberIdentity) -> None:
    """Compare the typed number with the one that the page showed.

    Raises:
        FormError: they differ, or the form names none.
    """
    if request.form.get("number_hash") != typed.hash:
        raise FormError(
            f"You typed {typed.masked}, which is not the number that the page showed. Nothing was "
            "changed. Search for the number that you mean, and confirm it there."
        )


def check_form_age(now_ms: int) -> None:
    """Refuse a page that was left open, and a result page that is loaded again.

    Raises:
        FormError: the page is older than ten minutes.
    """
    text = request.form.get("rendered_at_ms", "")
    rendered_at_ms = int(text) if text.isascii() and text.isdigit() else 0
    if not 0 <= now_ms - rendered_at_ms <= _FORM_VALID_MS:
        raise FormError(
            "The page is older than ten minutes, so nothing was changed. Search again to see the "
            "current limits."
        )
