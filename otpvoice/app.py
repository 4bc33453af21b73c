"""The API, made of the parts of a process."""

from collections.abc import Iterator
from functools import partial

from flask import Blueprint, Flask

from otpvoice.admin.preview import preview_call
from otpvoice.api.answers import AnswerViews
from otpvoice.api.application import Api, endpoints_of
from otpvoice.api.by_number import NumberViews
from otpvoice.api.call_documents import CallDocuments
from otpvoice.api.console.auth import AdminAuth
from otpvoice.api.console.period_stats import CallPrice
from otpvoice.api.console.routes import ConsoleViews
from otpvoice.api.docs import DocsViews
from otpvoice.api.hooks import IDENTITY_SERVERS
from otpvoice.api.hooks.base import HookCredentials
from otpvoice.api.hooks.views import Hook, HookViews
from otpvoice.api.http import Authenticator
from otpvoice.api.key_presses import KeyViews
from otpvoice.api.service_status import ServiceViews
from otpvoice.api.twilio_verify.errors import format_error
from otpvoice.api.twilio_verify.views import PREFIX, TwilioVerifyViews
from otpvoice.api.verifications import VerificationViews
from otpvoice.api.webhooks import WebhookViews
from otpvoice.container import Container
from otpvoice.core.keys import ClientTokens, KeyHashes
from otpvoice.core.lines import all_bridges
from otpvoice.core.receipts import ReceiptSigner
from otpvoice.metrics import ApiMetrics, start_series
from otpvoice.providers.answering import AnsweringProvider, GatingProvider
from otpvoice.providers.exchange_capture import ExchangeCapture
from otpvoice.settings import Settings
from otpvoice.store.redis_store import RedisStore
from otpvoice.store.stats import StatsReader

STORE = "otpvoice.store"
"""Key of the store in ``Flask.extensions``."""


def create_app(settings: Settings, store: RedisStore | None = None) -> Flask:
    """Return the API. It uses Redis and never calls the provider.

    Args:
        settings: the settings of the process.
        store: a store to use instead of a new one, as tests do to move its clock.
    """
    parts = Container(settings, store)
    public_url, secrets = settings.server.public_url, settings.secrets
    metrics = ApiMetrics(parts.registry, [*settings.clients])
    key_hashes = {name: client.key_sha256 for name, client in settings.clients.items()}
    authenticator = Authenticator(key_hashes, ClientTokens(parts.key_ring))
    ring = {each.id: each.key for each in secrets.keys}
    receipts = ReceiptSigner(ring, public_url, settings.receipts.algorithm)
    webhooks = [_create_webhook(parts, name) for name in parts.providers]
    for_views = (parts.service, authenticator, receipts, public_url)
    endpoints = [
        *endpoints_of(VerificationViews(*for_views)),
        *endpoints_of(NumberViews(*for_views)),
        *(each for webhook in webhooks for each in webhook.endpoints()),
        *(each for documents in _create_documents(parts) for each in documents.endpoints()),
        *endpoints_of(HookViews(parts.service, _create_hooks(parts))),
        *endpoints_of(ServiceViews(parts.store, receipts, parts.exposition)),
    ]
    has_console = bool(secrets.admin_key_sha256)
    operations = [each.operation for each in endpoints]
    endpoints += endpoints_of(DocsViews(operations, parts.route_order, has_console=has_console))

    app = Api(public_url, settings.server.cors_origins, metrics)
    app.extensions[STORE] = parts.store
    app.add_endpoints(endpoints)
    if settings.twilio_verify.enabled:
        twilio = TwilioVerifyViews(parts.service, KeyHashes(key_hashes), public_url)
        app.add_endpoints(endpoints_of(twilio))
        app.set_error_format(PREFIX, format_error)
    if has_console:
        app.register_blueprint(_create_console(parts))
    start_series(metrics.responses, (rule.rule for rule in app.url_map.iter_rules()), (500, 503))
    return app


def _create_webhook(parts: Container, name: str) -> WebhookViews:
    """Return the webhook of a provider."""
    lines = [profile.lines for profile in parts.profiles.values()]
    lines += [route.lines for route in parts.routes.values() if route.lines]
    return WebhookViews(
        name,
        parts.providers[name],
        (*parts.routes.values(),),
        parts.store,
        parts.number_hasher,
        all_bridges(lines),
        ExchangeCapture(parts.store, parts.key_ring),
        "" if name == next(iter(parts.providers)) else f"_of_{name.replace('-', '_')}",
        parts.settings.server.public_url,
    )


def _create_documents(parts: Container) -> Iterator[AnswerViews | KeyViews]:
    """Yield the views that return the documents of each provider that fetches them."""
    store, public_url = parts.store, parts.settings.server.public_url
    capture = ExchangeCapture(store, parts.key_ring)
    for name, provider in parts.providers.items():
        documents = CallDocuments(name, parts.key_ring, parts.routes, store)
        if isinstance(provider, AnsweringProvider):
            yield AnswerViews(provider, store, documents, public_url, capture)
        if isinstance(provider, GatingProvider):
            yield KeyViews(provider, store, documents, public_url, capture)


def _create_hooks(parts: Container) -> dict[str, Hook]:
    """Return the hook of each client that has one."""
    return {
        name: Hook(
            server=IDENTITY_SERVERS[client.hook],
            credentials=HookCredentials(client.hook_secret, KeyHashes({name: client.key_sha256})),
            default_region=client.default_region,
            call_after_s=client.call_after,
            calls_for_texts=client.hook_texts == "call",
            code_life_s=parts.profiles[name].ttl_s,
        )
        for name, client in parts.settings.clients.items()
        if client.hook
    }


def _create_console(parts: Container) -> Blueprint:
    settings = parts.settings
    console = ConsoleViews(
        admin=parts.create_admin_service(parts.admin_store),
        stats=StatsReader(parts.store.redis, circuit_breaker=parts.store.circuit_breaker),
        price=CallPrice(settings.console.price_per_call, settings.console.currency),
        preview_call=partial(preview_call, settings, parts.routes),
        clients=tuple(sorted(settings.clients)),
    )
    admin_keys = KeyHashes({"operator": settings.secrets.admin_key_sha256})
    return console.blueprint(AdminAuth(admin_keys, settings.server.public_url))
