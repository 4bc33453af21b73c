"""Routes: a telephone company, one of its modes, and the line that it calls from."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from otpvoice.core.speech import Flow
from otpvoice.providers.base import Provider


@dataclass(frozen=True, slots=True)
class CallerLine:
    """The line from which a provider calls, and what it speaks."""

    bridge: str
    caller_id: str
    flows: Mapping[str, Flow]
    """By language tag in lower case; one is ``default``."""


@dataclass(frozen=True, slots=True)
class Route:
    """A way to place a call, as the settings name it."""

    name: str
    provider_name: str
    provider: Provider = field(repr=False)
    mode: str
    """One of the provider's modes; empty if it has only one."""
    line: CallerLine | None = None
    """What its calls use instead of what their record has, which is with the first provider."""


def routes_ruled_out(
    routes: Iterable[Route], provider_name: str, mode: str | None = None
) -> tuple[str, ...]:
    """Return the routes by which a call was not placed that this provider reports.

    Routes that only the settings of other processes have are never ruled out.

    Args:
        routes: those of the settings.
        provider_name: the provider that sent the report.
        mode: the mode that the report names; None rules out only other providers' routes.
    """
    return tuple(
        each.name
        for each in routes
        if each.provider_name != provider_name or (mode is not None and each.mode != mode)
    )
