"""Many dialers, clients, companies and caller lines, and never two live calls to one number."""

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

from store.driver import PLACED, StoreDriver

from otpvoice.core.lines import CallerLines
from otpvoice.core.verification import CallStatus, Verification
from otpvoice.store.discovery import connect
from otpvoice.store.models import Claim
from otpvoice.store.policy import StorePolicy
from otpvoice.store.redis_store import RedisStore

NUMBERS = [f"+91981234567{n}" for n in range(4)]
BRIDGES = ["918068280000", "918068280001"]
POLICY = StorePolicy(
    routes=("obd", "abroad"), route_lines={"abroad": CallerLines(("12025550100",))}
)
"""The first company calls from the lines of the clients."""
CLIENTS = 6
ROUNDS = 5
DIALERS = 8


class Company:
    """The phones that ring, as their owners see them."""

    def __init__(self, begun: dict[str, tuple[Verification, str]]) -> None:
        self._begun = begun
        self._lock = threading.Lock()
        self._ringing: Counter[str] = Counter()
        self.most = 0
        self.claimed: Counter[str] = Counter()
        self.to_do = len(begun) * ROUNDS
        self.over = threading.Event()

    @contextmanager
    def rings(self, claim: Claim) -> Iterator[None]:
        """Record the time from the claim to just before its end is reported."""
        number = self._begun[claim.verification_id][1]
        with self._lock:
            self.claimed[claim.call_id] += 1
            self._ringing[number] += 1
            self.most = max(self.most, *self._ringing.values())
        yield
        with self._lock:
            self._ringing[number] -= 1

    def dials_until_over(self, redis_url: str) -> None:
        """One dialer, with a connection of its own."""
        with closing(connect(redis_url, timeout_s=10)) as redis:
            driver = StoreDriver(RedisStore(redis, policy=POLICY))
            try:
                while not self.over.is_set():
                    self._dials_one(driver)
            finally:
                self.over.set()

    def _dials_one(self, driver: StoreDriver) -> None:
        claim = driver.store.claim(200)
        if isinstance(claim, int):
            self.over.wait(0.002)
            return
        with self.rings(claim):
            assert driver.mark_sent(claim, gaps=(0,))
            assert driver.store.record_result(claim, PLACED).status is CallStatus.PLACED
        driver.apply_callback(CallStatus.BUSY, call_id=claim.call_id)
        verification, _ = self._begun[claim.verification_id]
        if len(driver.get(verification).calls) < ROUNDS:
            route = "obd" if claim.route == "abroad" else "abroad"
            again = driver.request_call(verification, route, bridge=claim.bridge)
            assert again.outcome == "coming"
        with self._lock:
            self.to_do -= 1
            if self.to_do == 0:
                self.over.set()


def test_one_call_is_live_for_each_number(redis_url: str, driver: StoreDriver) -> None:
    """Each call is claimed once, and all are dialed."""
    begun = {}
    for number in NUMBERS:
        for n in range(CLIENTS):
            route, bridge = ("obd", "abroad")[n // 2 % 2], BRIDGES[n % 2]
            wanted = driver.create(
                number, client=f"client {n}", bridge=bridge, ttl=600, route=route
            )
            begun[wanted.id] = (wanted, number)
    company = Company(begun)
    with ThreadPoolExecutor(DIALERS) as pool:
        dialers = [pool.submit(company.dials_until_over, redis_url) for _ in range(DIALERS)]
        company.over.wait(60)
        company.over.set()
        for dialer in dialers:
            dialer.result()
    assert company.to_do == 0
    assert company.most == 1
    assert set(company.claimed.values()) == {1}
    assert len(company.claimed) == len(begun) * ROUNDS
