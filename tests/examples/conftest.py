"""Both examples with one service, as processes; and a visitor with a browser."""

from collections.abc import Iterator
from itertools import count

import pytest
from browser import BrowserSession
from examples.browser_users import LoginVisitor, Phone
from support.demo_stack import PreloadedStack

from launcher import LOGIN, SMS
from otpvoice_demo.settings import StackOptions
from otpvoice_demo.stack import Stack, free_port

_NUMBERS = count(9_800_000_001, 1_000_003)
"""Far enough apart to share no limit."""


@pytest.fixture(scope="session")
def login_url() -> str:
    """URL of the login page."""
    return f"http://127.0.0.1:{free_port()}"


@pytest.fixture(scope="session")
def stack(login_url: str) -> Iterator[Stack]:
    """The service with short gaps between calls, and the login.

    The login also receives the events of the SMS system's client.
    """
    options = StackOptions(event_url=f"{login_url}/otpvoice-events")
    with PreloadedStack(
        free_port(), app_origin=login_url, call_seconds=0.2, options=options
    ) as running:
        LOGIN.launch(running, login_url)
        yield running


@pytest.fixture(scope="session")
def sms_url(stack: Stack) -> str:
    """URL of the SMS system."""
    url = f"http://127.0.0.1:{free_port()}"
    SMS.launch(stack, url)
    return url


@pytest.fixture
def phones(stack: Stack) -> Iterator[Phone]:
    """Phones that were never called."""
    return (Phone(stack, f"+91{number}") for number in _NUMBERS)


@pytest.fixture
def phone(phones: Iterator[Phone]) -> Phone:
    """A phone that was never called."""
    return next(phones)


@pytest.fixture
def visitor(browsing: BrowserSession, stack: Stack, login_url: str) -> LoginVisitor:
    """A visitor with the login page in English."""
    stack.check_health()
    return LoginVisitor(browsing.open(login_url, locale="en-IN"))
