"""One HTTP request to our own machine, which we send or let somebody copy."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import requests

_TIMEOUT_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """Method, address, API key, JSON body."""

    method: str
    url: str
    api_key: str = field(default="", repr=False)
    body: Mapping[str, Any] | None = field(default=None, repr=False)

    def curl(self) -> str:
        """The command line that sends it."""
        unsaid = "GET" if self.body is None else "POST"
        method = [] if self.method == unsaid else [f"-X {self.method}"]
        headers = [f"-H {shlex.quote(f'{name}: {said}')}" for name, said in self._headers.items()]
        text = json.dumps(self.body, ensure_ascii=False)  # for people to read
        body = [] if self.body is None else [f"-d {shlex.quote(text)}"]
        return " \\\n  ".join([f"curl -sS {shlex.quote(self.url)}", *method, *headers, *body])

    def send(self) -> requests.Response:
        """The answer, whatever its status.

        Raises:
            requests.RequestException: there is none.
        """
        with requests.Session() as session:
            session.trust_env = False  # no proxy stands between us and this machine
            return session.request(
                self.method, self.url, headers=self._headers, json=self.body, timeout=_TIMEOUT_S
            )

    @property
    def _headers(self) -> dict[str, str]:
        headers = {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}
        return headers if self.body is None else headers | {"Content-Type": "application/json"}
