"""The page in a real browser."""

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
import requests
from browser import BrowserSession
from javascript.node import Node
from playwright.sync_api import Locator, Page, expect
from sandbox.vendor import OBD, PERSON, ended_calls, place_call
from support.axe import violations
from support.stills import take_still
from visual_checks import assert_fits_and_is_legible, assert_fits_every_screen

from otpvoice_sandbox import RunningSandbox, SandboxConfig

OTHER = "918867135001"
_ROWS = "elements => new Set(elements.map(element => element.offsetTop)).size"

_AFTER = ". It is valid for five minutes. Do not share it, not even with our staff. Goodbye"
"""Takes longer than a loaded machine needs to show the digits."""
_SPOKEN = f"Hello YourName: 1, 2, 3, 4, 5, 6{_AFTER}"
_STUB_VOICE = """
    speechSynthesis.getVoices = () => [{ name: 'test voice' }]
    speechSynthesis.speak = ({ lang, text }) => console.log(`spoken in ${lang}: ${text}`)
"""
"""A headless browser has no voice. This one logs what it would speak."""


@pytest.fixture
def config(config: SandboxConfig) -> SandboxConfig:
    """An account with one flow."""
    return replace(config, flows={"24": f"Hello {{Name}}: {{otp}}{_AFTER}"})


@pytest.fixture
def by_hand(sandbox: RunningSandbox) -> RunningSandbox:
    """A sandbox whose phone rings until a test presses a button."""
    _behave(sandbox, PERSON, "by_hand")
    return sandbox


def _behave(sandbox: RunningSandbox, number: str, behaviour: str) -> None:
    document = {"behaviour": behaviour}
    assert requests.put(f"{sandbox.url}/phones/{number}", json=document, timeout=60).ok


def phone(page: Page, number: str = PERSON) -> Locator:
    """Return a phone on the page."""
    return page.locator(f"#phone-{number}")


def press(within: Locator, button: str) -> None:
    """Click a button by its full name."""
    within.get_by_role("button", name=button, exact=True).click()


def spoken_words(within: Locator) -> Locator:
    """Return the words that the voice has spoken."""
    return within.locator('.word[data-said="yes"], .word[data-said="now"]')


def test_call_rings_is_answered_and_speaks(by_hand: RunningSandbox, page: Page) -> None:
    """Words appear one after the other, then the callback in the timeline.

    A change of the phone's behaviour does not interrupt the speech.
    """
    page.goto(by_hand.url)
    expect(page.get_by_text("Live")).to_be_visible()
    place_call(by_hand, OBD)
    desk = phone(page)
    expect(desk.get_by_role("status")).to_have_text("Ringing")
    expect(desk).to_contain_text("+91 80682 80000")
    expect(page).to_have_title(re.compile(r"^\(1\) Ringing"))

    press(desk, "Answer")

    expect(desk.get_by_role("status")).to_have_text("Talking")
    expect(spoken_words(desk).nth(1)).to_have_text("YourName:")
    expect(desk.get_by_role("button", name="Hang up")).to_be_focused()
    expect(desk.locator(".spoken-text")).to_have_text(_SPOKEN)
    assert desk.locator(".digits .word").all_text_contents() == [*"123456"]
    expect(spoken_words(desk.locator(".digits")).last).to_have_text(re.compile("^[1-6]$"))
    take_still(page, "phone")
    playback = desk.locator(".speech").get_attribute("data-playback")
    press(desk, "Declines")
    expect(desk).to_contain_text("Next call: The person declines")
    assert desk.locator(".speech").get_attribute("data-playback") == playback
    press(desk, "Hang up")
    expect(desk.get_by_role("status")).to_have_text(re.compile("^Answered, "))
    call = page.locator("#call-0")
    expect(call.locator("summary", has_text="Callback POST: 200")).to_be_visible()
    call.get_by_text("Callback POST: 200").click()
    expect(call.locator(".callback pre")).to_contain_text('"status": "ANSWER"')
    expect(page).to_have_title(re.compile("^Sandbox"))


def test_browser_voice_speaks_text_in_language_of_flow(by_hand: RunningSandbox, page: Page) -> None:
    """The browser gets the whole text with its language tag, and the words appear as well."""
    page.add_init_script(_STUB_VOICE)
    page.goto(by_hand.url)
    place_call(by_hand, OBD)
    with page.expect_console_message(lambda message: message.text.startswith("spoken")) as spoken:
        press(phone(page), "Answer")
    assert re.fullmatch(rf"spoken in en: *{re.escape(_SPOKEN)}\.?", spoken.value.text)
    expect(page.locator('.word[data-said="now"]')).to_be_visible()


