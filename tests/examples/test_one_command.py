"""Each example starts by one command, whatever else runs, and leaves nothing."""

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


def test_the_login_runs_until_it_is_stopped(tmp_path_factory: pytest.TempPathFactory) -> None:
    """It tells where its page and its phones are; a Ctrl-C ends all of it with status 0."""
    temporary = tmp_path_factory.mktemp("t")  # short enough for a socket in it
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with start_example("login", "--port", port, temporary=temporary) as process:
            told = process.read_until("until Ctrl-C")
            page, phone = re.findall(r"http://127\.0\.0\.1:\d+/\S*", told)[:2]
            assert port not in page, "somebody else has that one"
            assert "Log in" in requests.get(page, timeout=10).text
            assert requests.get(phone, timeout=10).json() == []
            process.signal(signal.SIGINT)
            process.wait()
    assert process.status == 0
    assert process.survivors() == []
    assert [*temporary.iterdir()] == []


def test_the_sms_story_is_told_to_its_end(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Status 0 only after real answers: one phone rang, with the code of the SMS that was lost."""
    temporary = tmp_path_factory.mktemp("t")
    with start_example("sms", "--once", temporary=temporary) as process:
        told = process.finish()
    assert process.status == 0, told
    lost, ledger = re.split(r"^\d\. ", told, flags=re.MULTILINE)[2:4]
    spoken = "".join(re.findall(r"\d", re.findall(r'"spoken": "(.*)"', lost)[0]))
    assert f'{{"code": "{spoken}"}}' in lost
    assert '"logged_in": true' in lost
    assert ledger.count('"rang": true') == 1
    assert process.survivors() == []
    assert [*temporary.iterdir()] == []
