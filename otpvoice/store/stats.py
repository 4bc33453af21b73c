"""What happened in the last day, as the rules booked it (``_figures.lua``), for the console."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from otpvoice.store.base import BaseStore

BUCKET_MS: Final = 300_000
"""Milliseconds that are counted together."""
BUCKETS_PER_DAY: Final = 288

ANSWER_BOUNDS_S: Final = (5, 10, 15, 20, 30, 45, 60)
"""Seconds, as in ``_figures.lua``."""
APPROVAL_BOUNDS_S: Final = (15, 30, 45, 60, 90, 120, 180, 300)


@dataclass(frozen=True, slots=True)
class Bucket:
    """What was counted together."""

    start: int
    """Milliseconds since 1970."""
    counts: Mapping[str, int]
    """``began``, ``verification <status>``, ``call <route> <status>`` as in ``_figures.lua``; and
    ``answer <slot>`` and ``approval <slot>``, how long those took, by the bounds above."""
    area_counts: Mapping[str, int]
    """``<area> <what>``: placed, answered, ended, approved."""


class StatsReader(BaseStore):
    """Reads what was booked."""

    def last_day(self, now: int) -> list[Bucket]:
        """The last 288 buckets, the oldest first; that of ``now`` is not over yet.

        They are asked for one by one, in one round trip, so that clients' requests find their way
        between them.

        Raises:
            StoreUnavailable: no reply in time, or a server that cannot serve.
        """
        last = now // BUCKET_MS
        numbers = range(last - BUCKETS_PER_DAY + 1, last + 1)
        pipeline = self.redis.pipeline(transaction=False)
        for number in numbers:
            pipeline.hgetall(self._keys.stats(number))
            pipeline.hgetall(self._keys.area_stats(number))
        found: Sequence[Any] = self._execute("figures", lambda _: pipeline.execute())
        return [
            Bucket(number * BUCKET_MS, _counts(figures), _area_counts(areas))
            for number, figures, areas in zip(numbers, found[::2], found[1::2], strict=True)
        ]


def _counts(fields: Mapping[bytes, bytes]) -> Counter[str]:
    """What has a slot counts as itself, and by its slot."""
    found: Counter[str] = Counter()
    for field, many in fields.items():
        what, _, last = field.decode().rpartition(" ")
        if not last.isdecimal():
            found[field.decode()] += int(many)
            continue
        found[what] += int(many)
        found[f"{'approval' if what.startswith('verification') else 'answer'} {last}"] += int(many)
    return found


def _area_counts(fields: Mapping[bytes, bytes]) -> Counter[str]:
    """What is approved has ended, too."""
    found: Counter[str] = Counter()
    for field, many in fields.items():
        area, _, what = field.decode().rpartition(" ")
        if what in {"approved", "unapproved"}:
            found[f"{area} ended"] += int(many)
        if what != "unapproved":
            found[f"{area} {what}"] += int(many)
    return found
