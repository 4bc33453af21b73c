"""Every metric: named as Prometheus names, told in the docs, and all that is drawn of it exists."""

import json
import re
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
from otpvoice.app import script_config
from otpvoice.core.verification import CallStatus, Status
from otpvoice.metrics.api import ApiMetrics
from otpvoice.metrics.dialer import DialerMetrics
from otpvoice.metrics.events import ABANDONED, DELIVERED, DELIVERY_FAILED, DROPPED, EventMetrics
from otpvoice.metrics.exposition import Exposition
from otpvoice.metrics.logs import LogMetrics
from otpvoice.metrics.store import StoreMetrics
from otpvoice.providers.base import PlacementOutcome
from otpvoice.store.admin import AdminStore
from otpvoice.store.gauges import StoreGauges
from otpvoice.store.models import ReportOutcome

ROOT = Path(__file__).parents[2]
COMMON_LABELS = {"instance", "job", "le"}
"""Labels that Prometheus and histograms bring."""
LABEL_VALUES = {
    "status": {*CallStatus, *Status, "500", "503"},
    "outcome": {
        *(*PlacementOutcome, *ReportOutcome, DELIVERED, DELIVERY_FAILED, ABANDONED, DROPPED),
        *(problem.code for problem in (*PROBLEM_TYPES.values(), INTERNAL_ERROR)),
    },
}
"""Label → what it may be asked to be."""


@pytest.fixture
def full_scrape(environ: dict[str, str], redis: Redis) -> Scrape:
    """A page on which each metric has happened once."""
    registry = CollectorRegistry()
    api, dialer = ApiMetrics(registry), DialerMetrics(registry)
    api.observe_response("/v1/verifications", 201, 0.01)
    for counts in (api.creates, api.checks, api.call_requests):
        counts("login", "any").inc()
    api.count_refusal("login", "calls_per_number")
    api.count_callback("applied")
    dialer.observe_placement("obd", "accepted", 0.1)
    dialer.count_status_query("obd", "nothing")
    dialer.count_route_closed("obd")
    EventMetrics(registry).count("login", "told")
    LogMetrics(registry).count_dropped(1)
    store = StoreMetrics(registry)
    changes = (b"call obd answered 5", b"dialed obd 5", b"redial obd")
    store.observe_function("settle", 0.001, [*changes, b"verification approved 5 login"])
    store.count_failure("settle")
    settings = settings_with(
        environ,
        clients_login_event_url="https://login.example.com/",
        clients_login_event_secret="whsec_dGhlIG5ld2VyIHNlY3JldCBvZiB0aGUgdGVzdHMgMzIgIQ==",
    )
    looking = AdminStore(redis, policy=script_config(settings))
    return Scrape(Exposition(registry, StoreGauges(looking)).render().decode())


def exposed(page: Scrape) -> dict[str, tuple[str, frozenset[str]]]:
    """Name → type and labels, of all metrics of the page."""
    return {
        family.name + ("_total" if family.type == "counter" else ""): (
            family.type,
            frozenset(name for s in family.samples for name in s.labels) - {"le"},
        )
        for family in page.families
    }


def documented() -> dict[str, tuple[str, frozenset[str]]]:
    """The same, as the table in the docs has it."""
    rows = re.findall(
        r"^\| `(otpvoice_\w+)` \| (\w+)(?:, store)? \| (.*?) ?\| (.+) \|$",
        (ROOT / "docs" / "metrics.md").read_text("utf-8"),
        re.MULTILINE,
    )
    return {
        name: (kind, frozenset(re.findall(r"`(\w+)`", labels))) for name, kind, labels, _ in rows
    }


def test_the_docs_tell_each_metric(full_scrape: Scrape) -> None:
    """Its name, its type and its labels; and none that there is not."""
    assert documented() == exposed(full_scrape)


def test_names_are_as_prometheus_has_them(full_scrape: Scrape) -> None:
    """Ours by prefix, counters ``_total``, times ``_seconds``; each with a sentence about it."""
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
    """The rules of the shipped file."""
    groups = yaml.safe_load((ROOT / "config" / "alerts.yaml").read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    """What the dashboard draws."""
    board = json.loads((ROOT / "config" / "grafana.json").read_text("utf-8"))
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def expressions() -> Iterator[tuple[str, str]]:
    """Where each stands, and what it asks."""
    for rule in alerts():
        yield rule["alert"], rule["expr"]
    for panel in panels():
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


@pytest.mark.parametrize(("where", "expression"), [*expressions()])
def test_what_is_asked_exists(full_scrape: Scrape, where: str, expression: str) -> None:
    """Each metric, each label of it, and each word that a label is asked to be."""
    known, labels = exposed(full_scrape), set[str]()
    asked = re.findall(r"(otpvoice_\w+)(?:\{(.*?)\})?", expression)
    assert asked, where
    for name, selector in asked:
        family = name if name in known else re.sub(r"_(bucket|count|sum)$", "", name)
        assert family in known, where
        labels |= known[family][1]
        for label, words in re.findall(r'(\w+)[=!]~?"(.*?)"', selector):
            assert label in known[family][1], (where, label)
            assert label not in LABEL_VALUES or {*words.split("|")} <= LABEL_VALUES[label], (
                where,
                words,
            )
    for grouped in re.findall(r"by \((.*?)\)", expression):
        assert {*grouped.split(", ")} <= labels | COMMON_LABELS, (where, grouped)


@pytest.mark.parametrize(("where", "expression"), [*expressions()])
def test_what_is_asked_makes_sense(where: str, expression: str) -> None:
    """Brackets close, counters are asked for their growth, store gauges are not added up."""
    bare = re.sub(r'".*?"', "", expression)
    for opens, closes in ("()", "[]", "{}"):
        assert bare.count(opens) == bare.count(closes), where
    for before, name, after in re.findall(
        r"(\w+\()?(otpvoice_\w+(?:_total|_bucket))(?:\{.*?\})?(\[)?", bare
    ):
        assert (before in {"rate(", "increase("}, after) == (True, "["), (where, name)
    gauges = "queued_calls|queue_overdue_seconds|live_calls|dialers|events_waiting|breakers_open"
    assert not re.search(rf"(?<!max )sum[^(]*\(otpvoice_({gauges})", bare), where


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_an_alert_says_what_to_do(rule: Mapping[str, Any]) -> None:
    """In a sentence what is wrong, in further ones what to do; and how urgent it is."""
    assert re.fullmatch(r"Otpvoice[A-Z]\w+", rule["alert"])
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert rule["annotations"].keys() == {"summary", "description"}
    assert all(text.endswith((".", ").")) for text in rule["annotations"].values())
    assert len(rule["annotations"]["description"]) > 40


def test_the_dashboard_is_whole() -> None:
    """Each panel has an id of its own, a title, a word about it, a unit, and a place."""
    ids = [panel["id"] for panel in panels()]
    assert len(ids) == len({*ids}) > 20
    for panel in panels():
        assert all(panel[told] for told in ("title", "description", "targets"))
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels()]
    assert len(places) == len({*places})


def test_each_metric_is_drawn_or_watched(full_scrape: Scrape) -> None:
    """What nobody ever looks at need not be counted."""
    asked = " ".join(expression for _, expression in expressions())
    assert [
        name for name in exposed(full_scrape) if not re.search(rf"{name}\b|{name}_bucket", asked)
    ] == []
