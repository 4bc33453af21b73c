"""Each example starts with one command and removes everything at the end."""

import re
import signal
import socket
import sys
from pathlib import Path

import pytest
import requests
from support.processes import Process

EXAMPLES = Path(__file__).parents[2] / "examples"


def start_example(*words: str, temporary: Path) -> Process:
    """Start ``python examples <words>``."""
    command = [sys.executable, str(EXAMPLES), *words]
    log = temporary.with_suffix(".log")
    return Process(command, log, {"TMPDIR": str(temporary)}, own_session=True)


def test_login_runs_until_stopped(tmp_path_factory: pytest.TempPathFactory) -> None:
    """It prints the addresses of page and phones; Ctrl-C ends it with status 0."""
    temporary = tmp_path_factory.mktemp("t")  # short enough for a socket in it
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with start_example("login", "--port", port, temporary=temporary) as process:
            output = process.read_until("until Ctrl-C")
            page, phone = re.findall(r"http://127\.0\.0\.1:\d+/\S*", output)[:2]
            assert port not in page, "the requested port is in use"
            assert "Log in" in requests.get(page, timeout=10).text
            assert requests.get(phone, timeout=10).json() == []
            process.signal(signal.SIGINT)
            process.wait()
    assert process.status == 0
    assert process.survivors() == []
    assert [*temporary.iterdir()] == []


def test_sms_once_runs_scenario(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Status 0 only if one phone rang, with the code of the lost SMS."""
    temporary = tmp_path_factory.mktemp("t")
    with start_example("sms", "--once", temporary=temporary) as process:
        output = process.finish()
    assert process.status == 0, output
    lost, ledger = re.split(r"^\d\. ", output, flags=re.MULTILINE)[2:4]
    spoken = "".join(re.findall(r"\d", re.findall(r'"spoken": "(.*)"', lost)[0]))
    assert f'{{"code": "{spoken}"}}' in lost
    assert '"logged_in": true' in lost
    assert ledger.count('"rang": true') == 1
    assert process.survivors() == []
    assert [*temporary.iterdir()] == []
