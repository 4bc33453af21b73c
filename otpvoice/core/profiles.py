"""What the settings decide for the use cases: for one client, and for all codes."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from otpvoice.core.phone import NumberRules
from otpvoice.core.speech import Flow


@dataclass(frozen=True, slots=True)
class ClientProfile:
    """The settings that hold for one client."""

    number_rules: NumberRules
    bridge: str
    caller_id: str
    default_name: str
    flows: Mapping[str, Flow]
    ttl_s: int
    deliver_only: bool = False
    """The client checks its own codes and reports no approvals, so it must supply the code."""


def serving_routes(
    routes: Iterable[str], regions: Mapping[str, Collection[str]], region: str
) -> tuple[str, ...]:
    """Return the routes that call numbers of a region, in their order.

    Args:
        routes: names, in the order in which they are tried.
        regions: those that a route is limited to, by its name.
        region: of the number (ISO 3166).
    """
    return tuple(name for name in routes if region in regions.get(name, (region,)))


@dataclass(frozen=True, slots=True)
class CodePolicy:
    """The settings of codes that hold for all clients."""

    code_length: int
    max_checks: int
    min_remaining_life_s: int
    retention_s: int
