"""A client of the Twilio Verify API in this process, with one API key."""

import base64
import re
from typing import Any, Final

from flask import Flask
from support.service import ASHA, BANK_KEY, LOGIN_KEY
from werkzeug.test import TestResponse

ACCOUNT: Final = "AC" + "1" * 32
SERVICE: Final = "VA" + "2" * 32
BASE: Final = "/twilio/v2"
VERIFICATIONS: Final = f"{BASE}/Services/{SERVICE}/Verifications"
ATTEMPTS: Final = f"{BASE}/Attempts"
CHECK: Final = f"{BASE}/Services/{SERVICE}/VerificationCheck"
UNKNOWN_SID: Final = "VE" + "0" * 32
"""A well-formed SID without a verification."""
DATE: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)


def basic(user: str, password: str) -> dict[str, str]:
    """Return the header that carries user and password."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


class TwilioClient:
    """Sends the requests that an SDK sends."""

    def __init__(self, app: Flask, key: str = LOGIN_KEY) -> None:
        self.app = app
        self._client = app.test_client()
        self._headers = basic(ACCOUNT, key)

    def as_bank(self) -> "TwilioClient":
        """Return a client of the same API with the key of another client."""
        return TwilioClient(self.app, BANK_KEY)

    def post(self, path: str, **form: str) -> TestResponse:
        """Send a form."""
        return self._client.post(path, data=form, headers=self._headers)

    def get(self, path: str) -> TestResponse:
        """Send a GET."""
        return self._client.get(path, headers=self._headers)

    def request(self, method: str, path: str, **options: Any) -> TestResponse:
        """Send any request, with the API key unless ``headers`` has another one."""
        options["headers"] = self._headers | options.get("headers", {})
        return self._client.open(path, method=method, **options)

    def create(self, to: str = ASHA, **form: str) -> dict[str, Any]:
        """Create a verification and return its resource."""
        response = self.post(VERIFICATIONS, To=to, Channel="call", **form)
        assert response.status_code == 201, response.text
        resource: dict[str, Any] = response.get_json()
        return resource

    def check(self, verification: dict[str, Any], code: str) -> TestResponse:
        """Check a code by the verification's SID."""
        return self.post(CHECK, VerificationSid=verification["sid"], Code=code)

    def check_number(self, to: str, code: str) -> TestResponse:
        """Check a code by number."""
        return self.post(CHECK, To=to, Code=code)

    def fetch(self, name: str) -> TestResponse:
        """Fetch a verification by SID or number."""
        return self.get(f"{VERIFICATIONS}/{name}")

    def update(self, name: str, status: str) -> TestResponse:
        """Cancel or approve a verification by SID or number."""
        return self.post(f"{VERIFICATIONS}/{name}", Status=status)


def assert_error(response: TestResponse, status: int, code: int) -> dict[str, Any]:
    """Assert that the response is an error in Twilio's format, and return it."""
    assert response.status_code == status, response.text
    assert response.content_type == "application/json"
    body: dict[str, Any] = response.get_json()
    assert set(body) == {"code", "message", "more_info", "status", "details"}
    assert (body["status"], body["code"]) == (status, code)
    assert body["more_info"] == f"https://www.twilio.com/docs/errors/{code}"
    assert body["message"]
    assert body["details"]["request_id"] == response.headers["Request-Id"]
    has_retry_time = status in {429, 503} and "Max check" not in body["message"]
    assert ("retry_after" in body["details"]) == has_retry_time
    retry_after = response.headers.get("Retry-After")
    assert retry_after == (str(body["details"]["retry_after"]) if has_retry_time else None)
    assert ("WWW-Authenticate" in response.headers) == (status == 401)
    return body
