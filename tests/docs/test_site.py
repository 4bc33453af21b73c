"""The documentation's site: built strictly, complete, light, readable, and without other hosts."""

import gzip
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from browser import BrowserSession
from javascript.node import Node
from playwright.sync_api import Response, expect
from support.axe import COLOR_RULES, violations

ROOT = Path(__file__).parents[2]
PAGES = ["", "how-it-works/", "errors/", "first-service/"]
"""With pictures, a wide table, and code."""
DARK_PAGES = {*PAGES[1:4]}
NEW_DIAGRAM = "```mermaid\nflowchart LR\n  accTitle: New\n  a --> b\n```"
MAX_PAGE_BYTES = 300_000
"""Compressed, with everything that it loads but the search's index."""
MAX_HTML_BYTES = 40_000
"""Compressed, of a page alone."""
MAX_INDEX_BYTES = 250_000


def build(root: Path) -> subprocess.CompletedProcess[str]:
    """Build the site of a checkout."""
    command = [sys.executable, str(root / "scripts" / "build_site.py")]
    return subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)


def copy_checkout(folder: Path) -> Path:
    """Copy the checkout without what is installed, built or cached in it."""
    others = [".venv", ".site", ".git", ".demo", "node_modules", "types"]
    caches = ["__pycache__", ".*_cache", ".hypothesis"]
    ignored = shutil.ignore_patterns(*others, *caches)
    shutil.copytree(ROOT, folder, symlinks=True, ignore=ignored)
    return folder


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the site is built from. A test may spoil a page, and puts it back."""
    return copy_checkout(tmp_path_factory.mktemp("copy") / "checkout")


@pytest.fixture(scope="module")
def site(checkout: Path) -> Path:
    """The built site."""
    done = build(checkout)
    assert done.returncode == 0, done.stdout + done.stderr
    return (checkout / ".site" / "html").rename(checkout.parent / "html")


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    """Serve the site, and yield its address."""
    handler = partial(_Quiet, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.mark.parametrize(
    ("page", "text", "reason"),
    [
        ("events.md", "[gone](nowhere.md)", "nowhere.md leads nowhere"),
        ("events.md", "[gone](errors.md#nothing)", "anchor does not exist"),
        ("new-page.md", "# New", "nav and pages differ in new-page.md"),
        ("how-it-works.md", NEW_DIAGRAM, "pictures"),
    ],
)
def test_broken_link_lost_page_or_stale_picture_fails_the_build(
    checkout: Path, page: str, text: str, reason: str
) -> None:
    """The message names it."""
    file = checkout / "docs" / page
    before = file.read_text("utf-8") if file.exists() else None
    file.write_text(f"{before or ''}\n{text}\n", "utf-8")
    try:
        done = build(checkout)
    finally:
        if before is None:
            file.unlink()
        else:
            file.write_text(before, "utf-8")
    assert done.returncode != 0
    assert reason in re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)


def test_llms_txt_lists_every_page(site: Path) -> None:
    """With a sentence for each."""
    lines = (site / "llms.txt").read_text("utf-8").splitlines()
    listed = [line for line in lines if line.startswith("- ")]
    assert all(re.fullmatch(r"- \[.+\]\([\w/.-]+\.md\): .{10,}", line) for line in listed)
    assert len(listed) > 40


@pytest.mark.parametrize("page", PAGES)
def test_page_is_accessible_and_light(
    browsing: BrowserSession, node: Node, address: str, page: str
) -> None:
    """Its fixture fails for a request to another host. The dark scheme changes colors alone."""
    del node  # has axe-core
    responses: list[Response] = []

    def collect(response: Response) -> None:
        responses.append(response)

    tab = browsing.open("about:blank", color_scheme="light")
    tab.on("response", collect)
    tab.goto(address + page, wait_until="networkidle")
    loaded = {each.url: each for each in responses if each.ok}
    assert loaded.pop(address + "search.json")
    assert sum(len(gzip.compress(each.body())) for each in loaded.values()) < MAX_PAGE_BYTES
    assert violations(tab) == []
    if page in DARK_PAGES:
        dark = browsing.open(address + page, color_scheme="dark")
        expect(dark.locator("body")).to_have_attribute("data-md-color-scheme", "slate")
        assert violations(dark, *COLOR_RULES) == []


def test_every_page_is_light(site: Path) -> None:
    """The longest one too. All load the same further files, apart from pictures."""
    sizes = [len(gzip.compress(page.read_bytes())) for page in site.rglob("*.html")]
    assert len(sizes) > 40
    assert max(sizes) < MAX_HTML_BYTES


def test_index_of_search_is_light(site: Path) -> None:
    """A worker loads it once."""
    assert len(gzip.compress((site / "search.json").read_bytes())) < MAX_INDEX_BYTES


def test_search_finds_a_page(browsing: BrowserSession, address: str) -> None:
    """Without a server."""
    tab = browsing.open()
    tab.goto(address, wait_until="networkidle")
    tab.locator(".md-search__button").first.click()
    tab.locator("input[aria-autocomplete]").fill("denial_block")
    expect(tab.locator("a:visible", has_text="What the voice says").first).to_contain_text("Denial")
