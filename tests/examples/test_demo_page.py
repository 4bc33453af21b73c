"""The demo's page: a visitor requests a call, answers the phone and logs in."""

import json
import re
from collections.abc import Iterator
from itertools import count
from typing import Any
from urllib.parse import urljoin

import pytest
import requests
from examples.browser_users import Phone
from playwright.sync_api import Locator, Page, expect
from support.demo_stack import PreloadedStack
from support.stills import take_still
from visual_checks import assert_fits_and_is_legible

from launcher import VISITOR_NUMBER, start_pages
from otpvoice_demo.stack import Stack, free_port

_LOG_RINGTONE = """
    window.OscillatorNode = class extends OscillatorNode {
        constructor(context, options) {
            super(context, options)
            console.log('ringtone', context.state)
        }
    }
"""
_NUMBERS = count(9_845_100_001, 1_000_003)
"""Far enough apart to share no limit."""


@pytest.fixture(scope="session")
def demo_url() -> str:
    """URL of the page."""
    return f"http://127.0.0.1:{free_port()}"


@pytest.fixture(scope="session")
def stack(demo_url: str) -> Iterator[Stack]:
    """The demo without its scenario, with short gaps between calls."""
    login = f"http://127.0.0.1:{free_port()}"
    with PreloadedStack(
        free_port(), app_origin=login, call_seconds=0.2, frame_ancestor=demo_url
    ) as running:
        start_pages(running, login, demo_url)
        yield running


@pytest.fixture
def visit(page: Page, demo_url: str, stack: Stack) -> "Visit":
    """A visitor who has opened the page, with a log of the ringtone."""
    stack.check_health()
    page.add_init_script(_LOG_RINGTONE)
    page.goto(demo_url)
    return Visit(page)


@pytest.fixture
def another(stack: Stack) -> Phone:
    """A phone that was never called, and that is answered by hand."""
    phone = Phone(stack, f"+91{next(_NUMBERS)}")
    phone.set_behaviour("by_hand")
    return phone


