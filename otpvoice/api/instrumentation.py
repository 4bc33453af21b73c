"""Counts what is asked, where every answer passes; and ``/metrics``, which shows it."""

import time
from typing import Final

from flask import Blueprint, Flask, Response

from otpvoice.api.request import current_request
from otpvoice.metrics.api import UNAUTHENTICATED, ApiMetrics
from otpvoice.metrics.exposition import CONTENT_TYPE, Exposition

_CALLBACK_ENDPOINT: Final = "webhooks.receive"


def metrics_routes(page: Exposition) -> Blueprint:
    """``/metrics``. Like ``/healthz`` it is for those inside: a proxy keeps others out."""
    routes = Blueprint("metrics", __name__)

    @routes.get("/metrics")
    def metrics() -> Response:
        return Response(page.render(), content_type=CONTENT_TYPE)

    return routes


def record_outcome(outcome: str, limit: str = "") -> None:
    """What came of the request being answered, in a word; and the limit that refused it."""
    about = current_request()
    about.outcome, about.limit = outcome, limit


def register(app: Flask, metrics: ApiMetrics) -> None:
    """Counts every answer of ``app``. Registered last: its routes are all there."""
    steps = {
        "verifications.create": metrics.creates,
        "verifications.check": metrics.checks,
        "verifications.call": metrics.call_requests,
    }
    metrics.initialize_routes(rule.rule for rule in app.url_map.iter_rules())

    @app.after_request
    def count(response: Response) -> Response:
        about = current_request()
        rule = about.url_rule.rule if about.url_rule else "-"
        metrics.observe_response(rule, response.status_code, time.perf_counter() - about.started)
        if about.outcome and about.endpoint == _CALLBACK_ENDPOINT:
            metrics.count_callback(about.outcome)
        elif about.outcome and about.endpoint in steps:
            client = about.principal.client if about.principal else UNAUTHENTICATED
            steps[about.endpoint](client, about.outcome).inc()
            if about.limit:
                metrics.count_refusal(client, about.limit)
        return response
