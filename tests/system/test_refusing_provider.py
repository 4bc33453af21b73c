"""Logins with a provider that refuses every call: creates are refused and operators are alerted.

``OTPVOICE_TEST_REFUSALS=all`` tries every way to refuse, each with a service of its own.
"""

import json
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests
from metrics.promtool import Observation, firing
from metrics.scrape import Scrape, scrape
from support.processes import TIMEOUT_S, free_port, wait_until
from support.stack import Stack, end_route_pauses, running_service

from otpvoice.store.discovery import connect

LOGINS = 25
DETECTED_BY = 10
"""The login by which everybody has to know."""
LOGIN_PAGE = "<html><title>Login</title><form><input type='password'></form></html>"


def reply(status: int, body: Any = "", **members: Any) -> dict[str, Any]:
    """Return a behaviour with this response of the provider."""
    return {"behaviour": "reply", "status": status, "body": body, **members}


WAYS = {
    "unknown word": reply(200, {"status": "ERROR", "message": "Try later"}),
    "Insufficient Balance": reply(200, {"status": "ERROR", "message": "Insufficient Balance"}),
    "call not allowed": reply(200, {"status": "OK", "data": [{"id": "7", "status": "notallowed"}]}),
    "401": {"behaviour": "error_401"},
    "402": {"behaviour": "out_of_credit"},
    "404": reply(404, "<html>Not Found</html>"),
    "405": reply(405, {"message": "The POST method is not supported."}),
    "422": reply(422, {"status": 422, "message": "Invalid flow"}),
    "login page": reply(200, LOGIN_PAGE),
    "302 to a login": reply(302, headers={"Location": "/login"}),
}
TRIED = WAYS if os.environ.get("OTPVOICE_TEST_REFUSALS") == "all" else {"422": WAYS["422"]}


class Refused:
    """A service whose provider refuses every call in one way.

    Args:
        stack: its processes.
        dialer_url: where its dialer shows metrics.
        way: how each phone is refused.
    """

    def __init__(self, stack: Stack, dialer_url: str, way: dict[str, Any]) -> None:
        self.service = stack.service
        self.dialer_url = dialer_url
        for n in range(LOGINS):
            self.service.phones.set_behaviour(number(n), **way)

    def logs_in(self, n: int) -> requests.Response:
        """The answer to the create of one login, once its calls were tried."""
        answer = self.service.post("/v1/verifications", {"to": number(n)})
        if answer.status_code == 201:
            wait_until(lambda: self._is_tried(answer.json()), "the calls to be tried")
        return answer

    def _is_tried(self, begun: dict[str, Any]) -> bool:
        """Whether no call can be dialed now: each has failed, or waits for a closed route."""
        calls = self.service.get_verification(begun)["calls"]
        if calls[-1]["status"] == "queued":
            return len(self.degraded()) == 2
        return len(calls) == 2 and calls[-1]["status"] not in {"queued", "dialing"}

    def degraded(self) -> list[str]:
        """Return what ``/readyz`` names."""
        answer = requests.get(f"{self.service.url}/readyz", timeout=TIMEOUT_S)
        assert answer.status_code == 200
        names: list[str] = answer.json()["degraded"]
        return names

    def scrape(self) -> Scrape:
        """Scrape API and dialer."""
        return scrape(self.service.url, self.dialer_url)


def number(n: int) -> str:
    """Return a different number for each login."""
    return f"+91982345{n:04}"


@pytest.fixture(scope="module", params=[*TRIED.values()], ids=[*TRIED])
def refused(
    request: pytest.FixtureRequest,
    environ: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Refused]:
    """Run a service whose provider refuses the calls of all logins."""
    bind = f"127.0.0.1:{free_port()}"
    folder = tmp_path_factory.mktemp("refused")
    with running_service(environ, folder, OTPVOICE_DIALER_METRICS_BIND=bind) as stack:
        yield Refused(stack, f"http://{bind}", request.param)


