"""Metrics that one application exposes after requests to it."""

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from api.api_client import UNKNOWN, VERIFICATIONS, WEBHOOK, bearer, settings_with
from flask.testing import FlaskClient
from metrics.scrape import Scrape
from redis import Redis
from support.processes import free_port
from support.service import ASHA, LOGIN_KEY, WEBHOOK_SECRET
from support.valkey import Valkey

from otpvoice.app import create_app
from otpvoice.store.discovery import connect
from otpvoice.store.redis_store import RedisStore

CODE = "471102"
DUE_LATER = 100
"""Seconds of ``call_after``: no dialer has to run."""


class MeteredApp:
    """An application with a separate registry, and a client that sends requests to it."""

    def __init__(self, http: FlaskClient) -> None:
        self.http = http

    def post(self, path: str, body: Any = None, key: str = LOGIN_KEY, **headers: str) -> Any:
        """Send a POST request and return the JSON of the response."""
        sent = {} if body is None else {"json": body}
        return self.http.post(path, headers=bearer(key) | headers, **sent).get_json()

    def create(self, to: str = ASHA, **members: Any) -> str:
        """Create a verification whose call is due later, and return its id."""
        body = {"to": to, "code": CODE, "call_after": DUE_LATER, **members}
        return str(self.post(VERIFICATIONS, body).get("id"))

    def check(self, verification_id: str, code: str = CODE, **headers: str) -> None:
        """Check a code."""
        self.post(f"{VERIFICATIONS}/{verification_id}/checks", {"code": code}, **headers)

    def scrape(self) -> Scrape:
        """Scrape the application."""
        return Scrape(self.http.get("/metrics").text)


@pytest.fixture
def make_app(environ: dict[str, str], redis: Redis) -> Callable[..., MeteredApp]:  # noqa: ARG001 - empties the store
    """Return a function that creates an application with changed settings."""

    def make(**changes: str) -> MeteredApp:
        return MeteredApp(create_app(settings_with(environ, **changes)).test_client())

    return make


@pytest.fixture
def metered_app(make_app: Callable[..., MeteredApp]) -> MeteredApp:
    """An application without a gap between two calls to a number."""
    return make_app(limits_call_gap="0")


def test_creates_are_counted_by_outcome(metered_app: MeteredApp) -> None:
    again = {"Idempotency-Key": "one"}
    body = {"to": ASHA, "reference": "a", "call_after": DUE_LATER}
    for _ in range(2):
        metered_app.post(VERIFICATIONS, body, **again)
    metered_app.post(VERIFICATIONS, body)
    metered_app.post(VERIFICATIONS, {"to": "+12"})
    metered_app.post(VERIFICATIONS, {"to": ASHA, "unknown": 1})
    metered_app.post(VERIFICATIONS, body, key="ovk_unknown")
    found = metered_app.scrape().totals_by("creates_total", "client", "outcome")
    assert found == {
        ("login", "created"): 1,
        ("login", "replayed"): 1,
        ("login", "existing"): 1,
        ("login", "invalid_number"): 1,
        ("login", "invalid_request"): 1,
        ("-", "unauthorized"): 1,
    }


def test_checks_are_counted_by_outcome(metered_app: MeteredApp) -> None:
    """Right, wrong, replayed and refused checks; the approval is counted and timed once."""
    one = metered_app.create()
    metered_app.check(one, "000000")
    for _ in range(2):
        metered_app.check(one, **{"Idempotency-Key": "right"})
    metered_app.check(one)
    metered_app.check(one, "1")
    metered_app.check(UNKNOWN)
    found = metered_app.scrape()
    assert found.totals_by("checks_total", "client", "outcome") == {
        ("login", "wrong"): 1,
        ("login", "right"): 1,
        ("login", "replayed"): 1,
        ("login", "verification_closed"): 1,
        ("login", "invalid_request"): 1,
        ("login", "not_found"): 1,
    }
    assert found.totals_by("verifications_ended_total", "client", "status") == {
        ("login", "approved"): 1
    }
    assert found.totals_by("calls_total", "route", "status") == {
        ("obd", "queued"): 1,
        ("obd", "canceled"): 1,
    }
    assert found.value("approval_seconds_count", client="login") == 1


