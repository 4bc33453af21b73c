"""Builds the adapter of an account. Commands that only read settings do not import it."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from otpvoice.providers.base import Provider
from otpvoice.providers.context import ProviderContext
from otpvoice.providers.mobtexting.build import build as build_mobtexting
from otpvoice.providers.plivo.build import build as build_plivo
from otpvoice.providers.registry import KINDS
from otpvoice.providers.twiml.build import build as build_twiml
from otpvoice.sections import ProviderSection

_BUILDERS: Final[Mapping[str, Callable[[Any, ProviderContext], Provider]]] = MappingProxyType(
    {"mobtexting": build_mobtexting, "plivo": build_plivo, "twiml": build_twiml}
)
"""By kind."""


def build_provider(section: ProviderSection, context: ProviderContext) -> Provider:
    """Return the adapter of an account."""
    kind = next(name for name, settings in KINDS.items() if isinstance(section, settings))
    return _BUILDERS[kind](section, context)
