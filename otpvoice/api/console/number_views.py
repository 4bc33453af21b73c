"""One number: its limits and verifications, and the actions on it."""

from dataclasses import dataclass
from typing import Final

from flask import Blueprint, Response, request
from werkzeug.exceptions import NotFound

from otpvoice.admin import DENIED, RETENTION_NOTE, AdminService, SearchResult
from otpvoice.admin.listing import number_of
from otpvoice.api.console.auth import operator_name
from otpvoice.api.console.forms import FormError, check_form_age, check_number
from otpvoice.api.console.list_filter import VERIFICATION_ID
from otpvoice.api.console.rendering import render_page
from otpvoice.core.limits import DAY_MS
from otpvoice.store.admin import NumberIdentity

BLOCK_LENGTHS: Final = {
    "1h": ("1 hour", 3600),
    "1d": ("1 day", DAY_MS // 1000),
    "7d": ("7 days", 7 * DAY_MS // 1000),
    "30d": ("30 days", 30 * DAY_MS // 1000),
}
"""Lengths of a block that the page offers: title and seconds."""
_UNBLOCK: Final = "0"


@dataclass(frozen=True, slots=True)
class NumberViews:
    """Views of one number or one verification."""

    admin: AdminService

    def add_to(self, routes: Blueprint) -> None:
        """Add the routes of these views."""
        routes.add_url_rule("/search", view_func=self.search, methods=["POST"])
        routes.add_url_rule("/limits/clear", view_func=self.clear, methods=["POST"])
        routes.add_url_rule("/block", view_func=self.block, methods=["POST"])
        routes.add_url_rule("/verifications/<verification_id>", view_func=self.verification)
        routes.add_url_rule("/verifications/<verification_id>/number", view_func=self.number)

    def search(self) -> Response:
        """Show the verifications that match a text, and the limits of a number."""
        text = request.form.get("query", "").strip()
        return _render_result(self.admin.search(text, operator_name()))

    def verification(self, verification_id: str) -> Response:
        """Show one verification."""
        _check_id(verification_id)
        return _render_result(self.admin.search(verification_id, operator_name()))

    def number(self, verification_id: str) -> Response:
        """Show the number of a verification, as a search for the number would."""
        _check_id(verification_id)
        identity = number_of(self.admin, verification_id, operator_name())
        if identity is None:
            raise FormError("The number of this verification is no longer known.")
        return _render_result(self.admin.search_number(identity, operator_name()))

    def clear(self) -> Response:
        """Clear the limits of a number that the operator confirmed."""
        number = self.admin.parse_number(request.form.get("number", ""))
        check_number(number)
        before = self.admin.store.explain(number)
        check_form_age(before.now_ms)
        self.admin.store.clear(number, operator_name())
        return render_page("cleared.html", before=before, after=self.admin.store.explain(number))

    def block(self) -> Response:
        """Block a number that the operator confirmed, or allow calls to it again."""
        number = self._confirmed_number()
        length = request.form.get("length", "")
        if length != _UNBLOCK and length not in BLOCK_LENGTHS:
            raise FormError("Choose how long the number is to be blocked. Nothing was changed.")
        before = self.admin.store.explain(number)
        check_form_age(before.now_ms)
        seconds = 0 if length == _UNBLOCK else BLOCK_LENGTHS[length][1]
        canceled_calls = self.admin.store.block(number, seconds, operator_name())
        return render_page(
            "blocked.html",
            before=before,
            after=self.admin.store.explain(number),
            canceled_calls=canceled_calls,
        )

    def _confirmed_number(self) -> NumberIdentity:
        """Return the number of the page: that of a verification on it, or the typed one.

        Raises:
            FormError: it is not confirmed, or not the number that the page showed.
        """
        verification_id = request.form.get("verification", "")
        if not verification_id:
            number = self.admin.parse_number(request.form.get("number", ""))
            check_number(number)
            return number
        _check_id(verification_id)
        known = number_of(self.admin, verification_id, operator_name())
        if known is None or request.form.get("number_hash") != known.hash:
            raise FormError("The number of this page is no longer known. Nothing was changed.")
        if request.form.get("confirmed") != "yes":
            raise FormError("Confirm with the box that you mean this number. Nothing was changed.")
        return known


def _check_id(text: str) -> None:
    if not VERIFICATION_ID.fullmatch(text):
        raise NotFound


def _render_result(result: SearchResult) -> Response:
    return render_page(
        "results.html",
        result=result,
        retention_note=RETENTION_NOTE,
        denied=DENIED,
        block_lengths=BLOCK_LENGTHS,
    )
