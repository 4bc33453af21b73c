"""Kills API workers and replaces processes while eight threads send requests.

``OTPVOICE_TEST_API_KILLS`` is how many workers are killed.
"""

import os
import random
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from support.processes import free_port, otpvoice_process, wait_until
from support.stack import Stack, is_ready, move_callbacks, running_service
from system.concurrency import NO_RESPONSE, RecordingClient, TimedResponse, concurrently, nth_number
from system.two_companies import two_companies

KILLS = int(os.environ.get("OTPVOICE_TEST_API_KILLS", "3"))
NEWS_SOON = {"OTPVOICE_VERIFICATION_CALLBACK_TIMEOUT": "5"}
"""Calls whose callback was lost are queried early."""


def every_call_rings_once(stack: Stack, line: RecordingClient, acknowledged: dict[str, str]) -> int:
    """Wait until all acknowledged calls are answered; return how many numbers rang in total."""

    def calls_of(name: str) -> list[dict[str, Any]]:
        calls: list[dict[str, Any]] = line.get_verification(name).body["calls"]
        return calls

    for name in acknowledged.values():
        wait_until(lambda n=name: calls_of(n)[-1]["status"] == "answered", f"the call of {name}")  # type: ignore[misc]
    rang = Counter(f"+{e['person']}" for e in stack.service.phones.ledger() if e["rang"])
    assert {number: rang[number] for number in acknowledged if rang[number] != 1} == {}
    assert {number: times for number, times in rang.items() if times != 1} == {}
    return len(rang)


@pytest.mark.timeout(600 + 3 * KILLS)
def test_create_acknowledged_by_killed_worker_is_called_once(
    environ: dict[str, str], tmp_path: Path
) -> None:
    """Workers die in the middle of requests. Every create that got 201 rings once."""
    changes = {"OTPVOICE_SERVER_WORKERS": "2", **NEWS_SOON}
    with running_service(environ, tmp_path, **changes) as stack:
        line = RecordingClient(stack.service.url)
        acknowledged: dict[str, str] = {}

        def create(n: int) -> None:
            answer = line.create(nth_number(n))
            assert answer.status in {201, NO_RESPONSE}, answer
            if answer.status == 201:
                acknowledged[nth_number(n)] = answer.body["id"]

        with concurrently(create, pause=0.02):
            for kill in range(KILLS):
                before = len(acknowledged)
                wait_until(lambda before=before: len(acknowledged) >= before + 20, "20 answers")  # type: ignore[misc]
                workers = stack.api.child_pids()
                os.kill(random.Random(kill).choice(workers), signal.SIGKILL)
        broken = sum(answer.status == NO_RESPONSE for answer in line.responses)
        rang = every_call_rings_once(stack, line, acknowledged)
        print(
            f"{KILLS} workers killed: {len(acknowledged)} acknowledged, all rang once; "
            f"{broken} requests without an answer, {rang - len(acknowledged)} of which rang"
        )
        assert (stack.dialer.terminate(), stack.api.terminate()) == (0, 0)


@pytest.mark.timeout(600 + 3 * KILLS)
def test_call_whose_document_a_killed_worker_served_is_spoken(
    environ: dict[str, str], tmp_path: Path
) -> None:
    """The company fetches what each call speaks. If a worker dies meanwhile, a redial speaks it."""
    changes = {
        "SERVER_WORKERS": "2",
        "DIALER_ROUTES": "signalwire",
        "VERIFICATION_MAX_REDIALS": "2",
    }
    own = {f"OTPVOICE_{name}": value for name, value in changes.items()} | NEWS_SOON
    with two_companies(environ, tmp_path, **own) as companies:
        line, acknowledged = RecordingClient(companies.service.url), {}
        phones = companies.phones_of("signalwire")

        def create(n: int) -> None:
            answer = line.create(nth_number(n), code=f"{n:06}")
            if answer.status == 201:
                acknowledged[n] = answer.body["id"]

        with concurrently(create, threads=4, pause=0.05):
            for kill in range(KILLS):
                before = len(acknowledged)
                wait_until(lambda before=before: len(acknowledged) >= before + 10, "10 answers")  # type: ignore[misc]
                workers = companies.stack.api.child_pids()
                os.kill(random.Random(kill).choice(workers), signal.SIGKILL)

        def calls_of(n: int) -> list[dict[str, Any]]:
            calls: list[dict[str, Any]] = line.get_verification(acknowledged[n]).body["calls"]
            return calls

        def is_over(n: int) -> bool:
            return calls_of(n)[-1]["heard"] is True

        for n in acknowledged:
            wait_until(lambda n=n: is_over(n), "the last calls")  # type: ignore[misc]
        calls = {n: calls_of(n) for n in acknowledged}
        ledger = Counter(entry["person"].removeprefix("+") for entry in phones.ledger())
        assert {n: ledger[nth_number(n)[1:]] for n in calls} == {n: len(calls[n]) for n in calls}
        for n, listed in calls.items():
            spoken = [each["spoken"] for each in phones.calls(nth_number(n))]
            assert [bool(text) for text in spoken] == [each["heard"] is True for each in listed]
            assert "".join(filter(str.isdigit, spoken[-1])) == f"{n:06}" * 3
        redialed = sum(len(listed) > 1 for listed in calls.values())
        print(f"{KILLS} workers killed: {len(calls)} calls spoken, {redialed} at the second try")


