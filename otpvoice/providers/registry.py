"""The kinds of telephone companies: the settings of each, and what builds its adapter."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from otpvoice.providers.base import Provider, ProviderContext
from otpvoice.providers.mobtexting import settings as mobtexting
from otpvoice.providers.plivo import settings as plivo
from otpvoice.providers.twiml import settings as twiml
from otpvoice.sections import ProviderSection


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of telephone company, whose accounts differ in their settings only."""

    settings: type[ProviderSection]
    build: Callable[[Any, ProviderContext], Provider]
    """Makes the adapter of a section of this kind."""


KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "mobtexting": Kind(mobtexting.MobtextingSettings, mobtexting.build),
        "plivo": Kind(plivo.PlivoSettings, plivo.build),
        "twiml": Kind(twiml.TwimlSettings, twiml.build),
    }
)
"""By the value of ``kind`` in ``[providers.<name>]``."""


def build_provider(section: ProviderSection, context: ProviderContext) -> Provider:
    """Return the adapter of an account."""
    kind = next(each for each in KINDS.values() if isinstance(section, each.settings))
    return kind.build(section, context)
