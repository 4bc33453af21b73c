"""Compares the metrics of two workers and a dialer with what happened.

``OTPVOICE_TEST_METRICS`` is how many verifications there are.
"""

import os
import re
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from events.event_harness import endpoint_settings
from events.receiver import EventReceiver
from metrics.scrape import Scrape, scrape
from support.processes import TIMEOUT_S, free_port, wait_until
from support.service import (
    BRIDGE,
    LOGIN_KEY,
    NUMBER_KEY,
    PROVIDER_TOKEN,
    RING_KEY,
    WEBHOOK_SECRET,
)
from support.stack import Stack, running_service
from system.concurrency import RecordingClient, TimedResponse, nth_number
from system.leaks import Scanner

MANY = int(os.environ.get("OTPVOICE_TEST_METRICS", "20"))
CODE = "8306175294"
"""So long that it stands nowhere by chance."""
WRONG = "2957403861"
IP = "203.0.113.77"
BEHAVIOURS = ("answer", "busy", "no_answer", "decline", "answer", "duplicate_callback")
RESULTS = {"answered", "busy", "no_answer", "failed"}
ENDED = RESULTS | {"canceled", "expired"}
LATER = 100
"""Seconds of ``call_after``: it is over before its call is due."""


@dataclass
class Played:
    """A service, and the books of those who used it."""

    stack: Stack
    line: "Booked"
    client: EventReceiver
    dialer_url: str
    verifications: dict[int, str]
    """n → id."""

    @property
    def url(self) -> str:
        """The API's address."""
        return self.stack.service.url

    def scrape(self) -> Scrape:
        """Scrape all processes."""
        return scrape(self.url, self.dialer_url)

    def objects(self) -> list[dict[str, Any]]:
        """Every verification as it stands."""
        return [self.line.get_verification(found).body for found in self.verifications.values()]

    def calls(self) -> list[dict[str, Any]]:
        """Every call as it stands."""
        return [call for each in self.objects() for call in each["calls"]]

    def answers(self, rule: str) -> Counter[str]:
        """By status, what requests to this rule were answered."""
        path = re.compile(re.sub("<.*?>", "[^/]+", f".*{rule}"))
        return Counter(str(a.status) for asked, a in self.line.asked if path.fullmatch(asked))