@pytest.fixture(scope="module")
def answers(refused: Refused) -> list[requests.Response]:
    """To the creates of all logins, one after the other."""
    return [refused.logs_in(n) for n in range(LOGINS)]


def test_creates_get_503_by_the_tenth_login(answers: list[requests.Response]) -> None:
    """With its code and retry time. On a slow machine a later one may be a probe."""
    statuses = [answer.status_code for answer in answers]
    assert (statuses[0], statuses[DETECTED_BY - 1]) == (201, 503)
    assert statuses[DETECTED_BY - 1 :].count(503) >= LOGINS - DETECTED_BY
    problem = answers[-1].json()
    assert problem["code"] == "calls_unavailable"
    assert int(answers[-1].headers["Retry-After"]) >= 1


def test_readyz_and_log_name_closed_routes(
    answers: list[requests.Response], refused: Refused
) -> None:
    """One error for each route, with the provider's words."""
    assert answers
    assert refused.degraded() == ["route:obd", "route:c2c"]
    log = (refused.service.folder / "dialer.log").read_text()
    errors = [json.loads(line) for line in log.splitlines() if '"route.closed"' in line]
    assert [(line["level"], line["route"]) for line in errors[:2]] == [
        ("error", "obd"),
        ("error", "c2c"),
    ]
    assert all(line["detail"].startswith("HTTP ") for line in errors)


def test_refused_calls_are_never_reported_as_placed(
    answers: list[requests.Response], refused: Refused
) -> None:
    """Each has its true status, and no phone rang."""
    begun = [answer.json() for answer in answers if answer.status_code == 201]
    calls = [call for each in begun for call in refused.service.get_verification(each)["calls"]]
    assert {call["status"] for call in calls} <= {"failed", "queued"}
    assert {call["reason"] for call in calls} <= {"refused", "route_down", None}
    assert not any(entry["rang"] for entry in refused.service.phones.ledger())


def test_metrics_of_both_processes_show_closed_routes(
    answers: list[requests.Response], refused: Refused
) -> None:
    """``OtpvoiceAllRoutesClosed`` is true."""
    assert answers
    found = refused.scrape()
    assert found.totals_by("route_closed", "route") == {("obd",): 2, ("c2c",): 2}
    assert found.value("route_closings_total") >= 2


def test_alert_fires_on_the_scraped_series(
    answers: list[requests.Response], refused: Refused, tmp_path: Path
) -> None:
    """Promtool evaluates the shipped rule."""
    assert answers
    series = {
        f'{sample.name}{{route="{sample.labels["route"]}", instance="{n}"}}': f"{sample.value}x20"
        for n, url in enumerate((refused.service.url, refused.dialer_url))
        for sample in scrape(url).samples
        if sample.name == "otpvoice_route_closed"
    }
    closed = {"closed": Observation("OtpvoiceAllRoutesClosed", series, "2m")}
    assert firing(tmp_path, closed) == {"closed"}


def test_routes_open_again_when_the_provider_accepts(
    answers: list[requests.Response], refused: Refused, redis_url: str
) -> None:
    """After the pause a call is placed, and the service is no longer degraded."""
    assert answers
    service = refused.service
    for n in range(LOGINS):
        service.phones.set_behaviour(number(n), "answer")
    with closing(connect(redis_url, timeout_s=30)) as redis:
        end_route_pauses(redis)
    newcomers = iter(range(LOGINS, 10_000))

    def logs_in() -> bool:
        """Log in with a further number; return whether the service is no longer degraded."""
        service.post("/v1/verifications", {"to": number(next(newcomers))})
        return refused.degraded() == []

    wait_until(logs_in, "the routes to open")
    begun = service.create(number(next(newcomers)))
    service.wait_for_call(begun, "answered")
    assert refused.scrape().totals_by("route_closed", "route") == {}
