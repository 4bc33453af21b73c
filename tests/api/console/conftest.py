"""An API with a console, on the store of the other tests."""

import pytest
from api.api_client import ApiClient, settings_with
from api.console.console_browser import KEY, ConsoleBrowser
from flask import Flask

from otpvoice.app import create_app
from otpvoice.cli.keys import hash_key
from otpvoice.container import Container
from otpvoice.store.redis_store import RedisStore


@pytest.fixture(scope="session")
def variables(environ: dict[str, str]) -> dict[str, str]:
    """Configure a console with a price per call, and one call per number in ten minutes."""
    return environ | {
        "OTPVOICE_SECRETS_ADMIN_KEY_SHA256": f"{'0' * 64},{hash_key(KEY)}",
        "OTPVOICE_CONSOLE_PRICE_PER_CALL": "0.35",
        "OTPVOICE_LIMITS_CALL_GAP": "0",
        "OTPVOICE_LIMITS_CALLS_PER_NUMBER": "1/10m",
    }


@pytest.fixture(scope="session")
def console_app(variables: dict[str, str], lasting_store: RedisStore) -> Flask:
    """Create an application with a console."""
    settings = settings_with(variables)
    own = RedisStore(lasting_store.redis, policy=Container(settings).policy)
    return create_app(settings, own)


@pytest.fixture
def api(console_app: Flask, store: RedisStore) -> ApiClient:
    """Return a driver of the API with a console; a dialer is alive."""
    store.sweep("a dialer")
    return ApiClient(console_app, store)


@pytest.fixture
def browser(console_app: Flask, store: RedisStore) -> ConsoleBrowser:
    """An operator's browser with a valid key; a dialer is alive."""
    store.sweep("a dialer")
    return ConsoleBrowser(console_app)
