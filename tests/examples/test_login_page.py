"""The login example with a browser, a phone, and all processes between them."""

import re
from typing import Any

from browser import BrowserSession
from examples.browser_users import LoginVisitor, Phone, mistyped
from playwright.sync_api import Page, expect
from visual_checks import assert_fits_and_is_legible

LOGGED_IN = "You are logged in"


def test_login_with_code_from_call(visitor: LoginVisitor, phone: Phone) -> None:
    """After a wrong one. The page shows the events that the backend received.

    The number is typed in national format; the response gives access to this verification only.
    """
    local = phone.number.removeprefix("+91")
    with visitor.page.expect_response("**/login") as answer:
        visitor.request_call(f"{local[:5]} {local[5:]}")
    response = answer.value.json()
    assert response.keys() == {"url", "client_token", "code_length"}
    assert response["client_token"].startswith("vct_")
    visitor.expect_text("from +91 80682 80000.", "The code is valid for 4:5")
    code = phone.wait_for_code()
    visitor.enter_code(mistyped(code))
    visitor.expect_text("This code is not right. Please try again.")
    visitor.enter_code(code)
    visitor.expect_text(LOGGED_IN, f"Your number {phone.number} is verified.")
    visitor.expect_text("call.placed", "call.answered", "verification.approved")
    visitor.press("Log out")
    visitor.expect_text("We call your phone")
    expect(visitor.page.get_by_text(LOGGED_IN)).to_have_count(0)


def test_busy_phone_is_redialed(browsing: BrowserSession, login_url: str, phone: Phone) -> None:
    """Then again on request, with the same code; in Hindi, as the browser prefers.

    The visitor may choose another language.
    """
    visitor = LoginVisitor(browsing.open(login_url, locale="hi-IN"))
    expect(visitor.page.locator("html")).to_have_attribute("lang", "hi")
    visitor.page.get_by_role("link", name="English").click()
    visitor.expect_text("We call your phone")
    visitor.page.get_by_role("link", name="हिन्दी").click()
    visitor.expect_text("हम आपके फ़ोन पर कॉल करेंगे")
    phone.set_behaviour("busy")
    visitor.request_call(phone.number, "आशा", call_me="मुझे कॉल करें")
    expect(visitor.page.get_by_text("call.busy")).to_have_count(2)  # redialed, on the other route
    visitor.expect_text("आपका फ़ोन व्यस्त था।")
    assert [call["route"] for call in phone.calls()] == ["obd", "c2c"]
    phone.set_behaviour("answer")
    visitor.press("मुझे फिर से कॉल करें")
    visitor.enter_code(phone.wait_for_code())
    visitor.expect_text("आप लॉग इन हैं")


def test_call_me_again_places_another_call(visitor: LoginVisitor, phone: Phone) -> None:
    """Disabled during a call; the second call speaks the same code."""
    visitor.request_call(phone.number)
    again = visitor.page.get_by_role("button", name="Call me again")
    expect(again).to_be_disabled()
    visitor.expect_text("A call is already on its way to you.")
    first = phone.wait_for_code()
    visitor.expect_text("Please enter the code you heard on the call.")
    visitor.press("Call me again")
    expect(visitor.page.get_by_text("call.answered")).to_have_count(2)
    assert phone.wait_for_code() == first
    assert len(phone.calls()) == 2
    visitor.enter_code(first)
    visitor.expect_text(LOGGED_IN)


def test_cancel_ends_verification(visitor: LoginVisitor, phone: Phone) -> None:
    """The visitor can start again."""
    visitor.request_call(phone.number)
    visitor.press("Cancel")
    visitor.expect_text("This verification was cancelled.", "verification.canceled")
    visitor.press("Start again")
    expect(visitor.page.get_by_label("Mobile number")).to_be_focused()


def test_rejected_number_shows_error_at_form(
    visitor: LoginVisitor, browsing: BrowserSession
) -> None:
    """The number stays in the form."""
    browsing.expect_fault("status of 422")
    visitor.request_call("+91 12345")
    visitor.expect_text("This phone number does not look right. Please check it.")
    visitor.request_call("+1 212 555 0123")
    visitor.expect_text("We cannot call this number. Please use another number.")
    expect(visitor.page.get_by_label("Mobile number")).to_be_focused()


def test_login_is_legible_on_every_screen(visitor: LoginVisitor, phone: Phone) -> None:
    """Before, during and after the login; every field has a label."""
    _is_fit(visitor.page)
    visitor.request_call(phone.number)
    visitor.expect_text("Code from the call")
    _is_fit(visitor.page)
    visitor.enter_code(phone.wait_for_code())
    visitor.expect_text(LOGGED_IN)
    _is_fit(visitor.page)


def _is_fit(page: Page) -> None:
    assert_fits_and_is_legible(page)
    for field in page.get_by_role("textbox").all():
        label = page.locator(f"label[for={field.get_attribute('id')}]")
        assert re.search(r"\w", label.inner_text())


def _devanagari(digits: str) -> str:
    return digits.translate(str.maketrans("0123456789", "०१२३४५६७८९"))


def _with_separators(code: str) -> str:
    return f" {'-'.join(code[:2])}, ({code[2:4]}) {', '.join(code[4:])}. \u200f"


def _in_every_script(code: str) -> str:
    """Write a code in Arabic-Indic, fullwidth and ASCII digits, by turns."""
    scripts = ("٠١٢٣٤٥٦٧٨٩", "０１２３４５６７８９", "0123456789")
    return "".join(digits[int(digit)] for digit, digits in zip(code, scripts * 4, strict=False))


def test_login_normalizes_typed_number_and_code(visitor: LoginVisitor, phone: Phone) -> None:
    """The API gets ASCII digits only. A short code is not sent, so it costs no attempt."""
    visitor.request_call(_devanagari(phone.number.removeprefix("+")))
    code = phone.wait_for_code()
    sent: list[tuple[str, Any]] = []
    visitor.page.on("request", lambda request: sent.append((request.url, request.post_data_json)))
    visitor.enter_code(code[:4])
    visitor.expect_text("Please enter all 6 digits of the code.")
    visitor.enter_code(_with_separators(_in_every_script(code)))
    visitor.expect_text("You are logged in", f"Your number {phone.number} is verified.")
    assert [body for url, body in sent if url.endswith("/checks")] == [{"code": code}]
