"""The element on a page, with the API and a dialer moved by hand."""

from collections.abc import Iterator

import pytest
from api.api_client import ManualDialer
from browser import BrowserSession
from javascript.node import Node
from javascript.visits import CODE, Visit
from playwright.sync_api import Route, expect
from support.service import LOGIN_KEY, WIDE_LIMITS
from support.stack import ApiProcess, running_api
from visual_checks import assert_fits_and_is_legible

from otpvoice.core.speech import Gate
from otpvoice.core.verification import CallStatus
from otpvoice.store.redis_store import RedisStore
from otpvoice_client import Client, Transaction

WRONG = ("482914", "482915", "482916", "482917", "482918")


@pytest.fixture(scope="module")
def served(
    environ: dict[str, str], pages: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ApiProcess]:
    """The API, which the test page may use."""
    changes = {"OTPVOICE_SERVER_CORS_ORIGINS": pages, "OTPVOICE_LIMITS_CALL_GAP": "60s"}
    variables = environ | WIDE_LIMITS | changes
    with running_api(variables, tmp_path_factory.mktemp("api")) as running:
        yield running


@pytest.fixture
def visit(
    browsing: BrowserSession, pages: str, served: ApiProcess, store: RedisStore
) -> Iterator[Visit]:
    """A visitor with the page in English, without animations."""
    store.sweep("a dialer")
    page = browsing.open(f"{pages}/page.html")
    page.wait_for_function("() => window.start !== undefined")
    with Client(served.url, LOGIN_KEY) as client:
        yield Visit(page, store, ManualDialer(store), client, served.url)


def test_element_in_english_accepts_code_of_call(node: Node, visit: Visit) -> None:
    """Each state is accessible, in light and dark."""
    del node  # it has the packages of the accessibility checks
    visit.start()
    visit.expect_text("We will call you shortly.", "The code is valid for 4:")
    visit.assert_accessible()
    claim = visit.dialer.place()
    visit.expect_text("Please answer the call", "+91 ••••• •3210 from +91 80682 80000.")
    visit.expect_text("A call is already on its way to you.")
    expect(visit.page.get_by_role("button", name="Call me again")).to_be_disabled()
    visit.assert_accessible()
    visit.enter_code(WRONG[0])
    visit.expect_text("This code is not right. Please try again.")
    expect(visit.page.get_by_role("textbox")).to_have_attribute("aria-invalid", "true")
    visit.assert_accessible()
    visit.dialer.record(claim, CallStatus.ANSWERED)
    visit.enter_code(CODE)
    approved = visit.wait_for("approved")
    assert len(approved["receipt"].split(".")) == 3
    assert approved["verification"]["status"] == "approved"
    visit.expect_text("Your number is verified. Thank you.")
    visit.assert_accessible()
    assert visit.client.get(visit.verification_id).status == "approved"


def test_element_in_hindi_with_boxes_accepts_code(node: Node, visit: Visit) -> None:
    """The language is that of the page, and a change of it is followed."""
    del node
    visit.page.evaluate("() => { document.documentElement.lang = 'hi-IN' }")
    visit.set_attribute("boxes", "")
    visit.start()
    visit.dialer.place()
    visit.expect_text("कृपया कॉल उठाएँ", "कॉल पर सुना हुआ कोड", "यह कोड 4:")
    visit.enter_code(WRONG[0])
    visit.expect_text("यह कोड सही नहीं है।")
    visit.assert_accessible()
    visit.set_attribute("lang", "en")
    visit.expect_text("Please answer the call", "Code from the call")
    visit.set_attribute("lang", "hi")
    visit.enter_code(CODE)
    visit.wait_for("approved")
    visit.expect_text("आपका नंबर सत्यापित हो गया है।")


def test_call_again_within_gap_is_placed_at_its_end(visit: Visit) -> None:
    """The page counts down, and the focus returns to the field."""
    visit.start()
    visit.dialer.record(visit.dialer.place(), CallStatus.BUSY)
    visit.expect_text("Your phone was busy.", "You can be called again in a moment. In 0:")
    visit.press("Call me again")
    visit.expect_text("We will call you shortly.", "A call is already on its way to you.")
    expect(visit.page.get_by_role("textbox")).to_be_focused()
    assert len(visit.client.get(visit.verification_id).calls) == 2


