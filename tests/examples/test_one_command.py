"""Each example starts by one command, whatever else runs, and leaves nothing."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from cli.cli_runner import read_until, running_commands

EXAMPLES = Path(__file__).parents[2] / "examples"


@contextmanager
def starts(*words: str, temporary: Path) -> Iterator[subprocess.Popen[str]]:
    """``python examples <words>``, ended at the end of the block."""
    process = subprocess.Popen(
        [sys.executable, str(EXAMPLES), *words],
        env={**os.environ, "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    with process:
        try:
            yield process
        finally:
            process.terminate()


def test_the_login_runs_until_it_is_stopped(tmp_path_factory: pytest.TempPathFactory) -> None:
    """It tells where its page and its phones are; a Ctrl-C ends all of it with status 0."""
    temporary = tmp_path_factory.mktemp("t")  # short enough for a socket in it
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with starts("login", "--port", port, temporary=temporary) as process:
            told = read_until(process, "until Ctrl-C")
            page, phone = re.findall(r"http://127\.0\.0\.1:\d+/\S*", told)[:2]
            assert port not in page, "somebody else has that one"
            assert "Log in" in requests.get(page, timeout=10).text
            assert requests.get(phone, timeout=10).json() == []
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=30)
    assert process.returncode == 0
    assert running_commands(process) == []
    assert [*temporary.iterdir()] == []


def test_the_sms_story_is_told_to_its_end(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Status 0 only after real answers: one phone rang, with the code of the SMS that was lost."""
    temporary = tmp_path_factory.mktemp("t")
    with starts("sms", "--once", temporary=temporary) as process:
        told, _ = process.communicate(timeout=60)
    assert process.returncode == 0, told
    lost, ledger = re.split(r"^\d\. ", told, flags=re.MULTILINE)[2:4]
    spoken = "".join(re.findall(r"\d", re.findall(r'"spoken": "(.*)"', lost)[0]))
    assert f'{{"code": "{spoken}"}}' in lost
    assert '"logged_in": true' in lost
    assert ledger.count('"rang": true') == 1
    assert running_commands(process) == []
    assert [*temporary.iterdir()] == []