class Booked(RecordingClient):
    """A client that also records its requests."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.asked: list[tuple[str, TimedResponse]] = []

    def request(
        self, method: str, path: str, body: Any = None, key: str | None = None
    ) -> TimedResponse:
        """See :class:`Line`."""
        answer = super().request(method, path, body, key)
        self.asked.append((path, answer))
        return answer


def lives(played: Played, n: int) -> None:
    """Create one verification three times and end it in one of several ways."""
    line, number = played.line, nth_number(n)
    played.stack.service.phones.set_behaviour(number, BEHAVIOURS[n % len(BEHAVIOURS)])
    calls_off = n % 5 == 4
    members: dict[str, Any] = {"code": CODE, "reference": f"login-{n}", "ip": IP}
    members |= {"call_after": LATER} if calls_off else {}
    for key in (f"key-{n}", f"key-{n}", None):
        created = line.create(number, key=key, **members)
        assert created.status in {200, 201}, created
        played.verifications[n] = created.body["id"]
    one = played.verifications[n]
    line.check(one, WRONG)
    if calls_off:
        line.request("POST", f"/v1/verifications/{one}/cancel")
        line.check(one, CODE)


@contextmanager
def watched(played: Played) -> Iterator[list[Scrape]]:
    """Meanwhile it is scraped, again and again."""
    over, seen = threading.Event(), list[Scrape]()

    def watch() -> None:
        while not over.wait(0.05):
            seen.append(played.scrape())

    with ThreadPoolExecutor(1) as pool:
        watching = pool.submit(watch)
        try:
            yield seen
        finally:
            over.set()
    watching.result()


@pytest.fixture(scope="module")
def played(environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """Run a service that eight clients use while it is scraped, until all calls have ended."""
    bind = f"127.0.0.1:{free_port()}"
    changes = {"OTPVOICE_SERVER_WORKERS": "2", "OTPVOICE_DIALER_METRICS_BIND": bind}
    with ExitStack() as stack:
        client = stack.enter_context(EventReceiver())
        client.next_responses = [410, 500]
        folder = tmp_path_factory.mktemp("metrics")
        running = stack.enter_context(
            running_service(environ, folder, **changes, **endpoint_settings(client))
        )
        line = Booked(running.service.url)
        played = Played(running, line, client, f"http://{bind}", {})
        with watched(played) as seen, ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda n: lives(played, n), range(MANY)))
            wait_until(
                lambda: all(call["status"] in ENDED for call in played.calls()), "the ends", 60
            )
        for one in played.verifications.values():
            line.check(one, CODE)
        never_less(seen)
        yield played
        folder_of_counts = counts_of(running.api.child_pids()[0]).parent
        assert (running.dialer.terminate(), running.api.terminate()) == (0, 0)
        assert not folder_of_counts.exists()


def never_less(scrapes: list[Scrape]) -> None:
    """Assert that no counter decreases between scrapes."""
    before: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
    assert len(scrapes) > 1
    for each in scrapes:
        now = Counter[tuple[str, frozenset[tuple[str, str]]]]()
        for sample in each.samples:
            if sample.name.endswith(("_total", "_count", "_bucket")):
                now[sample.name, frozenset(sample.labels.items())] += int(sample.value)
        assert [series for series, count in before.items() if now[series] < count] == []
        before = dict(now)


def counts_of(pid: int) -> Path:
    """Return the file that a worker counts in (Linux, proc(5))."""
    mapped = Path(f"/proc/{pid}/maps").read_text()
    found = re.search(r"/\S*otpvoice-metrics-\S*/counter_\d+\.db", mapped)
    assert found, mapped
    return Path(found[0])


def test_requests_are_counted_by_route_and_status(played: Played) -> None:
    """Each of three creates, and each check, once."""
    found, off = played.scrape(), sum(n % 5 == 4 for n in range(MANY))
    assert found.totals_by("creates_total", "client", "outcome") == {
        ("login", "created"): MANY,
        ("login", "replayed"): MANY,
        ("login", "existing"): MANY,
    }
    assert found.totals_by("checks_total", "client", "outcome") == {
        ("login", "wrong"): MANY,
        ("login", "right"): MANY - off,
        ("login", "verification_closed"): 2 * off,
    }
    answered = found.totals_by("http_requests_total", "route", "status")
    for step in (
        "",
        "/<verification_id>",
        "/<verification_id>/checks",
        "/<verification_id>/cancel",
    ):
        rule = f"/v1/verifications{step}"
        reported = {status: many for (route, status), many in answered.items() if route == rule}
        assert reported == played.answers(rule), rule
        timed = found.value("http_request_duration_seconds_count", route=rule)
        assert timed == sum(reported.values())


def test_verifications_are_counted_by_end(played: Played) -> None:
    """With the time of each approval."""
    found = played.scrape()
    ends = Counter(("login", each["status"]) for each in played.objects())
    assert found.totals_by("verifications_ended_total", "client", "status") == ends
    assert found.value("approval_seconds_count") == ends["login", "approved"] > 0


def test_calls_are_counted_by_status_and_route(played: Played) -> None:
    """As in the API and in the sandbox's ledger."""
    found, calls = played.scrape(), played.calls()
    ledger = Counter((entry["route"],) for entry in played.stack.service.phones.ledger())
    reported = found.totals_by("calls_total", "route", "status")
    ends = Counter((call["route"], call["status"]) for call in calls)
    assert {key: many for key, many in reported.items() if key[1] in ENDED} == ends
    assert {status for _, status in ends} == {"answered", "busy", "no_answer", "canceled"}
    assert sum(many for (_, status), many in reported.items() if status == "queued") == len(calls)
    redials = sum(call["route"] == "c2c" for call in calls)  # what is asked for goes by obd
    assert found.totals_by("redials_total", "route") == {("c2c",): redials}
    assert found.totals_by("call_dial_delay_seconds_count", "route") == ledger
    assert found.totals_by("call_result_seconds_count", "route", "status") == Counter(
        {key: many for key, many in ends.items() if key[1] in RESULTS}
    )
    assert sum(many for (_, status), many in ends.items() if status in RESULTS) == ledger.total()


