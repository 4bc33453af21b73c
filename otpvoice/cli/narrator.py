"""Tells a story of HTTP requests to a person: each as a curl line, and its real answer."""

import http
import json
import time
from collections.abc import Collection
from typing import Any, Final

import click
import requests

from otpvoice.cli.request import HttpRequest

_INDENT: Final = "   "


class ScenarioError(click.ClickException):
    """The story did not go as it is told."""


class Printer:
    """Speaks on stdout, and knows how long the story takes."""

    def __init__(self) -> None:
        self._started_at = time.monotonic()
        self._section = 0

    @property
    def elapsed(self) -> str:
        """Since the beginning: ``1.2 s``."""
        return f"{time.monotonic() - self._started_at:.1f} s"

    def section(self, title: str) -> None:
        """Begins the next one."""
        self._section += 1
        heading = click.style(f"{self._section}. {title}", bold=True)
        click.echo(f"\n{heading}  {click.style(f'({self.elapsed})', dim=True)}\n")

    def paragraph(self, text: str, color: str | None = None) -> None:
        """One paragraph."""
        click.secho(_indent(text), fg=color)

    def request(self, request: HttpRequest) -> None:
        """A request for the reader to send."""
        click.secho(_indent(request.curl()), fg="cyan")

    def exchange(self, request: HttpRequest, expected: int, *members: str) -> Any:
        """Shows a request, sends it, shows its answer, and gives its JSON.

        ``members``: those of the JSON that the story is about; of the others the number is shown.

        Raises:
            StoryError: no answer, or another status than ``expected``.
        """
        self.request(request)
        began = time.monotonic()
        answer = self._send(request)
        took = (time.monotonic() - began) * 1000
        phrase = http.HTTPStatus(answer.status_code).phrase
        color = "green" if answer.ok else "yellow"
        self.paragraph(f"\n{answer.status_code} {phrase}, {took:.0f} ms", color)
        told = answer.json()
        self.paragraph(json.dumps(select_members(told, members), indent=2, ensure_ascii=False))
        if answer.status_code != expected:
            raise ScenarioError(f"the answer should have been {expected}")
        return told

    def run(self, request: HttpRequest) -> None:
        """Show a request whose answer has no body, and send it.

        Raises:
            StoryError: no answer, or a refusal.
        """
        self.request(request)
        answer = self._send(request)
        if not answer.ok:
            raise ScenarioError(f"{request.url} answered {answer.status_code}")

    def fetch(self, request: HttpRequest) -> Any:
        """Sends a request without a word, and gives the answer's JSON.

        Raises:
            StoryError: no answer.
        """
        return self._send(request).json()

    def _send(self, request: HttpRequest) -> requests.Response:
        try:
            return request.send()
        except requests.RequestException as error:
            raise ScenarioError(f"{request.url} gave no answer: {type(error).__name__}") from error


def select_members(value: Any, members: Collection[str]) -> Any:
    """JSON with only these members; the member ``…`` of an object tells how many more there are."""
    if isinstance(value, list):
        return [select_members(each, members) for each in value]
    if not isinstance(value, dict):
        return value
    kept = {name: select_members(value[name], members) for name in value if name in members}
    left_out = len(value) - len(kept)
    return kept | ({"…": f"{left_out} more"} if left_out else {})


def _indent(text: str) -> str:
    return "\n".join(f"{_INDENT}{line}" if line else "" for line in text.split("\n"))
