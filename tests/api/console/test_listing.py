"""The list of the newest verifications: filters, pages, files, and links that lead into it."""

import csv
import html
import io
import json
import re
from urllib.parse import parse_qs, urlsplit

import pytest
from api.api_client import ApiClient, ManualDialer, settings_with
from api.console.console_browser import CODE, KEY, ConsoleBrowser, audit_entries, visible_text
from support.service import ASHA
from support.valkey import Valkey
from system.leaks import Scanner

from otpvoice.app import create_app
from otpvoice.core.errors import StoreUnavailable
from otpvoice.store import Keys
from otpvoice.store.discovery import connect
from otpvoice.store.policy import NEWEST_MAX
from otpvoice.store.redis_store import RedisStore

LIST = "/console/verifications"
OTHER = "+919812345678"


def rows(browser: ConsoleBrowser, query: str = "") -> list[str]:
    """Return the ids of the list's rows."""
    response = browser.request("GET", LIST + query)
    assert response.status_code == 200, response.text
    return re.findall(rf'<th scope="row"><a href="{LIST}/(vrf_\w+)"', response.text)


@pytest.fixture
def logins(api: ApiClient, dialer: ManualDialer) -> list[str]:
    """One whose call was busy, and one of a bank that was approved; the newest first."""
    busy = api.create(reference="=login-81", code=CODE)
    api.send_callback(id=dialer.place().call_id, status="BUSY")
    approved = api.as_bank().create(OTHER)
    api.as_bank().act(approved, "approve")
    return [approved["id"], busy["id"]]


def test_list_shows_the_newest_first_with_masked_numbers(
    browser: ConsoleBrowser, logins: list[str]
) -> None:
    """Status and calls of each, and a log line with the operator."""
    assert rows(browser) == logins
    page = visible_text(browser.request("GET", LIST))
    assert re.search(r"\+91\*{6}5678 bank approved approved.elsewhere canceled \(obd", page)
    assert re.search(r"\+91\*{6}3210 login pending busy \(obd\)", page)


def test_each_listing_is_logged(api: ApiClient, browser: ConsoleBrowser, logins: list[str]) -> None:
    """With the operator, and how many were shown."""
    assert rows(browser, "?client=bank") == logins[:1]
    (entry,) = audit_entries(api.store, "operator.listed")
    assert (entry.details["operator"], entry.details["results"]) == ("console: asha", 1)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?client=bank", [0]),
        ("?status=pending", [1]),
        ("?outcome=busy&route=obd", [1]),
        ("?reason=approved_elsewhere", [0]),
        ("?region=in", [0, 1]),
        ("?region=US", []),
        ("?prefix=%2B919876", [1]),
        ("?prefix=919812", [0]),
        ("?from=1h", [0, 1]),
        ("?until=1h", []),
        ("?from=2026-01-01&until=2099-01-01T00:00:00Z", [0, 1]),
        ("?line=%2B1", []),
    ],
)
def test_filter_selects(
    browser: ConsoleBrowser, logins: list[str], query: str, expected: list[int]
) -> None:
    """And the form shows it again."""
    assert rows(browser, query) == [logins[at] for at in expected]
    page = browser.request("GET", LIST + query).text
    for name, (value,) in parse_qs(urlsplit(query).query).items():
        shown = f'name="{name}"[^>]* value="{re.escape(value)}"|value="{re.escape(value)}" selected'
        assert re.search(shown, page)


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("client=none", "no client of this name. There are: bank, login"),
        ("status=good", "no status of this name"),
        ("outcome=x", "no outcome of this name"),
        ("region=India", "Region must be two letters"),
        ("prefix=%2B919876543210", "without its last six"),
        ("prefix=x", "without its last six"),
        ("from=yesterday", "From must be a time in UTC"),
        ("until=9999999999", "Until must be a time in UTC"),
        ("from=400d", "From must be"),
        ("until=%D9%A3", "Until must be"),
        ("after=vrf_x", "names no place in the list"),
    ],
)
def test_wrong_filter_is_refused_with_its_reason(
    browser: ConsoleBrowser, query: str, reason: str
) -> None:
    """422, and the same for a file."""
    paths = [LIST, f"{LIST}.csv", f"{LIST}.jsonl"]
    for path in paths[:1] if query.startswith("after") else paths:
        response = browser.request("GET", f"{path}?{query}")
        assert response.status_code == 422
        assert reason in html.unescape(response.text)


def test_pages_follow_each_other(api: ApiClient, browser: ConsoleBrowser) -> None:
    """Fifty on a page; the link to older ones keeps the filter."""
    ids = [api.create(f"+9198{n:03}12345")["id"] for n in range(52)][::-1]
    assert rows(browser, "?client=login") == ids[:50]
    page = browser.request("GET", f"{LIST}?client=login").text
    (older,) = re.findall(r'href="([^"]*after=[^"]*)"', page)
    query = html.unescape(older).removeprefix(LIST)
    assert "client=login" in query
    assert rows(browser, query) == ids[50:]
    assert "after=" not in browser.request("GET", LIST + query).text


def test_place_that_is_gone_is_named(browser: ConsoleBrowser) -> None:
    page = visible_text(browser.request("GET", f"{LIST}?after=vrf_{'0' * 32}"))
    assert "The list no longer has this place. Begin with the newest" in page
    assert f"the newest {NEWEST_MAX:,} verifications" in page


