"""Findings: what the checks of ``otpvoice doctor`` yield.

A check yields findings: what it examined, how severe the result is, and what to do about it.
"""

from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import partial
from typing import Final

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class Level(StrEnum):
    """Severity of a finding."""

    OK = "ok"
    ADVICE = "advice"
    """It works; something could be better, or cannot be verified."""
    WARNING = "warn"
    """It works now, but will fail later or for some users."""
    FAILURE = "FAIL"
    """Calls, callbacks or secrets are at risk now."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Result of one check. Shows no secret and no whole number."""

    level: Level
    subject: str
    found: str
    todo: str = ""
    """Empty only if the level is ok."""

    def __str__(self) -> str:
        text = f"{self.found}: {self.todo}" if self.todo else self.found
        return f"{self.level:6}  {self.subject:26}  {' '.join(text.split())}"

    def as_dict(self) -> dict[str, str]:
        """Return the members of the JSON output."""
        return {**asdict(self), "level": self.level.lower()}


ok = partial(Finding, Level.OK)
advice = partial(Finding, Level.ADVICE)
warning = partial(Finding, Level.WARNING)
failure = partial(Finding, Level.FAILURE)
