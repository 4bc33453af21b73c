"""Puts the parts together."""

from datetime import timedelta
from urllib.parse import urlsplit

from flask import Flask

from login_backend import browser_security
from login_backend.database import Database
from login_backend.events import events
from login_backend.login import login
from login_backend.receipt_login import proof
from login_backend.receipts import ReceiptVerifier
from login_backend.settings import Settings
from otpvoice.client import Client


def create_app(settings: Settings) -> Flask:
    """The backend and its page."""
    app = Flask(__name__)
    origin = urlsplit(settings.origin)
    is_https = origin.scheme == "https"
    app.config.update(
        SECRET_KEY=settings.session_secret,
        # The prefix __Host- makes browsers refuse this cookie from any other host or path.
        SESSION_COOKIE_NAME="__Host-login" if is_https else "login",
        SESSION_COOKIE_SECURE=is_https,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        PERMANENT_SESSION_LIFETIME=timedelta(hours=12),
        MAX_CONTENT_LENGTH=64 * 1024,
        TRUSTED_HOSTS=[origin.hostname],
    )
    database = Database(settings.database)
    browser_security.protect(app, settings)
    # One client and one reader of receipts for the whole process: they keep connections and keys.
    client = Client(settings.otpvoice_url, settings.api_key)
    app.register_blueprint(login(client, settings.region, settings.suggested_number))
    receipts = ReceiptVerifier(settings.otpvoice_url, settings.client)
    app.register_blueprint(proof(receipts, database))
    app.register_blueprint(events(settings.event_secret, database))
    return app
