"""Events of a whole service: real processes, a real receiver, and killed dialers.

``OTPVOICE_TEST_KILLS`` is how many are killed.
"""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from events.event_harness import EventHarness, endpoint_settings
from events.receiver import NEW_SECRET, OLD_SECRET, EventReceiver, ReceivedEvent
from redis import Redis
from support.processes import PreloadedProcess, otpvoice_process, wait_until
from support.service import ASHA, LOGIN_KEY, NUMBER_KEY, RING_KEY, WIDE_LIMITS
from support.stack import Stack, running_service
from system.leaks import Scanner

from otpvoice.settings import load
from otpvoice.store.policy import EVENT_LEASE_MS

RAVI = "+919812345678"
CODE = "9173640285"
"""So long that it stands nowhere by chance."""
MOMENTS = (
    "before:claim_events", "after:claim_events", "before:deliver", "before:post", "after:post",
    "before:ack_event", "after:ack_event",
)  # fmt: skip
ROUNDS = -(-int(os.environ.get("OTPVOICE_TEST_KILLS", len(MOMENTS))) // len(MOMENTS))


@pytest.fixture(scope="module")
def client() -> Iterator[EventReceiver]:
    """Run a receiver that must get its own events only."""
    with EventReceiver() as listening:
        yield listening
        assert listening.faults == []


@pytest.fixture(scope="module")
def stack(
    environ: dict[str, str], client: EventReceiver, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """Run a service with that receiver."""
    folder = tmp_path_factory.mktemp("events")
    with running_service(
        environ, folder, **endpoint_settings(client, secret=f"{OLD_SECRET},{NEW_SECRET}")
    ) as running:
        yield running


def of(client: EventReceiver, verification_id: str) -> list[ReceivedEvent]:
    """Return the events of one verification in the order of its changes."""
    received = {each.sequence: each for each in client.events if each.data["id"] == verification_id}
    return [received[sequence] for sequence in sorted(received)]


def test_events_of_a_whole_verification_are_delivered(stack: Stack, client: EventReceiver) -> None:
    """From the call of a payment to its approval. Each shows the state at its time, and no code."""
    service = stack.service
    rent = {"amount": "2500.00", "currency": "INR", "payee": "ACME Stores"}
    verification = service.create(ASHA, reference="login-81", code=CODE, transaction=rent)
    service.wait_for_call(verification, "answered")
    code = service.wait_for_code()
    assert service.phones.calls(ASHA)[-1]["variables"]["payee"] == "ACME Stores"
    assert not service.check(verification, code).json()["valid"]
    assert service.check(verification, code, transaction=rent).json()["valid"]
    client.wait_for(lambda _: len(of(client, verification["id"])) == 3, "three events")
    received = of(client, verification["id"])
    assert [each.type for each in received] == [
        *("call.placed", "call.answered", "verification.approved"),
    ]
    assert [each.data["status"] for each in received] == ["pending", "pending", "approved"]
    assert [each.data["calls"][0]["status"] for each in received] == ["placed", *["answered"] * 2]
    assert all(each.data["version"] == each.sequence for each in received)
    assert all(each.data["transaction"] == rent for each in received)
    assert received[-1].data == service.get_verification(verification) | {"to": "+91******3210"}


def test_events_contain_no_secret(stack: Stack, client: EventReceiver) -> None:
    """Neither a code, nor a whole number, nor a key, in any form."""
    secrets = {"number": ASHA, "digits": ASHA[3:], "API key": LOGIN_KEY, "secret": NEW_SECRET}
    keys = {"ring": RING_KEY, "number key": NUMBER_KEY}
    scanner = Scanner(secrets | keys, {"code": CODE})
    verification = stack.service.create(RAVI, code=CODE, call_after=100)
    stack.service.check(verification, CODE)
    client.wait_for_event(verification["id"], "verification.approved")
    for each in client.events:
        assert scanner.scan(each.type, each.raw + str(each.headers).encode()) == []
    assert scanner.scan("a test", f'{{"code": "{CODE}"}}'.encode())


def test_parallel_correct_codes_send_one_approved_event(
    stack: Stack, client: EventReceiver
) -> None:
    """One of 200 checks is valid."""
    service = stack.service
    verification = service.create(RAVI, code="471199", call_after=100)
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: service.check(verification, "471199"), range(200)))
    assert sum(answer.json().get("valid", False) for answer in answers) == 1
    client.wait_for_event(verification["id"], "verification.approved")
    later = service.create(RAVI, call_after=100)
    service.post(f"/v1/verifications/{later['id']}/cancel")
    client.wait_for_event(later["id"], "verification.canceled")
    client.wait_for_event(verification["id"], "call.canceled")
    received = [each.type for each in client.events if each.data["id"] == verification["id"]]
    assert sorted(received) == ["call.canceled", "verification.approved"]


def test_events_stored_without_a_dialer_are_delivered_by_the_next(
    stack: Stack, client: EventReceiver
) -> None:
    """The first dialer is killed before it can deliver any."""
    service = stack.service
    verification = service.create(RAVI, code="471199", call_after=100)
    stack.dialer.kill()
    assert service.check(verification, "471199").json()["valid"]
    assert of(client, verification["id"]) == []
    with otpvoice_process("dialer", stack.variables, stack.folder) as next_dialer:
        client.wait_for_event(verification["id"], "verification.approved")
        client.wait_for_event(verification["id"], "call.canceled")
        assert next_dialer.terminate() == 0


@pytest.mark.timeout(600 + 40 * ROUNDS)
@pytest.mark.parametrize("seed", range(ROUNDS))
def test_killed_dialer_loses_no_event(
    environ: dict[str, str], redis: Redis, tmp_path: Path, seed: int
) -> None:
    """At every point between change and delivery: delivered at least once, always under one id."""
    program = Path(__file__).with_name("faulty_dialer.py")
    with EventReceiver() as client, ExitStack() as processes:
        variables = {**environ, **WIDE_LIMITS, **endpoint_settings(client)}
        harness = EventHarness(load(variables).settings, redis)
        dialers = {
            moment: processes.enter_context(
                PreloadedProcess(
                    program,
                    *(moment, str(1 + seed % 3), "SIGKILL"),
                    log=tmp_path / f"{moment}.log",
                    variables=variables,
                )
            )
            for moment in MOMENTS
        }
        ids: list[str] = []

        def all_are_dead() -> bool:
            ids.append(_canceled(harness, len(ids)))
            return not any(dialer.is_running for dialer in dialers.values())

        wait_until(all_are_dead, "the dialers to die")
        assert [dialer.wait() for dialer in dialers.values()] == [-signal.SIGKILL] * len(MOMENTS)
        before = len(client.events)
        harness.advance_time(EVENT_LEASE_MS / 1000 + 1)
        while harness.deliver_due():
            pass
        assert client.faults == []
        received = {each.id for each in client.events}
        assert received == {f"evt_{each[4:]}_{version}" for each in ids for version in (2, 3)}
        assert len({(each.id, each.raw) for each in client.events}) == len(received)
        print(
            f"{len(dialers)} kills, {len(received)} events: {before} delivered before the kills, "
            f"{len(client.events) - len(received)} delivered twice"
        )


def _canceled(harness: EventHarness, n: int) -> str:
    harness.store.sweep("a running dialer")
    verification_id = harness.create(LOGIN_KEY, f"+9198765{n:05}", call_after=100)
    harness.end(LOGIN_KEY, verification_id)
    return verification_id
