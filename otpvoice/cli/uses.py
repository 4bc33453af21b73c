"""How far limits are used up, with how much each allows."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from otpvoice.cli.moments import iso, when
from otpvoice.core.allowances import allowances
from otpvoice.core.limits import CallLimits
from otpvoice.store.admin import Use


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
    allowed = dict(allowances(limits))
    found = []
    for use in sorted(uses, key=lambda use: use.client or ""):
        bound = allowed.get((use.client, use.limit))
        used = None if bound is None else use.used
        until = use.until if use.until > now else None
        found.append(Usage(use.client, use.limit, used, bound, until))
    return found
