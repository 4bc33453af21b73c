"""Wiring: the parts of a process, and the dialer made of them."""

from functools import cached_property
from zoneinfo import ZoneInfo

from prometheus_client import CollectorRegistry

from otpvoice import logs
from otpvoice.admin import AdminService
from otpvoice.api import schemas
from otpvoice.core.keys import KeyRing, NumberHasher, decrypt_number, mask_number
from otpvoice.core.phone import single_region
from otpvoice.core.profiles import ClientProfile, CodePolicy
from otpvoice.core.service import Verifications
from otpvoice.core.verification import Verification
from otpvoice.dialer.dialer import BackgroundTask, Dialer, DialingRules
from otpvoice.dialer.dispatcher import MAX_IN_FLIGHT, Endpoint, EventDispatcher
from otpvoice.http_client import HttpClient, parse_proxy
from otpvoice.metrics import DialerMetrics, LabeledCounter, StoreMetrics, event_counter
from otpvoice.metrics.exposition import Exposition, MetricsServer, dropped_lines_counter
from otpvoice.providers.base import Provider, Route
from otpvoice.providers.mobtexting.callback import CallbackFormat
from otpvoice.providers.mobtexting.modes import Mode
from otpvoice.providers.mobtexting.provider import Mobtexting
from otpvoice.settings import Settings
from otpvoice.store.admin import AdminStore
from otpvoice.store.discovery import TIMEOUT_S, address_of, connect
from otpvoice.store.outage_log import OutageLog
from otpvoice.store.policy import StorePolicy
from otpvoice.store.redis_store import RedisStore
from otpvoice.store.stats import StoreGauges

_MAX_ATTEMPT_S = 60
"""The longest that the provider tries to reach the user in one attempt."""
_MAX_CALLBACK_DELAY_S = 105
"""The longest that a callback takes to arrive after the end of its call."""
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
            max_redials=self.settings.verification.max_redials,
            callback_timeout_ms=self.settings.verification.callback_timeout * 1000,
            retention_ms=self.settings.verification.retention * 1000,
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
            region=single_region(self.settings.limits.regions),
        )

    @cached_property
    def exposition(self) -> Exposition:
        """The metrics page."""
        return Exposition(self.registry, StoreGauges(self.admin_store))

    @cached_property
    def callback_format(self) -> CallbackFormat:
        """How the provider's messages are parsed."""
        chosen, regions = self.settings.provider, self.settings.limits.regions
        return CallbackFormat(
            ZoneInfo(chosen.timezone), chosen.status_words, single_region(regions)
        )

    @cached_property
    def provider(self) -> Provider:
        """The telephone company in the settings."""
        chosen = self.settings.provider
        connections = self.settings.dialer.threads
        return Mobtexting(
            http=HttpClient(connections=connections, proxy=parse_proxy(chosen.proxy)),
            base_url=chosen.base_url,
            token=chosen.token,
            webhook_id=chosen.webhook_id,
            audio=chosen.audio,
            code_format=chosen.otp_format,
            campaign=chosen.campaign,
            interval=chosen.interval,
            c2c_attempts=chosen.c2c_attempts,
            c2c_duration=chosen.c2c_duration,
            form=self.callback_format,
            webhook_secrets=chosen.webhook_secret,
            path_tokens=chosen.webhook_path_token,
            validation_key=chosen.validation_key,
        )

    @cached_property
    def routes(self) -> dict[str, Route]:
        """All routes by which this process can place calls, by name."""
        name = self.settings.provider.name
        return {mode.value: Route(mode.value, name, self.provider, mode) for mode in Mode}

    @cached_property
    def route_order(self) -> tuple[str, ...]:
        """The names of the routes in the order in which they are tried."""
        return self.settings.provider.routes

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
            number = decrypt_number(self.key_ring, verification.id, verification.encrypted_number)
            return schemas.Verification.of(verification, mask_number(number), public_url)

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
    max_call_s = _MAX_ATTEMPT_S * (1 + settings.provider.c2c_attempts) + _MAX_CALLBACK_DELAY_S
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
        flows={name: profile.flows for name, profile in parts.profiles.items()},
        rules=DialingRules(
            threads=settings.dialer.threads,
            max_live_calls=settings.limits.live_calls,
            live_for_ms=max_call_s * 1000,
            call_gaps_ms=[gap * 1000 for gap in settings.limits.call_gap],
            routes=parts.route_order,
        ),
        background_tasks=tasks,
        metrics=DialerMetrics(parts.registry, parts.route_order),
    )