def test_provider_requests_and_callbacks_are_counted_by_outcome(played: Played) -> None:
    """Of two equal callbacks the first one is applied."""
    found, ledger = played.scrape(), played.stack.service.phones.ledger()
    routes = Counter((entry["route"], "accepted") for entry in ledger)
    assert found.totals_by("provider_requests_total", "route", "outcome") == routes
    assert found.value("provider_request_duration_seconds_count") == len(ledger)
    twice = sum(entry["outcome"] == "duplicate_callback" for entry in ledger)
    wait_until(lambda: played.scrape().value("callbacks_total") == len(ledger) + twice, "callbacks")
    reported = played.scrape().totals_by("callbacks_total", "outcome")
    assert reported == {("applied",): len(ledger), ("seen",): twice}


def test_events_are_counted_by_delivery(played: Played) -> None:
    """Delivered, retried and abandoned."""
    played.client.wait_for(lambda reported: len({t.id for t in reported}) >= MANY, "events")

    def is_counted() -> bool:
        found = played.scrape().totals_by("events_total", "client", "outcome")
        counts = {outcome: count for (_, outcome), count in found.items() if count}
        delivered = len(played.client.events) - 2
        return counts == {"abandoned": 1, "failed": 1, "delivered": delivered}

    wait_until(is_counted, "every try to be counted once")


def test_metrics_contain_no_personal_data(played: Played) -> None:
    """No number, code, id, reference, address or key.

    Labels are words without many digits; only ``line`` has the caller lines of the settings.
    """
    found = played.scrape()
    objects = played.objects()
    ids = {each["id"] for each in objects} | {c["id"] for each in objects for c in each["calls"]}
    secrets = {"key": LOGIN_KEY, "ring": RING_KEY, "number key": NUMBER_KEY, "address": IP}
    secrets |= {"token": PROVIDER_TOKEN, "webhook": WEBHOOK_SECRET}
    secrets |= {f"number {n}": nth_number(n)[1:] for n in range(MANY)}
    secrets |= {f"id {name}": name[5:] for name in ids}
    secrets |= {f"reference {n}": f"login-{n}" for n in range(MANY)}
    scanner = Scanner(secrets, {"code": CODE, "wrong": WRONG})
    assert scanner.scan("metrics", found.text.encode()) == []
    labels = {pair for s in found.samples for pair in s.labels.items()}
    assert {value for name, value in labels if name == "line"} == {BRIDGE}
    values = {value for name, value in labels if name not in {"le", "line"}}
    assert {value for value in values if re.search(r"\d{4}|[^\w/<>.-]", value)} == set()


def test_dialer_serves_metrics_only(played: Played) -> None:
    """Other paths are 404."""
    assert requests.get(f"{played.dialer_url}/", timeout=TIMEOUT_S).status_code == 404


def test_closed_route_is_counted(played: Played) -> None:
    """The provider has no credit: the call fails, the route closes, and the other one is tried."""
    number = nth_number(MANY)
    played.stack.service.phones.set_behaviour(number, "out_of_credit")
    begun = played.stack.service.create(number)
    played.stack.service.wait_for_call(begun, "failed")
    wait_until(lambda: played.scrape().value("route_closings_total") >= 2, "both to close")
    found = played.scrape()
    assert found.value("provider_requests_total", outcome="misconfigured") == 2
    # Each of both processes looked it up.
    assert found.totals_by("route_closed", "route") == {("obd",): 2, ("c2c",): 2}


def test_counts_of_ended_workers_are_kept(played: Played) -> None:
    """One worker is killed and one stops. Their successors include the counts."""
    counted = ("creates_total", "checks_total", "calls_total", "callbacks_total", "redials_total")
    before = played.scrape()
    old = played.stack.api.child_pids()
    assert all(counts_of(worker).read_bytes().count(b"creates") for worker in old)
    for worker, end in zip(old, (signal.SIGKILL, signal.SIGTERM), strict=True):
        os.kill(worker, end)
    wait_until(lambda: len({*played.stack.api.child_pids()} - {*old}) == 2, "new workers")
    wait_until(lambda: not {*played.stack.api.child_pids()} & {*old}, "the old ones' end")
    wait_until(lambda: played.line.get_verification("vrf_unknown").status == 404, "an answer")
    after = played.scrape()
    for name in counted:
        assert after.value(name) == before.value(name) > 0, name
    assert played.line.create(nth_number(MANY + 1), call_after=LATER).status == 201
    assert played.scrape().value("creates_total") == before.value("creates_total") + 1