def test_element_checks_the_code_with_its_payment(visit: Visit) -> None:
    """Which the page's backend passed on."""
    visit.start(transaction=Transaction("2500.00", "INR", "ACME Stores"))
    visit.enter_code(CODE)
    approved = visit.wait_for("approved")
    assert approved["verification"]["transaction"]["payee"] == "ACME Stores"


def test_expired_code_ends_element(node: Node, visit: Visit) -> None:
    """Its event has the state."""
    del node
    visit.start()
    visit.expect_text("The code is valid for")
    visit.store.clock_offset_ms += 301_000
    visit.store.sweep("a dialer")
    visit.expect_text("The code has expired. Please ask for a new call.")
    ended = visit.wait_for("ended")
    assert (ended["verification"]["status"], ended["error"]) == ("expired", None)
    expect(visit.page.get_by_role("button", name="Start again")).to_be_focused()
    visit.assert_accessible()


def test_denied_call_ends_element(visit: Visit) -> None:
    """The page says where the login was refused: its reader may be another person."""
    visit.start()
    claim = visit.dialer.place(gate=Gate.DOOR)
    assert visit.store.press_key(claim.call_id, "9").outcome == "denied"
    visit.expect_text("This login was refused on the phone.")
    assert visit.wait_for("ended")["verification"]["reason"] == "denied"


def test_wrong_codes_end_element(visit: Visit) -> None:
    """The number of checks left is shown when it is small."""
    visit.start()
    for wrong, left in zip(WRONG, (4, 3, 2, 1, 0), strict=True):
        with visit.page.expect_response("**/checks") as response:
            visit.enter_code(wrong)
        assert response.value.json()["checks_left"] == left
        if 0 < left <= 3:
            visit.expect_text(f"Tries left: {left}.")
    visit.expect_text("The code was wrong too many times.")
    assert visit.wait_for("ended")["verification"]["status"] == "max_attempts_reached"


def test_keyboard_reaches_every_control_in_order(visit: Visit) -> None:
    """Without a pointer: a wrong code, another call, the end, and a new start."""
    visit.start()
    visit.dialer.record(visit.dialer.place(), CallStatus.NO_ANSWER)
    visit.expect_text("You did not answer our call.")
    expect(visit.page.get_by_role("textbox")).to_be_focused()
    for name in ("Confirm", "Call me again", "Cancel"):
        visit.page.keyboard.press("Tab")
        expect(visit.page.get_by_role("button", name=name, exact=True)).to_be_focused()
    visit.page.keyboard.press("Enter")
    visit.expect_text("This verification was cancelled.")
    assert visit.wait_for("ended")["verification"]["reason"] == "requested"
    visit.page.keyboard.press("Space")
    visit.wait_for("restart")
    expect(visit.page.get_by_text("This verification was cancelled.")).to_be_hidden()


def test_incomplete_code_is_not_sent(visit: Visit) -> None:
    """The field stays focused, so the rest can be typed."""
    visit.start()
    visit.expect_text("The code is valid for")
    sent: list[str] = []
    visit.page.on("request", lambda request: sent.append(request.method + request.url))
    for typed in ("", CODE[:5], f"{CODE}0", "ABCDEF"):
        visit.enter_code(typed)
        visit.expect_text("Please enter all 6 digits of the code.")
        visit.page.keyboard.type("1")
        expect(visit.page.get_by_text("Please enter all 6 digits")).to_have_count(0)
    assert not [each for each in sent if each.endswith("/checks")]


PASTE = """
(text) => {
  const clipboardData = new DataTransfer()
  clipboardData.setData('text', text)
  const field = document.querySelector('otpvoice-code').shadowRoot.activeElement
  const paste = new ClipboardEvent('paste', { clipboardData, cancelable: true })
  if (field.dispatchEvent(paste)) field.value = text
}
"""


def test_pasted_text_becomes_code(visit: Visit) -> None:
    """The user presses Confirm."""
    for text in ("Your code is 482 913.", "४८२-९१३", "482913"):
        visit.start()
        expect(visit.page.get_by_role("textbox")).to_be_focused()
        visit.page.evaluate(PASTE, text)
        visit.press("Confirm")
        visit.wait_for("approved")


