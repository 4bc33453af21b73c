"""Clearing the limits of a number in the console."""

import pytest
from api.api_client import ApiClient, ManualDialer
from api.console.console_browser import ConsoleBrowser, audit_entries, visible_text
from support.service import ASHA

OTHER = "+919876543211"


def test_clear_lifts_the_limits_and_is_logged(
    api: ApiClient, browser: ConsoleBrowser, dialer: ManualDialer
) -> None:
    """The audit log names the operator and the masked number."""
    api.create()
    api.send_callback(id=dialer.place().call_id, status="BUSY")
    assert "Calls declined (busy) within an hour: 1." in browser.search(ASHA).text
    assert api.as_bank().create_response().status_code == 429
    page = visible_text(browser.clear_limits(" 098765 43210 "))
    assert "limits of +91******3210 were cleared" in page
    assert "calls_per_number 1/1 → 0/1" in page
    assert "declined calls" in page
    assert api.as_bank().create_response().status_code == 201
    (entry,) = audit_entries(api.store, "limits.cleared")
    assert (entry.details["to"], entry.details["operator"]) == ("+91******3210", "console: asha")


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"number": OTHER}, "+91******3211, which is not the number that the page showed"),
        ({"number": ""}, "Invalid number"),
        ({"number": "12"}, "Invalid number"),
        ({"number_hash": ""}, "which is not the number that the page showed"),
        ({"number_hash": "x"}, "which is not the number that the page showed"),
        ({"rendered_at_ms": ""}, "older than ten minutes"),
        ({"rendered_at_ms": "x"}, "older than ten minutes"),
        ({"rendered_at_ms": "-1"}, "older than ten minutes"),
        ({"rendered_at_ms": "٣"}, "older than ten minutes"),
        ({"rendered_at_ms": "9" * 30}, "older than ten minutes"),
    ],
)
def test_clear_without_a_valid_confirmation_changes_nothing(
    api: ApiClient,
    browser: ConsoleBrowser,
    dialer: ManualDialer,
    changed: dict[str, str],
    reason: str,
) -> None:
    """Neither for the typed number nor for the one on the page. 422, never 500."""
    for number in (ASHA, OTHER):
        api.create(number)
        dialer.place()
    form = {"number": ASHA, **browser.get_form(ASHA), **changed}
    response = browser.submit_form(form, form["number"])
    assert response.status_code == 422
    assert reason in response.text
    assert api.as_bank().create_response(ASHA).status_code == 429
    assert api.as_bank().create_response(OTHER).status_code == 429
    assert not audit_entries(api.store, "limits.cleared")


@pytest.mark.parametrize(("seconds", "status"), [(590, 200), (610, 422), (-10, 422)])
def test_clear_from_an_old_page_changes_nothing(
    api: ApiClient, browser: ConsoleBrowser, seconds: int, status: int
) -> None:
    """After ten minutes the limits may have changed. Reloading a result does not clear again."""
    api.create()
    form = browser.get_form(ASHA)
    form["rendered_at_ms"] = str(int(form["rendered_at_ms"]) - seconds * 1000)
    assert browser.submit_form(form, ASHA).status_code == status
    assert len(audit_entries(api.store, "limits.cleared")) == (status == 200)


def test_clear_confirms_the_number_of_its_own_page(browser: ConsoleBrowser) -> None:
    """With two tabs, and after the back button."""
    forms = {number: browser.get_form(number) for number in (ASHA, OTHER)}
    assert browser.submit_form(forms[ASHA], OTHER).status_code == 422
    assert browser.submit_form(forms[OTHER], ASHA).status_code == 422
    for number, form in forms.items():
        page = visible_text(browser.submit_form(form, number))
        assert f"limits of +91******{number[-4:]} were cleared" in page
    assert "There was nothing to clear" in visible_text(browser.submit_form(forms[OTHER], OTHER))