def test_files_have_what_the_list_shows(browser: ConsoleBrowser, logins: list[str]) -> None:
    """The same filter and order; a reference cannot become a formula."""
    lines = browser.request("GET", f"{LIST}.jsonl").text.splitlines()
    assert [json.loads(line)["id"] for line in lines] == logins
    assert {json.loads(line)["to"] for line in lines} == {"+91******5678", "+91******3210"}
    response = browser.request("GET", f"{LIST}.csv?client=login")
    assert response.headers["Content-Disposition"].endswith('filename="verifications.csv"')
    (row,) = csv.DictReader(io.StringIO(response.text))
    assert (row["id"], row["to"], row["reference"]) == (logins[1], "'+91******3210", "'=login-81")
    assert (row["status"], row["calls"], row["call_status"]) == ("pending", "1", "busy")
    assert browser.request("GET", f"{LIST}.xml").status_code == 404


def test_each_file_is_logged(api: ApiClient, browser: ConsoleBrowser) -> None:
    """As an export of a command is."""
    assert browser.request("GET", f"{LIST}.csv?from=1h").text.startswith("id,to,client")
    (entry,) = audit_entries(api.store, "operator.exported")
    assert (entry.details["operator"], entry.details["whole_numbers"]) == ("console: asha", False)


def test_file_is_cut_off_if_the_store_fails_meanwhile(
    variables: dict[str, str], valkey: Valkey
) -> None:
    """The first part was sent. Without a first part, the failure is an error page."""
    client = connect(valkey.url, timeout_s=30)
    app = create_app(settings_with(variables), store := RedisStore(client))
    store.sweep("a dialer")
    created = ApiClient(app, store).create()
    client.rpush(Keys().of("newest"), *(f"{n:032x}" for n in range(200)))
    browser = ConsoleBrowser(app)
    lines = browser.request("GET", f"{LIST}.jsonl").iter_encoded()
    assert json.loads(next(lines))["id"] == created["id"]
    valkey.kill()
    with pytest.raises(StoreUnavailable):  # the server then closes the connection
        b"".join(lines)
    assert browser.request("GET", f"{LIST}.jsonl").status_code == 503
    client.close()


def test_file_is_whole_if_verifications_are_erased_meanwhile(
    api: ApiClient, browser: ConsoleBrowser
) -> None:
    """Also the one behind which the next part begins."""
    ids = [api.create(f"+9198{n:03}12345")["id"] for n in range(60)][::-1]
    lines = browser.request("GET", f"{LIST}.jsonl").iter_encoded()
    first = next(lines).splitlines()
    for line in first:  # as erasing a number does
        erased = json.loads(line)["id"].removeprefix("vrf_")
        assert api.store.redis.lrem(Keys().of("newest"), 0, erased) == 1
    assert [json.loads(line)["id"] for line in (*first, *b"".join(lines).splitlines())] == ids


def test_list_and_files_contain_no_number_and_no_code(
    browser: ConsoleBrowser, logins: list[str]
) -> None:
    paths = [
        LIST,
        f"{LIST}.csv",
        f"{LIST}.jsonl",
        f"{LIST}/{logins[1]}",
        f"{LIST}/{logins[1]}/number",
    ]
    scanner = Scanner({"asha": ASHA[3:], "other": OTHER[3:], "key": KEY}, {"code": CODE})
    for path in paths:
        assert scanner.scan(path, browser.request("GET", path).data) == []


def test_every_link_of_the_overview_leads_to_a_list(
    browser: ConsoleBrowser, logins: list[str]
) -> None:
    """Counts of tables and tiles, columns of charts, areas, clients with limits."""
    page = browser.open_overview().text
    links = {html.unescape(each) for each in re.findall(rf'href="({LIST}\?[^"]*)"', page)}
    assert {name for each in links for name in parse_qs(urlsplit(each).query)} == {
        *("from", "until", "outcome", "route", "status", "region", "prefix", "client", "line"),
    }
    found = {each: rows(browser, each.removeprefix(LIST)) for each in links}
    busy = [each for each in found if "outcome=busy&route=obd" in each]
    assert len(busy) == 2
    assert all(found[each] == logins[1:] for each in busy)
    columns = [each for each in found if "until=" in each]
    assert len(columns) == 12 + 48
    assert sum(len(found[each]) for each in columns) == 2 * len(logins)


def test_page_of_one_verification_leads_to_its_number(
    browser: ConsoleBrowser, logins: list[str]
) -> None:
    page = browser.request("GET", f"{LIST}/{logins[1]}")
    assert "Call 1: busy" in visible_text(page)
    assert f'href="{LIST}/{logins[1]}/number"' in page.text
    number = visible_text(browser.request("GET", f"{LIST}/{logins[1]}/number"))
    assert "Block this number" in number
    for path in (f"{LIST}/x", f"{LIST}/x/number"):
        assert browser.request("GET", path).status_code == 404
    gone = f"{LIST}/vrf_{'0' * 32}"
    assert "No verification was found" in visible_text(browser.request("GET", gone))
    assert browser.request("GET", f"{gone}/number").status_code == 422
