"""Kills and pauses dialers at every step of a call (promises 3 and 4).

``OTPVOICE_TEST_KILLS`` is how many are killed.
"""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
from redis import Redis
from system.dialer_faults import AFTER_LEASE_MS, DialerFaultBench, dialer_fault_bench

MOMENTS = (
    "before:claim", "before:dial", "before:mark_sent", "after:mark_sent", "after:connect",
    "before:send", "after:send", "before:getresponse", "after:getresponse", "after:place",
    "after:record_result", "after:dial", "before:sweep", "after:sweep", "after:due_status_queries",
    "before:fetch_status", "after:fetch_status", "after:apply_report",
)  # fmt: skip
KILLS = int(os.environ.get("OTPVOICE_TEST_KILLS", len(MOMENTS)))
ROUNDS = -(-KILLS // len(MOMENTS))


@pytest.fixture
def site(environ: dict[str, str], redis: Redis, tmp_path: Path) -> Iterator[DialerFaultBench]:
    """Create a bench with an empty store."""
    with dialer_fault_bench(environ, redis, tmp_path) as ready:
        yield ready


def request_call(site: DialerFaultBench, number: str, n: int) -> None:
    """Request a call. Some responses are slow or incomplete."""
    if n % 3 == 0:
        site.phones.set_behaviour(number, "slow", seconds=0.2)
    elif n % 7 == 1:
        site.phones.set_behaviour(number, "reset")
    site.create(number, "c2c" if n % 4 == 1 else "obd")


@pytest.mark.timeout(600 + 40 * ROUNDS)
@pytest.mark.parametrize("seed", range(ROUNDS))
def test_killed_dialer_places_no_call_twice_and_loses_none(
    site: DialerFaultBench, seed: int
) -> None:
    """At every point: no number rings twice, every call ends, and each status is true."""
    chance = random.Random(seed)
    with ExitStack() as stack:
        dialers = {
            moment: stack.enter_context(site.faulty_dialer(moment, chance.randint(1, 2), "SIGKILL"))
            for moment in MOMENTS
        }
        site.create_until_killed(dialers, partial(request_call, site))
        assert [dialer.wait() for dialer in dialers.values()] == [-signal.SIGKILL] * len(MOMENTS)
    before = Counter(call["status"] for calls in site.calls().values() for call in calls)
    site.recover()

    calls, rang = site.calls(), site.ring_counts()
    after = Counter(call["status"] for listed in calls.values() for call in listed)
    doubles = [number for number in calls if rang[number] > 1]
    reported = {
        number: Counter(call["status"] for call in listed) for number, listed in calls.items()
    }
    falsely_unknown = [n for n in calls if rang[n] and not reported[n]["answered"]]
    falsely_answered = [n for n in calls if not rang[n] and reported[n]["answered"]]
    never_sent = [n for n in calls if not rang[n]]
    print(
        f"seed {seed}: {len(dialers)} kills, {len(calls)} calls; at the kills {dict(before)}, "
        f"healed {dict(after)}; doubles {len(doubles)}, falsely unknown {len(falsely_unknown)}, "
        f"falsely answered {len(falsely_answered)}, never sent {len(never_sent)}"
    )
    assert (doubles, falsely_unknown, falsely_answered) == ([], [], [])
    assert not {"queued", "dialing", "placed"} & set(after)
    assert all(reported[number]["unknown"] for number in never_sent)


PAUSES = {"before:mark_sent": 1, "after:mark_sent": 0, "after:connect": 0, "before:send": 1}
"""Where a dialer stands still past its lease, and how often the phone rings in the end."""


def test_dialer_paused_past_its_lease_sends_nothing(site: DialerFaultBench) -> None:
    """Before the mark, another dialer places the call.

    After it, no dialer does. Only a dialer that is paused between the time check and the first byte
    sends late, and no other dialer had the call.
    """
    numbers = {moment: f"+919876540{n:03}" for n, moment in enumerate(PAUSES)}
    with ExitStack() as stack:
        dialers = []
        for moment, number in numbers.items():
            dialer = stack.enter_context(site.faulty_dialer(moment, 1, "SIGSTOP"))
            site.create(number)
            dialer.wait_until_stopped()
            dialers.append(dialer)
        stood = time.monotonic()
        assert site.ring_counts() == Counter()
        site.advance_time(AFTER_LEASE_MS)
        with site.healthy_dialer():
            time.sleep(5.1)  # longer than SEND_WITHIN, which runs on while a process stands still
            for dialer in dialers:
                dialer.signal(signal.SIGCONT)
            assert [dialer.terminate() for dialer in dialers] == [0] * len(dialers)
    site.recover()
    rang = site.ring_counts()
    assert {moment: rang[number] for moment, number in numbers.items()} == PAUSES
    ended = {moment: site.calls()[number][-1] for moment, number in numbers.items()}
    print({moment: (call["status"], call["reason"]) for moment, call in ended.items()})
    late = {e["person"]: e["received_at"] - stood for e in site.phones.ledger()}
    print(f"paused in the window, sent {late[numbers['before:send'][1:]]:.1f} s late")
    for moment, rings in PAUSES.items():
        assert ended[moment]["status"] == ("answered" if rings else "failed"), moment


TESTER = "+919999900001"


@pytest.mark.parametrize(
    ("moment", "left"),
    [("before:complete_test_call", "dialing"), ("after:complete_test_call", "answered")],
)
def test_simulated_call_of_a_killed_dialer_is_completed_by_another(
    environ: dict[str, str], redis: Redis, tmp_path: Path, moment: str, left: str
) -> None:
    """Once, and no phone rings."""
    with dialer_fault_bench(
        environ | {"OTPVOICE_TEST_NUMBERS": f"{TESTER}=123456"}, redis, tmp_path
    ) as site:
        dialer = site.faulty_dialer(moment, 1, "SIGKILL")
        site.create(TESTER)
        assert dialer.wait() == -signal.SIGKILL
        assert [call["status"] for call in site.calls()[TESTER]] == [left]
        site.recover()
        assert [call["status"] for call in site.calls()[TESTER]] == ["answered"]
        assert site.phones.ledger() == []
