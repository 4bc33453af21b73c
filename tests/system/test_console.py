"""The console beside the company's ledger, after calls of all kinds over real processes.

``OTPVOICE_TEST_CONSOLE`` is how many verifications there are.
"""

import os
import re
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from browser import Browsing
from playwright.sync_api import Page, expect
from system.crowd import Line, number_of
from system.leaks import Scanner, everything_in
from system.processes import Stack, service_running, until

from otpvoice.cli.keys import hash_of
from otpvoice.store.address import connect

MANY = int(os.environ.get("OTPVOICE_TEST_CONSOLE", "60"))
KEY = "ova_admin-key-of-the-tests"
CODE = "8306175294"
"""So long that it stands nowhere by chance."""
BEHAVIOURS = ("answer", "busy", "no_answer", "decline", "answer", "duplicate_callback")
ENDED = {"answered", "busy", "no_answer", "failed", "canceled", "expired"}
LATER = 100
"""Seconds of ``call_after``: it is over before its call is due."""


@dataclass
class Played:
    """A service that was used, and what it is to be compared with."""

    stack: Stack
    line: Line
    ids: dict[int, str]

    @property
    def url(self) -> str:
        """Where the console is."""
        return f"{self.stack.service.url}/console"

    def calls(self) -> list[dict[str, Any]]:
        """Every call as it stands."""
        return [call for each in self.objects() for call in each["calls"]]

    def objects(self) -> list[dict[str, Any]]:
        """Every verification as it stands."""
        return [self.line.looks(found).body for found in self.ids.values()]

    def shown(self) -> dict[str, int]:
        """The figures of the page, by what they are of."""
        answer = requests.get(self.url, auth=("asha", KEY), timeout=5)
        assert answer.ok, answer.text
        return {
            what: int(many)
            for what, many in re.findall(r'data-figure="([^"]+)">(\d+)<', answer.text)
        }


def searched(played: Played, what: str) -> requests.Response:
    """The page that a search leads to."""
    origin = {"Origin": played.stack.service.url}
    return requests.post(
        f"{played.url}/search", {"what": what}, headers=origin, auth=("asha", KEY), timeout=5
    )


def lives(played: Played, n: int) -> None:
    """One verification, which is approved, given up or called off before its call."""
    line, number = played.line, number_of(n)
    behaviour = BEHAVIOURS[n % len(BEHAVIOURS)]
    played.stack.service.phones.behave(number, behaviour)
    off = n % 5 == 4
    begun = line.creates(number, code=CODE, call_after=LATER if off else 0).body
    played.ids[n] = begun["id"]
    if off:
        line.asks("POST", f"/v1/verifications/{begun['id']}/cancel")


@pytest.fixture(scope="module")
def played(environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """A service with a console that is used by eight at once; then all is quiet."""
    changes = {
        "OTPVOICE_SERVER_WORKERS": "2",
        "OTPVOICE_SECRETS_ADMIN_KEY_SHA256": hash_of(KEY),
        "OTPVOICE_CONSOLE_PRICE_PER_CALL": "0.35",
    }
    folder = tmp_path_factory.mktemp("console")
    with service_running(environ, folder, **changes) as running:
        played = Played(running, Line(running.service.url), {})
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda n: lives(played, n), range(MANY)))
        until(lambda: all(call["status"] in ENDED for call in played.calls()), "the ends", 60)
        for n, one in played.ids.items():
            if n % 3 == 0:
                played.line.checks(one, CODE)
        yield played
        assert (running.dialer.ends(), running.api.ends()) == (0, 0)


@pytest.fixture
def desk(played: Played, browsing: Browsing) -> Page:
    """An operator's browser at the console."""
    credentials = {"username": "asha", "password": KEY}
    return browsing.opens(played.url, http_credentials=credentials, timezone_id="Asia/Kolkata")


def test_figures_are_those_of_the_ledger(played: Played) -> None:
    """Each call by what the company did with it, and by its route; none twice, none missing."""
    shown, ledger = played.shown(), played.stack.service.phones.ledger()
    ends = Counter(call["status"] for call in played.calls())
    assert {word: shown[f"day {word}"] for word in ENDED} == {word: ends[word] for word in ENDED}
    assert ends["answered"] > 0 < ends["canceled"]
    placed = ("answered", "busy", "no_answer", "failed", "open")
    routes = Counter(entry["route"] for entry in ledger)
    assert {r: sum(shown[f"day {r} {word}"] for word in placed) for r in routes} == routes
    assert shown["day open"] == 0


def test_rates_and_costs_are_those_of_the_books(played: Played) -> None:
    """Of what ended, what was approved; and what the provider's calls cost for each."""
    page = requests.get(played.url, auth=("asha", KEY), timeout=5).text
    text = " ".join(re.sub(r"<[^>]*>", " ", page).split())
    ends = Counter(each["status"] for each in played.objects())
    ended, approved = ends.total() - ends["pending"], ends["approved"]
    placed = len(played.stack.service.phones.ledger())
    assert f"of the verifications that ended: {approved} of {ended} in the day" in text
    assert f"of {placed} in the day" in text
    assert f"{0.35 * placed / approved:.2f} INR" in text
    assert re.search(rf"IN \+919876… {placed} ", text)


