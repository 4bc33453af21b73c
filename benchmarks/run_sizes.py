"""How much is measured. The shortest only shows that everything works."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """The defaults take about three minutes."""

    rounds: int = 3
    requests: int = 500
    """Of each kind in each round."""
    seconds: int = 2
    """Of a steady rate, for each provider in each round."""
    rate: int = 40
    """Creates a second, each with a check behind it."""
    calls: int = 1500
    """That a dialer finds in its queue."""
    creates: int = 50
    """One after another, of which the way to the provider is timed."""
    pending: tuple[int, ...] = (1_000, 10_000)
    """Verifications in the store."""


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
"""A million pending is asked for by itself: to create them takes minutes."""
SMALLEST = Sizes(rounds=1, requests=10, seconds=1, rate=10, calls=20, creates=3, pending=(20, 40))
