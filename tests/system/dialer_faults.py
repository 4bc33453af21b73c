"""A bench for dialers that are harmed: a company, a desk that asks, and a store with its own clock.

No callback comes: what became of a call is known from the dialer's own books, or by asking.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient
from redis import Redis
from support.processes import TIMEOUT_S, PreloadedProcess, Process, wait_until
from support.service import LOGIN_KEY, WIDE_LIMITS, SandboxPhones, running_dialers
from support.stack import sandbox_config

from otpvoice.app import create_app
from otpvoice.container import Container, create_dialer
from otpvoice.settings import load
from otpvoice.store.discovery import connect
from otpvoice.store.policy import LEASE_MS
from otpvoice.store.redis_store import RedisStore
from otpvoice_sandbox import RunningSandbox

AFTER_LEASE_MS = LEASE_MS + 1_000
_FAST_CALLS, _FAST_PAUSE_S, _PAUSE_S = 45, 0.1, 0.5
"""First there is work for all dialers at once. Later calls come slowly, so that the log of the
first company, of which a status query reads 300 entries, never has more."""
_CALM = {
    **WIDE_LIMITS,
    "OTPVOICE_VERIFICATION_MAX_REDIALS": "0",
    "OTPVOICE_VERIFICATION_CALLBACK_TIMEOUT": "5",
    "OTPVOICE_DIALER_THREADS": "4",
}
"""Each verification has one call, unless its route refuses it, and no number is called twice."""


class DialerFaultBench:
    """A service, a sandbox, and dialers that are killed or paused.

    Args:
        sandbox: the provider.
        store: its clock can move without an effect on the faulty dialers.
        client: of an API on that store.
        variables: the settings of both.
        folder: for logs.
        others: further providers.
    """

    def __init__(
        self,
        sandbox: RunningSandbox,
        store: RedisStore,
        client: FlaskClient,
        variables: Mapping[str, str],
        folder: Path,
        others: Sequence[RunningSandbox] = (),
    ) -> None:
        self.phones = SandboxPhones(sandbox.url)
        self._ledgers = (self.phones, *(SandboxPhones(each.url) for each in others))
        self.store = store
        self.verification_ids: dict[str, str] = {}
        """Number → id of its verification."""
        self._client = client
        self._variables = variables
        self._folder = folder
        self._headers = {"Authorization": f"Bearer {LOGIN_KEY}"}
        self.store.sweep("a dialer that was heard of")

    def faulty_dialer(self, moment: str, nth: int, name: str) -> PreloadedProcess:
        """See ``faulty_dialer.py``."""
        program, log = Path(__file__).with_name("faulty_dialer.py"), self._folder / f"{moment}.log"
        arguments = (moment, str(nth), name)
        return PreloadedProcess(program, *arguments, log=log, variables=self._variables)

    def create(self, number: str, route: str = "obd") -> None:
        """A new verification; none while all routes are closed."""
        self.store.sweep("a dialer that was heard of")
        answer = self._client.post(
            "/v1/verifications", json={"to": number, "route": route}, headers=self._headers
        )
        assert answer.status_code in {201, 503}, answer.text
        if answer.status_code == 201:
            self.verification_ids[number] = answer.json["id"]  # type: ignore[index] # it is an object

    def cancel(self, number: str) -> None:
        """Cancel the verification of a number."""
        url = f"/v1/verifications/{self.verification_ids[number]}/cancel"
        assert self._client.post(url, headers=self._headers).status_code == 200

    def create_until_killed(
        self, dialers: Mapping[str, Process], create: Callable[[str, int], None]
    ) -> None:
        """Request calls until all dialers are dead, and print each death.

        Args:
            dialers: by the moment at which each dies.
            create: requests the nth call, to this number.
        """

        def alive() -> list[str]:
            return [moment for moment, dialer in dialers.items() if dialer.is_running]

        wait_until(lambda: self.store.health().dialers > len(alive()), "the dialers to start")
        began, seen = time.monotonic(), list(dialers)
        while left := alive():
            n, elapsed = len(self.verification_ids), time.monotonic() - began
            assert elapsed < TIMEOUT_S, f"never came to {left}, with {n} calls"
            if killed := [moment for moment in seen if moment not in left]:
                print(f"  {elapsed:5.1f} s, {n} calls: killed {', '.join(killed)}", flush=True)
            seen = left
            create(f"+9198765{n:05}", n)
            time.sleep(_FAST_PAUSE_S if n < _FAST_CALLS else _PAUSE_S)

    def calls(self) -> dict[str, list[dict[str, Any]]]:
        """Return the current calls of each number's verification."""
        return {number: self._calls_of(name) for number, name in self.verification_ids.items()}

    def _calls_of(self, verification_id: str) -> list[dict[str, Any]]:
        answer = self._client.get(f"/v1/verifications/{verification_id}", headers=self._headers)
        assert answer.status_code == 200, answer.text
        calls: list[dict[str, Any]] = answer.json["calls"]  # type: ignore[index] # as above
        return calls

    def ring_counts(self) -> Counter[str]:
        """Return the number of requests that made each number ring, at all providers."""
        entries = (entry for phones in self._ledgers for entry in phones.ledger())
        return Counter(f"+{e['person'].removeprefix('+')}" for e in entries if e["rang"])

    def advance_time(self, milliseconds: int) -> None:
        """Move the clock and sweep."""
        self.store.clock_offset_ms += milliseconds
        while self.store.sweep("a dialer that was heard of").has_more:
            pass

    @contextmanager
    def healthy_dialer(self) -> Iterator[None]:
        """Run a dialer with the store's moved clock."""
        with running_dialers(create_dialer(load(self._variables).settings, self.store)):
            yield

    def recover(self) -> None:
        """Expire all leases and run a healthy dialer until no call is open."""
        self.advance_time(AFTER_LEASE_MS)
        deadline = time.monotonic() + TIMEOUT_S
        with self.healthy_dialer():
            left = self.open_calls()
            while left and time.monotonic() < deadline:
                time.sleep(0.1)
                if self.store.clock_offset_ms < 4 * LEASE_MS:  # the company's log must still fit
                    self.advance_time(1_000)
                left = self.open_calls(left) or self.open_calls()

    def open_calls(self, numbers: Iterable[str] | None = None) -> list[str]:
        """Those of all numbers, or of these, whose calls are not over or rang unknown to us."""
        rang = self.ring_counts()
        return [
            number
            for number in (self.verification_ids if numbers is None else numbers)
            for call in self._calls_of(self.verification_ids[number])
            if call["status"] in {"queued", "dialing", "placed"}
            or (call["status"] == "unknown" and rang[number])
        ]


@contextmanager
def dialer_fault_bench(
    environ: Mapping[str, str], redis: Redis, folder: Path, *others: RunningSandbox
) -> Iterator[DialerFaultBench]:
    """Create a bench on an emptied store. ``others``: further providers of the settings."""
    redis.flushdb()
    config = sandbox_config(environ, "http://127.0.0.1")
    config = replace(config, webhooks={}, subscription=None, gets_per_minute=10**6)
    with RunningSandbox(config) as sandbox, closing(connect(environ["OTPVOICE_REDIS_URL"])) as own:
        variables = {**environ, **_CALM, "OTPVOICE_PROVIDER_BASE_URL": sandbox.api_url}
        settings = load(variables).settings
        store = RedisStore(own, policy=Container(settings).policy)
        client = create_app(settings, store).test_client()
        yield DialerFaultBench(sandbox, store, client, variables, folder, others)
