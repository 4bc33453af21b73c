"""Endpoints for process managers, load balancers, monitoring and verifiers of receipts."""

from dataclasses import dataclass
from functools import cached_property

import msgspec
from werkzeug.exceptions import PreconditionFailed

from otpvoice.api import examples, schemas
from otpvoice.api.application import api_endpoint
from otpvoice.api.cached_content import (
    CACHE_HEADERS,
    CONDITION_HEADERS,
    NOT_MODIFIED,
    CachedContent,
)
from otpvoice.api.http import JSON, ApiRequest, ApiResponse, json_response
from otpvoice.api.openapi import Operation, ResponseSpec
from otpvoice.core.errors import StoreUnavailable
from otpvoice.core.receipts import ReceiptSigner
from otpvoice.metrics.exposition import CONTENT_TYPE, Exposition
from otpvoice.store.redis_store import RedisStore


@dataclass(frozen=True)
class ServiceViews:
    """Views of the service itself."""

    store: RedisStore
    receipts: ReceiptSigner
    exposition: Exposition

    @api_endpoint(
        Operation(
            name="get_receipt_keys",
            path="/.well-known/jwks.json",
            tag="receipts",
            summary="Retrieve the keys to verify receipts with",
            headers=CONDITION_HEADERS,
            responses=(
                ResponseSpec(200, "A JWK Set (RFC 7517).", (examples.KEYS,), CACHE_HEADERS),
                NOT_MODIFIED,
            ),
            errors=(PreconditionFailed,),
        )
    )
    def jwks(self, request: ApiRequest) -> ApiResponse:
        return self._jwk_set.response_to(request)

    @api_endpoint(
        Operation(
            name="is_alive",
            path="/healthz",
            tag="service",
            summary="Check whether the process is alive",
            responses=(ResponseSpec(200, "It is alive.", (schemas.Health(status="ok"),)),),
        )
    )
    def healthz(self, _: ApiRequest) -> ApiResponse:
        return json_response(schemas.Health(status="ok"))

    @api_endpoint(
        Operation(
            name="is_ready",
            path="/readyz",
            tag="service",
            summary="Check whether the process can serve requests",
            responses=(
                ResponseSpec(
                    200,
                    "It can serve requests; `degraded` lists what does not work.",
                    (schemas.Readiness(status="ok", degraded=["route:obd"]),),
                ),
            ),
            errors=(StoreUnavailable,),
        )
    )
    def readyz(self, _: ApiRequest) -> ApiResponse:
        health = self.store.health()
        # With any of these, the API still serves checks and accepts calls for later.
        degraded = [f"route:{route}" for route in health.closed_routes]
        # The name only: what a breaker is open for is for operators (otpvoice limits).
        degraded += sorted({breaker.partition(" ")[0] for breaker in health.open_breakers})
        if not health.dialers:
            degraded.append("dialer")
        if health.quarantine.quarantined:
            degraded.append("quarantine")
        if health.quarantine.undialable:
            degraded.append("undialable_calls")
        return json_response(schemas.Readiness(status="ok", degraded=degraded))

    @api_endpoint(
        Operation(
            name="get_metrics",
            path="/metrics",
            tag="service",
            summary="Retrieve the metrics for Prometheus",
            description="For internal use: configure your proxy to block this path.",
            responses=(ResponseSpec(200, "The current values.", media_types=("text/plain",)),),
        )
    )
    def metrics(self, _: ApiRequest) -> ApiResponse:
        return ApiResponse(self.exposition.render(), content_type=CONTENT_TYPE)

    @cached_property
    def _jwk_set(self) -> CachedContent:
        return CachedContent(msgspec.json.encode(self.receipts.jwk_set), JSON, for_any_origin=True)
