"""The console's preview as an operator uses it, beside what the command tells of the same call."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from browser import BrowserSession
from cli.cli_runner import run_command
from playwright.sync_api import Locator, Page, expect
from support.raw_http import ServedApi, serving_api
from visual_checks import assert_fits_every_screen, assert_legible

from otpvoice.cli.keys import hash_key

KEY = "ova_admin-key-of-the-tests"
FLOWS = {
    "default": {"id": "24", "text": "{otp}, dear {name}" + ", and so on" * 20},
    "hi": {"id": "25", "text": "नमस्ते {Name}। कोड है: {otp}। फिर से: {otp}।"},
}
DESK = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def variables(environ: dict[str, str]) -> dict[str, str]:
    """A console, a good flow and a bad one."""
    return environ | {
        "OTPVOICE_SECRETS_ADMIN_KEY_SHA256": hash_key(KEY),
        "OTPVOICE_PROVIDER_FLOWS": json.dumps(FLOWS),
        "OTPVOICE_PROVIDER_OTP_FORMAT": "plain",
    }


@pytest.fixture(scope="module")
def console(
    variables: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServedApi]:
    """The API with its console, as a process."""
    with serving_api(variables, tmp_path_factory.mktemp("api") / "log") as running:
        yield running


def open_preview(browsing: BrowserSession, console: ServedApi, **options: Any) -> Page:
    """The preview, reached from the console's first page."""
    credentials = {"username": "asha", "password": KEY}
    url = f"http://127.0.0.1:{console.port}/console"
    page = browsing.open(url, http_credentials=credentials, **options)
    page.get_by_role("link", name="Preview").click()
    return page


def submit_preview(page: Page, locale: str, name: str) -> None:
    """For the call that this request of the client ``login`` would lead to, by keyboard."""
    page.get_by_label("Client").select_option("login")
    page.get_by_label("Locale").fill(locale)
    page.get_by_label("Name").fill(name)
    page.keyboard.press("Enter")


def preview_of_command(variables: dict[str, str], locale: str, name: str) -> dict[str, Any]:
    """What the command says of it."""
    asked = ("--client", "login", "--locale", locale, "--name", name)
    done = run_command("preview", *asked, "--json", **variables)
    assert done.exit_code == 0, done.output
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


def members(section: Locator) -> dict[str, str]:
    """Names and values as they stand in a list."""
    names, values = (section.locator(kind).all_inner_texts() for kind in ("dt", "dd"))
    return dict(zip(names, values, strict=True))


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
@pytest.mark.parametrize(("locale", "name"), [("hi-IN", "आशा"), ("ta", "Asha 2")])
def test_it_shows_what_the_command_tells(
    browsing: BrowserSession,
    console: ServedApi,
    variables: dict[str, str],
    size: dict[str, int],
    locale: str,
    name: str,
    scripts: bool,
) -> None:
    """The words, the seconds, every member of both requests, and each warning; all in sight."""
    seen = preview_of_command(variables, locale, name)
    page = open_preview(browsing, console, viewport=size, java_script_enabled=scripts)
    submit_preview(page, locale, name)
    expect(page.locator("blockquote")).to_have_text(seen["says"])
    expect(page.get_by_text(f"About {seen['seconds']} s;")).to_be_visible()
    expect(page.get_by_text(f"spoken once after {seen['heard_after']} s")).to_be_visible()
    assert seen["requests"].keys() == {"obd", "c2c"}
    for route, request in seen["requests"].items():
        section = page.get_by_role("region", name=f"Request to the provider by route {route}")
        expect(section.get_by_text(f"POST {request['url']}")).to_be_visible()
        assert members(section) == {key: str(value) for key, value in request["body"].items()}
    warnings = page.get_by_role("group", name="Warnings").get_by_role("paragraph")
    expect(warnings).to_have_text([f"Warning {each}" for each in seen["warnings"]])


def test_it_warns_of_all_that_people_would_not_understand(
    browsing: BrowserSession, console: ServedApi
) -> None:
    """Digits read as one number, no repetition, no greeting, the name, the time, the language."""
    page = open_preview(browsing, console)
    submit_preview(page, "ta", "Asha 2")
    warnings = page.get_by_role("group", name="Warnings")
    for warning in (
        "No flow speaks ta",
        "not spoken as given, but as Asha.",
        "spoken only once",
        "read as one number",
        "comes at once",
        "The name is not spoken",
        "{name} is not filled in",
        "can expire while it is spoken",
    ):
        expect(warnings).to_contain_text(warning)


def test_a_preview_can_be_read_everywhere(browsing: BrowserSession, console: ServedApi) -> None:
    """On every screen, by day and by night."""
    page = open_preview(browsing, console)
    submit_preview(page, "ta", "Asha 2")
    expect(page.get_by_text("spoken only once")).to_be_visible()
    assert_fits_every_screen(page)
    assert_legible(page)
