"""How far limits are used up, with how much each allows."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from otpvoice.cli.moments import iso, when
from otpvoice.core.limits import CallLimits, labels
from otpvoice.store.operations import Use

CALLS_PER_DAY: Final = "calls_per_day"
"""Of a client, or of the whole service."""
_OF_NUMBERS: Final = (
    "calls_per_number",
    "all_calls_per_number",
    "wrong_codes_per_number",
    "unproven_per_prefix",
)


@dataclass(frozen=True, slots=True)
class Usage:
    """One limit as it stands."""

    client: str | None
    """Whose limit it is; None for numbers and the whole service."""
    limit: str
    used: int | None
    allowed: int | None
    """Both None for what does not count, as a block."""
    until: int | None
    """Until when it refuses; None when it does not."""

    @property
    def title(self) -> str:
        """``login: calls_per_client``, or the limit alone."""
        return f"{self.client}: {self.limit}" if self.client else self.limit

    @property
    def count(self) -> str:
        """``3/5``."""
        return "-" if self.allowed is None else f"{self.used}/{self.allowed}"

    def row(self, now: int) -> str:
        """A line of a table."""
        return f"  {self.title:30} {self.count:>12}  {when(self.until, now) if self.until else '-'}"

    def document(self) -> dict[str, Any]:
        """For machines."""
        return {
            "client": self.client,
            "limit": self.limit,
            "used": self.used,
            "allowed": self.allowed,
            "until": iso(self.until),
        }


HEADING: Final = f"  {'limit':30} {'used':>12}  refuses until"
"""Stands over rows."""


def usages(uses: Iterable[Use], limits: CallLimits, now: int) -> list[Usage]:
    """What the store counted beside what the settings allow, client by client."""
    allowed = dict(_allowed(limits))
    found = []
    for use in sorted(uses, key=lambda use: use.client or ""):
        bound = allowed.get((use.client, use.limit))
        used = None if bound is None else use.used
        until = use.until if use.until > now else None
        found.append(Usage(use.client, use.limit, used, bound, until))
    return found


def _allowed(limits: CallLimits) -> Iterator[tuple[tuple[str | None, str], int]]:
    for setting in _OF_NUMBERS:
        for label in labels(setting, getattr(limits, setting)):
            yield (None, label.text), label.quota.count
    if limits.calls_per_day is not None:
        yield (None, CALLS_PER_DAY), limits.calls_per_day
    for client, own in limits.clients.items():
        for label in labels("calls_per_client", own.calls):
            yield (client, label.text), label.quota.count
        if own.calls_per_day is not None:
            yield (client, CALLS_PER_DAY), own.calls_per_day
