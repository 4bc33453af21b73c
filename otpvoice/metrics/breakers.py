"""Breakers as metrics name them: which, and for what kind of thing it is open."""

from collections.abc import Iterator
from typing import Final

_SCOPES: Final = {
    "conversion_breaker": ("area", "region", "client"),
    "wrong_code_breaker": ("service",),
}


def breaker_scopes() -> Iterator[tuple[str, str]]:
    """Every breaker with every scope it may be open for."""
    return ((breaker, scope) for breaker, scopes in _SCOPES.items() for scope in scopes)


def breaker_scope(name: str) -> tuple[str, str]:
    """``conversion_breaker area +919876`` → the breaker and ``area``, but not which.

    An area is the beginning of somebody's number, and there are too many.
    """
    breaker, _, what = name.partition(" ")
    return breaker, what.partition(" ")[0] or "service"
