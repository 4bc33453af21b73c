"""Limits as operators see them: how much of each is used, and which one refuses a number."""

from collections.abc import Iterable
from dataclasses import dataclass

from otpvoice.core.limits import CALLS_PER_DAY, CallLimits, limit_capacities, limits_of
from otpvoice.store.admin import Explanation, LimitUsage, NumberIdentity, Refusal


@dataclass(frozen=True, slots=True)
class LimitStatus:
    """One limit: how much is used and allowed, and until when it refuses."""

    client: str | None
    """The client whose limit it is. None for limits of numbers and of the whole service."""
    limit: str
    used: int | None
    allowed: int | None
    """``used`` and ``allowed`` are None for what does not count, such as a block."""
    until_ms: int | None
    """The end of the refusal. None while the limit does not refuse."""

    @property
    def title(self) -> str:
        """``login: calls_per_client`` for a client's limit, the limit alone for the others."""
        return f"{self.client}: {self.limit}" if self.client else self.limit

    @property
    def count(self) -> str:
        """``3/5``, or ``-`` for what does not count."""
        return "-" if self.allowed is None else f"{self.used}/{self.allowed}"


@dataclass(frozen=True, slots=True)
class NumberLimits:
    """All limits that apply to calls to one number. Times are in milliseconds since 1970."""

    identity: NumberIdentity
    now_ms: int
    gap_until_ms: int | None
    """The end of the call gap. None when no gap delays the next call."""
    blocked_until_ms: int | None
    limits: tuple[LimitStatus, ...]
    """With the block and the conversion breaker."""
    refusals: tuple[Refusal, ...]
    """The newest first, of the last day."""
    has_address_limits: bool
    """Whether calls are also counted by address, which a number does not determine."""

    @property
    def own_limits(self) -> list[LimitStatus]:
        """The limits of the number itself and of its prefix."""
        return [each for each in self.limits if each.limit != CALLS_PER_DAY and not each.client]

    @property
    def refusing(self) -> list[LimitStatus]:
        """The limits that refuse: those for every client first, then the longest first."""
        full = [each for each in self.limits if each.until_ms]
        return sorted(full, key=lambda each: (each.client or "", -(each.until_ms or 0)))

    def cleared_since(self, before: "NumberLimits") -> list[str]:
        """Describe the limits that changed since ``before``: ``calls_per_number 3/3 → 0/3``."""
        cleared = [
            f"{was.title} {was.count} → {now.count}" if was.allowed else was.title
            for was, now in zip(before.limits, self.limits, strict=True)
            if (was.used, was.until_ms) != (now.used, now.until_ms)
        ]
        if before.gap_until_ms and not self.gap_until_ms:
            cleared.append("call_gap")
        return cleared


def limit_statuses(
    uses: Iterable[LimitUsage], limits: CallLimits, now_ms: int
) -> tuple[LimitStatus, ...]:
    """Combine the store's counts with the configured limits, ordered by client."""
    capacities = limit_capacities(limits)
    statuses = []
    for use in sorted(uses, key=lambda use: use.client or ""):
        allowed = capacities.get((use.client, use.limit))
        used = None if allowed is None else use.used
        statuses.append(
            LimitStatus(use.client, use.limit, used, allowed, _future(use.blocked_until, now_ms))
        )
    return tuple(statuses)


def number_limits(
    explanation: Explanation, identity: NumberIdentity, limits: CallLimits
) -> NumberLimits:
    """Combine the store's explanation of a number with the configured limits."""
    now_ms = explanation.now
    return NumberLimits(
        identity=identity,
        now_ms=now_ms,
        gap_until_ms=_future(explanation.gap_until, now_ms),
        blocked_until_ms=_future(explanation.blocked_until, now_ms),
        limits=limit_statuses(explanation.limits, limits, now_ms),
        refusals=explanation.refusals,
        has_address_limits=any(getattr(limits, name) for name in limits_of("address")),
    )


def _future(time_ms: int, now_ms: int) -> int | None:
    return time_ms if time_ms > now_ms else None
