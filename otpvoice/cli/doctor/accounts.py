"""The accounts with Mobtexting, which several checks are about."""

from collections.abc import Iterator
from dataclasses import dataclass

from otpvoice.providers.mobtexting.settings import MobtextingSettings
from otpvoice.settings import Settings
from otpvoice.settings.routing import planned_routes, providers_by_name, route_order


@dataclass(frozen=True, slots=True)
class MobtextingAccount:
    """An account, with its names in the settings."""

    name: str
    """The provider's."""
    table: str
    """The section's: ``provider`` or ``providers.<name>``."""
    settings: MobtextingSettings
    modes: tuple[str, ...]
    """Those of its routes."""


def mobtexting_accounts(settings: Settings) -> Iterator[MobtextingAccount]:
    """Yield all accounts with Mobtexting."""
    routes = planned_routes(settings)
    order = [routes[name] for name in route_order(settings)]
    for name, table in zip(providers_by_name(settings), settings.provider_tables(), strict=True):
        section = settings.provider_tables()[table]
        if isinstance(section, MobtextingSettings):
            modes = dict.fromkeys(route.mode for route in order if route.provider == name)
            yield MobtextingAccount(name, table, section, (*modes,))
