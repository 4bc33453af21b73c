"""Fixtures for browser tests: one Chromium for all tests, and fresh profiles for each test.

``page`` is a fresh page. ``browsing`` opens further pages with options such as a viewport, a colour
scheme or a locale. Animations and transitions are off in all pages, so that a test never measures
an intermediate state. A test fails at its end if a page logged an error, threw an uncaught
exception, or sent a request to another machine.

Chromium comes from the system: Debian's package ``chromium-headless-shell``, or ``chromium``. The
first is the same engine without the browser's own interface, and takes half of the CPU: the other
loads its own toolbar for each profile. Where both are missing, browser tests are skipped, unless
``OTPVOICE_REQUIRE=all`` is set.
"""

import re
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    WebError,
    expect,
    sync_playwright,
)
from support.processes import TIMEOUT_S, find_program

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
TIMEOUT_MS: Final = TIMEOUT_S * 1000
"""How long actions and assertions on a page wait."""
_OPTIONS: Final = (
    "--no-sandbox",  # tests may run as root, where Chromium has no sandbox
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Other hosts do not resolve. Requests to them also fail the test, see below.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)
_NO_MOTION: Final = """
const sheet = new CSSStyleSheet()
sheet.replaceSync(`*, *::before, *::after { animation: none !important;
  transition: none !important; scroll-behavior: auto !important }`)
document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet]
"""
"""A constructed style sheet, because the pages' content security policy blocks inline styles."""


class BrowserSession:
    """Pages of one test, and the faults that occurred in them.

    Args:
        chromium: the browser. Each page has a profile of its own in it.
    """

    def __init__(self, chromium: Browser) -> None:
        self._chromium = chromium
        self._contexts: list[BrowserContext] = []
        self._expected: list[str] = []
        self._faults: list[str] = []

    def open(self, url: str = "", **options: Any) -> Page:
        """Open a page in a new profile, at ``url`` if one is given.

        ``options``: of Playwright's ``new_context``, such as ``viewport`` and ``color_scheme``.
        """
        context = self._chromium.new_context(**{"reduced_motion": "reduce"} | options)
        self._contexts.append(context)
        context.set_default_timeout(TIMEOUT_MS)
        context.add_init_script(_NO_MOTION)
        context.on("console", self._on_console)
        context.on("weberror", self._on_error)
        context.on("request", self._on_request)
        page = context.new_page()
        if url:
            page.goto(url)
        return page

    def expect_fault(self, pattern: str) -> None:
        """Accept faults that match, such as the browser's message about a refused request."""
        self._expected.append(pattern)

    def close(self) -> list[str]:
        """Close all pages and return the unexpected faults."""
        for context in self._contexts:
            context.close()
        return [fault for fault in self._faults if not self._is_expected(fault)]

    def _is_expected(self, fault: str) -> bool:
        return any(re.search(pattern, fault) for pattern in self._expected)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._faults.append(f"console: {message.text} ({message.location.get('url')})")

    def _on_error(self, error: WebError) -> None:
        self._faults.append(f"uncaught: {error.error}")

    def _on_request(self, request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme not in {"data", "blob"} and address.hostname not in LOOPBACK:
            self._faults.append(f"request to another machine: {request.url}")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Start the system's browser without a window."""
    program = find_program("chromium-headless-shell", "chromium")
    expect.set_options(timeout=TIMEOUT_MS)
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=program, args=[*_OPTIONS]) as browser,
    ):
        yield browser


@pytest.fixture
def browsing(chromium: Browser) -> Iterator[BrowserSession]:
    """Open pages for one test, and fail it for unexpected faults in them."""
    session = BrowserSession(chromium)
    yield session
    assert session.close() == []


@pytest.fixture
def page(browsing: BrowserSession) -> Page:
    """Open a fresh page."""
    return browsing.open()
