"""The checks of each kind of telephone company, for ``otpvoice doctor`` alone."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from otpvoice.providers.checks import Checks
from otpvoice.providers.mobtexting.checks import MobtextingChecks
from otpvoice.providers.mobtexting.settings import MobtextingSettings
from otpvoice.providers.plivo.checks import PlivoChecks
from otpvoice.providers.plivo.settings import PlivoSettings
from otpvoice.providers.twiml.checks import TwimlChecks
from otpvoice.providers.twiml.settings import TwimlSettings
from otpvoice.sections import ProviderSection

CheckTable = Mapping[type[ProviderSection], type[Checks]]

CHECKS: Final[CheckTable] = MappingProxyType(
    {MobtextingSettings: MobtextingChecks, PlivoSettings: PlivoChecks, TwimlSettings: TwimlChecks}
)
"""By the kind's section."""
