"""What ``otpvoice limits`` prints as JSON."""

import json
from datetime import datetime
from typing import Any

from api.api_client import ApiClient, settings_with
from cli.cli_runner import (
    run_as_operator,
)
from redis import Redis

from otpvoice.app import create_app
from otpvoice.container import Container
from otpvoice.store.redis_store import RedisStore

MASKED = "+91******3210"
RAVI = "+919812345678"


def run_json(environ: dict[str, str], *words: str) -> dict[str, Any]:
    """Run a command with ``--json``."""
    document: dict[str, Any] = json.loads(run_as_operator(environ, *words, "--json").output)
    return document


def limit_named(document: dict[str, Any], limit: str, client: str | None = None) -> dict[str, Any]:
    """Return one of a document's limits."""
    (found,) = [
        each for each in document["limits"] if (each["limit"], each["client"]) == (limit, client)
    ]
    result: dict[str, Any] = found
    return result


def seconds_until(document: dict[str, Any], time: str) -> float:
    """Return the distance of a time from the document's."""
    now = datetime.fromisoformat(document["now"])
    return (datetime.fromisoformat(time) - now).total_seconds()


def service_with(
    redis: Redis, environ: dict[str, str], **changes: str
) -> tuple[ApiClient, dict[str, str]]:
    """Create a service with other settings and a live dialer, and its commands' environment."""
    chosen = environ | {f"OTPVOICE_{name.upper()}": value for name, value in changes.items()}
    settings = settings_with(chosen)
    store = RedisStore(redis, policy=Container(settings).policy)
    store.sweep("a dialer")
    return ApiClient(create_app(settings, store), store), chosen
