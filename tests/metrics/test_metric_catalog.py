"""Every metric follows Prometheus's naming, is documented, and is used by an alert or a panel."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped] # it ships no types
from api.api_client import settings_with
from metrics.scrape import Scrape
from prometheus_client import CollectorRegistry
from redis import Redis

from otpvoice.api.errors import INTERNAL_ERROR, PROBLEM_TYPES
from otpvoice.container import Container
from otpvoice.core.verification import CallStatus, Status
from otpvoice.metrics import (
    ApiMetrics,
    DialerMetrics,
    EventOutcome,
    event_counter,
)
from otpvoice.metrics.exposition import Exposition, dropped_lines_counter
from otpvoice.providers.base import PlacementOutcome
from otpvoice.store.admin import AdminStore
from otpvoice.store.functions import StoreMetrics
from otpvoice.store.models import ReportOutcome
from otpvoice.store.stats import StoreGauges

ROOT = Path(__file__).parents[2]
COMMON_LABELS = {"instance", "job", "le"}
"""Labels that Prometheus and histograms add."""
LABEL_VALUES = {
    "status": {*CallStatus, *Status, "500", "503"},
    "outcome": {
        *(*PlacementOutcome, *ReportOutcome, *EventOutcome, "answered", "unanswered"),
        *(problem.code for problem in (*PROBLEM_TYPES.values(), INTERNAL_ERROR)),
    },
}
"""Values of a label that an expression may select."""


@pytest.fixture
def full_scrape(environ: dict[str, str], redis: Redis) -> Scrape:
    """A scrape in which each metric has a value."""
    registry = CollectorRegistry()
    api, dialer = ApiMetrics(registry), DialerMetrics(registry)
    api.responses("/v1/verifications", 201).inc()
    api.durations("/v1/verifications").observe(0.01)
    for counts in (api.creates, api.checks, api.call_requests):
        counts("login", "any").inc()
    api.refusals("login", "calls_per_number").inc()
    api.callbacks("applied").inc()
    dialer.requests("obd", "accepted").inc()
    dialer.durations("obd").observe(0.1)
    dialer.status_queries("obd", "nothing").inc()
    dialer.closings("obd").inc()
    event_counter(registry)("login", EventOutcome.DELIVERED).inc()
    dropped_lines_counter(registry).inc()
    store = StoreMetrics(registry)
    changes = (
        b"call obd answered 5",
        b"dialed obd 5",
        b"redial obd",
        b"denial login",
        b"line 9180 answered",
    )
    store.observe_function("settle", 0.001, [*changes, b"verification approved 5 login"])
    store.failures("settle").inc()
    settings = settings_with(
        environ,
        clients_login_bridges="918068280000,918068280001",
        clients_login_event_url="https://login.example.com/",
        clients_login_event_secret="whsec_dGhlIG5ld2VyIHNlY3JldCBvZiB0aGUgdGVzdHMgMzIgIQ==",
    )
    looking = AdminStore(redis, policy=Container(settings).policy)
    return Scrape(Exposition(registry, StoreGauges(looking)).render().decode())


def exposed(page: Scrape) -> dict[str, tuple[str, frozenset[str]]]:
    """Return type and labels of each metric in the scrape, by name."""
    return {
        family.name + ("_total" if family.type == "counter" else ""): (
            family.type,
            frozenset(name for s in family.samples for name in s.labels) - {"le"},
        )
        for family in page.families
    }


def documented() -> dict[str, tuple[str, frozenset[str]]]:
    """Return the same from the table in docs/metrics.md."""
    rows = re.findall(
        r"^\| `(otpvoice_\w+)` \| (\w+)(?:, store)? \| (.*?) ?\| (.+) \|$",
        (ROOT / "docs" / "metrics.md").read_text("utf-8"),
        re.MULTILINE,
    )
    return {
        name: (kind, frozenset(re.findall(r"`(\w+)`", labels))) for name, kind, labels, _ in rows
    }


def test_docs_list_exactly_the_exposed_metrics(full_scrape: Scrape) -> None:
    assert documented() == exposed(full_scrape)


def test_metric_names_follow_prometheus_conventions(full_scrape: Scrape) -> None:
    """A prefix, ``_total`` for counters, ``_seconds`` for durations, and a sentence of help."""
    for family in full_scrape.families:
        assert re.fullmatch(r"otpvoice(_[a-z]+)+", family.name), family.name
        assert family.documentation.endswith("."), family.name
        if family.type == "histogram":
            assert family.name.endswith("_seconds")
        for sample in family.samples:
            assert not sample.name.endswith("_created")
            assert all(re.fullmatch(r"[a-z]+", label) for label in sample.labels)
    assert {family.type for family in full_scrape.families} == {"counter", "gauge", "histogram"}


def alerts() -> list[dict[str, Any]]:
    """Return the rules of the shipped file."""
    groups = yaml.safe_load((ROOT / "config" / "alerts.yaml").read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    """Return the panels of the dashboard."""
    board = json.loads((ROOT / "config" / "grafana.json").read_text("utf-8"))
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def expressions() -> Iterator[tuple[str, str]]:
    """Yield the place and text of each expression in alerts and panels."""
    for rule in alerts():
        yield rule["alert"], rule["expr"]
    for panel in panels():
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


@pytest.mark.parametrize(("where", "expression"), [*expressions()])
def test_expression_uses_existing_metrics_labels_and_values(
    full_scrape: Scrape, where: str, expression: str
) -> None:
    known, labels = exposed(full_scrape), set[str]()
    asked = re.findall(r"(otpvoice_\w+)(?:\{(.*?)\})?", expression)
    assert asked, where
    for name, selector in asked:
        family = name if name in known else re.sub(r"_(bucket|count|sum)$", "", name)
        assert family in known, where
        labels |= known[family][1]
        for label, words in re.findall(r'(\w+)[=!]~?"(.*?)"', selector):
            assert label in known[family][1] | COMMON_LABELS, (where, label)
            assert label not in LABEL_VALUES or {*words.split("|")} <= LABEL_VALUES[label], (
                where,
                words,
            )
    for grouped in re.findall(r"by \((.*?)\)", expression):
        assert {*grouped.split(", ")} <= labels | COMMON_LABELS, (where, grouped)


@pytest.mark.parametrize(("where", "expression"), [*expressions()])
def test_expression_is_well_formed(where: str, expression: str) -> None:
    """Brackets match, counters are in rate() or increase(), store gauges are not summed."""
    bare = re.sub(r'".*?"', "", expression)
    # Only whether there are such series.
    bare = re.sub(r"group by \(job\) \((last_over_time\()?\w+(\[1d\]\))?\)", "", bare)
    for opens, closes in ("()", "[]", "{}"):
        assert bare.count(opens) == bare.count(closes), where
    for before, name, after in re.findall(
        r"(\w+\()?(otpvoice_\w+(?:_total|_bucket))(?:\{.*?\})?(\[)?", bare
    ):
        assert (before in {"rate(", "increase("}, after) == (True, "["), (where, name)
    gauges = "queued_calls|queue_overdue_seconds|live_calls|dialers|events_waiting|breakers_open"
    assert not re.search(rf"(?<!max )sum[^(]*\(otpvoice_({gauges})", bare), where


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_alert_has_severity_summary_and_remedy(rule: Mapping[str, Any]) -> None:
    """The summary states the problem, the description what to do."""
    assert re.fullmatch(r"Otpvoice[A-Z]\w+", rule["alert"])
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
    for text in (rule["annotations"]["summary"], rule["annotations"]["description"]):
        assert text.endswith((".", ")."))
    assert len(rule["annotations"]["description"]) > 40
    assert rule["annotations"]["runbook_url"].endswith(f"/docs/alerts.md#{rule['alert'].lower()}")


@pytest.mark.parametrize(("where", "expression"), [*expressions()])
def test_installations_are_kept_apart(where: str, expression: str) -> None:
    """An alert keeps the job of what it adds up, and a panel shows only the chosen jobs."""
    if where in {panel["title"] for panel in panels()}:
        names, chosen = re.findall(r"otpvoice_\w+", expression), expression.count('job=~"$job"')
        assert len(names) == chosen, expression
    elif where != "OtpvoiceDown":
        aggregations = re.findall(r"\b(?:sum|max|min|count|group)\b(?: by \((\w+))?", expression)
        assert {*aggregations} <= {"job"}, expression


def test_page_of_alerts_is_up_to_date() -> None:
    """``make alerts`` writes it."""
    command = [sys.executable, str(ROOT / "scripts" / "alerts_page.py"), "--check"]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


def test_dashboard_panels_are_complete() -> None:
    """Each panel has a unique id, a title, a description, a unit and a position."""
    ids = [panel["id"] for panel in panels()]
    assert len(ids) == len({*ids}) > 20
    for panel in panels():
        assert all(panel[key] for key in ("title", "description", "targets"))
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels()]
    assert len(places) == len({*places})


def test_each_metric_is_used_by_an_alert_or_a_panel(full_scrape: Scrape) -> None:
    """A metric that is not used need not be counted."""
    asked = " ".join(expression for _, expression in expressions())
    assert [
        name for name in exposed(full_scrape) if not re.search(rf"{name}\b|{name}_bucket", asked)
    ] == []
