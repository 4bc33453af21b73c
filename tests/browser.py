"""A real browser for tests: one Chromium for all of them, and for each one a profile of its own.

Fixtures: ``page`` is a fresh page; ``browsing`` opens more of them, smaller, darker or in Hindi. At
the test's end, what went wrong in any of them fails the test: an error in the console, an exception
that nobody caught, a request to another machine.

Chromium is the system's: Debian's package ``chromium``. Where it is missing these tests are left
out, unless ``OTPVOICE_REQUIRE=all``.
"""

import os
import re
import shutil
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

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
TIMEOUT_MS: Final = 15_000
"""Milliseconds to wait for something on a page."""
_OPTIONS: Final = (
    "--no-sandbox",  # tests may run as root, where Chromium has none
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Other machines have no address: a page that wants one does not get it, and is told of below.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)


class BrowserSession:
    """Pages of one test, which watch each other's manners.

    Args:
        chromium: the browser; the pages share a profile of their own in it.
    """

    def __init__(self, chromium: Browser) -> None:
        self._chromium = chromium
        self._contexts: list[BrowserContext] = []
        self._expected: list[str] = []
        self._faults: list[str] = []

    def open(self, url: str = "", **options: Any) -> Page:
        """A page in a profile of its own, at ``url`` if one is given.

        ``options``: of Playwright's ``new_context``, such as ``viewport``, ``color_scheme``.
        """
        context = self._chromium.new_context(**options)
        self._contexts.append(context)
        context.set_default_timeout(TIMEOUT_MS)
        context.on("console", self._on_console)
        context.on("weberror", self._on_error)
        context.on("request", self._on_request)
        page = context.new_page()
        if url:
            page.goto(url)
        return page

    def expect_fault(self, fault: str) -> None:
        """A pattern of what the console may say: the browser tells it of each refused request."""
        self._expected.append(fault)

    def close(self) -> list[str]:
        """Ends all pages; what went wrong in them."""
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
    """The system's browser, without a window."""
    program = shutil.which("chromium")
    if program is None:
        if os.environ.get("OTPVOICE_REQUIRE") == "all":
            pytest.fail("chromium is not installed, and nothing may be left out")
        pytest.skip("left out: chromium is not installed (Debian's package chromium)")
    expect.set_options(timeout=TIMEOUT_MS)
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=program, args=[*_OPTIONS]) as browser,
    ):
        yield browser


@pytest.fixture
def browsing(chromium: Browser) -> Iterator[BrowserSession]:
    """What opens pages, and says at the end what went wrong in them."""
    pages = BrowserSession(chromium)
    yield pages
    assert pages.close() == []


@pytest.fixture
def page(browsing: BrowserSession) -> Page:
    """A fresh page."""
    return browsing.open()