def test_key_speaks_what_follows_at_once(
    start: Callable[[SandboxConfig], RunningSandbox], config: SandboxConfig, page: Page
) -> None:
    """Although the prompt is long. The voice does not repeat it."""
    sandbox = start(replace(config, prompts={"24": "Press 1 or 9, please. " * 20}))
    _behave(sandbox, PERSON, "by_hand")
    page.add_init_script(_STUB_VOICE)
    page.goto(sandbox.url)
    place_call(sandbox, OBD)
    press(phone(page), "Answer")
    assert_fits_every_screen(page)
    with page.expect_console_message(lambda message: "YourName" in message.text) as spoken:
        press(phone(page), "Press 1")
    assert re.fullmatch(rf"spoken in en: +{re.escape(_SPOKEN)}", spoken.value.text)
    expect(phone(page).get_by_role("button", name="Press 1")).to_have_count(0)
    expect(spoken_words(phone(page).locator(".digits")).last).to_have_text("6")


def test_unanswered_call_shows_outcome(by_hand: RunningSandbox, page: Page) -> None:
    """Phone and callback show the outcome; no text is spoken."""
    page.goto(by_hand.url)
    place_call(by_hand, OBD)

    press(phone(page), "Ignore")

    expect(phone(page).get_by_role("status")).to_have_text("Not answered")
    expect(page.locator("#call-0 > summary")).to_contain_text("NOANSWER")
    expect(page.locator("#call-0")).to_contain_text("Callback POST: 200")
    assert phone(page).locator(".words").count() == 0


def test_voicemail_call_speaks_whole_text(by_hand: RunningSandbox, page: Page) -> None:
    """The text can be played again afterwards."""
    page.goto(by_hand.url)
    place_call(by_hand, OBD)
    desk = phone(page)
    press(desk, "Voicemail")

    expect(desk.get_by_role("status")).to_have_text("Voicemail is listening")
    expect(spoken_words(desk).first).to_have_text("Hello")
    press(desk, "Hang up")
    over = re.compile(r"^Voicemail took the call, \d s: no person heard it$")
    expect(desk.get_by_role("status")).to_have_text(over)


def test_listen_again_replays_text_word_by_word(sandbox: RunningSandbox, page: Page) -> None:
    """Also after a reload."""
    place_call(sandbox, OBD)
    desk = phone(page)
    page.goto(sandbox.url)
    expect(desk.get_by_role("status")).to_have_text(re.compile("^Answered, "))
    page.reload()
    press(desk, "Listen again")
    expect(desk.locator('.word[data-said="not"]').first).to_be_attached()
    expect(spoken_words(desk).nth(1)).to_have_text("YourName:")


def test_behaviour_button_sets_next_call(sandbox: RunningSandbox, page: Page) -> None:
    """An added phone is answered by hand, then engaged, then its callback comes twice."""
    page.goto(sandbox.url)
    page.get_by_label("Number").fill("+91 88671 35000")
    press(page.locator("form.add"), "Add phone")
    desk = phone(page)
    expect(desk.get_by_role("button", name="By hand")).to_have_attribute("aria-pressed", "true")

    press(desk, "Is engaged")
    expect(desk).to_contain_text("Next call: The person is engaged")
    place_call(sandbox, OBD)
    expect(page.locator("#call-0 > summary")).to_contain_text("BUSY")

    desk.get_by_text("More: callbacks and replies").click()
    press(desk, "Comes twice")
    expect(desk).to_contain_text("Next call: The callback comes twice")
    expect(desk.get_by_role("button", name="Comes twice")).to_be_visible()
    place_call(sandbox, OBD)
    expect(page.locator("#call-1 .callback")).to_have_count(2)


def test_invalid_number_shows_error_until_corrected(
    sandbox: RunningSandbox, page: Page, browsing: BrowserSession
) -> None:
    """The error is an alert."""
    browsing.expect_fault("422")
    page.goto(sandbox.url)
    page.get_by_label("Number").fill("98")
    press(page.locator("form.add"), "Add phone")
    expect(page.get_by_role("alert")).to_contain_text("country code")
    page.get_by_label("Number").fill(PERSON)
    press(page.locator("form.add"), "Add phone")
    expect(phone(page)).to_be_visible()
    expect(page.get_by_role("alert")).to_be_hidden()


def test_two_phones_ring_independently(by_hand: RunningSandbox, page: Page) -> None:
    """The keyboard answers one while the other continues to ring."""
    _behave(by_hand, OTHER, "by_hand")
    page.goto(by_hand.url)
    place_call(by_hand, OBD)
    expect(phone(page)).to_have_attribute("open", "")
    place_call(by_hand, OBD | {"to": OTHER, "variables[Name]": "Ravi"})
    expect(page).to_have_title(re.compile(r"^\(2\) Ringing"))

    expect(page.locator(".phone[open]")).to_have_count(1)
    phone(page, OTHER).locator("summary").first.press("Enter")
    expect(page.locator(".phone[open]")).to_have_count(1)
    phone(page, OTHER).get_by_role("button", name="Answer", exact=True).focus()
    page.keyboard.press("Enter")

    expect(phone(page, OTHER).locator(".spoken-text")).to_contain_text("Hello Ravi")
    expect(phone(page).get_by_role("status")).to_have_text("Ringing")
    phone(page).locator("summary").first.click()
    press(phone(page), "Decline")
    expect(phone(page).get_by_role("status")).to_have_text("Declined")
    expect(phone(page, OTHER).get_by_role("status")).to_have_text("Talking")


