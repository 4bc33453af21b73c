"""``otpvoice doctor``: verify a deployment, and say how to fix it."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from otpvoice import logs
from otpvoice.diagnostics import Finding, Level, failure

COLORS: Final = {
    Level.OK: "green",
    Level.ADVICE: "cyan",
    Level.WARNING: "yellow",
    Level.FAILURE: "red",
}


def run_check(subject: str, check: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """Yield the findings of ``check``; an exception is a finding, and other checks go on."""
    try:
        yield from check()
    except Exception as error:  # noqa: BLE001 - a check that fails must not stop the others
        *_, place = logs.raised_at(error)
        found = f"the check failed ({type(error).__name__}, {place})"
        yield failure(subject, found, "the other checks completed; please report this as a bug")
