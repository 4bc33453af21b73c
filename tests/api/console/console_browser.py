"""An operator's browser, and what the tests read from its pages and from the audit log."""

import base64
import re
from collections.abc import Mapping
from typing import Final

from flask import Flask
from werkzeug.test import TestResponse

from otpvoice.store.models import AuditEntry
from otpvoice.store.redis_store import RedisStore

KEY: Final = "ova_admin-key-of-the-tests"
HOME: Final = "https://otp.example.com"
"""The public URL, and the origin of the console's pages."""
CODE: Final = "8306175294"


class ConsoleBrowser:
    """An operator's browser."""

    def __init__(self, app: Flask, key: str | None = KEY, name: str = "asha") -> None:
        self._client = app.test_client()
        self._headers: dict[str, str] = {}
        if key is not None:
            credential = base64.b64encode(f"{name}:{key}".encode()).decode()
            self._headers["Authorization"] = f"Basic {credential}"

    def request(
        self, method: str, path: str, form: Mapping[str, str] | None = None, **headers: str
    ) -> TestResponse:
        """Send a request with further headers."""
        return self._client.open(path, method=method, data=form, headers=self._headers | headers)

    def open_overview(self) -> TestResponse:
        """Request the overview page."""
        return self.request("GET", "/console")

    def search(self, text: str) -> TestResponse:
        """Submit the search form."""
        return self.request("POST", "/console/search", {"query": text}, Origin=HOME)

    def get_form(self, number: str) -> dict[str, str]:
        """Return the hidden fields of the form on a number's page."""
        page = self.search(number).text
        return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page))

    def submit_form(self, form: Mapping[str, str], number: str, **headers: str) -> TestResponse:
        """Submit a form with the typed number."""
        sent = {**form, "number": number}
        return self.request("POST", "/console/limits/clear", sent, **({"Origin": HOME} | headers))

    def clear_limits(self, number: str) -> TestResponse:
        """Search for a number, type it again, and confirm."""
        return self.submit_form(self.get_form(number), number)


def audit_entries(store: RedisStore, event: str) -> list[AuditEntry]:
    """Return the audit log's entries for an event."""
    return [each for each in store.sweep("a dialer").audit_entries if each.event == event]


def visible_text(response: TestResponse) -> str:
    """Return the text of a page without its markup."""
    assert response.status_code == 200, response.text
    return " ".join(re.sub(r"<[^>]*>", " ", response.text).split())
