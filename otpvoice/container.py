"""Wiring: the parts of a process, and the dialer made of them."""

from functools import cached_property

from prometheus_client import CollectorRegistry

from otpvoice import logs
from otpvoice.admin import AdminService
from otpvoice.api import schemas
from otpvoice.core.keys import (
    CallTokens,
    KeyRing,
    NumberHasher,
    decrypt_number,
    mask_number,
    with_transaction,
)
from otpvoice.core.lines import CallerLines
from otpvoice.core.phone import single_region
from otpvoice.core.profiles import ClientProfile, CodePolicy
from otpvoice.core.service import Verifications
from otpvoice.core.verification import Verification
from otpvoice.dialer.dialer import BackgroundTask, Dialer, DialingRules
from otpvoice.dialer.dispatcher import MAX_IN_FLIGHT, Endpoint, EventDispatcher
from otpvoice.http_client import HttpClient, parse_proxy
from otpvoice.metrics import DialerMetrics, LabeledCounter, event_counter
from otpvoice.metrics.exposition import Exposition, MetricsServer, dropped_lines_counter
from otpvoice.providers.adapters import build_provider
from otpvoice.providers.base import Provider
from otpvoice.providers.context import ProviderContext
from otpvoice.providers.routes import ProviderFlows, Route
from otpvoice.settings import Settings
from otpvoice.settings.routing import (
    client_flows,
    default_provider,
    planned_routes,
    providers_by_name,
    route_order,
)
from otpvoice.store.admin import AdminStore
from otpvoice.store.discovery import TIMEOUT_S, address_of, connect
from otpvoice.store.functions import StoreMetrics
from otpvoice.store.outage_log import OutageLog
from otpvoice.store.policy import StorePolicy
from otpvoice.store.redis_store import RedisStore
from otpvoice.store.stats import StoreGauges

_BLOCKING_TIMEOUT_S = 3.0
"""Longer than a dialer ever blocks to wait for a due call."""


