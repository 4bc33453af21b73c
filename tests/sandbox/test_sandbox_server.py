"""The sandbox as a server: its start and its end."""

import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from sandbox.vendor import OBD
from support.processes import Process, free_port, is_listening

from otpvoice_sandbox import RunningSandbox, SandboxConfig, Webhook
from otpvoice_sandbox.scheduling import Scheduler

SERVE = (
    "from otpvoice_sandbox import SandboxConfig, serve\n"
    "serve(SandboxConfig(ring_seconds=0.02, talk_seconds=0.02), '127.0.0.1', {port})\n"
)
TOKEN = {"Authorization": "Bearer sandbox-token"}


def test_scheduler_runs_actions_in_order_of_time() -> None:
    """Not in the order of scheduling."""
    schedule, all_done = Scheduler(), threading.Event()
    done: list[float] = []
    for seconds in (0.03, 0.01, 0.02):
        schedule.run_later(seconds, done.append, seconds)
    schedule.run_later(0.04, all_done.set)

    assert all_done.wait(60)
    schedule.close()
    assert done == [0.01, 0.02, 0.03]


def test_scheduler_close_discards_actions_and_wakes_sleepers() -> None:
    """No queued action runs after it."""
    schedule, done = Scheduler(), []
    schedule.run_later(60, lambda: done.append(1))
    schedule.submit_later(60, lambda: done.append(1))
    with ThreadPoolExecutor(1) as other:
        sleeping = other.submit(schedule.sleep, 60)
        schedule.close()

        assert sleeping.result(5) is False
    assert done == []


def test_scheduler_close_waits_for_actions_that_run() -> None:
    """An action that ends soon is completed."""
    schedule, started, done = Scheduler(), threading.Event(), []

    def slow() -> None:
        started.set()
        schedule.sleep(60)
        time.sleep(0.1)
        done.append(1)

    schedule.submit_later(0, slow)
    assert started.wait(60)

    assert schedule.close() == 0
    assert done == [1]


def test_running_sandbox_frees_port_and_threads_at_exit(webhook_uri: str) -> None:
    """Delayed replies end as well."""
    before = set(threading.enumerate())
    config = SandboxConfig(
        webhooks={"1": Webhook(uri=webhook_uri)},
        subscription="1",
        ring_seconds=0.01,
        talk_seconds=0.01,
    )
    with RunningSandbox(config) as sandbox, ThreadPoolExecutor(1) as other:
        document = {"behaviour": "timeout"}
        requests.put(f"{sandbox.url}/phones/{OBD['to']}", json=document, timeout=5)
        hanging = other.submit(
            requests.post,
            f"{sandbox.api_url}outgoing/send",
            json=dict(OBD),
            headers=TOKEN,
            timeout=10,
        )
        assert sandbox.state.wait_until(lambda: bool(sandbox.state.callbacks.deliveries()), 60)
        began = time.monotonic()
        sandbox.state.close()
        hanging.result(5)
        assert time.monotonic() - began < 5

    for thread in set(threading.enumerate()) - before:
        thread.join(5)
        assert not thread.is_alive()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(sandbox.url.rpartition(":")[2]))) != 0


@pytest.fixture
def port() -> int:
    """A port that was free a moment ago."""
    return free_port()


@pytest.fixture
def server(port: int, tmp_path: Path) -> Iterator[Process]:
    """``serve`` in a process of its own."""
    command = [sys.executable, "-c", SERVE.format(port=port)]
    with Process(command, tmp_path / "log") as process:
        process.wait_until_ready(lambda: is_listening(port), "the sandbox")
        yield process


def test_serve_with_delayed_replies_ends_quickly(server: Process, port: int) -> None:
    """Calls are placed, connections are cut, and SIGINT ends delayed replies."""
    url = f"http://127.0.0.1:{port}"
    for behaviour in ("cut", "reset", "timeout"):
        requests.put(f"{url}/phones/{OBD['to']}", json={"behaviour": behaviour}, timeout=5)
        with pytest.raises(requests.RequestException):
            requests.post(
                f"{url}/api/v2/outgoing/send", json=dict(OBD), headers=TOKEN, timeout=(1, 0.5)
            )
    ledger = requests.get(f"{url}/ledger", timeout=5).json()
    assert [entry["rang"] for entry in ledger] == [True] * 3

    began = time.monotonic()
    server.signal(signal.SIGINT)
    output = server.finish()

    assert time.monotonic() - began < 9
    assert server.status == 0
    assert output == ""


def test_serve_with_open_streams_ends_quickly(server: Process, port: int) -> None:
    """SIGTERM disconnects browsers with an open page at once."""
    url = f"http://127.0.0.1:{port}"
    watching = [requests.get(f"{url}/desk/live", stream=True, timeout=15) for _ in range(3)]
    streams = [each.iter_lines(chunk_size=1) for each in watching]
    for stream in streams:
        assert next(stream).startswith(b"retry: ")

    began = time.monotonic()
    server.signal(signal.SIGTERM)
    output = server.finish()

    took = time.monotonic() - began
    for each in watching:
        each.close()
    assert took < 4.8
    assert (server.status, output) == (0, "")


def test_serve_with_callback_in_flight_drops_it(server: Process, port: int) -> None:
    """A webhook that does not respond delays the stop by two seconds at most."""
    url = f"http://127.0.0.1:{port}"
    with socket.create_server(("127.0.0.1", 0)) as webhook:
        webhook.settimeout(10)
        uri = f"http://127.0.0.1:{webhook.getsockname()[1]}/"
        requests.put(f"{url}/webhooks/1", json={"uri": uri}, timeout=5).raise_for_status()
        call = dict(OBD) | {"webhook_id": "1"}
        requests.post(f"{url}/api/v2/outgoing/send", json=call, headers=TOKEN, timeout=5)
        with webhook.accept()[0]:
            began = time.monotonic()
            server.signal(signal.SIGTERM)
            output = server.finish()
            took = time.monotonic() - began

    assert took < 9
    assert server.status == 0
    assert output == "stopped; callbacks in flight: 1\n"
