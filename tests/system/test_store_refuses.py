"""A store that refuses commands: what processes log and respond. None of them ends."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
import requests
from redis import Redis
from support.processes import TIMEOUT_S, Process, free_port, otpvoice_process, wait_until
from support.service import LOGIN_KEY
from support.stack import Stack, is_ready, running_service
from support.timing import finishes_within
from support.valkey import DURABLE, Valkey
from system.concurrency import RecordingClient

RULES = {
    "no FCALL": ["-fcall"],
    "no FUNCTION LOAD": ["-function|load"],
    "no HSET": ["-hset"],
    "another password": ["resetpass", ">another"],
}
"""What an operator may do to the user of the store while the service runs. Five outages of a
minute are logged at once, so that one service bears them all."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """Start a store with a user for the service."""
    with Valkey(tmp_path_factory.mktemp("store"), *DURABLE) as store:
        acl(store, *RESTORED)
        yield store


RESTORED = ["reset", "on", ">word", "~*", "+@all"]


def acl(store: Valkey, *rules: str) -> None:
    """Change what the service's user may do."""
    with closing(Redis(port=store.port, protocol=2)) as admin:
        command: Callable[..., Any] = admin.execute_command
        command("ACL", "SETUSER", "service", *rules)


def address(store: Valkey) -> str:
    """Return the store's address for the service, which waits as long as a loaded machine needs."""
    return f"redis://service:word@127.0.0.1:{store.port}/0?socket_timeout=10"


@pytest.fixture(scope="module")
def stack(
    environ: dict[str, str], store: Valkey, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """Run a service on that store; its processes end with status 0."""
    variables = environ | {"OTPVOICE_REDIS_URL": address(store)}
    with running_service(variables, tmp_path_factory.mktemp("service")) as running:
        yield running
        assert (running.dialer.terminate(), running.api.terminate()) == (0, 0)


def lines_of(log: Path, event: str, after: int = 0) -> list[dict[str, Any]]:
    """Return the log lines of one event, from the line with this index on."""
    text = log.read_text("utf-8").splitlines()[after:]
    lines = [json.loads(line) for line in text if line[:1] == "{" and line[-1:] == "}"]
    return [line for line in lines if line["event"] == event]


def explains(unavailable: list[dict[str, Any]]) -> bool:
    """Return whether one of these lines names what the operator did."""
    causes = ("no permission", "wrong password")
    return any(line["reason"].startswith(causes) for line in unavailable)


@pytest.mark.parametrize("harm", RULES)
def test_missing_permission_gets_503_until_it_is_restored(
    stack: Stack, store: Valkey, harm: str
) -> None:
    """No process ends, and calls are placed again."""
    line = RecordingClient(stack.service.url)
    logs = {name: stack.folder / f"{name}.log" for name in ("api", "dialer")}
    before = {name: len(log.read_text("utf-8").splitlines()) for name, log in logs.items()}

    def new(name: str, event: str) -> list[dict[str, Any]]:
        return lines_of(logs[name], event, before[name])

    number = f"+91987654321{[*RULES].index(harm)}"
    named = ["api"] if harm == "no HSET" else ["api", "dialer"]  # an idle dialer writes no hash
    with closing(Redis(port=store.port, protocol=2)) as admin:
        acl(store, *RULES[harm])
        if harm in {"no FUNCTION LOAD", "another password"}:
            admin.function_flush()
            admin.client_kill_filter(_type="normal", skipme=True)
        wait_until(lambda: line.create(number).status == 503, "the refusal")
        refused = line.responses[-1]
        assert refused.body["code"] == "store_unavailable"
        ready = requests.get(f"{stack.service.url}/readyz", timeout=TIMEOUT_S)
        assert ready.status_code in ({200, 503} if harm == "no HSET" else {503})
        assert requests.get(f"{stack.service.url}/healthz", timeout=TIMEOUT_S).status_code == 200
        for name in named:  # an idle dialer first finds its connection closed
            wait_until(lambda name=name: explains(new(name, "store.unavailable")), "the reason")  # type: ignore[misc]
        assert stack.api.is_running
        assert stack.dialer.is_running
        acl(store, *RESTORED)
    with finishes_within(2):
        wait_until(lambda: is_ready(stack.service.url), "recovery")
    stack.service.create(number)
    assert stack.service.wait_for_code(number)
    for name in named:
        addresses = {each["address"] for each in new(name, "store.unavailable")}
        assert addresses == {f"127.0.0.1:{store.port}"}
        wait_until(lambda name=name: bool(new(name, "store.recovered")), "a line")  # type: ignore[misc]
    assert LOGIN_KEY not in (stack.folder / "api.log").read_text("utf-8")


@pytest.mark.parametrize("command", ["api", "dialer"])
@pytest.mark.parametrize("reason", ["refused", "wrong password"])
def test_process_started_without_its_store_logs_it_once(
    environ: dict[str, str], store: Valkey, tmp_path: Path, command: str, reason: str
) -> None:
    """One line with host, port and reason, before any request."""
    port = store.port if reason == "wrong password" else free_port()
    variables = {
        "OTPVOICE_REDIS_URL": f"redis://service:wrong-w0rd@127.0.0.1:{port}/0",
        "OTPVOICE_SERVER_BIND": f"127.0.0.1:{free_port()}",
    }
    with otpvoice_process(command, environ | variables, tmp_path) as process:
        log = tmp_path / f"{command}.log"
        wait_until(lambda: bool(lines_of(log, "store.unavailable")), "a line")
        if command == "dialer":  # which tries again and again
            wait_until(lambda: bool(lines_of(log, "dialer.started")), "the start")
        assert process.is_running
        assert process.terminate() == 0
    (line,) = lines_of(log, "store.unavailable")
    assert (line["address"], line["reason"]) == (f"127.0.0.1:{port}", reason)
    assert "wrong-w0rd" not in log.read_text("utf-8")


def test_service_started_before_its_store_serves_later(
    environ: dict[str, str], tmp_path: Path
) -> None:
    """The order of starting does not matter."""
    folder = tmp_path / "store"
    folder.mkdir()
    with ExitStack() as exits:
        late = Valkey(folder, is_started=False)
        url = f"http://127.0.0.1:{free_port()}"
        variables = {
            "OTPVOICE_REDIS_URL": late.url,
            "OTPVOICE_SERVER_BIND": url.removeprefix("http://"),
        }
        processes: list[Process] = [
            exits.enter_context(otpvoice_process(name, environ | variables, tmp_path))
            for name in ("api", "dialer")
        ]
        for name in ("api", "dialer"):
            log = tmp_path / f"{name}.log"
            wait_until(lambda log=log: bool(lines_of(log, "store.unavailable")), "a line")  # type: ignore[misc]
        exits.enter_context(late.start())
        wait_until(lambda: is_ready(url), "the service to be ready")
        assert [each.terminate() for each in processes] == [0, 0]