def test_checks_by_number_are_counted_as_checks(metered_app: MeteredApp) -> None:
    """With the same outcomes; a malformed number has its problem's code."""
    metered_app.create()
    body = {"to": ASHA, "code": CODE}
    metered_app.post("/v1/checks", body | {"code": "000000"})
    for _ in range(2):
        metered_app.post("/v1/checks", body, **{"Idempotency-Key": "right"})
    metered_app.post("/v1/checks", body)
    metered_app.post("/v1/checks", body | {"to": "+12"})
    metered_app.post("/v1/checks", body | {"to": "+919876543211"})
    found = metered_app.scrape().totals_by("checks_total", "client", "outcome")
    assert found == {
        ("login", outcome): 1
        for outcome in (
            *("wrong", "right", "replayed", "verification_closed", "invalid_number"),
            "not_found",
        )
    }


def test_options_are_counted_with_the_status_that_is_sent(metered_app: MeteredApp) -> None:
    """Flask's automatic response to OPTIONS is sent without content."""
    assert metered_app.http.options(VERIFICATIONS).status_code == 204
    found = metered_app.scrape()
    assert found.value("http_requests_total", route=VERIFICATIONS, status="204") == 1


def test_refusal_is_counted_by_limit_without_its_window(
    make_app: Callable[..., MeteredApp],
) -> None:
    """The label is the name of the setting; the client is the one that was refused."""
    metered_app = make_app(limits_calls_per_client="1/1m,5/1h")
    metered_app.create()
    assert metered_app.create("+919876543211") == "None"
    found = metered_app.scrape()
    assert found.totals_by("refusals_total", "client", "limit") == {
        ("login", "calls_per_client"): 1
    }
    assert found.value("creates_total", outcome="rate_limited") == 1


def test_callbacks_are_counted_by_outcome(metered_app: MeteredApp) -> None:
    news = {"status": "ANSWER", "source": "OBD", "to": ASHA, "mid": "unknown"}
    for key in (WEBHOOK_SECRET, WEBHOOK_SECRET, "wrong"):
        metered_app.post(WEBHOOK, news, key=key)
    metered_app.http.post(WEBHOOK, data=b"{", headers=bearer(WEBHOOK_SECRET))
    found = metered_app.scrape()
    assert found.totals_by("callbacks_total", "outcome") == {
        ("no_call",): 2,
        ("unauthorized",): 1,
        ("invalid_request",): 1,
    }
    assert found.value("creates_total") == 0


def test_route_label_is_the_url_rule(metered_app: MeteredApp) -> None:
    for n in range(3):
        metered_app.http.get(f"{VERIFICATIONS}/vrf_{n:032}", headers=bearer(LOGIN_KEY))
        metered_app.http.open(f"/nowhere/{n}", method=f"METHOD{n}")
    found = metered_app.scrape()
    assert found.value("http_requests_total", status="404") == 6
    assert found.value("http_requests_total", route="-", status="404") == 3
    assert not any("vrf_" in sample.labels.get("route", "") for sample in found.samples)
    assert found.value("http_request_duration_seconds_count") == 6


def test_calls_to_test_numbers_are_counted_as_route_test(
    make_app: Callable[..., MeteredApp],
) -> None:
    """No call is placed, so the counts of the routes do not change."""
    metered_app = make_app(test_numbers="+919999900001=123456")
    one = metered_app.create("+919999900001", code=None)
    metered_app.post(f"{VERIFICATIONS}/{one}/cancel")
    assert metered_app.scrape().totals_by("calls_total", "route", "status") == {
        ("test", "queued"): 1,
        ("test", "canceled"): 1,
    }


