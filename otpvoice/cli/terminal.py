"""Interaction with the person at the terminal: a live status line, and codes as they are typed."""

import os
import select
import sys
import unicodedata
from collections.abc import Iterator
from typing import Final

import click

_CLEAR_LINE: Final = "\r\x1b[K"
_SEPARATORS: Final = ("Z", "P", "Cf")
"""Unicode categories that may stand between digits: spaces, punctuation, direction marks."""
_MINUS: Final = "\u2212"


class Terminal:
    """Stdout with one live line if it is a terminal, and stdin read with a timeout."""

    def __init__(self) -> None:
        self._is_live = sys.stdout.isatty()
        self._state = ""
        self._typed = b""

    def show_state(self, state: str) -> None:
        """Show a state: on a terminal in place of the last one, elsewhere on a line of its own."""
        if state != self._state:
            self._state = state
            text = f"{_CLEAR_LINE}{state}. Code: " if self._is_live else state
            click.echo(text, nl=not self._is_live)

    def print(self, text: str) -> None:
        """Print a line that stays."""
        self._state = ""
        click.echo(f"{_CLEAR_LINE}{text}" if self._is_live else text)

    def read_line(self, timeout_s: float) -> str | None:
        """Return the typed line, or None after the timeout.

        Raises:
            EOFError: stdin is closed.
        """
        while b"\n" not in self._typed:
            ready, _, _ = select.select([sys.stdin], [], [], timeout_s)
            if not ready:
                return None
            some = os.read(sys.stdin.fileno(), 1024)
            if not some and not self._typed:
                raise EOFError
            self._typed += some or b"\n"
        line, _, self._typed = self._typed.partition(b"\n")
        self._state = ""  # the cursor has left the live line
        return line.decode(errors="replace").strip()


def normalize_code(text: str) -> str:
    """Return the digits of any script as ASCII digits, without separators.

    Letters and other signs stay, so that the API refuses the text without using up a check.
    """
    return "".join(_digits(text))


def _digits(text: str) -> Iterator[str]:
    for character in unicodedata.normalize("NFKC", text):
        if character != _MINUS and not unicodedata.category(character).startswith(_SEPARATORS):
            value = unicodedata.decimal(character, None)
            yield character if value is None else str(value)