def test_check_without_response_keeps_its_receipt(visit: Visit, browsing: BrowserSession) -> None:
    """All attempts are lost. The user presses Confirm again and gets the first result."""
    browsing.expect_fault("ERR_FAILED")
    lost: list[str] = []

    def lose(route: Route) -> None:
        if len(lost) == 3:
            return route.continue_()
        lost.append(route.fetch().text())
        return route.abort()

    visit.page.route("**/checks", lose)
    visit.start()
    visit.enter_code(CODE)
    visit.expect_text("We cannot be reached for a moment. Please try again.")
    expect(visit.page.get_by_role("textbox")).to_have_attribute("aria-invalid", "false")
    assert '"valid":true' in lost[0].replace(" ", "")
    visit.press("Confirm")
    assert visit.wait_for("approved")["receipt"]


def test_approval_by_other_means_ends_element_without_receipt(visit: Visit) -> None:
    """Such as the code of an SMS, which the backend checked."""
    visit.start()
    visit.expect_text("The code is valid for")
    visit.client.approve(visit.verification_id)
    visit.expect_text("Your number is verified. Thank you.")
    assert visit.wait_for("ended")["verification"]["status"] == "approved"


def test_rejected_token_ends_element(visit: Visit, browsing: BrowserSession) -> None:
    """With an error, and no request is repeated for ever."""
    browsing.expect_fault("status of 401")
    visit.verification_id = "vrf_" + "0" * 32
    visit.start_with("vct_unknown")
    visit.expect_text("We could not continue this login. Please start again.")
    assert visit.wait_for("ended")["verification"] is None


def test_own_texts_replace_those_of_language(visit: Visit) -> None:
    """Without them, another language is shown in English, and says so to screen readers."""
    element = visit.page.locator("otpvoice-code")
    element.evaluate("element => { element.texts = { element: { confirm: 'Log in' } } }")
    visit.start()
    expect(visit.page.get_by_role("button", name="Log in")).to_be_visible()
    element.evaluate("element => { element.texts = {} }")
    visit.set_attribute("lang", "ta")
    label = visit.page.get_by_text("Code from the call")
    assert label.evaluate("label => label.closest('[lang]').lang") == "en"


HIDE = """
(hidden) => {
  Object.defineProperty(document, 'hidden', { value: hidden, configurable: true })
  document.dispatchEvent(new Event('visibilitychange'))
}
"""
"""What a browser does with a page in the background; without a window, it never does."""
REMOVE = "() => { window.kept ??= document.querySelector('otpvoice-code'); kept.remove() }"
RETURN = "() => document.querySelector('main').append(kept)"


FETCH = "() => fetch('page.css').then(() => undefined)"


def test_hidden_page_or_removed_element_stops_polling(visit: Visit, pages: str) -> None:
    """For a minute. It goes on at once when the page is visible, or the element returns."""
    visit.page.clock.install()
    requested: list[str] = []
    visit.page.on("request", lambda request: requested.append(request.url))
    hide_and_show = (f"() => ({HIDE})(true)", f"() => ({HIDE})(false)")
    for stop, go_on in (hide_and_show, (REMOVE, RETURN)):
        visit.start()
        visit.expect_text("The code is valid for")
        visit.page.evaluate(stop)
        visit.page.evaluate(FETCH)  # a poll that had begun is before it
        requested.clear()
        visit.page.clock.fast_forward(60_000)
        visit.page.evaluate(FETCH)
        assert requested == [f"{pages}/page.css"]
        visit.client.cancel(visit.verification_id)
        visit.page.evaluate(go_on)
        expect(visit.page.get_by_text("This verification was cancelled.")).to_be_visible()


def test_element_is_legible_on_every_screen(visit: Visit) -> None:
    """As one field, and with boxes."""
    visit.start()
    visit.dialer.place()
    visit.expect_text("Please answer the call")
    for _ in ("field", "boxes"):
        visit.enter_code(WRONG[0])
        visit.expect_text("This code is not right.")
        assert_fits_and_is_legible(visit.page)
        visit.set_attribute("boxes", "")


def test_phone_rings_unless_motion_is_reduced(visit: Visit) -> None:
    visit.start()
    visit.dialer.place()
    visit.expect_text("Please answer the call")
    running = "() => document.querySelector('otpvoice-code').shadowRoot.getAnimations().length"
    assert visit.page.evaluate(running) == 0
    visit.page.emulate_media(reduced_motion="no-preference")
    assert visit.page.evaluate(running) == 1
