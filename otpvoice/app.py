"""The only wiring: from settings to a web application, to a dialer, and to what operators do."""

from flask import Blueprint, Flask
from prometheus_client import CollectorRegistry

from otpvoice import logs
from otpvoice.admin.preview import Previewer
from otpvoice.admin.service import AdminService
from otpvoice.api import cors, errors, instrumentation, schemas
from otpvoice.api.auth import ApiKeys, Authenticator, visible_number
from otpvoice.api.console.auth import AdminAuth, LoginThrottle
from otpvoice.api.console.dashboard import CallPrice
from otpvoice.api.console.routes import ConsoleContext, console_blueprint
from otpvoice.api.docs import docs_routes
from otpvoice.api.health import health_routes
from otpvoice.api.instrumentation import metrics_routes
from otpvoice.api.jwks import jwks_routes
from otpvoice.api.responses import Api
from otpvoice.api.serializers import serialize
from otpvoice.api.verifications import verification_routes
from otpvoice.api.webhooks import webhook_routes
from otpvoice.core.keys import KeyRing, NumberHasher, decrypt_number
from otpvoice.core.phone import mask_number, single_region
from otpvoice.core.service import CodePolicy, Verifications
from otpvoice.core.tokens import ClientTokens, ReceiptSigner
from otpvoice.core.verification import Verification
from otpvoice.dialer.dialer import BackgroundTask, Dialer, DialingRules
from otpvoice.events.dispatcher import MAX_IN_FLIGHT, Endpoint, EventDispatcher
from otpvoice.http_client import HttpClient, parse_proxy
from otpvoice.metrics.api import ApiMetrics
from otpvoice.metrics.dialer import DialerMetrics, EventMetrics
from otpvoice.metrics.exposition import Exposition, MetricsServer, dropped_lines_counter
from otpvoice.metrics.store import StoreMetrics
from otpvoice.providers.base import Provider
from otpvoice.providers.mobtexting.provider import Mobtexting
from otpvoice.providers.mobtexting.vocabulary import StatusWords
from otpvoice.settings import Settings
from otpvoice.store.admin import AdminStore
from otpvoice.store.gauges import StoreGauges
from otpvoice.store.outages import OutageLog
from otpvoice.store.policy import StorePolicy
from otpvoice.store.redis_store import RedisStore
from otpvoice.store.stats import StatsReader
from otpvoice.store.url import TIMEOUT_S, address_of, connect

STORE = "otpvoice.store"
"""Name of the store among the application's extensions."""
_MAX_ATTEMPT_S = 60
"""Seconds that one attempt of the provider to reach a person takes at most."""
_MAX_CALLBACK_DELAY_S = 105
"""Seconds that the news of a call's end may take to reach us."""
_BLOCKING_TIMEOUT_S = 3.0
"""Seconds: longer than a dialer ever waits for a due call."""


def create_app(settings: Settings, store: RedisStore | None = None) -> Flask:
    """The API. It talks to Redis and never to the provider.

    ``store``: one whose clock is moved, for tests.
    """
    profiles = {name: settings.client_profile(name) for name in settings.clients}
    registry = _registry()
    store = store or _create_store(settings, StoreMetrics(registry, [*profiles]))
    ring = _key_ring(settings)
    number_key = NumberHasher(settings.secrets.number_key)
    service = create_service(settings, store)
    keys = ApiKeys({name: client.key_sha256 for name, client in settings.clients.items()})
    access = Authenticator(keys, ClientTokens(ring))
    public_url = settings.server.public_url
    receipts = ReceiptSigner({named.id: named.key for named in settings.secrets.keys}, public_url)
    bridges = {profile.bridge for profile in profiles.values()}

    app = Api(public_url)
    app.extensions[STORE] = store
    cors.register(app, settings.server.cors_origins)
    errors.register(
        app,
        lambda verification, number: serialize(verification, visible_number(number), public_url),
    )
    app.register_blueprint(verification_routes(service, access, receipts, public_url))
    app.register_blueprint(jwks_routes(receipts))
    app.register_blueprint(
        webhook_routes(
            settings.provider.name, create_provider(settings), store, number_key, bridges, ring
        )
    )
    app.register_blueprint(health_routes(store))
    has_console = bool(settings.secrets.admin_key_sha256)
    app.register_blueprint(docs_routes(settings.provider.name, has_console=has_console))
    app.register_blueprint(metrics_routes(_exposition(registry, store)))
    if has_console:
        app.register_blueprint(_console_routes(settings, store))
    instrumentation.register(app, ApiMetrics(registry, [*profiles]))
    return app


def create_service(settings: Settings, store: RedisStore) -> Verifications:
    """What clients ask for, without HTTP."""
    return Verifications(
        store=store,
        ring=_key_ring(settings),
        number_hasher=NumberHasher(settings.secrets.number_key),
        profiles={name: settings.client_profile(name) for name in settings.clients},
        routes=settings.provider.routes,
        policy=CodePolicy(
            code_length=settings.verification.code_length,
            max_checks=settings.verification.max_checks,
            min_remaining_life_s=settings.verification.min_remaining_life,
            retention_s=settings.verification.retention,
        ),
    )


