"""A whole service with a person at the phone: declined, called again, answered, approved."""

import re

from playwright.sync_api import Page, expect
from support.processes import wait_until
from support.service import RunningService

NUMBER = "+919876543260"


def test_declined_call_is_redialed_and_answered(service: RunningService, page: Page) -> None:
    """The redial rings the phone on the page again and speaks the correct code."""
    service.phones.set_behaviour(NUMBER, "by_hand")
    page.goto(service.sandbox.url)
    phone = page.locator(f"#phone-{NUMBER.removeprefix('+')}")

    verification = service.create(NUMBER, name="Asha")
    phone.get_by_role("button", name="Decline", exact=True).click()
    wait_until(lambda: len(service.phones.calls(NUMBER)) == 2, "the redial")
    assert service.get_verification(verification)["calls"][0]["status"] == "busy"
    expect(phone.get_by_role("status")).to_have_text("Ringing")
    phone.get_by_role("button", name="Answer", exact=True).click()

    expect(phone.locator(".word").first).to_have_text("Hello")
    code = "".join(phone.locator(".digits .word").all_text_contents())
    assert re.fullmatch("[0-9]{6}", code)
    assert service.check(verification, code).json()["valid"] is True
    phone.get_by_role("button", name="Hang up").click()
    assert service.wait_for_call(verification, "answered")["route"] == "c2c"
    timeline = page.locator("#calls")
    expect(timeline.get_by_text("POST /api/v2/voice/c2c")).to_be_visible()
    expect(timeline.get_by_text("Callback POST: 200")).to_have_count(2)
    assert service.phones.ledger()[0]["request"]["variables[otp]"] in timeline.inner_html()
    for secret in ("token-of-the-tests", "webhook-secret-of-the-tests", "Bearer"):
        assert secret not in page.content()
