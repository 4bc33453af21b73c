"""A newcomer with nothing but the site: from a clone to a code that their own page has checked."""

import html
import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import requests
from browser import BrowserSession
from docs.test_site import ROOT, build, copy_checkout
from javascript.node import MODULES, Node
from playwright.sync_api import expect
from support.processes import Process, find_program, free_port, is_listening, wait_until

NUMBER = "919812345670"
PAGE = "first-page/index.html"
_CODE = re.compile(r'<div class="highlight">.*?<code>(.*?)</code>', re.DOTALL)


class Terminal:
    """Runs what a reader copies from the page, with other ports than those of the page.

    Args:
        folder: the clone.
    """

    def __init__(self, folder: Path) -> None:
        self.ports = {name: str(free_port()) for name in ("8000", "8080", "8100", "3000")}
        self._folder = folder

    def adapt(self, text: str) -> str:
        """Replace the ports, which may be in use on this machine."""
        return re.sub("|".join(self.ports), lambda port: self.ports[port[0]], text)

    @contextmanager
    def run(self, script: str, name: str, folder: Path | None = None) -> Iterator[Process]:
        """Run a block as a shell does, and end all that it started."""
        variables = {
            "DEMO_PORT": self.ports["8000"],
            "DEMO_SANDBOX_PORT": self.ports["8100"],
        }
        command = [find_program("sh"), "-ec", self.adapt(script)]
        log, place = self._folder / f"{name}.log", folder or self._folder
        with Process(command, log, variables, own_session=True, cwd=place) as running:
            yield running
            with suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGINT)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with the packages of this one, which `make` takes for its own and up to date."""
    folder = copy_checkout(tmp_path_factory.mktemp("clone") / "otpvoice")
    (folder / ".venv").mkdir()
    for path in Path(sys.prefix).iterdir():
        if not path.name.startswith("."):
            (folder / ".venv" / path.name).symlink_to(path)
    for stamp in (".demo", ".test"):
        (folder / ".venv" / stamp).touch()
    (folder / MODULES.relative_to(ROOT)).symlink_to(MODULES)
    return folder


@pytest.fixture(scope="module")
def blocks(clone: Path) -> list[str]:
    """The page's code blocks, as the site shows them."""
    done = build(clone)
    assert done.returncode == 0, done.stdout + done.stderr
    text = (clone / ".site" / "html" / PAGE).read_text("utf-8")
    return [html.unescape(re.sub(r"<[^>]+>", "", code)) for code in _CODE.findall(text)]


def spoken_code(calls: str) -> str:
    """Return the code that the phone heard, or nothing yet."""
    heard = [each["spoken"] for each in requests.get(calls, timeout=10).json()]
    return re.sub(r"\D", "", heard[-1]) if heard and heard[-1] else ""


def test_from_clone_to_own_page(
    node: Node, browsing: BrowserSession, clone: Path, blocks: list[str]
) -> None:
    """Every command as printed. A wrong code is refused, the spoken one is right."""
    del node
    demo, project, server, run = blocks
    terminal = Terminal(clone)
    with terminal.run(demo, "demo") as running:
        running.wait_until_ready(lambda: "Your turn" in running.output(), "the demo")
        with terminal.run(project, "project") as installing:
            assert installing.wait() == 0, installing.output()
        own = clone / "my-login"
        (own / "server.mjs").write_text(terminal.adapt(server), "utf-8")
        with terminal.run(run, "server", own) as served:
            port = int(terminal.ports["3000"])
            served.wait_until_ready(lambda: is_listening(port), "the page")
            page = browsing.open(f"http://127.0.0.1:{port}/")
            page.get_by_label("Phone number").fill(f"+{NUMBER}")
            page.get_by_role("button", name="Continue").click()
            calls = f"http://127.0.0.1:{terminal.ports['8100']}/phones/{NUMBER}/calls"
            spoken = wait_until(lambda: spoken_code(calls), "the call")
            page.get_by_label("Code").fill("000000" if spoken != "000000" else "111111")
            page.get_by_role("button", name="Continue").click()
            expect(page.get_by_text("Wrong, 4 left.")).to_be_visible()
            page.get_by_label("Code").fill(spoken)
            page.get_by_role("button", name="Continue").click()
            expect(page.get_by_text("Welcome: your number is proven.")).to_be_visible()
