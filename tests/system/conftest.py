"""The whole service as processes: gunicorn, a dialer, the sandbox, and a real store."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import requests
from world import Phones, Service

from otpvoice.sandbox import RunningSandbox, SandboxConfig, Webhook
from otpvoice.store.address import connect


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


@pytest.fixture(scope="module")
def service(
    redis_url: str, environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A running service whose callbacks come in; quick to call a number again."""
    with closing(connect(redis_url)) as redis:
        redis.flushdb()
    url = f"http://127.0.0.1:{_free_port()}"
    config = SandboxConfig(
        token=environ["OTPVOICE_PROVIDER_TOKEN"],
        flows={"24": "Hello {Name}, your otp for login is {otp}", "25": "नमस्ते {Name} {otp}"},
        webhooks={
            "1": Webhook(
                uri=f"{url}/webhooks/mobtexting", secret=environ["OTPVOICE_PROVIDER_WEBHOOK_SECRET"]
            )
        },
        subscription="1",
        ring_seconds=0.05,
        talk_seconds=0.05,
        callback_retry_seconds=0.1,
    )
    folder = tmp_path_factory.mktemp("service")
    with RunningSandbox(config) as sandbox:
        variables = environ | {
            "OTPVOICE_SERVER_BIND": url.removeprefix("http://"),
            "OTPVOICE_PROVIDER_BASE_URL": sandbox.api_url,
            "OTPVOICE_LIMITS_CALL_GAP": "0",
            "OTPVOICE_LIMITS_CALLS_PER_NUMBER": "",
            "OTPVOICE_VERIFICATION_CALLBACK_WAIT": "5",
        }
        running = Service(url, Phones(sandbox.url), sandbox, folder)
        with _process("api", variables, folder), _process("dialer", variables, folder):
            _wait_until_ready(url, folder)
            yield running


class _process:  # noqa: N801 - reads as a verb
    def __init__(self, command: str, variables: dict[str, str], folder: Path) -> None:
        self._arguments = [sys.executable, "-m", "otpvoice", command]
        self._log = folder / f"{command}.log"
        self._environ = {k: v for k, v in os.environ.items() if not k.startswith("OTPVOICE_")}
        self._environ |= variables

    def __enter__(self) -> None:
        with self._log.open("wb") as log:
            self._running = subprocess.Popen(self._arguments, env=self._environ, stderr=log)

    def __exit__(self, *_: object) -> None:
        self._running.terminate()
        assert self._running.wait(20) == 0


def _wait_until_ready(url: str, folder: Path) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            if requests.get(f"{url}/readyz", timeout=1).json()["degraded"] == []:
                return
        except (requests.RequestException, KeyError):
            pass
        time.sleep(0.05)
    logs = "\n".join(log.read_text()[-2000:] for log in folder.glob("*.log"))
    raise AssertionError(f"the service did not start:\n{logs}")
