"""Servers to compare the API with: ``python baseline_server.py empty``, ``naive`` or ``api``.

``empty`` is a Flask application with one route that does nothing, and ``naive`` the one of
:mod:`naive_app`; both run under gunicorn's own threaded worker, as Flask applications usually do.
``api`` is the service.
"""

import os
import sys
from collections.abc import Callable

from flask import Flask
from naive_app import app as naive

from otpvoice.app import STORE, create_app
from otpvoice.bootstrap import initialize
from otpvoice.cli.gunicorn import Gunicorn
from otpvoice.container import Container
from otpvoice.settings import Settings
from otpvoice.store.discovery import connect
from otpvoice.store.redis_store import RedisStore


def create_empty_app(settings: Settings) -> Flask:
    """Return an app with an empty route. Each worker checks the store at its start."""
    app = Flask("empty", static_folder=None)
    policy = Container(settings).policy
    app.extensions[STORE] = RedisStore(connect(settings.redis.full_url), policy=policy)
    app.get("/")(lambda: "ok")
    return app


def create_naive_app(settings: Settings) -> Flask:
    """Return the naive application. Each worker checks the store at its start."""
    policy = Container(settings).policy
    naive.extensions[STORE] = RedisStore(connect(settings.redis.full_url), policy=policy)
    return naive


class BenchmarkServer(Gunicorn):
    """The service's server with another application."""

    def __init__(self, settings: Settings, make: Callable[[Settings], Flask]) -> None:
        self._make = make
        self._settings_of_app = settings
        super().__init__(settings)

    def load_config(self) -> None:
        """Run the others under gunicorn's own worker and with its own settings."""
        if self._make is create_app:
            super().load_config()
            return
        server = self._settings_of_app.server
        for name in ("bind", "workers", "threads", "keepalive"):
            self.cfg.set(name, getattr(server, name))
        self.cfg.set("worker_class", "gthread")
        self.cfg.set("control_socket_disable", value=True)

    def load(self) -> Flask:
        """Create the application in each worker, as the service does."""
        return self._make(self._settings_of_app)


APPS = {"empty": create_empty_app, "naive": create_naive_app, "api": create_app}

if __name__ == "__main__":
    BenchmarkServer(initialize(os.environ), APPS[sys.argv[1]]).run()
