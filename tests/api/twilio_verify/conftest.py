"""The API with ``[twilio_verify] enabled = true``."""

import pytest
from api.api_client import settings_with
from api.twilio_verify.twilio_client import TwilioClient
from flask import Flask

from otpvoice.app import create_app
from otpvoice.store.redis_store import RedisStore


@pytest.fixture(scope="session")
def twilio_app(environ: dict[str, str], lasting_store: RedisStore) -> Flask:
    """Return the application."""
    return create_app(settings_with(environ, twilio_verify_enabled="true"), lasting_store)


@pytest.fixture
def twilio(twilio_app: Flask, store: RedisStore) -> TwilioClient:
    """Return a driver for the client ``login``; a dialer is alive."""
    store.sweep("a dialer")
    return TwilioClient(twilio_app)
