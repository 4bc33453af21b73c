"""How much of everything the benchmarks measure."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Sizes:
    """Sizes of the benchmarks. The defaults take about three minutes."""

    rounds: int = 3
    requests: int = 500
    """Requests of each kind per round."""
    connections: int = 32
    """Requests at a time."""
    workers: int = 2
    """Worker processes of each measured server."""
    compare: Path | None = None
    """Another checkout, to compare with."""
    seconds: int = 2
    """Duration of the steady rate, per provider and round."""
    rate: int = 40
    """Creates per second, each followed by a check."""
    calls: int = 1500
    """Calls in the queue of the dialer."""
    creates: int = 50
    """Consecutive creates whose delay to the provider is measured."""
    pending: tuple[int, ...] = (1_000, 10_000)
    """Numbers of pending verifications."""


SHORT = Sizes()
FULL = Sizes(
    rounds=5,
    requests=1_000,
    seconds=3,
    rate=50,
    calls=3_000,
    creates=100,
    pending=(1_000, 10_000, 100_000),
)
"""A million pending verifications is not included, because creating them takes minutes."""
SMALLEST = Sizes(
    rounds=1,
    requests=10,
    connections=2,
    workers=1,
    seconds=1,
    rate=10,
    calls=20,
    creates=3,
    pending=(20, 40),
)
