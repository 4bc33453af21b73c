"""The accounts with telephone companies, each with the checks of its kind."""

from collections.abc import Iterator

from otpvoice.core.phone import single_region
from otpvoice.providers.check_table import CHECKS, CheckTable
from otpvoice.providers.checks import Checks
from otpvoice.sections import line_settings
from otpvoice.settings import Settings
from otpvoice.settings.routing import (
    client_flows,
    default_provider,
    planned_routes,
    providers_by_name,
    route_order,
)


def account_checks(settings: Settings, table: CheckTable = CHECKS) -> Iterator[Checks]:
    """Yield the checks of each account, those of ``[provider]`` first.

    Args:
        settings: have the accounts.
        table: the checks of each kind.
    """
    routes = planned_routes(settings)
    order = [routes[name] for name in route_order(settings)]
    tables, default = settings.provider_tables(), default_provider(settings)
    for name, section_name in zip(providers_by_name(settings), tables, strict=True):
        section = tables[section_name]
        kind = next(each for each in table if isinstance(section, each))
        flows = [section.spoken_flows(), *client_flows(settings, section).values()]
        yield table[kind](
            name=name,
            table=section_name,
            section=section,
            modes=tuple(dict.fromkeys(route.mode for route in order if route.provider == name)),
            public_url=settings.server.public_url,
            region=single_region(settings.limits.regions),
            lines_of_clients=_own_lines(settings) if section is default else {},
            is_gated=any(flow.gate for each in flows for flow in each.values()),
        )


def _own_lines(settings: Settings) -> dict[str, dict[str, str]]:
    """Return the lines of clients that have their own, which the default provider calls from."""
    return {
        name: line_settings(f"clients.{name}", client.bridge, client.bridges)
        for name, client in settings.clients.items()
    }
