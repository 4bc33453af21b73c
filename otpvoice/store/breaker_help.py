"""What an open breaker means, and what to do about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from otpvoice.store.admin import Breaker


@dataclass(frozen=True, slots=True)
class Meaning:
    """What is so while a breaker is open."""

    refuses: bool
    """It refuses calls; the others only raise an alarm, or give fewer checks."""
    means: str
    to_do: str


_MEANINGS: Final[Mapping[str, Meaning]] = MappingProxyType(
    {
        "conversion_breaker area": Meaning(
            refuses=True,
            means="Numbers that begin so are refused: hardly any answered call led to an approval.",
            to_do="Are people waiting for codes there? Free it by any of their numbers: otpvoice "
            "limits clear +91… Else let it be, or add the beginning to limits.deny_prefixes.",
        ),
        "conversion_breaker region": Meaning(
            refuses=False,
            means="Hardly any answered call in this region led to an approval; none is refused.",
            to_do="Call yourself (otpvoice verify): is the code spoken in full? Nobody of yours "
            "there? Take the region out of limits.regions.",
        ),
        "conversion_breaker client": Meaning(
            refuses=False,
            means="Hardly any answered call for this client led to an approval; none is refused.",
            to_do="Ask whoever runs it what changed. It checks codes itself and reports nothing? "
            "Set its deliver_only.",
        ),
        "wrong_code_breaker": Meaning(
            refuses=False,
            means="Most codes handed in are wrong; new verifications begin with 3 checks.",
            to_do="Somebody may be guessing: the log's verification.checked with valid false say "
            "for which client; have it slow down whoever asks.",
        ),
    }
)
"""By setting, and by what kind of thing the breaker is open for."""


def meaning_of(breaker: Breaker) -> Meaning:
    """What is so until it closes."""
    return _MEANINGS[" ".join(breaker.name.split()[:2])]
