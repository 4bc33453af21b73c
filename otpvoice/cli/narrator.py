"""Tells a story of HTTP requests to a person: each as a curl line, and its real answer."""

import http
import json
import time
from collections.abc import Collection
from typing import Any, Final

import click
import requests

from otpvoice.cli.request import Request

_INDENT: Final = "   "


class StoryError(click.ClickException):
    """The story did not go as it is told."""


class Narrator:
    """Speaks on stdout, and knows how long the story takes."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._chapter = 0

    @property
    def elapsed(self) -> str:
        """Since the beginning: ``1.2 s``."""
        return f"{time.monotonic() - self._began:.1f} s"

    def chapter(self, title: str) -> None:
        """Begins the next one."""
        self._chapter += 1
        heading = click.style(f"{self._chapter}. {title}", bold=True)
        click.echo(f"\n{heading}  {click.style(f'({self.elapsed})', dim=True)}\n")

    def say(self, text: str, color: str | None = None) -> None:
        """One paragraph."""
        click.secho(_indented(text), fg=color)

    def show(self, request: Request) -> None:
        """A request for the reader to send."""
        click.secho(_indented(request.curl()), fg="cyan")

    def ask(self, request: Request, expected: int, *members: str) -> Any:
        """Shows a request, sends it, shows its answer, and gives its JSON.

        ``members``: those of the JSON that the story is about; of the others the number is shown.

        Raises:
            StoryError: no answer, or another status than ``expected``.
        """
        self.show(request)
        began = time.monotonic()
        answer = self._send(request)
        took = (time.monotonic() - began) * 1000
        phrase = http.HTTPStatus(answer.status_code).phrase
        color = "green" if answer.ok else "yellow"
        self.say(f"\n{answer.status_code} {phrase}, {took:.0f} ms", color)
        told = answer.json()
        self.say(json.dumps(shortened(told, members), indent=2, ensure_ascii=False))
        if answer.status_code != expected:
            raise StoryError(f"the answer should have been {expected}")
        return told

    def command(self, request: Request) -> None:
        """Show a request whose answer has no body, and send it.

        Raises:
            StoryError: no answer, or a refusal.
        """
        self.show(request)
        answer = self._send(request)
        if not answer.ok:
            raise StoryError(f"{request.url} answered {answer.status_code}")

    def look(self, request: Request) -> Any:
        """Sends a request without a word, and gives the answer's JSON.

        Raises:
            StoryError: no answer.
        """
        return self._send(request).json()

    def _send(self, request: Request) -> requests.Response:
        try:
            return request.send()
        except requests.RequestException as error:
            raise StoryError(f"{request.url} gave no answer: {type(error).__name__}") from error


def shortened(value: Any, members: Collection[str]) -> Any:
    """JSON with only these members; the member ``…`` of an object tells how many more there are."""
    if isinstance(value, list):
        return [shortened(each, members) for each in value]
    if not isinstance(value, dict):
        return value
    kept = {name: shortened(value[name], members) for name in value if name in members}
    left_out = len(value) - len(kept)
    return kept | ({"…": f"{left_out} more"} if left_out else {})


def _indented(text: str) -> str:
    return "\n".join(f"{_INDENT}{line}" if line else "" for line in text.split("\n"))
