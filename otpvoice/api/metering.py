"""Counts what is asked, where every answer passes; and ``/metrics``, which shows it."""

import time
from typing import Final

from flask import Blueprint, Flask, Response, g, request

from otpvoice.api.auth import Asker
from otpvoice.metrics.api import NOBODY, ApiMetrics
from otpvoice.metrics.page import CONTENT_TYPE, Page

_CALLBACK: Final = "webhooks.receive"


def metrics_page(page: Page) -> Blueprint:
    """``/metrics``. Like ``/healthz`` it is for those inside: a proxy keeps others out."""
    routes = Blueprint("metrics", __name__)

    @routes.get("/metrics")
    def metrics() -> Response:
        return Response(page.text(), content_type=CONTENT_TYPE)

    return routes


def note(outcome: str, limit: str = "") -> None:
    """What came of the request being answered, in a word; and the limit that refused it."""
    g.outcome, g.limit = outcome, limit


def register(app: Flask, metrics: ApiMetrics) -> None:
    """Counts every answer of ``app``. Registered last: its routes are all there."""
    steps = {
        "verifications.create": metrics.creates,
        "verifications.check": metrics.checks,
        "verifications.call": metrics.call_requests,
    }
    metrics.show_routes(rule.rule for rule in app.url_map.iter_rules())

    @app.after_request
    def count(response: Response) -> Response:
        rule = request.url_rule
        metrics.answered(
            rule.rule if rule else "-", response.status_code, time.perf_counter() - g.began
        )
        outcome = g.get("outcome")
        if rule and outcome:
            count_outcome(rule.endpoint, outcome)
        return response

    def count_outcome(endpoint: str, outcome: str) -> None:
        if endpoint == _CALLBACK:
            metrics.called_back(outcome)
        elif endpoint in steps:
            asker: Asker | None = g.get("asker")
            client = asker.client if asker else NOBODY
            steps[endpoint](client, outcome).inc()
            if g.limit:
                metrics.refused(client, g.limit)
