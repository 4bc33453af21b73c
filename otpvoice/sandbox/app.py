"""The sandbox as a Flask app."""

import flask
from flask.json.provider import DefaultJSONProvider

from otpvoice.sandbox.company import Sandbox
from otpvoice.sandbox.config import SandboxConfig
from otpvoice.sandbox.controls import control_api
from otpvoice.sandbox.page.routes import create_page
from otpvoice.sandbox.vendor_access import EXTENSION
from otpvoice.sandbox.vendor_account import vendor_account
from otpvoice.sandbox.vendor_calls import vendor_calls


class _CompactJson(DefaultJSONProvider):
    """Members in the order of the documents, without blanks."""

    sort_keys = False
    compact = True


def create_app(config: SandboxConfig) -> flask.Flask:
    """The vendor's API, the phones and the ledger of a new company.

    Its state lives in this app: one process only. Its threads run until
    ``company_of(app).close()``.
    """
    app = flask.Flask(__name__, static_folder=None)
    app.json = _CompactJson(app)
    app.extensions[EXTENSION] = Sandbox(config)
    app.register_blueprint(vendor_calls)
    app.register_blueprint(vendor_account(config.gets_per_minute))
    app.register_blueprint(control_api)
    app.register_blueprint(create_page())
    return app


def get_sandbox(app: flask.Flask) -> Sandbox:
    """The company behind an app of ``create_app``."""
    company: Sandbox = app.extensions[EXTENSION]
    return company
