"""Toll fraud: many numbers, 500 addresses, several references, and no code is ever submitted.

He earns a share of each call to his numbers and lets a login page ring them. Meanwhile honest
people elsewhere log in, one after the other. The limits are the shipped ones but where a drill
says so. ``OTPVOICE_TEST_FRAUD`` is how many numbers he has.
"""

import itertools
import json
import math
import os
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from ipaddress import IPv4Address
from pathlib import Path
from statistics import median
from typing import Any

import pytest
import requests
from support.processes import wait_until
from support.service import BANK_KEY, LOGIN_KEY, RunningService
from support.stack import Stack, running_service
from system.concurrency import RecordingClient, TimedResponse, concurrently
from system.shipped_limits import SHIPPED

from otpvoice.core.limits import LIMITS, setting_name

NUMBERS = int(os.environ.get("OTPVOICE_TEST_FRAUD", "200"))
ADDRESSES, REFERENCES, AT_ONCE = 500, 7, 8
BEHIND = 40
"""So many numbers later he asks for a number again; its first call has rung by then."""
PEOPLE = min(30, NUMBERS // 25)
"""Honest ones meanwhile; fewer than a client's 60 calls a minute."""
A_PLACE_FOR_ALL = {"OTPVOICE_LIMITS_CALLS_PER_CLIENT": "100000/1m"}
"""As of an operator with very many logins, so that the limit under test has to do the work."""

pytestmark = pytest.mark.timeout(600 + NUMBERS // 5)


class Pumper:
    """See above.

    Args:
        stack: the service that he abuses, with the login backend's key.
        number_of: his nth number.
    """

    def __init__(self, stack: Stack, number_of: Callable[[int], str]) -> None:
        self._phones = stack.service.phones
        self._line = RecordingClient(stack.service.url)
        self._number_of = number_of
        self.numbers = {number_of(n) for n in range(NUMBERS)}

    def asks(self, n: int) -> None:
        """Send a create."""
        self._asks(n, code=f"{n:06}")
        if n >= BEHIND:
            self._asks(n - BEHIND, code=f"5{n:05}")

    @property
    def has_asked_for_all(self) -> bool:
        """Whether he is through with his numbers once."""
        return len(self._line.responses) >= 2 * NUMBERS

    @property
    def refused(self) -> list[TimedResponse]:
        """What was neither begun nor under way already."""
        return [answer for answer in self._line.responses if answer.status not in {200, 201}]

    def refusals(self) -> Counter[str]:
        """Return the limits in the attacker's refusals, each with its retry time."""
        for answer in self.refused:
            assert (answer.status, answer.body["code"]) == (429, "rate_limited"), answer
            assert setting_name(answer.body["limit"]) in LIMITS, answer
            assert answer.body["retry_after"] > 0, answer
        return Counter(answer.body["limit"] for answer in self.refused)

    def refused_since(self, limit: str) -> list[TimedResponse]:
        """Return all requests of the attacker after this limit refused one."""
        refused = [a.began + a.took for a in self.refused if a.body["limit"] == limit]
        since = min(refused, default=math.inf)
        return [answer for answer in self._line.responses if answer.began > since]

    def calls(self) -> Counter[str]:
        """Return the number of provider requests for each of the attacker's numbers."""
        to = Counter(f"+{entry['person']}" for entry in self._phones.ledger())
        return Counter({number: to[number] for number in self.numbers if to[number]})

    def figures(self) -> str:
        """Return the outcome for the report."""
        book = self._line.responses
        took = max(a.began + a.took for a in book) - min(a.began for a in book)
        return (
            f"{len(book)} requests for {NUMBERS} numbers in {took:.1f} s: "
            f"{dict(Counter(answer.status for answer in book))}, {self.calls().total()} calls "
            f"placed to {len(self.calls())} numbers; refused {dict(self.refusals())}"
        )

    def _asks(self, n: int, code: str) -> None:
        address = str(IPv4Address("49.32.0.0") + n % ADDRESSES)
        members = {"reference": f"login-{n % REFERENCES}", "ip": address, "code": code}
        self._line.create(self._number_of(n % NUMBERS), **members)


class Honest:
    """Legitimate users in other areas, who log in one after the other with the spoken code.

    Args:
        service: calls them.
        key: of their login backend.
    """

    def __init__(self, service: RunningService, key: str = LOGIN_KEY) -> None:
        self._service = service
        self._key = key
        self._people = itertools.count()
        self._took: list[float] = []
        self._alone = 0

    def _logs_in(self) -> None:
        n = next(self._people)
        number = f"+9199{n % 100:02}{n // 100:02}{n:04}"
        began = time.monotonic()
        begun = self.asks(number, reference=f"session-{n}", ip=f"103.21.58.{n % 250}")
        self._took.append(time.monotonic() - began)
        assert begun.status_code == 201, begun.text
        code = {"code": self._service.wait_for_code(number)}
        path = f"/v1/verifications/{begun.json()['id']}/checks"
        checked = self._service.post(path, code, self._key)
        assert (checked.status_code, checked.json()["valid"]) == (200, True), checked.text

    def asks(self, number: str, **members: str) -> requests.Response:
        """Send a create."""
        return self._service.post("/v1/verifications", {"to": number, **members}, self._key)

    def log_in_alone(self, people: int) -> None:
        """Before anybody disturbs them."""
        self.log_in(people)
        self._alone = len(self._took)

    def log_in_alongside(self, pumper: Pumper, people: int) -> None:
        """Log in repeatedly while the attacker requests all numbers."""
        with concurrently(pumper.asks, AT_ONCE, pause=0.05):
            self.log_in(people)
            wait_until(lambda: pumper.has_asked_for_all, "the pumper to ask for all", 600)

    def log_in(self, people: int) -> None:
        """Each is called, hears the code, and is let in."""
        for _ in range(people):
            self._logs_in()

    def figures(self) -> str:
        """Return the outcome for the report."""
        quiet, loud = self._took[: self._alone], self._took[self._alone :]
        before, meanwhile = median(quiet) * 1000, median(loud) * 1000
        return (
            f"{len(self._took)} honest ones all let in; create p50 {before:.0f} ms before, "
            f"{meanwhile:.0f} ms meanwhile, ratio {meanwhile / before:.1f}"
        )


def degraded(service: RunningService) -> list[str]:
    """Return what ``/readyz`` names."""
    answer = service.get("/readyz")
    assert answer.status_code == 200
    words: list[str] = answer.json()["degraded"]
    return words


def alarms(stack: Stack) -> list[dict[str, Any]]:
    """Return the dialer's log lines about breakers."""
    lines = (stack.folder / "dialer.log").read_text().splitlines()
    reported = [json.loads(line) for line in lines if line.startswith("{")]
    return [line for line in reported if line["event"] == "breaker.opened"]


def shipped(
    environ: Mapping[str, str], folder: Path, **changes: str
) -> AbstractContextManager[Stack]:
    """Run a service of two workers with the default limits and ``changes``."""
    return running_service(environ, folder, OTPVOICE_SERVER_WORKERS="2", **(SHIPPED | changes))


def test_toll_fraud_within_a_prefix_is_limited(environ: dict[str, str], tmp_path: Path) -> None:
    """Five numbers of the prefix ring within ten minutes. The other requests are refused."""
    with shipped(environ, tmp_path) as stack:
        pumper = Pumper(stack, lambda n: f"+91987650{n:04}")
        honest = Honest(stack.service)
        honest.log_in_alone(5)
        honest.log_in_alongside(pumper, PEOPLE)
        print(f"{pumper.figures()}\n{honest.figures()}")
        of_number, of_prefix = "calls_per_number 3/10m", "unverified_per_prefix 5/10m"
        assert {of_prefix} <= set(pumper.refusals()) <= {of_prefix, of_number}
        calls = pumper.calls()
        assert len(calls) == 5
        assert max(calls.values()) <= 3  # calls_per_number 3/10m
        assert degraded(stack.service) == []


def test_toll_fraud_within_an_area_opens_its_breaker(
    environ: dict[str, str], tmp_path: Path
) -> None:
    """Numbers of a hundred prefixes, so that no prefix limit applies.

    After twenty answered calls without an approval the area is blocked, the log has an alarm, and
    the service is degraded.
    """
    with shipped(environ, tmp_path, **A_PLACE_FOR_ALL) as stack:
        pumper = Pumper(stack, lambda n: f"+919876{n % 100:02}{n // 100:04}")
        honest = Honest(stack.service)
        honest.log_in_alone(5)
        honest.log_in_alongside(pumper, PEOPLE)
        print(f"{pumper.figures()}\n{honest.figures()}")
        refused = pumper.refused_since("conversion_breaker")
        assert len(refused) >= NUMBERS // 4
        assert {(a.status, a.body["limit"]) for a in refused} == {(429, "conversion_breaker")}
        prefixes = Counter(number[:-4] for number in pumper.calls())
        assert max(prefixes.values()) <= 5
        assert degraded(stack.service) == ["conversion_breaker"]
        wait_until(lambda: bool(alarms(stack)), "the alarm")
        area = [a for a in alarms(stack) if a["breaker"] == "conversion_breaker area +919876"]
        assert [(a["level"], a["approved"]) for a in area] == [("error", 0)]
        assert area[0]["ended"] >= 20


def test_stolen_key_is_bounded_by_its_daily_limit(environ: dict[str, str], tmp_path: Path) -> None:
    """The client's daily limit is exact.

    Another client continues until the limit of the whole service applies.
    """
    caps = {"OTPVOICE_CLIENTS_LOGIN_CALLS_PER_DAY": "30", "OTPVOICE_LIMITS_CALLS_PER_DAY": "40"}
    with shipped(environ, tmp_path, **A_PLACE_FOR_ALL, **caps) as stack:
        pumper = Pumper(stack, lambda n: f"+9198{n % 100:02}{n // 100:02}{n:04}")
        honest = Honest(stack.service, BANK_KEY)
        honest.log_in_alone(5)
        honest.log_in_alongside(pumper, 5)
        print(f"{pumper.figures()}\n{honest.figures()}")
        assert set(pumper.refusals()) == {"calls_per_day"}
        refused = honest.asks("+919111111111")
        assert (refused.status_code, refused.json()["limit"]) == (429, "calls_per_day")
        wait_until(lambda: len(stack.service.phones.ledger()) >= 40, "the last calls")
        assert pumper.calls().total() == 30
        assert len(stack.service.phones.ledger()) == 40
