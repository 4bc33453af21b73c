"""The routes that the settings lead to, and the order in which they are tried."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from otpvoice.core.speech import Flow
from otpvoice.sections import (
    FieldProblem,
    ProviderSection,
    TextProviderSection,
    flows_of_texts,
)

if TYPE_CHECKING:
    from otpvoice.settings.schema import Settings


class PlannedRoute(Struct, frozen=True):
    """One way to place calls, as the settings name it."""

    name: str
    provider: str
    """The provider's name."""
    mode: str
    regions: tuple[str, ...]
    """Of the numbers that it calls; empty: all."""


def providers_by_name(settings: "Settings") -> dict[str, ProviderSection]:
    """Return the section of each provider, that of ``[provider]`` first."""
    first = settings.first_provider
    return ({first.name: first} if first else {}) | {**settings.providers}


def planned_routes(settings: "Settings") -> dict[str, PlannedRoute]:
    """Return all routes by which calls can be placed, by name.

    ``[provider]`` has a route for each of its modes. Every other provider that no
    ``[routes.<name>]`` names has one route with its own name.
    """
    routes: dict[str, PlannedRoute] = {}
    providers = providers_by_name(settings)
    if settings.first_provider:
        own = settings.first_provider
        routes |= {mode: PlannedRoute(mode, own.name, mode, ()) for mode in own.modes}
    named = {section.provider for section in settings.routes.values()}
    for name in settings.providers:
        if name not in named:
            routes[name] = PlannedRoute(name, name, providers[name].modes[0], ())
    for name, section in settings.routes.items():
        known = providers.get(section.provider)
        mode = section.mode or (known.modes[0] if known else "")
        routes[name] = PlannedRoute(name, section.provider, mode, section.regions)
    return routes


def route_order(settings: "Settings") -> tuple[str, ...]:
    """Return the names of the routes in the order in which they are tried.

    Unless the settings say otherwise, routes that are limited to regions come first, because behind
    a route for all numbers they would only be its replacement.
    """
    if settings.dialer.routes:
        return settings.dialer.routes
    own = settings.first_provider.routes if settings.first_provider else ()
    modes = {*settings.first_provider.modes} if settings.first_provider else set()
    others = (name for name in planned_routes(settings) if name not in modes)
    names = dict.fromkeys((*map(str, own), *settings.routes, *others))
    regional = [name for name in names if name in settings.routes and settings.routes[name].regions]
    return (*dict.fromkeys((*regional, *names)),)


def default_provider(settings: "Settings") -> ProviderSection:
    """Return ``[provider]``, or without it the provider of the first route.

    A client's own line is with it, and so are its flows.
    """
    if settings.first_provider:
        return settings.first_provider
    first = planned_routes(settings)[route_order(settings)[0]]
    return providers_by_name(settings)[first.provider]


def client_flows(settings: "Settings", provider: ProviderSection) -> dict[str, Mapping[str, Flow]]:
    """Return what clients have of their own to speak with a provider, by client.

    ``texts`` of a client are with every provider that speaks texts. Its ``flows`` are ids of the
    default provider.
    """
    clients = settings.clients.items()
    if isinstance(provider, TextProviderSection):
        return {name: flows_of_texts(client.texts) for name, client in clients if client.texts}
    if provider is not default_provider(settings):
        return {}
    return {name: client.flows for name, client in clients if client.flows}


def routing_errors(settings: "Settings") -> Iterator[FieldProblem]:
    """Yield what makes a route or the order of routes unusable."""
    providers = providers_by_name(settings)
    first = settings.first_provider
    if first and first.name in settings.providers:
        yield f"providers.{first.name}", "is the provider of [provider]: choose another name"
    for name, section in settings.routes.items():
        known = providers.get(section.provider)
        if known is None:
            names = ", ".join(providers)
            yield f"routes.{name}.provider", f"is no provider; known: {names}"
        elif section.mode and section.mode not in known.modes:
            modes = ", ".join(filter(None, known.modes)) or "none, so leave it empty"
            yield f"routes.{name}.mode", f"is no mode of this provider; known: {modes}"
    routes: Mapping[str, PlannedRoute] = planned_routes(settings)
    for i, name in enumerate(settings.dialer.routes):
        if name not in routes:
            yield f"dialer.routes[{i}]", f"is no route; known: {', '.join(routes)}"
