"""Open breakers, told to people and to machines."""

from typing import Any

from otpvoice.cli.moments import format_time, format_utc
from otpvoice.store.admin import Breaker
from otpvoice.store.breaker_help import meaning_of


def render_breaker(breaker: Breaker, now: int) -> list[str]:
    """Which, until when, what it means and what to do."""
    meaning = meaning_of(breaker)
    return [
        f"  {breaker.name} until {format_time(breaker.until, now)}",
        f"    {meaning.means}",
        f"    {meaning.to_do}",
    ]


def serialize_breaker(breaker: Breaker) -> dict[str, Any]:
    """The same for machines."""
    return {
        "name": breaker.name,
        "until": format_utc(breaker.until),
        "refuses": meaning_of(breaker).refuses,
    }
