"""What the settings decide for the use cases: for one client, and for all codes."""

from collections.abc import Mapping
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


@dataclass(frozen=True, slots=True)
class CodePolicy:
    """The settings of codes that hold for all clients."""

    code_length: int
    max_checks: int
    min_remaining_life_s: int
    retention_s: int
