"""``make demo``, which is ``python examples demo``: the scenario, then a page."""

import re
import signal
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
import requests
from support.processes import TerminalProcess, wait_until

from otpvoice_demo.stack import free_port

EXAMPLES = Path(__file__).parents[2] / "examples"
PAGE = re.compile(r"on one page:  \S*?(http://127\.0\.0\.1:\d+)/")


def demo_in_terminal(*words: str, environ: Mapping[str, str]) -> TerminalProcess:
    """Run ``python examples demo <words>`` in a terminal; yield the process and the screen."""
    return TerminalProcess([sys.executable, EXAMPLES, "demo", *words], environ, cwd=environ["HOME"])


def read_page_url(process: TerminalProcess) -> tuple[str, str]:
    """Read until the page's address; return the output and the address."""
    found = process.wait_until_ready(lambda: PAGE.search(process.output()), "the page's address")
    return process.output(), found[1]  # type: ignore[index] # it is a match


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
def opened(tmp_path: Path) -> Path:
    """The file to which the desktop's browser writes the address that it opens."""
    return tmp_path / "opened"


@pytest.fixture
def desktop(tmp_path: Path, temporary: Path, opened: Path) -> dict[str, str]:
    """The environment of a desktop with a browser."""
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}\n')
    browser.chmod(0o700)
    return {
        "DISPLAY": ":0",
        "WAYLAND_DISPLAY": "",
        "BROWSER": f"{browser} %s",
        "TMPDIR": str(temporary),
        "HOME": str(tmp_path),
        "DEMO_PORT": str(free_port()),
        "DEMO_SANDBOX_PORT": str(free_port()),
    }


def test_demo_opens_page_after_scenario(
    temporary: Path, desktop: dict[str, str], opened: Path
) -> None:
    """Ctrl-C ends the demo with status 0 and removes everything."""
    with demo_in_terminal(environ=desktop) as process:
        output, page = read_page_url(process)
        assert "Approved once, and the callback is recorded" in output
        assert "Sandbox" in requests.get(page, timeout=10).text
        process.signal(signal.SIGINT)
        assert process.wait() == 0
        assert process.survivors() == []
    assert opened.read_text() == f"{page}\n"
    assert [*temporary.iterdir()] == []


@pytest.mark.skipif(sys.platform == "darwin", reason="a Mac always has a desktop")
@pytest.mark.parametrize(
    ("displays", "opens"),
    [({}, True), ({"DISPLAY": "", "WAYLAND_DISPLAY": "wayland-0"}, True), ({"DISPLAY": ""}, False)],
    ids=["x11", "wayland", "none"],
)
def test_page_is_opened_if_there_is_a_display(
    displays: dict[str, str], opens: bool, desktop: dict[str, str], opened: Path
) -> None:
    """Without one, its address is only printed."""
    command = [sys.executable, "-c", "import launcher; launcher.open_in_browser('http://page')"]
    with TerminalProcess(command, desktop | displays, cwd=EXAMPLES) as process:
        assert process.wait() == 0, process.output()
    assert opened.exists() is opens


def test_demo_without_browser_prints_address_only(desktop: dict[str, str], opened: Path) -> None:
    """Although there is a desktop."""
    with demo_in_terminal("--no-browser", environ=desktop) as process:
        read_page_url(process)
        process.signal(signal.SIGINT)
        assert process.wait() == 0
    assert not opened.exists()


@pytest.mark.usefixtures("default_ports_in_use")
def test_demo_once_exits_after_scenario(
    temporary: Path, desktop: dict[str, str], opened: Path
) -> None:
    """With status 0, without a page, as ``otpvoice demo --once``, which it runs.

    The default ports are in use, so the demo chooses others. It removes everything at the end.
    """
    ports = {"DEMO_PORT": "", "DEMO_SANDBOX_PORT": ""}
    with demo_in_terminal("--once", environ=desktop | ports) as process:
        wait_until(lambda: process.output() and not process.is_running, "the end")
        output = process.output()
        assert process.status == 0, output
        assert process.survivors() == []
    assert "Port 8000 is in use" in output
    assert "Port 8100 is in use" in output
    assert "Approved once, and the callback is recorded" in output
    assert not PAGE.search(output)
    assert not opened.exists()
    assert [*temporary.iterdir()] == []
