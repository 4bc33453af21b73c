"""The browser fixtures notice every fault on a page, and stop all motion."""

import re

import pytest
from browser import BrowserSession
from playwright.sync_api import Browser, Page


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
def test_browser_session_reports_faults(script: str, fault: str, chromium: Browser) -> None:
    """Expected faults are left out, and only those."""
    session = BrowserSession(chromium)
    session.expect_fault("something else")
    page = session.open("data:text/html,<title>well</title>")
    page.evaluate(f"async () => {{ {script}; await new Promise(done => setTimeout(done)) }}")
    faults = session.close()
    assert any(re.search(fault, each) for each in faults), faults
    session.expect_fault(".")
    assert session.close() == []


def test_browser_session_pages_have_no_animations_or_transitions(page: Page) -> None:
    """Also where the page ignores ``prefers-reduced-motion``."""
    page.goto(
        "data:text/html,<style>p { transition: color 9s; animation: blink 9s infinite }"
        "@keyframes blink { to { opacity: 0 } }</style><p style='color: red'>text</p>"
    )
    page.evaluate("document.querySelector('p').style.color = 'rgb(1, 2, 3)'")
    assert page.evaluate("document.getAnimations().length") == 0
    assert page.evaluate("getComputedStyle(document.querySelector('p')).color") == "rgb(1, 2, 3)"