def test_applications_in_one_process_count_separately(make_app: Callable[..., MeteredApp]) -> None:
    one, other = make_app(), make_app()
    one.create()
    assert one.scrape().value("creates_total") == 1
    assert other.scrape().value("creates_total") == 0


def test_scrape_reads_queue_dialers_and_daily_usage(
    make_app: Callable[..., MeteredApp], store: RedisStore
) -> None:
    metered_app = make_app(limits_calls_per_day="10", clients_login_calls_per_day="4")
    one = metered_app.create()
    shown = metered_app.http.get(f"{VERIFICATIONS}/{one}", headers=bearer(LOGIN_KEY)).get_json()
    call = shown["calls"][0]["id"]
    before = metered_app.scrape()
    assert before.value("store_up") == 1
    assert before.value("dialers") == 0
    assert before.value("queued_calls") == 1
    assert before.value("queue_overdue_seconds") == 0
    assert before.value("calls_per_day_used_ratio", client="-") == pytest.approx(0.1)
    assert before.value("calls_per_day_used_ratio", client="login") == pytest.approx(0.25)
    store.sweep("a dialer")
    due = time.time() * 1000 - 20_000
    store.redis.zadd("{otpvoice}:queue:login", {call.removeprefix("call_"): due})
    store.redis.zadd("{otpvoice}:queue", {"login": due})
    after = metered_app.scrape()
    assert after.value("dialers") == 1
    assert after.value("queued_calls") == 1
    assert 20 <= after.value("queue_overdue_seconds") < 30


def test_open_breakers_are_counted_without_their_area(
    metered_app: MeteredApp, redis: Redis
) -> None:
    """An area is the prefix of phone numbers, so it is counted but not named."""
    later = 10**13
    areas = {f"conversion_breaker area +91987{n}": later for n in range(3)}
    redis.zadd("{otpvoice}:breakers", {**areas, "wrong_code_breaker": later})
    redis.hset("{otpvoice}:route:c2c", "closed_until", str(later))
    found = metered_app.scrape()
    assert found.totals_by("breakers_open", "breaker", "scope") == {
        ("conversion_breaker", "area"): 3,
        ("wrong_code_breaker", "service"): 1,
    }
    assert found.totals_by("route_closed", "route") == {("c2c",): 1}
    assert "91987" not in found.text


def test_scrape_without_the_store_exposes_the_counters(
    make_app: Callable[..., MeteredApp],
) -> None:
    """``store_up`` is 0 and the gauges of the store are missing."""
    metered_app = make_app(redis_url=f"redis://127.0.0.1:{free_port()}")
    metered_app.post(VERIFICATIONS, {"to": ASHA})
    found = metered_app.scrape()
    assert found.totals_by("creates_total", "outcome") == {("store_unavailable",): 1}
    assert [s.value for s in found.samples if s.name == "otpvoice_store_up"] == [0]
    assert found.value("store_failures_total", rule="create") == 1
    assert not any(sample.name == "otpvoice_queued_calls" for sample in found.samples)


def test_counting_needs_no_round_trip(make_app: Callable[..., MeteredApp], tmp_path: Path) -> None:
    """Create, check, get and a scrape run one function each."""
    with Valkey(tmp_path) as own, closing(connect(own.url, timeout_s=30)) as redis:
        metered_app = make_app(redis_url=own.url)

        def send_all(number: str) -> None:
            one = metered_app.create(number)
            metered_app.check(one, "000000")
            metered_app.http.get(f"{VERIFICATIONS}/{one}", headers=bearer(LOGIN_KEY))

        send_all(ASHA)  # loads the functions
        metered_app.scrape()
        before = functions_run(redis)
        send_all("+919876543211")
        assert functions_run(redis) == before + 3
        metered_app.scrape()
        assert functions_run(redis) == before + 4


def functions_run(redis: Redis) -> int:
    """Return the number of functions that the server has run."""
    return int(redis.info("commandstats")["cmdstat_fcall"]["calls"])
