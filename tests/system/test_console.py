"""Compares the console with the sandbox's ledger after calls of all kinds, over real processes.

``OTPVOICE_TEST_CONSOLE`` is how many verifications there are.
"""

import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from browser import BrowserSession
from javascript.node import Node
from playwright.sync_api import Page, expect
from support.axe import violations
from support.processes import wait_until
from support.stack import FLOWS, Stack, running_service
from support.stills import take_still
from system.concurrency import RecordingClient, nth_number
from system.leaks import Scanner, everything_in
from visual_checks import assert_fits_and_is_legible

from otpvoice.cli.keys import hash_key
from otpvoice.store.discovery import connect

MANY = int(os.environ.get("OTPVOICE_TEST_CONSOLE", "60"))
KEY = "ova_admin-key-of-the-tests"
ASHA = {"username": "asha", "password": KEY}
CODE = "8306175294"
"""So long that it stands nowhere by chance."""
BEHAVIOURS: tuple[dict[str, Any], ...] = (
    *({"behaviour": word} for word in ("answer", "busy", "no_answer", "decline", "answer")),
    *({"behaviour": word} for word in ("duplicate_callback", "voicemail", "hang_up_early")),
    {"behaviour": "reply", "status": 422},
)
OURS = {"ANSWER": "answered", "BUSY": "busy", "NOANSWER": "no_answer"}
"""The company's words, and the console's for them."""
SPOKEN = {"default": {"id": "24", "text": FLOWS["24"]}}
ENDED = {"answered", "busy", "no_answer", "failed", "canceled", "expired"}
LATER = 100
"""Seconds of ``call_after``: it is over before its call is due."""


@dataclass
class Played:
    """A service that was used, and what it is to be compared with."""

    stack: Stack
    line: RecordingClient
    ids: dict[int, str]

    @property
    def url(self) -> str:
        """Where the console is."""
        return f"{self.stack.service.url}/console"

    def calls(self) -> list[dict[str, Any]]:
        """Every call as it stands."""
        return [call for each in self.objects() for call in each["calls"]]

    def taken(self) -> list[dict[str, Any]]:
        """Return the calls in the sandbox's ledger."""
        return [entry for entry in self.stack.service.phones.ledger() if entry["call"]]

    def objects(self) -> list[dict[str, Any]]:
        """Every verification as it stands."""
        return [self.line.get_verification(found).body for found in self.ids.values()]

    def shown(self) -> dict[str, int]:
        """Return the statistics of the page, by label."""
        answer = requests.get(self.url, auth=("asha", KEY), timeout=5)
        assert answer.ok, answer.text
        return {
            what: int(many)
            for what, many in re.findall(r'data-stat="([^"]+)">(?:<a [^>]*>)?(\d+)<', answer.text)
        }


def searched(played: Played, what: str) -> requests.Response:
    """Return the page of a search."""
    origin = {"Origin": played.stack.service.url}
    return requests.post(
        f"{played.url}/search", {"query": what}, headers=origin, auth=("asha", KEY), timeout=5
    )


def lives(played: Played, n: int) -> None:
    """One verification, which is approved, given up or called off before its call."""
    line, number = played.line, nth_number(n)
    played.stack.service.phones.set_behaviour(number, **BEHAVIOURS[n % len(BEHAVIOURS)])
    off = n % 5 == 4
    begun = line.create(number, code=CODE, call_after=LATER if off else 0).body
    played.ids[n] = begun["id"]
    if off:
        line.request("POST", f"/v1/verifications/{begun['id']}/cancel")


@pytest.fixture(scope="module")
def played(environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """Run a service with a console, and eight parallel clients until all calls have ended."""
    changes = {
        "OTPVOICE_SERVER_WORKERS": "2",
        "OTPVOICE_SECRETS_ADMIN_KEY_SHA256": hash_key(KEY),
        "OTPVOICE_CONSOLE_PRICE_PER_CALL": "0.35",
        "OTPVOICE_PROVIDER_FLOWS": json.dumps(SPOKEN),
    }
    folder = tmp_path_factory.mktemp("console")
    with running_service(environ, folder, **changes) as running:
        played = Played(running, RecordingClient(running.service.url), {})
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda n: lives(played, n), range(MANY)))
        wait_until(lambda: all(call["status"] in ENDED for call in played.calls()), "the ends")
        for n, one in played.ids.items():
            if n % 4 == 0:
                played.line.check(one, CODE)
        yield played
        assert (running.dialer.terminate(), running.api.terminate()) == (0, 0)


@pytest.fixture
def desk(played: Played, browsing: BrowserSession) -> Page:
    """Open the console in an operator's browser."""
    return browsing.open(played.url, http_credentials=ASHA, timezone_id="Asia/Kolkata")


