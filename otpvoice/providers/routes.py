"""Routes: a telephone company, one of its modes, and the lines that it calls from."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from otpvoice.core.lines import CallerLines
from otpvoice.core.speech import Flow, choose_flow
from otpvoice.core.texts import BRAND
from otpvoice.providers.base import Provider


@dataclass(frozen=True, slots=True)
class ProviderFlows:
    """What the calls of a provider speak. Each table has a flow ``default``."""

    common: Mapping[str, Flow]
    """By language tag in lower case, for clients without flows of their own."""
    of_clients: Mapping[str, Mapping[str, Flow]] = field(default_factory=dict)
    """By client and language tag."""
    brands: Mapping[str, str] = field(default_factory=dict)
    """By client: what fills ``{brand}`` in."""

    def choose(self, client: str, locale: str | None) -> tuple[str, Flow]:
        """Return key and flow of a call; see :func:`otpvoice.core.speech.choose_flow`.

        For a client that this process does not know, the common flows speak.
        """
        return choose_flow(locale, self.of_clients.get(client, self.common))

    def variables(self, client: str) -> dict[str, str]:
        """Return what fills placeholders in for a client, in addition to name and code."""
        return {BRAND: self.brands[client]} if client in self.brands else {}


@dataclass(frozen=True, slots=True)
class Route:
    """A way to place a call, as the settings name it."""

    name: str
    provider_name: str
    provider: Provider = field(repr=False)
    mode: str
    """One of the provider's modes; empty if it has only one."""
    flows: ProviderFlows
    live_for_s: int
    """The longest that a call may ring or be connected, and its result be on the way."""
    lines: CallerLines | None = None
    """The lines of its calls, instead of the client's, which are with the first provider."""


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
