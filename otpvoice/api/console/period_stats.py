"""Statistics of a period, and the price of its calls."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from otpvoice.store.policy import ANSWER_BOUNDS_S, APPROVAL_BOUNDS_S
from otpvoice.store.stats import Bucket

_FINAL_STATUSES: Final = ("answered", "busy", "no_answer", "failed")


class Stats:
    """Statistics of a period, computed from the counts of its buckets."""

    def __init__(self, period: str, buckets: Sequence[Bucket]) -> None:
        counts: Counter[str] = Counter()
        for bucket in buckets:
            counts.update(bucket.counts)
        self._counts = counts
        self._routes = {name.split()[1] for name in counts if name.startswith("call ")}
        self.period = period
        self.since_ms = buckets[0].start
        self.created = counts["created"]
        self.approved = counts["verification approved"]
        self.denied = counts["verification denied"]
        ended = sum(count for name, count in counts.items() if name.startswith("verification "))
        self.ended = ended - counts["verification superseded"]  # a newer one continues it
        self.placed = self.calls("placed")
        self.answered = self.calls("answered")

    @property
    def answer_rate(self) -> float | None:
        """Answered calls, in percent of those that the provider accepted."""
        return percentage(self.answered, self.placed)

    @property
    def approval_rate(self) -> float | None:
        """Approved verifications, in percent of those that ended."""
        return percentage(self.approved, self.ended)

    @property
    def answer_median(self) -> str:
        """The range that contains the median time until a call is answered."""
        return self._median("answer", ANSWER_BOUNDS_S)

    @property
    def approval_median(self) -> str:
        """The range that contains the median time until a verification is approved."""
        return self._median("approval", APPROVAL_BOUNDS_S)

    def calls(self, outcome: str, *routes: str) -> int:
        """Count calls with an outcome, by all routes unless some are named.

        ``open`` calls were placed and have no result yet.
        """
        chosen = routes or self._routes
        if outcome == "open":
            return sum(max(0, self._open_calls(route)) for route in chosen)
        return sum(self._counts[f"call {route} {outcome}"] for route in chosen)

    def _open_calls(self, route: str) -> int:
        ended = sum(self.calls(status, route) for status in _FINAL_STATUSES)
        return self.calls("placed", route) - ended

    def _median(self, duration: str, bounds: Sequence[int]) -> str:
        slots = [self._counts[f"{duration} {slot}"] for slot in range(1, len(bounds) + 2)]
        below, half = 0, sum(slots) / 2
        for slot, count in enumerate(slots):
            below += count
            if count and below >= half:
                floor = bounds[slot - 1] if slot else 0
                return f"{floor}–{bounds[slot]} s" if slot < len(bounds) else f"over {floor} s"
        return "–"


@dataclass(frozen=True, slots=True)
class CallPrice:
    """The price of a placed call."""

    per_call: float
    currency: str

    def per_approval(self, stats: Stats) -> str | None:
        """Return the cost of an approval. None without a price or an approval."""
        if not (self.per_call and stats.approved):
            return None
        return f"{self.per_call * stats.placed / stats.approved:.2f} {self.currency}"


def percentage(part: int, whole: int) -> float | None:
    """Return a percentage, at most 100: what began before a period may end in it."""
    return min(100.0, 100 * part / whole) if whole else None