def was_refused(answer: TimedResponse) -> bool:
    """Return whether no process accepted or read the request, so that it may be repeated."""
    return answer.status == 503 or any(w in answer.fault for w in ("refused", "Reset", "Remote"))


class RepeatingClient:
    """Creates that are sent again, with the same key, to whichever API serves them.

    Every fifth call takes half a second to be accepted, so that a dialer has calls in flight.
    """

    def __init__(self, stack: Stack) -> None:
        self._phones = stack.service.phones
        self.lines = [RecordingClient(stack.service.url)]
        """One for each API."""
        self.acknowledged: dict[str, str] = {}
        """Number → verification."""
        self.lost: list[TimedResponse] = []
        """Responses to requests that were read, but whose response was lost."""

    def create(self, n: int) -> None:
        """Send a create until it is served."""
        number = nth_number(n)
        if n % 5 == 0:
            self._phones.set_behaviour(number, "slow", seconds=0.5)
        for attempt in range(20):
            answer = self.lines[(n + attempt) % len(self.lines)].create(number, key=number)
            if answer.status == 201:
                self.acknowledged[number] = answer.body["id"]
                if answer.replayed:
                    self.lost.append(answer)
                return
            if not was_refused(answer):
                self.lost.append(answer)
            time.sleep(0.05)
        raise AssertionError(f"never served: {answer}")

    def figures(self) -> str:
        """Return the outcome for the report."""
        book = [answer for line in self.lines for answer in line.responses]
        refused = sum(was_refused(answer) for answer in book)
        reset = sum(answer.fault != "" and "refused" not in answer.fault for answer in book)
        return (
            f"{len(self.acknowledged)} served, {refused} refused and repeated, {reset} of them "
            f"reset, {len(self.lost)} answers lost"
        )


def test_rolling_restart_serves_each_request_once(environ: dict[str, str], tmp_path: Path) -> None:
    """New processes start before the old ones stop.

    Connections that wait to be accepted when the old API closes its port are reset, but no running
    request loses its response.
    """
    with running_service(environ, tmp_path, **NEWS_SOON) as stack:
        client, url = RepeatingClient(stack), f"http://127.0.0.1:{free_port()}"
        new_folder = tmp_path / "new"
        new = stack.variables | {"OTPVOICE_SERVER_BIND": url.removeprefix("http://")}
        with (
            otpvoice_process("api", new, new_folder) as new_api,
            otpvoice_process("dialer", new, new_folder) as new_dialer,
        ):
            with concurrently(client.create, pause=0.15):
                wait_until(lambda: is_ready(url), "the new api to start")
                client.lines.append(RecordingClient(url))
                move_callbacks(stack, url)
                time.sleep(1)  # of both together
                assert stack.dialer.terminate() == 0
                assert stack.api.terminate() == 0
                time.sleep(0.5)  # of the new ones alone
            every_call_rings_once(stack, client.lines[-1], client.acknowledged)
            print(f"rolled: {client.figures()}")
            assert client.lost == []
            assert (new_dialer.terminate(), new_api.terminate()) == (0, 0)
