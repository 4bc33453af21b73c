"""``otpvoice doctor``: verify a deployment, and say how to fix it.

A check yields findings: what it examined, how severe the result is, and what to do about it.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import partial
from typing import Final

from otpvoice import logs

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


COLORS: Final = {
    Level.OK: "green",
    Level.ADVICE: "cyan",
    Level.WARNING: "yellow",
    Level.FAILURE: "red",
}


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


def run_check(subject: str, check: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """Yield the findings of ``check``; an exception is a finding, and other checks go on."""
    try:
        yield from check()
    except Exception as error:  # noqa: BLE001 - a check that fails must not stop the others
        *_, place = logs.raised_at(error)
        found = f"the check failed ({type(error).__name__}, {place})"
        yield failure(subject, found, "the other checks completed; please report this as a bug")
