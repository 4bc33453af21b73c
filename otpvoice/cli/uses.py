"""How far limits are used up, with how much each allows."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from otpvoice.cli.moments import format_time, format_utc
from otpvoice.core.limits import CallLimits, limit_capacities
from otpvoice.store.admin import LimitUsage


@dataclass(frozen=True, slots=True)
class LimitStatus:
    """One limit as it stands."""

    client: str | None
    """Whose limit it is; None for numbers and the whole service."""
    limit: str
    used: int | None
    allowed: int | None
    """Both None for what does not count, as a block."""
    until_ms: int | None
    """Until when it refuses; None when it does not."""

    @property
    def title(self) -> str:
        """``login: calls_per_client``, or the limit alone."""
        return f"{self.client}: {self.limit}" if self.client else self.limit

    @property
    def count(self) -> str:
        """``3/5``."""
        return "-" if self.allowed is None else f"{self.used}/{self.allowed}"

    def render(self, now_ms: int) -> str:
        """A line of a table."""
        until = format_time(self.until_ms, now_ms) if self.until_ms else "-"
        return f"  {self.title:30} {self.count:>12}  {until}"

    def serialize(self) -> dict[str, Any]:
        """For machines."""
        return {
            "client": self.client,
            "limit": self.limit,
            "used": self.used,
            "allowed": self.allowed,
            "until": format_utc(self.until_ms),
        }


HEADING: Final = f"  {'limit':30} {'used':>12}  refuses until"
"""Stands over rows."""


def limit_statuses(
    uses: Iterable[LimitUsage], limits: CallLimits, now_ms: int
) -> list[LimitStatus]:
    """What the store counted beside what the settings allow, client by client."""
    allowed = limit_capacities(limits)
    found = []
    for use in sorted(uses, key=lambda use: use.client or ""):
        bound = allowed.get((use.client, use.limit))
        used = None if bound is None else use.used
        until = use.blocked_until if use.blocked_until > now_ms else None
        found.append(LimitStatus(use.client, use.limit, used, bound, until))
    return found
