"""The console's preview in a browser, compared with the command's output for the same call."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from browser import BrowserSession
from cli.cli_runner import run_command
from playwright.sync_api import Locator, Page, expect
from support.stack import ApiProcess, running_api
from visual_checks import assert_fits_and_is_legible

from otpvoice.cli.keys import hash_key

KEY = "ova_admin-key-of-the-tests"
FLOWS = {
    "default": {"id": "24", "text": "{otp}, dear {name}" + ", and so on" * 20},
    "hi": {"id": "25", "text": "नमस्ते {Name}। कोड है: {otp}। फिर से: {otp}।"},
}
DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def variables(environ: dict[str, str]) -> dict[str, str]:
    """Configure a console, a good flow and a bad one."""
    return environ | {
        "OTPVOICE_SECRETS_ADMIN_KEY_SHA256": hash_key(KEY),
        "OTPVOICE_PROVIDER_FLOWS": json.dumps(FLOWS),
        "OTPVOICE_PROVIDER_OTP_FORMAT": "plain",
        "OTPVOICE_CLIENTS_LOGIN_SPOKEN_BRAND": "ACME Pay",
    }


@pytest.fixture(scope="module")
def console(
    variables: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ApiProcess]:
    """Start an API process with a console."""
    with running_api(variables, tmp_path_factory.mktemp("api")) as running:
        yield running


def open_preview(browsing: BrowserSession, console: ApiProcess, **options: Any) -> Page:
    """Open the preview from the console's overview."""
    credentials = {"username": "asha", "password": KEY}
    url = f"http://127.0.0.1:{console.port}/console"
    page = browsing.open(url, http_credentials=credentials, **options)
    page.get_by_role("link", name="Preview").click()
    return page


def submit_preview(page: Page, locale: str, name: str) -> None:
    """Fill the form for the client ``login`` and submit it by keyboard."""
    page.get_by_label("Client").select_option("login")
    page.get_by_label("Locale").fill(locale)
    page.get_by_label("Name").fill(name)
    page.keyboard.press("Enter")


def preview_of_command(variables: dict[str, str], locale: str, name: str) -> dict[str, Any]:
    """Run the command for the same request with ``--json``."""
    options = ("--client", "login", "--locale", locale, "--name", name)
    done = run_command("preview", *options, "--json", **variables)
    assert done.exit_code == 0, done.output
    expected: dict[str, Any] = json.loads(done.stdout)
    return expected


def members(section: Locator) -> dict[str, str]:
    """Return the names and values of a definition list."""
    names, values = (section.locator(kind).all_inner_texts() for kind in ("dt", "dd"))
    return dict(zip(names, values, strict=True))


@pytest.mark.parametrize(
    ("locale", "name", "size", "scripts"),
    [
        ("hi-IN", "आशा", PHONE, True),
        ("ta", "Asha 2", DESKTOP, False),
    ],
)
def test_preview_page_shows_what_the_command_shows(
    browsing: BrowserSession,
    console: ApiProcess,
    variables: dict[str, str],
    locale: str,
    name: str,
    size: dict[str, int],
    scripts: bool,
) -> None:
    """Speech, duration, every member of both requests, and each warning are visible."""
    expected = preview_of_command(variables, locale, name)
    page = open_preview(browsing, console, viewport=size, java_script_enabled=scripts)
    submit_preview(page, locale, name)
    expect(page.locator("blockquote")).to_have_text(expected["says"])
    expect(page.get_by_text(f"About {expected['seconds']} s;")).to_be_visible()
    expect(page.get_by_text(f"spoken once after {expected['heard_after']} s")).to_be_visible()
    assert expected["requests"].keys() == {"obd", "c2c"}
    for route, request in expected["requests"].items():
        section = page.get_by_role("region", name=f"Request to the provider by route {route}")
        expect(section.get_by_text(f"POST {request['url']}")).to_be_visible()
        assert members(section) == {key: str(value) for key, value in request["body"].items()}
    warnings = page.get_by_role("group", name="Warnings").get_by_role("paragraph")
    expect(warnings).to_have_text([f"Warning {each}" for each in expected["warnings"]])


def test_preview_page_is_legible_on_every_screen(
    browsing: BrowserSession, console: ApiProcess
) -> None:
    """In light and dark."""
    page = open_preview(browsing, console)
    submit_preview(page, "ta", "Asha 2")
    expect(page.get_by_text("spoken only once")).to_be_visible()
    assert_fits_and_is_legible(page)
