"""Kills dialers at every step of a call, with two telephone companies in the order of routes.

``OTPVOICE_TEST_KILLS`` is how many are killed, and ``OTPVOICE_TEST_COMPANY`` the second company.
"""

import os
import random
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from redis import Redis
from support.companies import TOKEN, plivo, twiml
from support.processes import free_port, is_listening, otpvoice_process, wait_until
from support.service import WIDE_LIMITS, SandboxPhones
from system.dialer_faults import DialerFaultBench, dialer_fault_bench

from otpvoice_sandbox import RunningSandbox, SandboxConfig

COMPANY = os.environ.get("OTPVOICE_TEST_COMPANY", "twilio")
ADAPTER = "Plivo" if COMPANY == "plivo" else "Twiml"
FETCHES = COMPANY in {"plivo", "signalwire"}
"""Whether the company fetches what an answered call speaks."""
MOMENTS = (
    "before:mark_sent", "after:mark_sent", "before:send", "after:send", "before:getresponse",
    "after:getresponse", "after:place", f"before:{ADAPTER}.place", f"after:{ADAPTER}.place",
    "after:record_result", f"before:{ADAPTER}.fetch_status", f"after:{ADAPTER}.fetch_status",
    "after:apply_report",
)  # fmt: skip
LIES = {1: "reset", 4: "cut", 7: "garbage", 10: "empty"}
"""After each the phone rings."""
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
    """Create a bench with both companies, and an API only if one fetches documents."""
    port = free_port()
    own = {
        "OTPVOICE_DIALER_ROUTES": f"obd,{COMPANY}",
        "OTPVOICE_SERVER_BIND": f"127.0.0.1:{port}",
        "OTPVOICE_SERVER_PUBLIC_URL": f"http://127.0.0.1:{port}",
        **(plivo(abroad.url) if COMPANY == "plivo" else twiml(COMPANY, abroad.url, COMPANY)),
    }
    variables = environ | own
    with dialer_fault_bench(variables, redis, tmp_path, abroad) as ready, ExitStack() as stack:
        if FETCHES:
            api = stack.enter_context(otpvoice_process("api", variables | WIDE_LIMITS, tmp_path))
            api.wait_until_ready(lambda: is_listening(port), "the API")
        yield ready


def request_call(site: DialerFaultBench, abroad: SandboxPhones, number: str, n: int) -> None:
    """Request a call by either route. No callback comes.

    Some are refused by the first company, and some replies are slow, missing or nonsense.
    """
    behaviour = "slow" if n % 3 == 0 else LIES.get(n % 13, "answer")
    for phones in (site.phones, abroad):
        phones.set_behaviour(number, behaviour, seconds=0.2, copies=0)
    if n % 4 == 0:
        site.phones.set_behaviour(number, "reply", status=422, body={"message": "no"})
    site.create(number, ("obd", COMPANY)[n % 2])


@pytest.mark.timeout(600 + 40 * ROUNDS)
@pytest.mark.parametrize("seed", range(ROUNDS))
def test_killed_dialer_has_no_number_called_by_both_companies(
    site: DialerFaultBench, abroad: RunningSandbox, seed: int
) -> None:
    """No number rings twice at the two companies together, and each status is true."""
    chance = random.Random(seed)
    phones = SandboxPhones(abroad.url)
    with ExitStack() as stack:
        dialers = {
            moment: stack.enter_context(site.faulty_dialer(moment, chance.randint(1, 2), "SIGKILL"))
            for moment in MOMENTS
        }
        site.create_until_killed(dialers, lambda number, n: request_call(site, phones, number, n))
        assert {dialer.wait() for dialer in dialers.values()} == {-signal.SIGKILL}
    site.recover()

    calls, rang = site.calls(), site.ring_counts()
    statuses = Counter(call["status"] for listed in calls.values() for call in listed)
    answered = {
        number: sum(call["status"] == "answered" for call in listed)
        for number, listed in calls.items()
    }
    print(
        f"{COMPANY}, seed {seed}: {len(dialers)} kills, {len(calls)} numbers, {dict(statuses)}, "
        f"rang {dict(Counter(rang[number] for number in calls))}",
        flush=True,
    )
    assert answered == {number: rang[number] for number in calls}
    assert max(rang.values()) == 1
    assert not {"queued", "dialing", "placed"} & set(statuses)
    followed = [listed for listed in calls.values() if len({call["route"] for call in listed}) > 1]
    assert followed


CANCELER = "Plivo" if COMPANY == "plivo" else "CancelableTwiml"


@pytest.mark.parametrize(
    "moment", [f"before:{CANCELER}.cancel", f"after:{CANCELER}.cancel", "after:apply_report"]
)
def test_call_that_a_killed_dialer_cancels_is_canceled(
    site: DialerFaultBench, abroad: RunningSandbox, moment: str
) -> None:
    """Another dialer finds it canceled, or cancels it. Its phone rings once."""
    number, phones = "+919876540001", SandboxPhones(abroad.url)
    phones.set_behaviour(number, "by_hand", copies=0, seconds=600)
    dialer = site.faulty_dialer(moment, 1, "SIGKILL")
    site.create(number, COMPANY)
    wait_until(lambda: site.calls()[number][0]["status"] == "placed", "the call")
    site.cancel(number)
    assert dialer.wait() == -signal.SIGKILL
    site.recover()
    (call,) = site.calls()[number]
    assert (call["status"], call["reason"]) == ("canceled", "ended_first")
    assert site.ring_counts()[number] == 1
    assert [each["status"] for each in phones.calls(number)] == ["CANCEL"]
