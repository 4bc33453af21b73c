"""HTTP requests to local services, printed as curl commands with their real responses."""

import http
import json
import shlex
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import click
import requests

_TIMEOUT_S: Final = 5.0
_INDENT: Final = "   "


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """An HTTP request that can be sent, or printed as a curl command."""

    method: str
    url: str
    api_key: str = field(default="", repr=False)
    body: Mapping[str, Any] | None = field(default=None, repr=False)

    def curl(self) -> str:
        """Return the command that sends the request."""
        default_method = "GET" if self.body is None else "POST"
        method = [] if self.method == default_method else [f"-X {self.method}"]
        headers = [f"-H {shlex.quote(f'{name}: {text}')}" for name, text in self._headers.items()]
        text = json.dumps(self.body, ensure_ascii=False)
        body = [] if self.body is None else [f"-d {shlex.quote(text)}"]
        return " \\\n  ".join([f"curl -sS {shlex.quote(self.url)}", *method, *headers, *body])

    def send(self) -> requests.Response:
        """Send the request and return the response, whatever its status.

        Raises:
            requests.RequestException: there is no response.
        """
        with requests.Session() as session:
            session.trust_env = False  # local services are reached without a proxy
            return session.request(
                self.method, self.url, headers=self._headers, json=self.body, timeout=_TIMEOUT_S
            )

    @property
    def _headers(self) -> dict[str, str]:
        headers = {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}
        return headers if self.body is None else headers | {"Content-Type": "application/json"}


class ScenarioError(click.ClickException):
    """A response differs from the scenario."""


class Printer:
    """Output on stdout: numbered sections, paragraphs, requests and responses."""

    def __init__(self) -> None:
        self._started_at = time.monotonic()
        self._section = 0

    @property
    def elapsed(self) -> str:
        """Time since the start: ``1.2 s``."""
        return f"{time.monotonic() - self._started_at:.1f} s"

    def section(self, title: str) -> None:
        """Print the heading of the next section."""
        self._section += 1
        heading = click.style(f"{self._section}. {title}", bold=True)
        click.echo(f"\n{heading}  {click.style(f'({self.elapsed})', dim=True)}\n")

    def paragraph(self, text: str, color: str | None = None) -> None:
        """Print an indented paragraph."""
        click.secho(_indent(text), fg=color)

    def request(self, request: HttpRequest) -> None:
        """Print a request as a curl command."""
        self.paragraph(request.curl(), "cyan")

    def exchange(self, request: HttpRequest, expected: int, *members: str) -> Any:
        """Print a request, send it, print the response, and return its JSON.

        Args:
            request: the request.
            expected: the status that the response must have.
            members: printed members of the JSON; of the others only the number is printed.

        Raises:
            ScenarioError: there is no response, or its status differs.
        """
        self.request(request)
        started_at = time.monotonic()
        response = self._send(request)
        duration_ms = (time.monotonic() - started_at) * 1000
        phrase = http.HTTPStatus(response.status_code).phrase
        color = "green" if response.ok else "yellow"
        self.paragraph(f"\n{response.status_code} {phrase}, {duration_ms:.0f} ms", color)
        document = response.json()
        selected = select_members(document, members)
        self.paragraph(json.dumps(selected, indent=2, ensure_ascii=False))
        if response.status_code != expected:
            raise ScenarioError(f"the status is {response.status_code} instead of {expected}")
        return document

    def run(self, request: HttpRequest) -> None:
        """Print a request and send it. The response has no body to print.

        Raises:
            ScenarioError: there is no response, or an error.
        """
        self.request(request)
        response = self._send(request)
        if not response.ok:
            raise ScenarioError(f"{request.url} returned {response.status_code}")

    def fetch(self, request: HttpRequest) -> Any:
        """Send a request without printing it, and return the JSON of the response.

        Raises:
            ScenarioError: there is no response.
        """
        return self._send(request).json()

    def _send(self, request: HttpRequest) -> requests.Response:
        try:
            return request.send()
        except requests.RequestException as error:
            raise ScenarioError(f"{request.url}: no response ({type(error).__name__})") from error


def select_members(value: Any, members: Collection[str]) -> Any:
    """Return JSON with these members only; the member ``…`` of an object counts the others."""
    if isinstance(value, list):
        return [select_members(each, members) for each in value]
    if not isinstance(value, dict):
        return value
    selected = {name: select_members(value[name], members) for name in value if name in members}
    omitted = len(value) - len(selected)
    return selected | ({"…": f"{omitted} more"} if omitted else {})


def _indent(text: str) -> str:
    return "\n".join(f"{_INDENT}{line}" if line else "" for line in text.split("\n"))
