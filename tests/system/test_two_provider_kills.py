"""Kills dialers at every step of a call, with two telephone companies in the order of routes.

``OTPVOICE_TEST_KILLS`` is how many are killed.
"""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
from redis import Redis
from support.processes import TIMEOUT_S, Process, wait_until
from support.service import SandboxPhones
from system.dialer_faults import DialerFaultBench, dialer_fault_bench
from system.two_companies import NOBODY, TOKEN, twiml

from otpvoice_sandbox import RunningSandbox, SandboxConfig

MOMENTS = (
    "before:mark_sent", "after:mark_sent", "before:send", "after:send", "before:getresponse",
    "after:getresponse", "after:place", "before:Twiml.place", "after:Twiml.place",
    "after:record_result", "before:Twiml.fetch_status", "after:Twiml.fetch_status",
    "after:apply_report",
)  # fmt: skip
MAX_CALLS = 45
"""Calls that a query to the first company finds: three pages of its log."""
KILLS = int(os.environ.get("OTPVOICE_TEST_KILLS", len(MOMENTS)))
ROUNDS = -(-KILLS // len(MOMENTS))


@pytest.fixture
def abroad() -> Iterator[RunningSandbox]:
    """Run the second company."""
    with RunningSandbox(
        SandboxConfig(token=TOKEN, ring_seconds=0.05, talk_seconds=0.05)
    ) as running:
        yield running


@pytest.fixture
def site(
    environ: dict[str, str], redis: Redis, tmp_path: Path, abroad: RunningSandbox
) -> Iterator[DialerFaultBench]:
    """Create a bench with both companies. Their callbacks reach nobody."""
    own = {
        "OTPVOICE_DIALER_ROUTES": "obd,twilio",
        "OTPVOICE_SERVER_PUBLIC_URL": NOBODY,
        **twiml("twilio", abroad.url),
    }
    with dialer_fault_bench(environ | own, redis, tmp_path, abroad) as ready:
        yield ready


def keeps_asking(
    site: DialerFaultBench, abroad: SandboxPhones, dialers: Mapping[str, Process]
) -> None:
    """Request calls by both routes until all dialers are dead.

    Some are refused by the first company, and some replies are slow or missing.
    """

    def alive() -> list[str]:
        return [moment for moment, dialer in dialers.items() if dialer.is_running]

    wait_until(lambda: site.store.health().dialers > len(alive()), "the dialers to start")
    deadline = time.monotonic() + TIMEOUT_S
    while left := alive():
        assert time.monotonic() < deadline, f"never came to {left}"
        n = len(site.verification_ids)
        if n < MAX_CALLS:
            number = f"+9198765{n:05}"
            if n % 4 == 0:
                site.phones.set_behaviour(number, "reply", status=422, body={"message": "no"})
            for phones in (site.phones, abroad) if n % 4 else (abroad,):
                if n % 3 == 0:
                    phones.set_behaviour(number, "slow", seconds=0.2)
                elif n % 7 == 1:
                    phones.set_behaviour(number, "reset")
            site.create(number, ("obd", "twilio")[n % 2])
        time.sleep(0.1)


@pytest.mark.timeout(600 + 40 * ROUNDS)
@pytest.mark.parametrize("seed", range(ROUNDS))
def test_killed_dialer_has_no_number_called_by_both_companies(
    site: DialerFaultBench, abroad: RunningSandbox, seed: int
) -> None:
    """No number rings twice at the two companies together, and each status is true."""
    chance = random.Random(seed)
    with ExitStack() as stack:
        dialers = {
            moment: stack.enter_context(site.faulty_dialer(moment, chance.randint(1, 2), "SIGKILL"))
            for moment in MOMENTS
        }
        keeps_asking(site, SandboxPhones(abroad.url), dialers)
        assert {dialer.wait() for dialer in dialers.values()} == {-signal.SIGKILL}
    site.recover()

    calls, rang = site.calls(), site.ring_counts()
    statuses = Counter(call["status"] for listed in calls.values() for call in listed)
    answered = {
        number: sum(call["status"] == "answered" for call in listed)
        for number, listed in calls.items()
    }
    print(
        f"seed {seed}: {len(dialers)} kills, {len(calls)} numbers, {dict(statuses)}, "
        f"rang {Counter(rang[number] for number in calls)}"
    )
    assert answered == {number: rang[number] for number in calls}
    assert max(rang.values()) == 1
    assert not {"queued", "dialing", "placed"} & set(statuses)
    followed = [listed for listed in calls.values() if len({call["route"] for call in listed}) > 1]
    assert followed