def test_console_counts_equal_the_sandbox_ledger(played: Played) -> None:
    """By result and by route, without duplicates or gaps."""
    shown, phones = played.shown(), played.stack.service.phones
    ended = {call["id"]: call["status"] for n in played.ids for call in phones.calls(nth_number(n))}
    ledger = Counter(f"{each['route']} {OURS[ended[each['call']]]}" for each in played.taken())
    ledger += Counter(f"{each['route']} refused" for each in phones.ledger() if not each["call"])
    assert {figure: shown[f"day {figure}"] for figure in ledger} == ledger
    assert all(ledger[f"obd {word}"] for word in (*OURS.values(), "refused"))
    assert sum(shown[f"day {word}"] for word in (*OURS.values(), "refused")) == ledger.total()
    assert shown["day failed"] == shown["day open"] == 0


def test_console_counts_equal_the_api_statuses(played: Played) -> None:
    """Including calls that were never placed."""
    shown, ends = played.shown(), Counter(call["status"] for call in played.calls())
    assert ends["canceled"] > 0
    counted = {word: shown[f"day {word}"] for word in ENDED}
    counted["failed"] += shown["day refused"]
    assert counted == {word: ends[word] for word in ENDED}


def test_console_rates_and_costs_equal_the_records(played: Played) -> None:
    """The share of approvals, and the provider's calls for each approval."""
    page = requests.get(played.url, auth=("asha", KEY), timeout=5).text
    text = " ".join(re.sub(r"<[^>]*>", " ", page).split())
    ends = Counter(each["status"] for each in played.objects())
    ended, approved = ends.total() - ends["pending"], ends["approved"]
    placed = len(played.taken())
    assert f"of ended verifications: {approved} of {ended} in the day" in text
    assert f"of {placed} in the day" in text
    assert f"{0.35 * placed / approved:.2f} INR" in text
    assert re.search(rf"IN \+919876… {placed} ", text)


def test_console_pages_and_log_contain_no_code_and_no_number(played: Played) -> None:
    """Whatever is searched for."""
    pages = [requests.get(played.url, auth=("asha", KEY), timeout=5)]
    pages += [searched(played, what) for what in (nth_number(0), played.ids[0], "login")]
    assert [answer.status_code for answer in pages] == [200] * 4
    scanner = Scanner({f"number {n}": nth_number(n)[3:] for n in range(MANY)}, {"code": CODE})
    assert [leak for page in pages for leak in scanner.scan("page", page.content)] == []
    scanner = Scanner({"number": nth_number(0)[3:], "key": KEY}, {"code": CODE})
    for log in played.stack.folder.glob("*.log"):
        assert scanner.scan(log.name, log.read_bytes()) == []
    with connect(played.stack.variables["OTPVOICE_REDIS_URL"]) as redis:
        booked = [*everything_in(redis)]
    assert [leak for what, found in booked for leak in scanner.scan(what, found)] == []


def test_console_limits_are_cleared_by_keyboard(played: Played, desk: Page) -> None:
    """Search, read, type the number again and confirm. The dialer's log has the change."""
    number = nth_number(0)
    desk.get_by_label("Find").fill(number)
    desk.keyboard.press("Enter")
    expect(desk.get_by_role("heading", name="1 verification found")).to_be_visible()
    expect(desk.locator(".timeline li").first).to_contain_text("Created")
    assert number not in desk.content()
    desk.get_by_label("To confirm, type the whole number again").fill(number)
    desk.keyboard.press("Enter")
    expect(desk.get_by_role("heading", name="were cleared")).to_be_visible()
    expect(desk.get_by_text("The number is not refused.")).to_be_visible()
    log = played.stack.folder / "dialer.log"
    wait_until(lambda: b"limits.cleared" in log.read_bytes(), "the log line")
    assert b"console: asha" in log.read_bytes()


def test_console_has_times_of_the_browser_zone_and_a_described_chart(desk: Page) -> None:
    """The page names the zone. The chart's table has the same values."""
    expect(desk.locator("#zone")).to_have_text(re.compile("Asia/(Kolkata|Calcutta)"))
    utc = desk.locator("time").first.get_attribute("datetime") or ""
    shown = desk.locator("time").first.inner_text()
    minutes = (int(utc[11:13]) * 60 + int(utc[14:16]) + 330) % 1440
    assert f"{minutes // 60:02}:{minutes % 60:02}" in shown
    plot = desk.get_by_role("img", name="Calls in the last hour")
    expect(plot).to_have_attribute("aria-describedby", "hour-description")
    expect(desk.locator("#hour-description")).to_contain_text("answered")
    desk.locator("#hour-table summary").click()
    expect(desk.locator("#hour-table tbody tr")).to_have_count(12)
    drawn = desk.locator("figure", has=desk.locator("#hour-title")).locator("rect.mark.answered")
    assert drawn.count() > 1  # in the legend, and at least one column


