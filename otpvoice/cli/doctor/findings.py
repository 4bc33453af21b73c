"""What was looked at, how bad it is, and what to do about it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from otpvoice import logs


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    ADVICE = "advice"
    """It works; something could be better, or can not be known."""
    WARNING = "warn"
    """It works, and some day or for somebody it will not."""
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
    """One thing that was looked at. Shows no secret and no whole number."""

    level: Level
    subject: str
    found: str
    todo: str = ""
    """Empty only where all is well."""

    def __str__(self) -> str:
        told = f"{self.found}: {self.todo}" if self.todo else self.found
        return f"{self.level:6}  {self.subject:26}  {' '.join(told.split())}"

    def as_dict(self) -> dict[str, str]:
        """For machines."""
        return {
            "level": self.level.lower(),
            "subject": self.subject,
            "found": self.found,
            "todo": self.todo,
        }


def ok(subject: str, found: str) -> Finding:
    """All is well."""
    return Finding(Level.OK, subject, found)


def advice(subject: str, found: str, todo: str) -> Finding:
    """It could be better, or can not be known."""
    return Finding(Level.ADVICE, subject, found, todo)


def warning(subject: str, found: str, todo: str) -> Finding:
    """Some day it will fail."""
    return Finding(Level.WARNING, subject, found, todo)


def failure(subject: str, found: str, todo: str) -> Finding:
    """It fails, or is at risk."""
    return Finding(Level.FAILURE, subject, found, todo)


def run_check(subject: str, check: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """What ``look`` finds; a fault in looking is a finding too, and the other looks go on."""
    try:
        yield from check()
    except Exception as error:  # noqa: BLE001 - one look that fails must not keep the others from it
        *_, place = logs.raised_at(error)
        found = f"could not be looked at ({type(error).__name__}, {place})"
        yield failure(subject, found, "the rest was; tell the makers of otpvoice")
