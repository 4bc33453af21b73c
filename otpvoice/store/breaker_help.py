"""What an open breaker means, and what to do about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from otpvoice.store.admin import Breaker


@dataclass(frozen=True, slots=True)
class BreakerHelp:
    """What is so while a breaker is open."""

    blocks_calls: bool
    """It refuses calls; the others only raise an alarm, or give fewer checks."""
    meaning: str
    resolution: str


_BREAKER_HELP: Final[Mapping[str, BreakerHelp]] = MappingProxyType(
    {
        "conversion_breaker area": BreakerHelp(
            blocks_calls=True,
            meaning="Numbers with this prefix are refused: few answered calls led to an approval.",
            resolution="If people there need codes, clear the breaker with any of their numbers: "
            "otpvoice limits clear +91… Otherwise add the prefix to limits.deny_prefixes.",
        ),
        "conversion_breaker region": BreakerHelp(
            blocks_calls=False,
            meaning="Few answered calls in this region led to an approval. No call is refused.",
            resolution="Run otpvoice verify and check that the code is spoken in full. If you have "
            "no users in the region, remove it from limits.regions.",
        ),
        "conversion_breaker client": BreakerHelp(
            blocks_calls=False,
            meaning="Few answered calls for this client led to an approval. No call is refused.",
            resolution="Ask the client's operator what changed. Set deliver_only if the client "
            "checks codes itself and reports no result.",
        ),
        "wrong_code_breaker": BreakerHelp(
            blocks_calls=False,
            meaning="Most submitted codes are wrong. New verifications get 3 checks.",
            resolution="Codes may be guessed. Find the client in the log: verification.checked "
            "with valid false. Have that client limit its users' requests.",
        ),
    }
)
"""By setting, and by what kind of thing the breaker is open for."""


def help_for(breaker: Breaker) -> BreakerHelp:
    """What is so until it closes."""
    return _BREAKER_HELP[" ".join(breaker.name.split()[:2])]