def test_all_tabs_are_live(by_hand: RunningSandbox, page: Page, browsing: BrowserSession) -> None:
    """More tabs than connections to a host, and another browser."""
    tabs = [page, *(page.context.new_page() for _ in range(6)), browsing.open()]
    for tab in tabs:
        tab.goto(by_hand.url)
    place_call(by_hand, OBD)
    for tab in tabs:
        expect(phone(tab).get_by_role("status")).to_have_text("Ringing")

    press(phone(tabs[4]), "Decline")

    for tab in tabs:
        expect(phone(tab).get_by_role("status")).to_have_text("Declined")


def test_page_reconnects_after_restart(
    config: SandboxConfig, page: Page, browsing: BrowserSession
) -> None:
    """It shows the lost connection, then the calls of the new sandbox."""
    browsing.expect_fault("ERR_|Failed to load resource")
    with RunningSandbox(config) as sandbox:
        page.goto(sandbox.url)
        place_call(sandbox, OBD)
        expect(page.locator("#call-0")).to_contain_text("Callback POST: 200")
    expect(page.get_by_text("The sandbox is not reachable; reconnecting")).to_be_visible()
    with RunningSandbox(config, int(sandbox.url.rpartition(":")[2])) as again:
        expect(page.get_by_text("Live")).to_be_visible()
        expect(page.get_by_text("No calls yet.")).to_be_visible()
        place_call(again, OBD | {"to": OTHER})
        expect(phone(page, OTHER).get_by_role("status")).to_have_text(re.compile("^Answered, "))
        expect(phone(page)).to_have_count(0)


def test_page_is_legible_on_every_screen(by_hand: RunningSandbox, browsing: BrowserSession) -> None:
    """With open messages, ringing, talking and after the call; with reduced motion."""
    place_call(by_hand, OBD | {"variables[x]": "y" * 500})
    page = browsing.open(by_hand.url, reduced_motion="reduce")
    page.get_by_text("POST /api/v2/outgoing/send").click()
    assert_fits_every_screen(page)
    press(phone(page), "Answer")
    expect(spoken_words(phone(page)).first).to_be_visible()
    assert_fits_every_screen(page)
    press(phone(page), "Hang up")
    expect(phone(page).get_by_role("status")).to_have_text(re.compile("^Answered"))
    assert_fits_and_is_legible(page)


def test_list_of_many_phones_fits_and_has_no_fault_for_assistive_technology(
    sandbox: RunningSandbox, page: Page, node: Node
) -> None:
    """As axe-core judges it. The row says what the last call spoke."""
    del node  # has axe-core
    place_call(sandbox, OBD)
    ended_calls(sandbox)  # the phone of a call stays open
    for n in range(2, 21):
        _behave(sandbox, f"9188671350{n:02}", "by_hand")
    page.goto(sandbox.url)
    expect(page.locator(".phone")).to_have_count(20)
    expect(page.locator(".phone[open] h3")).to_have_text("+91 88671 35020")
    expect(phone(page).locator(".heard")).to_have_text(f"Spoken: {_SPOKEN}")
    assert_fits_every_screen(page)
    assert violations(page) == []


def test_small_screen_shows_buttons_and_digits_in_one_row(
    by_hand: RunningSandbox, browsing: BrowserSession
) -> None:
    """Four buttons, then six digits."""
    place_call(by_hand, OBD)
    page = browsing.open(by_hand.url, viewport={"width": 320, "height": 800})
    keys = phone(page).locator(".keys button")
    expect(keys).to_have_count(4)
    assert keys.evaluate_all(_ROWS) == 1
    press(phone(page), "Answer")
    digits = phone(page).locator(".digits .word")
    expect(digits).to_have_count(6)
    assert digits.evaluate_all(_ROWS) == 1


def test_ringing_phone_scrolls_into_view(by_hand: RunningSandbox, browsing: BrowserSession) -> None:
    """And opens. Not while another phone is in a conversation."""
    numbers = [PERSON, *(f"9188671350{n:02}" for n in range(2, 5)), OTHER]
    for number in numbers:
        _behave(by_hand, number, "by_hand")
    page = browsing.open(by_hand.url, viewport={"width": 390, "height": 700})
    expect(phone(page)).not_to_be_in_viewport()
    place_call(by_hand, OBD)
    answer = phone(page).get_by_role("button", name="Answer", exact=True)
    expect(answer).to_be_in_viewport(ratio=1)
    press(phone(page), "Answer")
    place_call(by_hand, OBD | {"to": OTHER})
    expect(phone(page, OTHER).get_by_role("status")).to_have_text("Ringing")
    expect(phone(page).get_by_role("button", name="Hang up")).to_be_in_viewport(ratio=1)
