"""The kinds of telephone companies, and the settings of each. ``adapters.py`` builds them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from otpvoice.providers.mobtexting.settings import MobtextingSettings
from otpvoice.providers.plivo.settings import PlivoSettings
from otpvoice.providers.twiml.settings import TwimlSettings
from otpvoice.sections import ProviderSection

KINDS: Final[Mapping[str, type[ProviderSection]]] = MappingProxyType(
    {"mobtexting": MobtextingSettings, "plivo": PlivoSettings, "twiml": TwimlSettings}
)
"""By the value of ``kind`` in ``[providers.<name>]``."""
