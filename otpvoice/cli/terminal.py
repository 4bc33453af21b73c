"""The person at the terminal: what is shown, and lines as they are typed."""

import os
import select
import sys
from typing import Final

import click

_CLEAR_LINE: Final = "\r\x1b[K"
"""Back to the start of the line, and wipe it."""


class Terminal:
    """Stdout, with one live line if it is a terminal; and stdin, waited for only so long."""

    def __init__(self) -> None:
        self._is_live = sys.stdout.isatty()
        self._shown = ""
        self._typed = b""

    def show_state(self, state: str) -> None:
        """How things stand: in place of how they stood on a terminal, else a line for each."""
        if state != self._shown:
            self._shown = state
            click.echo(
                f"{_CLEAR_LINE}{state}. Code: " if self._is_live else state, nl=not self._is_live
            )

    def print(self, text: str) -> None:
        """One line that stays."""
        self._shown = ""
        click.echo(f"{_CLEAR_LINE}{text}" if self._is_live else text)

    def read_line(self, timeout_s: float) -> str | None:
        """What was typed, None if that took longer than ``within`` seconds.

        Raises:
            EOFError: nothing more will be typed.
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
        self._shown = ""  # the cursor has left the live line
        return line.decode(errors="replace").strip()
