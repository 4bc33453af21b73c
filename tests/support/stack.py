"""Whole services of the tests: an API, and a stack of API, dialer and sandbox."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests
from redis import Redis
from support.processes import TIMEOUT_S, Process, free_port, is_listening, otpvoice_process
from support.raw_http import RawConnection, RawResponse
from support.service import WIDE_LIMITS, RunningService, SandboxPhones

from otpvoice.store import Keys
from otpvoice.store.discovery import connect
from otpvoice_sandbox import RunningSandbox, SandboxConfig, Webhook

GATED_FLOW = "26"
"""The sandbox's flow that asks for a key."""
FLOWS = {
    "24": "Hello {Name}, your otp for login is {otp}",
    "25": "नमस्ते {Name} {otp}",
    GATED_FLOW: "Your code is {otp}",
}
CALL_DELAY_S = 200
"""A ``call_after`` for tests without a dialer: calls that are not due yet need none."""


@dataclass(frozen=True)
class ApiProcess:
    """A running ``otpvoice api``."""

    process: Process
    port: int

    @property
    def url(self) -> str:
        """Its URL."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        """The file of its log."""
        return self.process.log

    def connect(self) -> RawConnection:
        """Open a connection."""
        return RawConnection(self.port)

    def send(self, *parts: bytes) -> RawResponse:
        """Return the response to one request on a connection of its own."""
        with self.connect() as connection:
            connection.send(*parts)
            return connection.read_response()


@contextmanager
def running_api(variables: Mapping[str, str], folder: Path, **changes: str) -> Iterator[ApiProcess]:
    """Run an API during the block; it ends with status 0. ``changes``: further variables."""
    port = free_port()
    bind = {"OTPVOICE_SERVER_BIND": f"127.0.0.1:{port}"}
    with otpvoice_process("api", {**variables, **bind, **changes}, folder) as process:
        process.wait_until_ready(lambda: is_listening(port), "the API")
        yield ApiProcess(process, port)
        assert process.terminate() == 0


@dataclass(frozen=True)
class Stack:
    """A service whose processes a test may harm."""

    service: RunningService
    api: Process
    dialer: Process
    variables: dict[str, str]
    folder: Path


def running_service(
    environ: Mapping[str, str], folder: Path, **changes: str
) -> AbstractContextManager[Stack]:
    """Run a service on an emptied store during the block. ``changes``: further variables."""
    return service_started_by(otpvoice_process, environ, folder, **changes)


@contextmanager
def service_started_by(
    start: Callable[[str, Mapping[str, str], Path], Process],
    environ: Mapping[str, str],
    folder: Path,
    **changes: str,
) -> Iterator[Stack]:
    """Run a service on an emptied store during the block.

    Args:
        start: starts one of its commands, with variables and the folder of its log.
        environ: the variables of its processes.
        folder: of their logs.
        changes: further variables.
    """
    with closing(connect(environ["OTPVOICE_REDIS_URL"])) as redis:
        redis.flushdb()
    url = f"http://{changes.get('OTPVOICE_SERVER_BIND') or f'127.0.0.1:{free_port()}'}"
    with RunningSandbox(sandbox_config(environ, url)) as sandbox, ExitStack() as processes:
        variables = {
            **environ,
            "OTPVOICE_SERVER_BIND": url.removeprefix("http://"),
            "OTPVOICE_PROVIDER_BASE_URL": sandbox.api_url,
            **WIDE_LIMITS,
            **changes,
        }
        api = processes.enter_context(start("api", variables, folder))
        dialer = processes.enter_context(start("dialer", variables, folder))
        api.wait_until_ready(lambda: is_ready(url), "the service")
        service = RunningService(url, SandboxPhones(sandbox.url), sandbox, folder)
        yield Stack(service, api, dialer, variables, folder)


def sandbox_config(environ: Mapping[str, str], url: str) -> SandboxConfig:
    """Return the settings of a fast sandbox that sends its callbacks to the service at ``url``."""
    webhook = Webhook(
        uri=f"{url}/webhooks/mobtexting", secret=environ["OTPVOICE_PROVIDER_WEBHOOK_SECRET"]
    )
    return SandboxConfig(
        token=environ["OTPVOICE_PROVIDER_TOKEN"],
        flows=FLOWS,
        prompts={GATED_FLOW: "The login code for {Name}: press any key, or nine to deny it."},
        webhooks={"1": webhook},
        subscription="1",
        ring_seconds=0.05,
        talk_seconds=0.05,
        callback_retry_seconds=0.1,
    )


def move_callbacks(stack: Stack, url: str) -> None:
    """Have the sandbox send its callbacks to another service."""
    webhook = {
        "uri": f"{url}/webhooks/mobtexting",
        "secret": stack.variables["OTPVOICE_PROVIDER_WEBHOOK_SECRET"],
    }
    response = requests.put(
        f"{stack.service.sandbox.url}/webhooks/1", json=webhook, timeout=TIMEOUT_S
    )
    assert response.ok, response.text


def end_route_pauses(redis: Redis) -> None:
    """Let the pauses of all closed routes end now."""
    for route in redis.scan_iter(Keys().of("route", "*")):
        redis.hset(route, "closed_until", 1)


def is_alive(api: ApiProcess) -> bool:
    """Return whether the API answers."""
    try:
        return requests.get(f"{api.url}/healthz", timeout=1).ok
    except requests.RequestException:
        return False


def is_ready(url: str) -> bool:
    """Return whether the service is ready, and not degraded."""
    try:
        return bool(requests.get(f"{url}/readyz", timeout=1).json()["degraded"] == [])
    except (requests.RequestException, KeyError):
        return False
