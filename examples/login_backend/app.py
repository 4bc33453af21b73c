"""The Flask app of the login."""

import os
from datetime import timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from flask import Blueprint, Flask

from login_backend import browser_security
from login_backend.database import Database
from login_backend.events import events
from login_backend.login import login
from login_backend.receipts import ReceiptVerifier
from login_backend.settings import Settings
from otpvoice_client import Client

_ELEMENT: Final = Path(__file__).parents[2] / "clients" / "javascript" / "src"
"""``<otpvoice-code>`` from this checkout. A product serves a copy of the npm package."""


def create_app(settings: Settings | None = None) -> Flask:
    """Create the backend and its page."""
    settings = settings or Settings.from_environ(os.environ)
    app = Flask(__name__)
    origin = urlsplit(settings.origin)
    is_https = origin.scheme == "https"
    app.config.update(
        SECRET_KEY=settings.session_secret,
        # With the prefix __Host-, browsers reject this cookie from any other host or path.
        SESSION_COOKIE_NAME="__Host-login" if is_https else "login",
        SESSION_COOKIE_SECURE=is_https,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        PERMANENT_SESSION_LIFETIME=timedelta(hours=12),
        MAX_CONTENT_LENGTH=64 * 1024,
        TRUSTED_HOSTS=[origin.hostname],
    )
    browser_security.protect(app, settings)
    database = Database(settings.database)
    # One client and one verifier for the whole process, because they keep connections and keys.
    client = Client(settings.otpvoice_url, settings.api_key)
    verifier = ReceiptVerifier(settings.otpvoice_url, settings.client)
    app.register_blueprint(login(client, verifier, database, settings))
    app.register_blueprint(
        Blueprint("element", __name__, static_folder=_ELEMENT, static_url_path="/otpvoice-client")
    )
    app.register_blueprint(events(settings.event_secret, database))
    return app