class Container:
    """The parts of one process, each built once, on first use.

    Args:
        settings: the settings of the process.
        store: a store to use instead of a new one, as tests do to move its clock.
    """

    def __init__(self, settings: Settings, store: RedisStore | None = None) -> None:
        self.settings = settings
        if store:
            self.store = store

    @cached_property
    def registry(self) -> CollectorRegistry:
        """The metrics of this process, including those of its log."""
        registry = CollectorRegistry()
        logs.DROPPED.subscribe(dropped_lines_counter(registry).inc)
        return registry

    @cached_property
    def key_ring(self) -> KeyRing:
        """The keys that encrypt and sign."""
        return KeyRing([each.key for each in self.settings.secrets.keys])

    @cached_property
    def number_hasher(self) -> NumberHasher:
        """Hashes numbers and attributes."""
        return NumberHasher(self.settings.secrets.number_key)

    @cached_property
    def profiles(self) -> dict[str, ClientProfile]:
        """The profile of each client."""
        return {name: self.settings.client_profile(name) for name in self.settings.clients}

    @cached_property
    def policy(self) -> StorePolicy:
        """The rules that the store's functions apply."""
        clients = self.settings.clients.items()
        return StorePolicy(
            routes=self.route_order,
            route_regions=self.route_regions,
            client_lines={
                name: profile.lines
                for name, profile in self.profiles.items()
                if len(profile.lines.bridges) > 1
            },
            route_lines={name: each for name, each in self.route_lines.items() if each},
            max_redials=self.settings.verification.max_redials,
            redial_after=frozenset(self.settings.verification.redial_after),
            callback_timeout_ms=self.settings.verification.callback_timeout * 1000,
            retention_ms=self.settings.verification.retention * 1000,
            denial_block_ms=self.settings.limits.denial_block * 1000,
            limits=self.settings.call_limits(),
            clients_with_events=frozenset(name for name, client in clients if client.event_url),
        )

    @cached_property
    def store(self) -> RedisStore:
        """The store of verifications and calls."""
        metrics = StoreMetrics(self.registry, [*self.settings.clients], self.route_order)
        return self.connect_store(metrics)

    def connect_store(
        self,
        metrics: StoreMetrics,
        timeout_s: float = TIMEOUT_S,
        outage_log: OutageLog | None = None,
    ) -> RedisStore:
        """Return a store with connections of its own."""
        client = connect(self.settings.redis.full_url, timeout_s=timeout_s)
        return RedisStore(
            client,
            policy=self.policy,
            metrics=metrics,
            outage_log=outage_log or OutageLog(address_of(client)),
        )

    @cached_property
    def admin_store(self) -> AdminStore:
        """The operators' view of the store, over the same connections."""
        store = self.store
        return AdminStore(
            store.redis,
            policy=store.policy,
            metrics=store.metrics,
            clock_offset_ms=store.clock_offset_ms,
            circuit_breaker=store.circuit_breaker,
        )

    def create_admin_service(self, store: AdminStore) -> AdminService:
        """Return the operators' use cases on ``store``."""
        return AdminService(
            store=store,
            ring=self.key_ring,
            number_hasher=self.number_hasher,
            max_live_calls=self.settings.limits.live_calls,
            routes=self.route_order,
            public_url=self.settings.server.public_url,
            region=single_region(self.settings.limits.regions),
        )

    @cached_property
    def exposition(self) -> Exposition:
        """The metrics page."""
        return Exposition(self.registry, StoreGauges(self.admin_store))

    @cached_property
    def providers(self) -> dict[str, Provider]:
        """The adapters of all telephone companies, by their names."""
        settings = self.settings
        return {
            name: build_provider(
                section,
                ProviderContext(
                    name=name,
                    public_url=settings.server.public_url,
                    connections=settings.dialer.threads,
                    region=single_region(settings.limits.regions),
                    call_tokens=CallTokens(self.key_ring),
                ),
            )
            for name, section in providers_by_name(settings).items()
        }

    @cached_property
    def routes(self) -> dict[str, Route]:
        """All routes by which this process can place calls, by name."""
        sections = providers_by_name(self.settings)
        return {
            planned.name: Route(
                planned.name,
                planned.provider,
                self.providers[planned.provider],
                planned.mode,
                ProviderFlows(
                    section.spoken_flows(), client_flows(self.settings, section), self._brands
                ),
                section.max_call_s(),
                self.route_lines[planned.name],
            )
            for planned in planned_routes(self.settings).values()
            for section in (sections[planned.provider],)
        }

    @cached_property
    def _brands(self) -> dict[str, str]:
        clients = self.settings.clients.items()
        return {name: client.spoken_brand for name, client in clients if client.spoken_brand}

    @cached_property
    def route_order(self) -> tuple[str, ...]:
        """The names of the routes in the order in which they are tried."""
        return route_order(self.settings)

    @cached_property
    def route_lines(self) -> dict[str, CallerLines | None]:
        """The caller lines of each route, by name; None for those of its clients."""
        sections, default = providers_by_name(self.settings), default_provider(self.settings)
        return {
            planned.name: None if section is default else section.lines()
            for planned in planned_routes(self.settings).values()
            for section in (sections[planned.provider],)
        }

    @cached_property
    def route_regions(self) -> dict[str, frozenset[str]]:
        """The regions that a route is limited to, by its name."""
        routes = planned_routes(self.settings).values()
        return {each.name: frozenset(each.regions) for each in routes if each.regions}

    @cached_property
    def service(self) -> Verifications:
        """The use cases of clients and apps, independent of HTTP."""
        verification = self.settings.verification
        return Verifications(
            store=self.store,
            ring=self.key_ring,
            number_hasher=self.number_hasher,
            profiles=self.profiles,
            routes=self.route_order,
            route_regions=self.route_regions,
            policy=CodePolicy(
                code_length=verification.code_length,
                max_checks=verification.max_checks,
                min_remaining_life_s=verification.min_remaining_life,
                retention_s=verification.retention,
            ),
        )

    def create_dispatcher(self, outcomes: LabeledCounter | None = None) -> EventDispatcher:
        """Return a dispatcher of events, which show numbers masked."""
        clients, public_url = self.settings.clients, self.settings.server.public_url

        def serialize(verification: Verification) -> schemas.Verification:
            ring = self.key_ring
            number = decrypt_number(ring, verification.id, verification.encrypted_number)
            shown = with_transaction(ring, verification)
            return schemas.Verification.of(shown, mask_number(number), public_url)

        endpoints = {
            name: Endpoint(clients[name].event_url, clients[name].event_secret)
            for name in sorted(self.policy.clients_with_events)
        }
        proxy = parse_proxy(self.settings.events.proxy)
        http = HttpClient(connections=MAX_IN_FLIGHT, proxy=proxy)
        return EventDispatcher(self.store, endpoints, serialize, http, outcomes=outcomes)


def create_dialer(settings: Settings, store: RedisStore | None = None) -> Dialer:
    """Return a dialer. It uses Redis and calls the provider, and never serves users.

    Args:
        settings: the settings of the process.
        store: a store to use instead of a new one, as tests do to move its clock.
    """
    parts = Container(settings, store)
    tasks: list[BackgroundTask] = []
    if clients := parts.policy.clients_with_events:
        tasks.append(parts.create_dispatcher(event_counter(parts.registry, sorted(clients))))
    if settings.dialer.metrics_bind:
        tasks.append(MetricsServer(settings.dialer.metrics_bind, parts.exposition))
    return Dialer(
        store=parts.store,
        blocking_store=parts.connect_store(
            parts.store.metrics, _BLOCKING_TIMEOUT_S, parts.store.circuit_breaker.outage_log
        ),
        routes=parts.routes,
        ring=parts.key_ring,
        rules=DialingRules(
            threads=settings.dialer.threads,
            max_live_calls=settings.limits.live_calls,
            call_gaps_ms=[gap * 1000 for gap in settings.limits.call_gap],
            routes=parts.route_order,
            route_regions=parts.route_regions,
        ),
        background_tasks=tasks,
        metrics=DialerMetrics(parts.registry, parts.route_order),
    )