class Visit:
    """The page as a visitor uses it, with both frames."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self._login = page.frame_locator("#login iframe").locator("body")
        self._phones = page.frame_locator("#phone iframe").locator("body")

    def request_call(self, number: str = "") -> str:
        """Request a call, and return the verification's URL.

        Without a number, the number that is filled in is used.
        """
        if number:
            self._login.get_by_label("Mobile number").fill(number)
        self._login.get_by_label("Your name").fill("Asha")
        with self.page.expect_response("**/login") as answer:
            _press(self._login, "Call me")
        return str(answer.value.json()["url"])

    def request_another_call(self) -> None:
        """Request another call."""
        _press(self._login, "Call me again")

    def press(self, key: str, number: str = VISITOR_NUMBER) -> None:
        """Press a button of a phone as soon as it is there. Another one may still be in use."""
        self._phone(number).evaluate("phone => { phone.open = true }")
        _press(self._phone(number), key)

    def expect_state(self, text: str, number: str = VISITOR_NUMBER) -> None:
        """Expect a phone to show this state."""
        expect(self._phone(number).get_by_role("status")).to_have_text(re.compile(text))

    def wait_for_code(self) -> str:
        """Wait for the last digit of the code, and return the code."""
        digits = self._phone(VISITOR_NUMBER).locator(".digits .word")
        expect(digits.last).to_have_attribute("data-said", re.compile("now|yes"))
        return "".join(digits.all_text_contents())

    def enter_code(self, code: str) -> None:
        """Type the code and press Enter."""
        field = self._login.get_by_label("Code from the call")
        field.fill(code)
        field.press("Enter")

    def expect_text(self, *sentences: str) -> None:
        """Expect all texts to become visible in the login."""
        for sentence in sentences:
            expect(self._login.get_by_text(sentence).first).to_be_visible()

    def expect_no_text(self, *sentences: str) -> None:
        """Expect the login to show none of the texts."""
        for sentence in sentences:
            expect(self._login.get_by_text(sentence)).to_have_count(0)

    def choose_language(self, language: str) -> None:
        """Choose a language of the login."""
        self._login.get_by_role("link", name=language).click()
        chosen = self._login.get_by_role("link", name=language)
        expect(chosen).to_have_attribute("aria-current", "true")

    def receipt(self) -> dict[str, Any]:
        """Return the claims that the login shows."""
        text = self._login.get_by_label("Receipt").text_content()
        claims: dict[str, Any] = json.loads(text or "")
        return claims

    def _phone(self, number: str) -> Locator:
        return self._phones.locator(f"#phone-{number.removeprefix('+')}")


def _press(within: Locator, button: str) -> None:
    within.get_by_role("button", name=button, exact=True).click()


def test_visitor_is_called_and_logged_in(visit: Visit, stack: Stack) -> None:
    """The page shows the receipt and the events.

    The phone rings with sound, although the visitor clicked only in the login.
    """
    expect(visit.page.get_by_text("Sandbox", exact=True)).to_be_visible()
    expect(visit.page.get_by_text("no real calls")).to_be_visible()
    with visit.page.expect_console_message(lambda message: message.text == "ringtone running"):
        visit.request_call()
    visit.expect_text("Please answer the call and listen for your code.")
    visit.press("Answer")
    code = visit.wait_for_code()
    take_still(visit.page, "demo")
    visit.enter_code(code)
    visit.expect_text("You are logged in", f"Your number {VISITOR_NUMBER} is verified.")
    claims = visit.receipt()
    assert (claims["iss"], claims["sub"]) == (stack.url, VISITOR_NUMBER)
    visit.expect_text("call.placed", "verification.approved", "call.answered")


def test_declined_call_is_redialed(visit: Visit, another: Phone) -> None:
    """The login shows the event, and the code of the second call is valid."""
    visit.request_call(another.number)
    visit.press("Decline", another.number)
    visit.expect_text("call.busy")
    visit.press("Answer", another.number)
    visit.enter_code(another.wait_for_code())
    visit.expect_text("You are logged in")
    assert len(another.calls()) == 2


def test_voicemail_call_is_heard_but_does_not_log_in(
    visit: Visit, another: Phone, stack: Stack
) -> None:
    """Another call brings the code.

    The provider reports an answered call that was long enough for the code, so ``heard`` is true
    (docs/how-it-works.md).
    """
    verification = visit.request_call(another.number)
    visit.press("Voicemail", another.number)
    visit.expect_state("^Voicemail is listening$", another.number)
    visit.expect_state("^Voicemail took the call, [0-9]+ s: no person heard it$", another.number)
    visit.expect_text("call.answered", "Please enter the code you heard on the call.")
    visit.expect_no_text("verification.approved", "You are logged in")
    access = {"Authorization": f"Bearer {stack.options.keys.app_api_key}"}
    (call,) = requests.get(verification, headers=access, timeout=10).json()["calls"]
    assert (call["status"], call["heard"]) == ("answered", True)
    visit.request_another_call()
    visit.press("Answer", another.number)
    visit.enter_code(another.wait_for_code())
    visit.expect_text("You are logged in")


def test_call_hung_up_before_code_is_redialed(visit: Visit, another: Phone) -> None:
    """The second call speaks the code."""
    visit.request_call(another.number)
    visit.press("Answer", another.number)
    visit.press("Hang up", another.number)
    visit.expect_text("call.answered")
    visit.press("Answer", another.number)
    visit.enter_code(another.wait_for_code())
    visit.expect_text("You are logged in")
    visit.press("Hang up", another.number)
    assert len(another.calls()) == 2


def test_hindi_login_is_called_in_hindi(visit: Visit, another: Phone) -> None:
    """Flow, text and voice are Hindi."""
    visit.choose_language("हिन्दी")
    visit.page.frame_locator("#login iframe").locator("#number").fill(another.number)
    visit.page.frame_locator("#login iframe").locator("#name").fill("आशा")
    visit.page.frame_locator("#login iframe").get_by_role("button", name="मुझे कॉल करें").click()
    visit.press("Answer", another.number)
    number = another.number.removeprefix("+")
    speech = visit.page.frame_locator("#phone iframe").locator(f"#phone-{number} .speech")
    expect(speech).to_have_attribute("lang", "hi")
    expect(speech.locator(".spoken-text")).to_contain_text("ACME Pay से आशा")
    visit.press("Hang up", another.number)
    visit.expect_state("^Answered", another.number)


@pytest.mark.usefixtures("stack")
def test_page_is_legible_on_every_screen(page: Page, demo_url: str) -> None:
    """In light and dark mode, including the frames. The link of a step scrolls to its frame."""
    page.goto(demo_url)
    expect(page.frame_locator("#login iframe").locator("#number")).to_be_visible()
    expect(page.frame_locator("#phone iframe").get_by_text("Live", exact=True)).to_be_visible()
    assert_fits_and_is_legible(page)
    for width in (390, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        for step, title in (("Answer the phone", "phones"), ("Request a call", "login")):
            page.get_by_role("link", name=step).click()
            expect(page.get_by_title(re.compile(title))).to_be_in_viewport(ratio=0.7)


@pytest.mark.usefixtures("stack")
def test_frames_can_be_embedded_by_page_only(demo_url: str) -> None:
    """The page itself cannot be embedded."""
    frames = re.findall(r'<iframe src="(.+?)"', requests.get(demo_url, timeout=10).text)
    assert len(frames) == 2
    for frame in frames:
        assert f"frame-ancestors {demo_url}" in _policy(frame)
    assert "frame-ancestors 'none'" in _policy(demo_url)


@pytest.mark.usefixtures("stack")
def test_page_links_are_reachable(demo_url: str) -> None:
    """API documentation, request log, logs, and the pages of the frames."""
    links = re.findall(r'<a href="([^#].+?)"', requests.get(demo_url, timeout=10).text)
    assert len(links) >= 6
    for address in (urljoin(demo_url, link) for link in links):
        assert requests.get(address, timeout=10).ok, address


def test_logs_other_files_return_404(demo_url: str, stack: Stack) -> None:
    """Such as the settings, which have secrets."""
    assert stack.config_path.exists()
    assert "gunicorn" in requests.get(f"{demo_url}/logs/api", timeout=10).text
    for name in ("otpvoice.toml", "otpvoice", "..%2Fotpvoice", "login.sqlite", ""):
        assert requests.get(f"{demo_url}/logs/{name}", timeout=10).status_code == 404


def _policy(url: str) -> str:
    return requests.get(url, headers={"Accept": "text/html"}, timeout=10).headers[
        "Content-Security-Policy"
    ]
