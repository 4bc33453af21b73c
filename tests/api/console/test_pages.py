"""What the console's pages show, and what they never show."""

import re

import pytest
from api.api_client import ApiClient, ManualDialer, settings_with
from api.console.console_browser import CODE, KEY, ConsoleBrowser, audit_entries, visible_text
from support.service import ASHA
from support.valkey import Valkey
from system.leaks import Scanner

from otpvoice.app import create_app
from otpvoice.container import Container
from otpvoice.core.speech import Gate
from otpvoice.core.verification import CallStatus
from otpvoice.store.discovery import connect
from otpvoice.store.redis_store import RedisStore


def test_overview_of_an_unused_service_is_empty(browser: ConsoleBrowser) -> None:
    """With empty charts, without rates, and with the status."""
    page = visible_text(browser.open_overview())
    assert "Nothing is refused" in page
    assert "No calls yet." in page
    assert "0.0 s: age of the oldest due call" in page
    uses = re.search(
        r"(\d+\.\d) s of processor time, (\d+) MiB of memory, (\d+) of (\d+) files", page
    )
    assert uses
    assert all(float(each) > 0 for each in uses.groups())


def test_overview_shows_rates_and_the_cost_per_approval(
    api: ApiClient, browser: ConsoleBrowser, dialer: ManualDialer
) -> None:
    """Two placed calls and one approval at 0.35 INR a call cost 0.70 INR."""
    first, second = (api.create(number) for number in (ASHA, "+919876543211"))
    for _ in range(2):
        dialer.place()
    call = api.get_verification(first)["calls"][0]["id"]
    api.send_callback(id=call, status="ANSWER", **{"from": "918068280000", "to": ASHA[1:]})
    api.act(first, "approve")
    api.act(second, "cancel")
    page = visible_text(browser.open_overview())
    assert "Approved 50 % in the hour 50 % in the day" in page
    assert "Answered 50 % in the hour" in page
    assert "0.70 INR" in page
    assert re.search(r"IN \+919876… 2 50 % 50 %", page)


def test_overview_shows_the_answer_rate_of_each_line(
    variables: dict[str, str], store: RedisStore
) -> None:
    """With a warning about the weak one."""
    settings = settings_with(variables, clients_login_bridges="918068280000,918068280001")
    own = RedisStore(store.redis, policy=Container(settings).policy)
    app = create_app(settings, own)
    api, dialer = ApiClient(app, own), ManualDialer(own)
    own.sweep("a dialer")
    created = api.create(ASHA)
    placed = dialer.place()
    line = created["calls"][0]["caller_id"]
    assert line == f"+{placed.bridge}"
    api.send_callback(id=placed.call_id, status="BUSY")
    other = ({"918068280000", "918068280001"} - {placed.bridge}).pop()
    store.redis.set(f"{{otpvoice}}:line:{other}", "60.000 90.000", ex=60)
    page = visible_text(ConsoleBrowser(app).open_overview())
    assert re.search(rf"\{line} 1 0 % 1 0 %", page)
    assert "is weak" not in page
    store.redis.set(f"{{otpvoice}}:line:{placed.bridge}", "5.000 90.000", ex=60)
    page = visible_text(ConsoleBrowser(app).open_overview())
    assert f"Warning Caller line {line} is weak" in page
    assert re.search(rf"\{line} \(weak\) 1 0 %", page)


def test_overview_shows_alerts_with_remedies(api: ApiClient, browser: ConsoleBrowser) -> None:
    """For a closed route, an open breaker and a missing dialer."""
    redis, far = api.store.redis, 99_999_999_999_999
    redis.hset("{otpvoice}:route:obd", "closed_until", far)
    redis.zadd("{otpvoice}:breakers", {"conversion_breaker area +919876": far})
    redis.delete("{otpvoice}:dialers")
    page = visible_text(browser.open_overview())
    assert "Route obd is closed" in page
    assert "conversion_breaker area +919876, until" in page
    assert "few answered calls led to an approval" in page
    assert "Refuses No dialer is running" in page


def test_search_finds_by_number_id_and_reference(
    api: ApiClient, browser: ConsoleBrowser, dialer: ManualDialer
) -> None:
    """With a timeline. The audit log names the operator, and masks the text."""
    created = api.create(reference="login-81", code=CODE)
    claim = dialer.place()
    dialer.record(claim, CallStatus.PLACED)
    for text in (ASHA, created["id"], "login-81"):
        page = visible_text(browser.search(text))
        assert created["id"] in page
        assert "+91******3210" in page
        assert "Call 1: sent to the provider" in page
        assert "login-81" in page
    assert "No verification was found" in visible_text(browser.search("login-82"))
    assert [
        (each.details["query"], each.details["operator"])
        for each in audit_entries(api.store, "operator.searched")
    ] == [
        ("+91******3210", "console: asha"),
        (created["id"], "console: asha"),
        *[("a reference", "console: asha")] * 2,
    ]


def test_denial_is_shown_with_what_it_means(
    api: ApiClient, browser: ConsoleBrowser, dialer: ManualDialer
) -> None:
    """In the statistics, of the verification, and of the number that is blocked."""
    assert "Denied" not in visible_text(browser.open_overview())
    created = api.create()
    claim = dialer.place(gate=Gate.DOOR)
    assert api.store.press_key(claim.call_id, "9").outcome == "denied"
    assert "Denied 1 in the hour 1 in the day" in visible_text(browser.open_overview())
    page = visible_text(browser.search(ASHA))
    assert created["id"] in page
    assert page.count("the person who was called pressed 9") == 2
    assert re.search("is refused by denial_block until .* denied having asked for it", page)


