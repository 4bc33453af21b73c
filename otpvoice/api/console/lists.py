"""The list of the newest verifications: page by page, and as a file."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Final

from flask import Blueprint, Response, request

from otpvoice.admin import AdminService, FoundVerification
from otpvoice.admin.listing import list_all, list_page
from otpvoice.api.console.auth import operator_name
from otpvoice.api.console.forms import FormError
from otpvoice.api.console.list_filter import (
    FILTERED_OUTCOMES,
    LIST_PATH,
    REASONS,
    VERIFICATION_ID,
    parse_filter,
)
from otpvoice.api.console.rendering import render_page
from otpvoice.api.export_lines import CSV_COLUMNS, csv_line, csv_row, json_line
from otpvoice.core.verification import Status
from otpvoice.store.export import ExportSelection
from otpvoice.store.newest import ListFilter
from otpvoice.store.policy import NEWEST_MAX

_FORMATS: Final = {"csv": "text/csv; charset=utf-8", "jsonl": "application/jsonl"}


@dataclass(frozen=True, slots=True)
class ListViews:
    """Views of the list."""

    admin: AdminService
    clients: tuple[str, ...]

    def add_to(self, routes: Blueprint) -> None:
        """Add the routes of these views."""
        routes.add_url_rule("/verifications", view_func=self.page)
        for form in _FORMATS:
            path = f"/verifications.{form}"
            routes.add_url_rule(path, view_func=self.file, defaults={"form": form})

    def page(self) -> Response:
        """Show one page of the list."""
        wanted, shown = self._filter()
        after = request.args.get("after", "")
        if after and not VERIFICATION_ID.fullmatch(after):
            raise FormError("The address names no place in the list.")
        return render_page(
            "verifications.html",
            page=list_page(self.admin, wanted, after, operator_name()),
            after=after,
            shown=shown,
            path=LIST_PATH,
            choices={
                "client": dict.fromkeys(self.clients),
                "status": dict.fromkeys(Status),
                "reason": dict.fromkeys(REASONS),
                "outcome": FILTERED_OUTCOMES,
                "route": dict.fromkeys(self.admin.routes),
            },
            newest_max=NEWEST_MAX,
        )

    def file(self, form: str) -> Response:
        """Send everything in the list that matches, and log who exports it.

        The first part is read before the response begins, so a store that is away is an error
        page. If it fails later, the response is cut off.
        """
        wanted, _ = self._filter()
        before_ms = wanted.created_before_ms or self.admin.store.overview().now
        selection = ExportSelection(wanted.created_from_ms, before_ms)
        self.admin.store.log_export(selection, operator_name(), whole_numbers=False)
        parts = list_all(self.admin, wanted)
        first = next(parts, [])
        body = self._lines(form, chain([first], parts))
        response = Response(body, content_type=_FORMATS[form])
        response.headers["Content-Disposition"] = f'attachment; filename="verifications.{form}"'
        response.headers["Cache-Control"] = "no-store"
        return response

    def _filter(self) -> tuple[ListFilter, dict[str, str]]:
        return parse_filter(request.args, self.clients, self.admin.routes)

    def _lines(self, form: str, parts: Iterator[list[FoundVerification]]) -> Iterator[bytes]:
        if form == "csv":
            yield csv_row(CSV_COLUMNS)
        for part in parts:
            yield b"".join(self._line(form, each) for each in part)

    def _line(self, form: str, found: FoundVerification) -> bytes:
        number = found.masked_number or ""
        if form == "csv":
            return csv_line(found.verification, number)
        return json_line(found.verification, number, self.admin.public_url)
