"""A whole service with a person, a mailbox or an assistant at the phone."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from playwright.sync_api import Page, expect
from support.processes import TIMEOUT_S, wait_until
from support.service import RunningService
from support.stack import GATED_FLOW, running_service

NUMBER = "+919876543260"
FLOWS = {"default": "24", "en": {"id": GATED_FLOW, "gate": True}}


@pytest.fixture(scope="module")
def service(
    environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningService]:
    """Run a service whose English flow asks for a key."""
    flows = {"OTPVOICE_PROVIDER_FLOWS": json.dumps(FLOWS)}
    with running_service(environ, tmp_path_factory.mktemp("service"), **flows) as stack:
        yield stack.service


def calls_of(service: RunningService, verification: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the verification's calls."""
    calls: list[dict[str, Any]] = service.get_verification(verification)["calls"]
    return calls


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


def test_screened_call_is_redialed_and_a_key_speaks_the_code(
    service: RunningService, page: Page
) -> None:
    """An assistant listens and presses no key; the person who lifts then presses one."""
    number = "+919876543261"
    service.phones.set_behaviour(number, "screening")
    verification = service.create(number, name="Asha", locale="en")
    wait_until(lambda: service.phones.calls(number), "the call")
    service.phones.set_behaviour(number, "by_hand")
    page.goto(service.sandbox.url)
    phone = page.locator(f"#phone-{number.removeprefix('+')}")
    phone.get_by_role("button", name="Answer", exact=True).click()
    first, second = calls_of(service, verification)
    assert (first["status"], first["heard"]) == ("answered", False)
    assert second["status"] == "placed"

    expect(phone.locator(".word").first).to_have_text("The")
    assert phone.locator(".digits").count() == 0
    phone.get_by_role("button", name="Press 1").click()
    expect(phone.locator(".digits .word")).to_have_count(6)
    code = "".join(phone.locator(".digits .word").all_text_contents())
    assert service.check(verification, code).json()["valid"] is True
    phone.get_by_role("button", name="Hang up").click()
    wait_until(lambda: calls_of(service, verification)[-1]["heard"], "the key")
    expect(page.locator("#calls").get_by_text("Key 1 pressed")).to_be_visible()


def test_mailbox_never_hears_the_code(service: RunningService) -> None:
    """It is called once more, and then no longer."""
    number = "+919876543262"
    service.phones.set_behaviour(number, "voicemail")
    verification = service.create(number, locale="en", code="471102")
    wait_until(
        lambda: [each["heard"] for each in calls_of(service, verification)] == [False, False],
        "both calls to be unheard",
    )
    spoken = [call["spoken"] for call in service.phones.calls(number)]
    assert len(spoken) == 2
    assert not any(re.search("[0-9]", each) for each in spoken)
    assert service.get_verification(verification)["status"] == "pending"


def test_denied_call_ends_for_the_app_and_blocks_the_number(service: RunningService) -> None:
    """The app reads why, and nobody calls the number for a while."""
    number = "+919876543263"
    service.phones.set_behaviour(number, "press_9")
    verification = service.create(number, locale="en")

    def seen_by_app() -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {verification['client_token']}"}
        url = f"{service.url}/v1/verifications/{verification['id']}"
        found: dict[str, Any] = requests.get(url, headers=headers, timeout=TIMEOUT_S).json()
        return found

    wait_until(lambda: seen_by_app()["status"] != "pending", "the denial")
    found = seen_by_app()
    assert (found["status"], found["reason"]) == ("canceled", "denied")
    assert [call["heard"] for call in found["calls"]] == [False]
    refused = service.post("/v1/verifications", {"to": number, "reference": "another"})
    assert (refused.status_code, refused.json()["limit"]) == (429, "denial_block")
    assert 3_500 < int(refused.headers["Retry-After"]) <= 3_600

    def logged() -> list[dict[str, Any]]:
        lines = (service.folder / "dialer.log").read_text("utf-8").splitlines()
        return [json.loads(line) for line in lines if '"call.denied"' in line]

    (line,) = wait_until(logged, "the denial in the log")
    assert (line["level"], line["seconds"], line["client"]) == ("warning", 3600, "login")
    assert line["verification"] == verification["id"]
