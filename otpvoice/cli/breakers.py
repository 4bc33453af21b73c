"""Open breakers, told to people and to machines."""

from typing import Any

from otpvoice.cli.moments import format_time, format_utc
from otpvoice.store.admin import Breaker
from otpvoice.store.breaker_help import help_for


def render_breaker(breaker: Breaker, now: int) -> list[str]:
    """Which, until when, what it means and what to do."""
    meaning = help_for(breaker)
    return [
        f"  {breaker.name} until {format_time(breaker.open_until, now)}",
        f"    {meaning.meaning}",
        f"    {meaning.resolution}",
    ]


def serialize_breaker(breaker: Breaker) -> dict[str, Any]:
    """The same for machines."""
    return {
        "name": breaker.name,
        "until": format_utc(breaker.open_until),
        "refuses": help_for(breaker).blocks_calls,
    }