def create_dialer(settings: Settings, store: RedisStore | None = None) -> Dialer:
    """A dialer. It talks to Redis and to the provider and never to users.

    ``store``: one whose clock is moved, for tests.
    """
    rules = DialingRules(
        threads=settings.dialer.threads,
        max_live_calls=settings.limits.live_calls,
        live_for_ms=(_MAX_ATTEMPT_S * (1 + settings.provider.c2c_attempts) + _MAX_CALLBACK_DELAY_S)
        * 1000,
        call_gaps_ms=[gap * 1000 for gap in settings.limits.call_gap],
        routes=settings.provider.routes,
        code_format=settings.provider.otp_format,
    )
    registry = _registry()
    store = store or _create_store(settings, StoreMetrics(registry, [*settings.clients]))
    beside: list[BackgroundTask] = []
    if clients_with_events(settings):
        beside.append(
            create_dispatcher(
                settings, store, EventMetrics(registry, sorted(clients_with_events(settings)))
            )
        )
    if settings.dialer.metrics_bind:
        beside.append(MetricsServer(settings.dialer.metrics_bind, _exposition(registry, store)))
    return Dialer(
        store=store,
        blocking_store=_create_store(
            settings, store.metrics, _BLOCKING_TIMEOUT_S, store.circuit_breaker.outage_log
        ),
        provider=create_provider(settings),
        ring=_key_ring(settings),
        flows={name: settings.client_profile(name).flows for name in settings.clients},
        rules=rules,
        background_tasks=beside,
        metrics=DialerMetrics(registry, settings.provider.routes),
    )


def create_dispatcher(
    settings: Settings, store: RedisStore, metrics: EventMetrics | None = None
) -> EventDispatcher:
    """What tells clients their events. The number is shown to nobody as a whole."""
    ring, public_url = _key_ring(settings), settings.server.public_url

    def serialize_event(verification: Verification) -> schemas.Verification:
        number = decrypt_number(ring, verification.id, verification.encrypted_number)
        return serialize(verification, mask_number(number), public_url)

    receivers = {
        name: Endpoint(settings.clients[name].event_url, settings.clients[name].event_secret)
        for name in sorted(clients_with_events(settings))
    }
    http = HttpClient(connections=MAX_IN_FLIGHT, proxy=parse_proxy(settings.events.proxy))
    return EventDispatcher(store, receivers, serialize_event, http, metrics=metrics)


def clients_with_events(settings: Settings) -> frozenset[str]:
    """The clients that are sent events."""
    return frozenset(name for name, client in settings.clients.items() if client.event_url)


def create_admin_service(settings: Settings, store: AdminStore | None = None) -> AdminService:
    """Create the operators' service, with a store connection of its own unless one is given."""
    connection = store or AdminStore(
        connect(settings.redis.full_url), policy=script_config(settings)
    )
    return AdminService(
        store=connection,
        ring=_key_ring(settings),
        number_hasher=NumberHasher(settings.secrets.number_key),
        limits=settings.call_limits(),
        max_live_calls=settings.limits.live_calls,
        routes=settings.provider.routes,
        region=single_region(settings.limits.regions),
    )


def create_provider(settings: Settings) -> Provider:
    """The telephone company that the settings name."""
    chosen = settings.provider
    return Mobtexting(
        http=HttpClient(connections=settings.dialer.threads, proxy=parse_proxy(chosen.proxy)),
        base_url=chosen.base_url,
        token=chosen.token,
        webhook_id=chosen.webhook_id,
        audio=chosen.audio,
        campaign=chosen.campaign,
        interval=chosen.interval,
        c2c_attempts=chosen.c2c_attempts,
        c2c_duration=chosen.c2c_duration,
        timezone=chosen.timezone,
        region=single_region(settings.limits.regions),
        status_words=StatusWords(chosen.status_words),
        webhook_secrets=chosen.webhook_secret,
        path_tokens=chosen.webhook_path_token,
        validation_key=chosen.validation_key,
    )


def _create_store(
    settings: Settings,
    metrics: StoreMetrics,
    timeout: float = TIMEOUT_S,
    outages: OutageLog | None = None,
) -> RedisStore:
    client = connect(settings.redis.full_url, timeout_s=timeout)
    keep = settings.verification.retention * 1000
    rules = script_config(settings)
    outages = outages or OutageLog(address_of(client))
    return RedisStore(client, retention_ms=keep, policy=rules, metrics=metrics, outage_log=outages)


def _registry() -> CollectorRegistry:
    """A registry for this process's metrics, with that of its log."""
    registry = CollectorRegistry()
    logs.DROPPED.subscribe(dropped_lines_counter(registry).inc)
    return registry


def _exposition(registry: CollectorRegistry, store: RedisStore) -> Exposition:
    looking = AdminStore(
        store.redis,
        policy=store.policy,
        metrics=store.metrics,
        circuit_breaker=store.circuit_breaker,
    )
    return Exposition(registry, StoreGauges(looking))


def _console_routes(settings: Settings, store: RedisStore) -> Blueprint:
    """Create the operators' pages. They use the API's connections to the store."""
    admin_store = AdminStore(
        store.redis,
        policy=store.policy,
        metrics=store.metrics,
        clock_offset_ms=store.clock_offset_ms,
        circuit_breaker=store.circuit_breaker,
    )
    context = ConsoleContext(
        admin=create_admin_service(settings, admin_store),
        stats=StatsReader(store.redis, circuit_breaker=store.circuit_breaker),
        price=CallPrice(settings.console.price_per_call, settings.console.currency),
        previewer=Previewer(settings, create_provider(settings)),
        clients=tuple(sorted(settings.clients)),
    )
    key_hashes, public_url = settings.secrets.admin_key_sha256, settings.server.public_url
    return console_blueprint(context, AdminAuth(key_hashes, public_url, LoginThrottle()))


def script_config(settings: Settings) -> StorePolicy:
    """How calls follow each other."""
    return StorePolicy(
        routes=settings.provider.routes,
        max_redials=settings.verification.max_redials,
        callback_timeout_ms=settings.verification.callback_timeout * 1000,
        limits=settings.call_limits(),
        clients_with_events=clients_with_events(settings),
    )


def _key_ring(settings: Settings) -> KeyRing:
    return KeyRing([named.key for named in settings.secrets.keys])