def test_voicemail_call_is_answered_and_redialed(played: Played, desk: Page, page: Page) -> None:
    """The mailbox hangs up too early to have heard the code."""
    number, phones = nth_number(MANY + 1), played.stack.service.phones
    phones.set_behaviour(number, "by_hand")
    page.goto(played.stack.service.sandbox.url)
    begun = played.line.create(number).body
    phone = page.locator(f"#phone-{number.removeprefix('+')}")
    for key in ("Voicemail", "Hang up"):
        phone.get_by_role("button", name=key, exact=True).click()
    wait_until(lambda: len(phones.calls(number)) == 2, "the redial")
    first = played.line.get_verification(begun["id"]).body["calls"][0]
    assert (first["status"], first["heard"]) == ("answered", False)
    desk.get_by_label("Find").fill(begun["id"])
    desk.keyboard.press("Enter")
    step = desk.locator(".timeline li", has_text="Call 1: answered")
    expect(step).to_contain_text("the code was not heard")
    expect(desk.get_by_text("Call 2: placed")).to_be_visible()
    phone.get_by_role("button", name="Decline", exact=True).click()
    wait_until(
        lambda: played.line.get_verification(begun["id"]).body["calls"][1]["status"] == "busy",
        "its end",
    )


def test_console_without_javascript_shows_everything(
    played: Played, browsing: BrowserSession
) -> None:
    """Statistics, charts and search."""
    page = browsing.open(played.url, http_credentials=ASHA, java_script_enabled=False)
    expect(page.get_by_text("Calls by outcome and route")).to_be_visible()
    expect(page.get_by_role("img", name="Calls in the last hour")).to_be_visible()
    page.get_by_label("Find").fill(played.ids[0])
    page.keyboard.press("Enter")
    expect(page.locator(".timeline li").first).to_contain_text("Created")


def test_console_is_legible_on_every_screen(desk: Page) -> None:
    """Statistics, tables and search results, in light and dark mode."""
    take_still(desk, "console")
    for table in desk.get_by_text("As a table").all():
        table.click()
    assert_fits_and_is_legible(desk)
    desk.get_by_label("Find").fill(nth_number(0))
    desk.keyboard.press("Enter")
    expect(desk.locator(".timeline li").first).to_be_visible()
    assert_fits_and_is_legible(desk)


def test_list_is_reached_from_a_chart_and_blocks_a_number(played: Played, desk: Page) -> None:
    """With the pointer from a column of the chart; the rest by keyboard."""
    desk.locator("figure", has=desk.locator("#hour-title")).locator(".stripe").last.click()
    expect(desk.get_by_label("From (UTC)")).not_to_have_value("")
    desk.get_by_role("link", name="Show all").press("Enter")
    expect(desk.locator("tbody tr")).to_have_count(50)
    assert_fits_and_is_legible(desk)
    desk.get_by_label("A call is").select_option("busy")
    desk.keyboard.press("Enter")
    desk.get_by_role("button", name="Show").press("Enter")
    expect(desk.get_by_label("A call is")).to_have_value("busy")
    expect(desk.locator("tbody tr").first).to_contain_text("busy (")
    desk.get_by_role("link", name="Block").first.press("Enter")
    desk.get_by_label("I mean").press("Space")
    desk.get_by_role("button", name="Block calls to").press("Enter")
    expect(desk.get_by_role("heading", name="is blocked until")).to_be_visible()
    log = played.stack.folder / "dialer.log"
    wait_until(lambda: b"number.blocked" in log.read_bytes(), "the log line")


def test_console_has_no_fault_for_assistive_technology(
    played: Played, desk: Page, node: Node
) -> None:
    """As axe-core judges it."""
    del node  # has axe-core
    assert violations(desk) == []
    one = f"/verifications/{played.ids[0]}"
    for path in ("/verifications", one, f"{one}/number"):
        desk.goto(f"{played.url}{path}")
        assert violations(desk) == [], path


def test_list_without_javascript_is_exported(played: Played, browsing: BrowserSession) -> None:
    """Every verification of the list, over a real connection."""
    page = browsing.open(
        f"{played.url}/verifications", http_credentials=ASHA, java_script_enabled=False
    )
    page.get_by_role("link", name="Older").click()
    expect(page.get_by_role("heading", name="Older verifications")).to_be_visible()
    with page.expect_download() as downloaded:
        page.get_by_role("link", name="All as lines of JSON").click()
    lines = downloaded.value.path().read_text("ascii").splitlines()
    assert {json.loads(line)["id"] for line in lines} >= {*played.ids.values()}


def test_console_updates_every_half_minute(played: Played, browsing: BrowserSession) -> None:
    """Opened sections stay open."""
    page = browsing.open(http_credentials=ASHA)
    page.clock.install()
    page.goto(played.url)
    before = played.shown()["day canceled"]
    page.locator("#hour-table summary").click()
    page.locator("#main").focus()
    begun = played.line.create(nth_number(MANY), call_after=LATER).body
    played.ids[MANY] = begun["id"]
    played.line.request("POST", f"/v1/verifications/{begun['id']}/cancel")
    page.clock.run_for(31_000)
    expect(page.locator('[data-stat="day canceled"]')).to_have_text(str(before + 1))
    expect(page.locator("#hour-table")).to_have_attribute("open", "")