def test_timeline_of_an_answered_call_leaves_open_whether_the_code_was_heard(
    api: ApiClient, browser: ConsoleBrowser, dialer: ManualDialer
) -> None:
    """If the flow has no text in the settings, an answered call may be a mailbox."""
    created = api.create()
    dialer.place()
    call = api.get_verification(created)["calls"][0]["id"]
    api.send_callback(
        id=call, status="ANSWER", duration="7", **{"from": "918068280000", "to": ASHA[1:]}
    )
    page = visible_text(browser.search(created["id"]))
    assert "Call 1: answered 7 s of talk, not known whether the code was heard" in page


def test_overview_without_a_price_shows_no_cost(
    variables: dict[str, str], store: RedisStore
) -> None:
    """Not even a zero."""
    settings = settings_with(variables, console_price_per_call=None)
    browser = ConsoleBrowser(create_app(settings, store))
    assert "Cost per approval" not in visible_text(browser.open_overview())


def test_search_by_number_shows_the_refusing_limit(
    api: ApiClient, browser: ConsoleBrowser, dialer: ManualDialer
) -> None:
    """With its end, and the refused requests."""
    api.act(api.create(), "cancel")
    api.create(reference="again")
    dialer.place()
    assert api.as_bank().create_response().status_code == 429
    page = visible_text(browser.search(ASHA))
    assert "+91******3210 is refused by calls_per_number until" in page
    assert "Refused requests in the last day: 1" in page


@pytest.mark.parametrize("text", ["+44123", "+91 abc", "+" + "9" * 100])
def test_search_refuses_an_invalid_international_number(browser: ConsoleBrowser, text: str) -> None:
    """422. The page does not repeat the text."""
    response = browser.search(text)
    assert response.status_code == 422
    assert text not in response.text


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", "vrf_%s", "{{7*7}}", "", "\0", "x" * 199]
)
def test_search_accepts_any_other_text(browser: ConsoleBrowser, text: str) -> None:
    """The page does not repeat the text."""
    response = browser.search(text)
    assert response.status_code == 200
    assert "alert(1)" not in response.text
    assert "49" not in visible_text(response)


def test_results_escape_a_reference(api: ApiClient, browser: ConsoleBrowser) -> None:
    """References come from clients, and may come from their users."""
    markup = "<img src=x onerror=alert(1)>"
    api.create(reference=markup)
    response = browser.search(markup)
    assert "<img" not in response.text
    assert "&lt;img" in response.text


@pytest.mark.parametrize(
    "query", ["client=nobody", "locale=no%20tag", "client=&locale=hi", "route=sip"]
)
def test_preview_refuses_an_unknown_choice(browser: ConsoleBrowser, query: str) -> None:
    """422 with a page that names the valid choices."""
    response = browser.request("GET", f"/console/preview?{query}")
    assert response.status_code == 422
    assert "<h1>" in response.text


@pytest.mark.parametrize(("route", "shown"), [("", {"obd", "c2c"}), ("c2c", {"c2c"})])
def test_preview_shows_the_chosen_route(
    browser: ConsoleBrowser, route: str, shown: set[str]
) -> None:
    """Or all of them; the form keeps the choice."""
    page = browser.request("GET", f"/console/preview?client=login&route={route}").text
    assert {name for name in ("obd", "c2c") if f'id="request-{name}"' in page} == shown
    assert '<select id="route" name="route"><option value="">all</option>' in page
    assert ("<option selected>c2c</option>" in page) == (route == "c2c")


def test_preview_escapes_the_name(browser: ConsoleBrowser) -> None:
    """The form repeats it."""
    response = browser.request("GET", "/console/preview?name=%3Cscript%3Ealert(1)%3C/script%3E")
    assert "<script>alert" not in response.text


def test_console_shows_neither_codes_nor_whole_numbers(
    api: ApiClient, browser: ConsoleBrowser, dialer: ManualDialer
) -> None:
    """On no page and in no header, in any encoding."""
    created = api.create(code=CODE)
    dialer.place()
    api.check(created, "2957403861")
    pages = [browser.open_overview(), browser.search(ASHA), browser.search(created["id"])]
    pages += [browser.clear_limits(ASHA), browser.search(ASHA[:-1])]
    secrets = {"number": ASHA, "digits": ASHA[1:], "national": ASHA[3:], "key": KEY}
    scanner = Scanner(secrets, {"code": CODE, "wrong code": "2957403861"})
    for n, response in enumerate(pages):
        assert scanner.scan(f"page {n}", response.data) == []
        assert scanner.scan(f"headers {n}", str(response.headers).encode()) == []


def test_console_without_the_store_is_unavailable(
    variables: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """503 with a page for operators, and still 401 without a key."""
    folder = tmp_path_factory.mktemp("away")
    with Valkey(folder) as server:
        client = connect(server.url, timeout_s=30)
        app = create_app(settings_with(variables), RedisStore(client))
    response = ConsoleBrowser(app).open_overview()
    assert (response.status_code, response.headers["Retry-After"]) == (503, "1")
    assert "The store is unavailable" in response.text
    assert ConsoleBrowser(app, None).open_overview().status_code == 401
    client.close()