def test_no_code_and_no_number_is_shown(played: Played) -> None:
    """Neither on a page nor in the log, whatever is searched for."""
    pages = [requests.get(played.url, auth=("asha", KEY), timeout=5)]
    pages += [searched(played, what) for what in (number_of(0), played.ids[0], "login")]
    assert [answer.status_code for answer in pages] == [200] * 4
    scanner = Scanner({f"number {n}": number_of(n)[3:] for n in range(MANY)}, {"code": CODE})
    assert [leak for page in pages for leak in scanner.scan("page", page.content)] == []
    scanner = Scanner({"number": number_of(0)[3:], "key": KEY}, {"code": CODE})
    for log in played.stack.folder.glob("*.log"):
        assert scanner.scan(log.name, log.read_bytes()) == []
    with connect(played.stack.variables["OTPVOICE_REDIS_URL"]) as redis:
        booked = [*everything_in(redis)]
    assert [leak for what, found in booked for leak in scanner.scan(what, found)] == []


def test_somebody_is_found_and_freed(played: Played, desk: Page) -> None:
    """By keyboard alone: search, read, type the number again, done; it is in the dialer's log."""
    number = number_of(0)
    desk.get_by_label("Find").fill(number)
    desk.keyboard.press("Enter")
    expect(desk.get_by_role("heading", name="1 verification found")).to_be_visible()
    expect(desk.locator(".timeline li").first).to_contain_text("Asked for")
    assert number not in desk.content()
    desk.get_by_label("To confirm, type the whole number again").fill(number)
    desk.keyboard.press("Enter")
    expect(desk.get_by_role("heading", name="was freed")).to_be_visible()
    expect(desk.get_by_text("It is not refused.")).to_be_visible()
    log = played.stack.folder / "dialer.log"
    until(lambda: b"limits.cleared" in log.read_bytes(), "the log to be told")
    assert b"console: asha" in log.read_bytes()


def test_times_are_the_readers(desk: Page) -> None:
    """In the zone of the browser, and it says which."""
    expect(desk.locator("#zone")).to_have_text(re.compile("Asia/(Kolkata|Calcutta)"))
    utc = desk.locator("time").first.get_attribute("datetime") or ""
    shown = desk.locator("time").first.inner_text()
    minutes = (int(utc[11:13]) * 60 + int(utc[14:16]) + 330) % 1440
    assert f"{minutes // 60:02}:{minutes % 60:02}" in shown


def test_a_plot_is_a_table_too(desk: Page) -> None:
    """What is drawn can be read: a name, a sentence, and the same figures in rows."""
    plot = desk.get_by_role("img", name="Calls in the last hour")
    expect(plot).to_have_attribute("aria-describedby", "hour-about")
    expect(desk.locator("#hour-about")).to_contain_text("answered")
    desk.locator("#hour-table summary").click()
    expect(desk.locator("#hour-table tbody tr")).to_have_count(12)
    drawn = desk.locator("figure", has=desk.locator("#hour-title")).locator("rect.mark.answered")
    assert drawn.count() > 1  # in the legend, and at least one column


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
@pytest.mark.parametrize("color_scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_window(
    played: Played, browsing: Browsing, width: int, color_scheme: str, scripts: bool
) -> None:
    """On a phone as on a desk, by day and by night; and without a script all is there."""
    page = browsing.opens(
        played.url,
        http_credentials={"username": "asha", "password": KEY},
        viewport={"width": width, "height": 800},
        color_scheme=color_scheme,
        java_script_enabled=scripts,
    )
    expect(page.get_by_role("heading", name="How it goes")).to_be_visible()
    expect(page.get_by_text("Calls by outcome and route")).to_be_visible()
    box = page.locator("main").bounding_box()
    assert box
    assert box["width"] <= width
    if scripts:
        assert page.evaluate("document.documentElement.scrollWidth") == width


def test_it_is_fresh_by_itself(played: Played, browsing: Browsing) -> None:
    """A figure that changed is shown half a minute later; what was opened stays open."""
    page = browsing.opens(http_credentials={"username": "asha", "password": KEY})
    page.clock.install()
    page.goto(played.url)
    before = played.shown()["day canceled"]
    page.locator("#hour-table summary").click()
    page.locator("#main").focus()
    begun = played.line.creates(number_of(MANY), call_after=LATER).body
    played.ids[MANY] = begun["id"]
    played.line.asks("POST", f"/v1/verifications/{begun['id']}/cancel")
    page.clock.run_for(31_000)
    expect(page.locator('[data-figure="day canceled"]')).to_have_text(str(before + 1))
    expect(page.locator("#hour-table")).to_have_attribute("open", "")
