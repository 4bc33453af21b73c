"""A login backend at a terminal: asks the service over HTTP."""

from collections.abc import Mapping
from typing import Any, Final

import click
import requests

_TIMEOUT: Final = (5.0, 10.0)
"""Seconds to connect, and to wait for the answer."""

Verification = dict[str, Any]
"""The object of the HTTP contract."""


class Unreachable(click.ClickException):
    """No answer, or none of ours."""


class Refusal(click.ClickException):
    """A problem document; its ``detail`` is the message."""

    def __init__(self, problem: Mapping[str, Any]) -> None:
        super().__init__(str(problem.get("detail") or problem["title"]))
        self.verification: Verification | None = problem.get("verification")
        """As it stands, if the problem is with one."""


class Backend:
    """The requests of a login backend. All raise ``Unreachable`` and ``Refusal``.

    Args:
        url: where the service is, as in ``https://otp.example.com``.
        api_key: sent as a Bearer credential (RFC 6750).
    """

    def __init__(self, url: str, api_key: str) -> None:
        self._verifications = f"{url.rstrip('/')}/v1/verifications"
        self._session = requests.Session()

        def sign(request: requests.PreparedRequest) -> requests.PreparedRequest:
            request.headers["Authorization"] = f"Bearer {api_key}"
            return request

        self._session.auth = sign  # a mere header would lose against ~/.netrc

    def create(self, members: Mapping[str, str]) -> Verification:
        """Asks for a call."""
        return self._send("POST", "", members)

    def get(self, verification: Verification) -> Verification:
        """The verification as it stands."""
        return self._send("GET", f"/{verification['id']}")

    def check(self, verification: Verification, code: str) -> Verification:
        """Hands in a code; the answer has ``valid``."""
        return self._send("POST", f"/{verification['id']}/checks", {"code": code})

    def cancel(self, verification: Verification) -> Verification:
        """Gives up."""
        return self._send("POST", f"/{verification['id']}/cancel")

    def _send(self, method: str, path: str, body: Mapping[str, str] | None = None) -> Verification:
        try:
            answer = self._session.request(
                method,
                f"{self._verifications}{path}",
                json=body,
                timeout=_TIMEOUT,
                allow_redirects=False,  # a code goes where it was sent, or nowhere
            )
            told = answer.json()
        except requests.JSONDecodeError as error:
            text = f"HTTP {answer.status_code} without JSON: is this an otpvoice service?"
            raise Unreachable(text) from error
        except requests.RequestException as error:
            raise Unreachable(f"no answer ({type(error).__name__})") from error
        if answer.headers.get("Content-Type", "").startswith("application/problem+json"):
            raise Refusal(told)
        if not answer.ok or not isinstance(told, dict):
            raise Unreachable(f"HTTP {answer.status_code}: is this an otpvoice service?")
        return told
