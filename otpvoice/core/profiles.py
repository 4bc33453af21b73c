"""What the settings decide for the use cases: for one client, and for all codes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from otpvoice.core.lines import CallerLines
from otpvoice.core.phone import NumberRules
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


@dataclass(frozen=True, slots=True)
class CodePolicy:
    """The settings of codes that hold for all clients."""

    code_length: int
    max_checks: int
    min_remaining_life_s: int
    retention_s: int
