"""APIs behind the shipped nginx, restarted one after the other under load."""

import time
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from deploy.nginx_proxy import NginxProxy, run_nginx
from support.processes import find_program, free_port, otpvoice_process, wait_until
from support.service import WIDE_LIMITS
from support.stack import CALL_DELAY_S, ApiProcess, is_alive
from system.concurrency import RecordingClient, concurrently, nth_number


def start(variables: Mapping[str, str], folder: Path, port: int, exits: ExitStack) -> ApiProcess:
    """Start an API on this port and wait until it responds."""
    bind = {"OTPVOICE_SERVER_BIND": f"127.0.0.1:{port}"}
    process = exits.enter_context(
        otpvoice_process("api", {**variables, **WIDE_LIMITS, **bind}, folder)
    )
    api = ApiProcess(process, port)
    wait_until(lambda: is_alive(api), f"the api to start; see {folder}")
    return api


def serves(proxy: NginxProxy, api: ApiProcess) -> None:
    """Wait until nginx uses an API again, which it skips for a while after a failure."""
    before = len(proxy.access_log())
    asked = {"upstream": f"127.0.0.1:{api.port}", "status": 201}
    wait_until(
        lambda: any(asked.items() <= entry.items() for entry in proxy.access_log()[before:]),
        "its turn",
    )


def was_aborted(entry: dict[str, Any]) -> bool:
    """Whether a read got no response of any API; an API's own 503 is one."""
    last = entry["upstream_status"].rpartition(", ")[2]
    return bool(entry["method"] == "GET" and entry["status"] == 503 and last != "503")


@pytest.mark.usefixtures("redis")
def test_rolling_restart_loses_no_request(
    environ: dict[str, str],
    certificate: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every read gets a response of an API. A create does, too, or it gets 503 with a retry time;
    retried with its Idempotency-Key, it succeeds once.
    """
    find_program("nginx")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    made: dict[str, str] = {}
    with ExitStack() as exits:
        apis = [start(environ, tmp_path, free_port(), exits) for _ in range(2)]
        proxy = exits.enter_context(
            run_nginx(tmp_path / "proxy", certificate, *(api.port for api in apis))
        )
        line = RecordingClient(proxy.url, certificate)

        def create_and_look(n: int) -> None:
            number = nth_number(n)
            for _ in range(20):
                answer = line.create(number, number, call_after=CALL_DELAY_S)
                if answer.status in {200, 201}:
                    made[number] = answer.body["id"]
                    line.get_verification(made[number])
                    return
                time.sleep(0.05)

        with concurrently(create_and_look, threads=3, pause=0.1):
            for old in apis:
                serves(proxy, old)
                assert old.process.terminate() == 0
                serves(proxy, start(environ, tmp_path, old.port, exits))
        book = Counter(
            (each.status, each.body and each.body.get("code")) for each in line.responses
        )
        print(f"{len(made)} created and read; responses {dict(book)}")
        assert {each.status for each in line.responses} <= {200, 201, 503}
        assert all(each.body["retry_after"] for each in line.responses if each.status == 503)
        assert [entry for entry in proxy.access_log() if was_aborted(entry)] == []
        assert len(made) == len(set(made.values()))
