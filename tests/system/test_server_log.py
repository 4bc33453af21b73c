"""Lines of the processes' logs: addresses, ports, process ids, counts and log ids are readable."""

import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from cli.cli_runner import run_command
from hypothesis import given
from hypothesis import strategies as st
from support.processes import TIMEOUT_S, Process, free_port, otpvoice_process, wait_until
from support.stack import running_service

from otpvoice.cli.keys import hash_key
from otpvoice.cli.render import number_document
from otpvoice.core.keys import LogId, NumberHasher
from otpvoice.core.phone import parse_number
from otpvoice.store.admin import NumberLimits, identify_number


def lines_of(log: Path) -> list[dict[str, Any]]:
    """Return every line so far."""
    return [json.loads(line) for line in log.read_text("utf-8").splitlines()]


def events_of(log: Path, event: str) -> list[dict[str, Any]]:
    """Return the lines with this event."""
    return [line for line in lines_of(log) if line["event"] == event]


def start(environ: dict[str, str], folder: Path, bind: str) -> Process:
    """Start ``otpvoice api`` with two workers on this address."""
    return otpvoice_process(
        "api",
        {**environ, "OTPVOICE_SERVER_BIND": bind, "OTPVOICE_SERVER_WORKERS": "2"},
        folder,
    )


def serves(worker: int) -> bool:
    """Return whether a worker has its threads, and so its handlers of signals."""
    return len([*Path(f"/proc/{worker}/task").iterdir()]) > 2


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
def test_api_logs_address_and_process_ids_whole(
    environ: dict[str, str], tmp_path: Path, host: str
) -> None:
    """From the first line to the last. No number is redacted as a code."""
    port = free_port()
    with start(environ, tmp_path, f"{host}:{port}") as api:
        wait_until(lambda: _responds(host, port), "the API to start")
        wait_until(lambda: [*map(serves, api.child_pids())] == [True] * 2, "both workers")
        workers = api.child_pids()
        assert api.terminate() == 0
    log = tmp_path / "api.log"
    (starting,) = events_of(log, "server.starting")
    (listening,) = events_of(log, "server.listening")
    assert starting["version"].count(".") >= 1
    assert starting["workers"] == 2
    assert starting["threads"] >= 1
    assert listening["address"].startswith("http://")
    assert listening["address"].endswith(f":{port}")
    assert listening["pid"] == api.pid
    assert {line["pid"] for line in events_of(log, "worker.started")} == {*workers}
    assert {line["pid"] for line in events_of(log, "worker.stopping")} == {*workers}
    assert events_of(log, "server.signal")[0]["signal"] == "term"
    assert events_of(log, "server.stopped")
    assert not [word for word in ("digits]", "[redacted]") if word in log.read_text("utf-8")]


@pytest.fixture(scope="module")
def running(
    environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Process, int]]:
    """Run an API with two workers; yield it and its port."""
    port = free_port()
    with start(environ, tmp_path_factory.mktemp("first"), f"127.0.0.1:{port}") as api:
        api.wait_until_ready(lambda: _responds("127.0.0.1", port), "the API")
        yield api, port


def test_api_without_its_address_logs_the_reason_and_fails(
    running: tuple[Process, int], environ: dict[str, str], tmp_path: Path
) -> None:
    """A port in use, and an address of no interface (RFC 5737).

    Gunicorn tries five times, a second apart.
    """
    port = running[1]
    with (
        start(environ, tmp_path / "used", f"127.0.0.1:{port}") as used,
        start(environ, tmp_path / "foreign", f"192.0.2.1:{port}") as foreign,
    ):
        assert (used.wait(), foreign.wait()) == (1, 1)
    in_use = events_of(used.log, "server.address_in_use")
    assert {line["address"] for line in in_use} == {f"127.0.0.1:{port}"}
    assert {line["level"] for line in in_use} == {"error"}
    (failed, *_) = events_of(foreign.log, "server.bind_failed")
    assert failed["address"] == f"192.0.2.1:{port}"
    assert "assign" in failed["reason"]


def test_killed_worker_is_logged_with_its_id_and_signal(running: tuple[Process, int]) -> None:
    """It may have run out of memory."""
    api, _ = running
    wait_until(lambda: len(api.child_pids()) == 2, "two workers")
    victim = api.child_pids()[0]
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: events_of(api.log, "worker.killed"), "the line")
    (killed,) = events_of(api.log, "worker.killed")
    assert (killed["pid"], killed["signal"], killed["level"]) == (victim, "SIGKILL", "error")


def _responds(host: str, port: int) -> bool:
    try:
        return requests.get(f"http://{host}:{port}/healthz", timeout=1).ok
    except requests.RequestException:
        return False


# Log ids ------------------------------------------------------------------------------------------


ADMIN_KEY = "ova_admin-key-of-the-tests"
NUMBERS = [f"+9198765432{n}0" for n in range(8)]
_SHOWN = re.compile(r"Its id in the log is <code>([^<]*)</code>")


@given(st.binary(min_size=32, max_size=32), st.integers(7_000_000_000, 9_999_999_999))
def test_log_id_of_any_number_is_eight_letters_and_equal_everywhere(
    key: bytes, digits: int
) -> None:
    """For any number and any key: the command's document, the log's short name, one type."""
    number, number_key = parse_number(f"+91{digits}"), NumberHasher(key)
    expected = LogId.from_hash(number_key.hash(number.e164))
    telephone = identify_number(number, number_key)
    limits = NumberLimits(telephone, 0, 0, 0, 0, (), (), has_address_limits=False)
    printed = number_document(limits)["name_in_logs"]
    assert re.fullmatch(r"[A-Za-z]{8}", expected)
    assert telephone.log_id == printed == expected
    assert isinstance(expected, LogId)


def test_log_id_printed_by_command_and_console_is_found_in_the_log(
    environ: dict[str, str], tmp_path: Path
) -> None:
    """In the log of a real run, for several numbers: four of five differed when forms differed."""
    admin = {"OTPVOICE_SECRETS_ADMIN_KEY_SHA256": hash_key(ADMIN_KEY)}
    with running_service(environ, tmp_path, **admin) as stack:
        begun = {number: stack.service.create(number)["id"] for number in NUMBERS}
        console = {number: _console_id(stack.service.url, number) for number in NUMBERS}
        command = {number: _command_id(stack.variables, number) for number in NUMBERS}
        for number in NUMBERS:
            stack.service.wait_for_code(number)
        assert (stack.dialer.terminate(), stack.api.terminate()) == (0, 0)
    for name in ("api.log", "dialer.log"):
        logged = {}
        for line in map(json.loads, (tmp_path / name).read_text("utf-8").splitlines()):
            if "number" in line and "verification" in line:
                logged[line["verification"]] = line["number"]
        assert {number: logged[known] for number, known in begun.items()} == console == command


def _console_id(url: str, number: str) -> str:
    answer = requests.post(
        f"{url}/console/search",
        data={"query": number},
        auth=("asha", ADMIN_KEY),
        headers={"Origin": url},
        timeout=TIMEOUT_S,
    )
    (shown,) = _SHOWN.findall(answer.text)
    return str(shown)


def _command_id(variables: dict[str, str], number: str) -> str:
    explained = run_command("limits", "explain", number, "--json", **variables).output
    return str(json.loads(explained)["name_in_logs"])
