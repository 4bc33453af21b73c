"""APIs behind the shipped nginx, restarted one after the other while they are used."""

import time
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from deploy.programs import find_program
from deploy.proxy import NginxProxy, run_nginx
from system.apis import NOBODY_DIALS, Api, is_alive
from system.crowd import Line, crowd, number_of
from system.processes import free_port, otpvoice, until
from world import WIDE_LIMITS


def start(variables: Mapping[str, str], folder: Path, port: int, exits: ExitStack) -> Api:
    """An API on this port, once it answers."""
    bind = {"OTPVOICE_SERVER_BIND": f"127.0.0.1:{port}"}
    process = exits.enter_context(otpvoice("api", {**variables, **WIDE_LIMITS, **bind}, folder))
    api = Api(process, port)
    until(lambda: is_alive(api), f"the api to start; see {folder}")
    return api


def serves(proxy: NginxProxy, api: Api) -> None:
    """Waits until nginx, which leaves one that refused alone for a while, asks it again."""
    before = len(proxy.access_log())
    asked = {"upstream": f"127.0.0.1:{api.port}", "status": 201}
    until(
        lambda: any(asked.items() <= entry.items() for entry in proxy.access_log()[before:]),
        "its turn",
    )


def was_aborted(entry: dict[str, Any]) -> bool:
    """Whether a read ended without an answer of any API; its own 503 (the store) is one."""
    last = entry["upstream_status"].rpartition(", ")[2]
    return bool(entry["method"] == "GET" and entry["status"] == 503 and last != "503")


@pytest.mark.timeout(240)  # a busy machine takes its time to start processes
@pytest.mark.usefixtures("redis")
def test_a_rolling_restart_fails_nobody(
    environ: dict[str, str],
    certificate: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every read is answered by an API. A create is, or it is a 503 that says when to come again;
    then it is with its Idempotency-Key, and not done twice.
    """
    find_program("nginx")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    made: dict[str, str] = {}
    with ExitStack() as exits:
        apis = [start(environ, tmp_path, free_port(), exits) for _ in range(2)]
        proxy = exits.enter_context(
            run_nginx(tmp_path / "proxy", certificate, *(api.port for api in apis))
        )
        line = Line(proxy.url)

        def create_and_look(n: int) -> None:
            number = number_of(n)
            for _ in range(20):
                answer = line.creates(number, number, call_after=NOBODY_DIALS)
                if answer.status in {200, 201}:
                    made[number] = answer.body["id"]
                    line.looks(made[number])
                    return
                time.sleep(0.05)

        with crowd(create_and_look, threads=3, pause=0.05):
            for old in apis:
                serves(proxy, old)
                assert old.process.ends() == 0
                serves(proxy, start(environ, tmp_path, old.port, exits))
        book = Counter((each.status, each.body and each.body.get("code")) for each in line.book)
        print(f"{len(made)} made and looked at; answers {dict(book)}")
        assert {each.status for each in line.book} <= {200, 201, 503}
        assert all(each.body["retry_after"] for each in line.book if each.status == 503)
        assert [entry for entry in proxy.access_log() if was_aborted(entry)] == []
        assert len(made) == len(set(made.values()))
