"""The watch over pages: what it does not see, no test of a page can find."""

import re

import pytest
from browser import BrowserSession
from playwright.sync_api import Browser


@pytest.mark.parametrize(
    ("script", "fault"),
    [
        ("console.error('amiss')", "console: amiss"),
        ("setTimeout(() => { throw new Error('amiss') })", "uncaught: .*amiss"),
        (
            "await fetch('http://example.com/').catch(() => 0)",
            "another machine: http://example.com/",
        ),
        (
            "await fetch('http://[2001:db8::1]/').catch(() => 0)",
            "another machine: http://\\[2001:db8::1\\]/",
        ),
    ],
)
def test_what_goes_wrong_on_a_page_is_seen(script: str, fault: str, chromium: Browser) -> None:
    """Whatever it is; what a test expects is passed over, and nothing else with it."""
    browsing = BrowserSession(chromium)
    browsing.expect_fault("something else")
    page = browsing.open("data:text/html,<title>well</title>")
    page.evaluate(f"async () => {{ {script}; await new Promise(done => setTimeout(done)) }}")
    faults = browsing.close()
    assert any(re.search(fault, told) for told in faults), faults
    browsing.expect_fault(".")
    assert browsing.close() == []
