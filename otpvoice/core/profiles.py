"""What the settings decide for the use cases: for one client, and for all codes."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from otpvoice.core.errors import InvalidRequest
from otpvoice.core.lines import CallerLines
from otpvoice.core.phone import NumberRules
from otpvoice.core.requests import CreateRequest
from otpvoice.core.speech import Flow

ReceiptAlgorithm = Literal["ES256", "EdDSA"]
"""ECDSA with P-256 and SHA-256 (RFC 7518, section 3.4), or Ed25519 (RFC 8037)."""


@dataclass(frozen=True, slots=True)
class ClientProfile:
    """The settings that hold for one client."""

    number_rules: NumberRules
    lines: CallerLines
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


def check_request(request: CreateRequest, profile: ClientProfile, max_delay_s: float) -> None:
    """Check what a create must have for this client.

    Raises:
        InvalidRequest: the delay is longer than ``max_delay_s``, or the client's code is missing.
    """
    if (request.call_after or 0) > max_delay_s:
        detail = (
            f"must be at most {max_delay_s:g}, to leave time for the call before the code expires"
        )
        raise InvalidRequest.for_field("/call_after", detail)
    if profile.deliver_only and request.code is None:
        raise InvalidRequest.for_field("/code", "is missing: this client supplies its own codes")


@dataclass(frozen=True, slots=True)
class CodePolicy:
    """The settings of codes that hold for all clients."""

    code_length: int
    max_checks: int
    min_remaining_life_s: int
    retention_s: int
