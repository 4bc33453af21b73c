"""``make demo``, which is ``python examples demo``: the story, and then a page to try it on."""

import re
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import requests
from support.processes import TerminalProcess, wait_until

from otpvoice_demo.stack import free_port

EXAMPLES = Path(__file__).parents[2] / "examples"
PAGE = re.compile(r"on one page:  \S*?(http://127\.0\.0\.1:\d+)/")


def demo_in_terminal(*words: str, environ: Mapping[str, str]) -> TerminalProcess:
    """Start ``python examples demo <words>`` in a terminal."""
    return TerminalProcess([sys.executable, EXAMPLES, "demo", *words], environ, cwd=environ["HOME"])


def read_page_url(process: TerminalProcess) -> tuple[str, str]:
    """Return what the terminal shows as soon as it shows the page's address, and that address."""
    found = process.wait_until_ready(lambda: PAGE.search(process.output()), "the page's address")
    return process.output(), found[1]  # type: ignore[index] # it is a match


@pytest.fixture
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where temporary files go; its path is short enough for a socket in it."""
    return tmp_path_factory.mktemp("t")


@pytest.fixture
def opened(tmp_path: Path) -> Path:
    """A file that holds the address which the desktop's browser was given, if it was given one."""
    return tmp_path / "opened"


@pytest.fixture
def desktop(tmp_path: Path, temporary: Path, opened: Path) -> dict[str, str]:
    """The variables of a desktop and its browser."""
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


def test_the_page_opens_after_the_story(
    temporary: Path, desktop: dict[str, str], opened: Path
) -> None:
    """In the desktop's browser; a Ctrl-C ends all of it with status 0, and nothing is left."""
    with demo_in_terminal(environ=desktop) as process:
        told, page = read_page_url(process)
        assert "Approved once, and the callback is recorded" in told
        assert "Sandbox" in requests.get(page, timeout=10).text
        process.signal(signal.SIGINT)
        assert process.wait() == 0
        assert process.survivors() == []
    assert opened.read_text() == f"{page}\n"
    assert [*temporary.iterdir()] == []


@pytest.mark.parametrize(("words", "display"), [(["--no-browser"], ":0"), ([], "")])
def test_no_window_opens_where_none_is_wanted(
    words: list[str], display: str, desktop: dict[str, str], opened: Path
) -> None:
    """Somebody said so, or there is no desktop: the address is told all the same."""
    with demo_in_terminal(*words, environ=desktop | {"DISPLAY": display}) as process:
        read_page_url(process)
        process.signal(signal.SIGINT)
        assert process.wait() == 0
    assert not opened.exists()


def test_once_is_the_story_alone(desktop: dict[str, str], opened: Path) -> None:
    """To its end with status 0, without a page."""
    with demo_in_terminal("--once", environ=desktop) as process:
        wait_until(lambda: process.output() and not process.is_running, "the end")
        told = process.output()
        assert process.status == 0
    assert "Approved once, and the callback is recorded" in told
    assert not PAGE.search(told)
    assert not opened.exists()
