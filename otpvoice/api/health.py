"""``/healthz`` and ``/readyz``, for whoever starts, stops and balances us."""

from flask import Blueprint, Response

from otpvoice.api import schemas
from otpvoice.api.responses import json_response
from otpvoice.store.redis_store import RedisStore


def health_routes(store: RedisStore) -> Blueprint:
    """Whether this process lives, and whether it can serve."""
    routes = Blueprint("health", __name__)

    @routes.get("/healthz")
    def healthz() -> Response:
        return json_response(schemas.Health(status="ok"))

    @routes.get("/readyz")
    def readyz() -> Response:
        # Neither keeps us from serving: checks, and calls for later, still work.
        found = store.health()
        degraded = [f"route:{route}" for route in found.closed_routes]
        # What a breaker is open for is the operators' business: otpvoice limits.
        degraded += sorted({breaker.partition(" ")[0] for breaker in found.open_breakers})
        if not found.dialers:
            degraded.append("dialer")
        if found.quarantine.quarantined:
            degraded.append("quarantine")
        if found.quarantine.undialable:
            degraded.append("undialable_calls")
        return json_response(schemas.Readiness(status="ok", degraded=degraded))

    return routes
