"""Blocking a number in the console, and allowing calls to it again."""

import re

import pytest
from api.api_client import ApiClient
from api.console.console_browser import HOME, ConsoleBrowser, audit_entries, visible_text
from support.service import ASHA
from werkzeug.test import TestResponse

OTHER = "+919876543211"


def form_of(browser: ConsoleBrowser, verification: str) -> dict[str, str]:
    """Return the fields of the form on the page of a verification's number, confirmed."""
    page = browser.request("GET", f"/console/verifications/{verification}/number").text
    form = page[page.index('id="block"') : page.index("/console/limits/clear")]
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form))
    return {"length": "1d", "confirmed": "yes", **hidden}


def submit(browser: ConsoleBrowser, form: dict[str, str], **headers: str) -> TestResponse:
    return browser.request("POST", "/console/block", form, **({"Origin": HOME} | headers))


def test_number_of_a_row_is_blocked_and_allowed_again(
    api: ApiClient, browser: ConsoleBrowser
) -> None:
    """The operator need not know it. Both are logged with the masked number."""
    created = api.create()
    page = visible_text(submit(browser, form_of(browser, created["id"])))
    assert "+91******3210 is blocked until" in page
    assert "1 queued call was canceled" in page
    assert api.as_bank().create_response().get_json()["limit"] == "block"
    form = form_of(browser, created["id"])
    assert form["length"] == "0"
    assert "+91******3210 is no longer blocked" in visible_text(submit(browser, form))
    assert api.as_bank().create_response().status_code == 201
    entries = api.store.sweep("a dialer").audit_entries
    logged = [each for each in entries if each.event.startswith("number.")]
    assert [each.event for each in logged] == ["number.blocked", "number.unblocked"]
    for each in logged:
        assert (each.details["to"], each.details["operator"]) == ("+91******3210", "console: asha")
    assert logged[0].details["seconds"] == 86_400


def test_number_without_a_verification_is_typed(api: ApiClient, browser: ConsoleBrowser) -> None:
    page = browser.search(ASHA).text
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page))
    form = {**hidden, "length": "1h"}
    assert submit(browser, {**form, "number": OTHER}).status_code == 422
    assert "is blocked" in visible_text(submit(browser, {**form, "number": ASHA}))
    assert api.create_response().get_json()["limit"] == "block"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"confirmed": ""}, "Confirm with the box"),
        ({"length": ""}, "Choose how long"),
        ({"length": "100y"}, "Choose how long"),
        ({"number_hash": "x"}, "no longer known"),
        ({"verification": "vrf_" + "0" * 32}, "no longer known"),
        ({"verification": ""}, "Invalid number"),
        ({"rendered_at_ms": "1"}, "older than ten minutes"),
    ],
)
def test_block_without_a_valid_confirmation_changes_nothing(
    api: ApiClient, browser: ConsoleBrowser, changed: dict[str, str], reason: str
) -> None:
    form = form_of(browser, api.create()["id"])
    response = submit(browser, form | changed)
    assert response.status_code == 422
    assert reason in response.text
    assert not audit_entries(api.store, "number.blocked")


def test_block_confirms_the_number_of_its_own_page(api: ApiClient, browser: ConsoleBrowser) -> None:
    """A form with another number's verification is refused."""
    first, second = api.create()["id"], api.create(OTHER)["id"]
    mixed = form_of(browser, first) | {"verification": second}
    assert submit(browser, mixed).status_code == 422
    assert not audit_entries(api.store, "number.blocked")
