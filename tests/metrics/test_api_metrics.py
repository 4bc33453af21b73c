"""What one application counts, asked through its own door."""

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
from otpvoice.store.redis_store import RedisStore
from otpvoice.store.url import connect

CODE = "471102"
DUE_LATER = 100
"""Seconds of ``call_after``: nobody has to dial."""


class MeteredApp:
    """An application with a registry and a store of its own, and a client who asks."""

    def __init__(self, http: FlaskClient) -> None:
        self.http = http

    def post(self, path: str, body: Any = None, key: str = LOGIN_KEY, **headers: str) -> Any:
        """The answer's JSON."""
        sent = {} if body is None else {"json": body}
        return self.http.post(path, headers=bearer(key) | headers, **sent).get_json()

    def create(self, to: str = ASHA, **members: Any) -> str:
        """The id of a verification that waits."""
        body = {"to": to, "code": CODE, "call_after": DUE_LATER, **members}
        return str(self.post(VERIFICATIONS, body).get("id"))

    def check(self, verification_id: str, code: str = CODE, **headers: str) -> None:
        """One code handed in."""
        self.post(f"{VERIFICATIONS}/{verification_id}/checks", {"code": code}, **headers)

    def scrape(self) -> Scrape:
        """What it tells now."""
        return Scrape(self.http.get("/metrics").text)


@pytest.fixture
def make_app(environ: dict[str, str], redis: Redis) -> Callable[..., MeteredApp]:  # noqa: ARG001 - empties the store
    """Makes applications with settings of the test's own."""

    def make(**changes: str) -> MeteredApp:
        return MeteredApp(create_app(settings_with(environ, **changes)).test_client())

    return make


@pytest.fixture
def metered_app(make_app: Callable[..., MeteredApp]) -> MeteredApp:
    """One whose number may be called again and again."""
    return make_app(limits_call_gap="0")


def test_creates_are_told_apart(metered_app: MeteredApp) -> None:
    """Begun, found under way, answered again, and refused, each for its client."""
    again = {"Idempotency-Key": "one"}
    body = {"to": ASHA, "reference": "a", "call_after": DUE_LATER}
    for _ in range(2):
        metered_app.post(VERIFICATIONS, body, **again)
    metered_app.post(VERIFICATIONS, body)
    metered_app.post(VERIFICATIONS, {"to": "+12"})
    metered_app.post(VERIFICATIONS, {"to": ASHA, "unknown": 1})
    metered_app.post(VERIFICATIONS, body, key="ovk_nobody's")
    found = metered_app.scrape().totals_by("creates_total", "client", "outcome")
    assert found == {
        ("login", "created"): 1,
        ("login", "replayed"): 1,
        ("login", "existing"): 1,
        ("login", "invalid_number"): 1,
        ("login", "invalid_request"): 1,
        ("-", "unauthorized"): 1,
    }


def test_checks_are_told_apart(metered_app: MeteredApp) -> None:
    """Right, wrong, answered again, and refused; the end is counted once, with its time."""
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


def test_a_refusal_names_its_limit(make_app: Callable[..., MeteredApp]) -> None:
    """By the setting's name, without the window; for the client that was refused."""
    metered_app = make_app(limits_calls_per_client="1/1m,5/1h")
    metered_app.create()
    assert metered_app.create("+919876543211") == "None"
    found = metered_app.scrape()
    assert found.totals_by("refusals_total", "client", "limit") == {
        ("login", "calls_per_client"): 1
    }
    assert found.value("creates_total", outcome="rate_limited") == 1


def test_callbacks_are_told_apart(metered_app: MeteredApp) -> None:
    """Nobody's, however often it comes, with a wrong credential, and unreadable."""
    news = {"status": "ANSWER", "source": "OBD", "to": ASHA, "mid": "unheard-of"}
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


def test_a_route_is_a_rule(metered_app: MeteredApp) -> None:
    """What a path holds, and whatever method it is asked with, makes no new series."""
    for n in range(3):
        metered_app.http.get(f"{VERIFICATIONS}/vrf_{n:032}", headers=bearer(LOGIN_KEY))
        metered_app.http.open(f"/nowhere/{n}", method=f"METHOD{n}")
    found = metered_app.scrape()
    assert found.value("http_requests_total", status="404") == 6
    assert found.value("http_requests_total", route="-", status="404") == 3
    assert not any("vrf_" in sample.labels.get("route", "") for sample in found.samples)
    assert found.value("http_request_duration_seconds_count") == 6


def test_calls_to_test_numbers_have_no_route(make_app: Callable[..., MeteredApp]) -> None:
    """Nobody is called there, so that the routes' figures stay what they are."""
    metered_app = make_app(test_numbers="+919999900001=123456")
    one = metered_app.create("+919999900001", code=None)
    metered_app.post(f"{VERIFICATIONS}/{one}/cancel")
    assert metered_app.scrape().totals_by("calls_total", "route", "status") == {
        ("test", "queued"): 1,
        ("test", "canceled"): 1,
    }


def test_applications_in_one_process_count_apart(make_app: Callable[..., MeteredApp]) -> None:
    """What one is asked, the other knows nothing of."""
    one, other = make_app(), make_app()
    one.create()
    assert one.scrape().value("creates_total") == 1
    assert other.scrape().value("creates_total") == 0


def test_the_queue_is_looked_up(make_app: Callable[..., MeteredApp], store: RedisStore) -> None:
    """At the moment of the scrape: who waits, for how long, and who dials."""
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
    store.redis.zadd("{otpvoice}:queue:login", {call: due})
    store.redis.zadd("{otpvoice}:queue", {"login": due})
    after = metered_app.scrape()
    assert after.value("dialers") == 1
    assert after.value("queued_calls") == 1
    assert 20 <= after.value("queue_overdue_seconds") < 30


def test_what_is_open_is_told_without_whom_it_is_open_for(
    metered_app: MeteredApp, redis: Redis
) -> None:
    """An area is the beginning of people's numbers: it is counted, and not named."""
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


def test_a_scrape_without_the_store_tells_what_the_process_knows(
    make_app: Callable[..., MeteredApp],
) -> None:
    """The store is said to be away; what was counted is there."""
    metered_app = make_app(redis_url=f"redis://127.0.0.1:{free_port()}")
    metered_app.post(VERIFICATIONS, {"to": ASHA})
    found = metered_app.scrape()
    assert found.totals_by("creates_total", "outcome") == {("store_unavailable",): 1}
    assert [s.value for s in found.samples if s.name == "otpvoice_store_up"] == [0]
    assert found.value("store_failures_total", rule="create") == 1
    assert not any(sample.name == "otpvoice_queued_calls" for sample in found.samples)


def test_counting_costs_no_round_trip(make_app: Callable[..., MeteredApp], tmp_path: Path) -> None:
    """Create, check and get are one each, whatever is counted of them; and so is a scrape."""
    with Valkey(tmp_path) as own, closing(connect(own.url)) as redis:
        metered_app = make_app(redis_url=own.url)

        def does_all(number: str) -> None:
            one = metered_app.create(number)
            metered_app.check(one, "000000")
            metered_app.http.get(f"{VERIFICATIONS}/{one}", headers=bearer(LOGIN_KEY))

        does_all(ASHA)  # the server knows the rules from now on
        metered_app.scrape()
        before = functions_run(redis)
        does_all("+919876543211")
        assert functions_run(redis) == before + 3
        metered_app.scrape()
        assert functions_run(redis) == before + 4


def functions_run(redis: Redis) -> int:
    """How many the server was asked to run."""
    return int(redis.info("commandstats")["cmdstat_fcall"]["calls"])
