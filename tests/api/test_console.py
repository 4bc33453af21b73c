"""The console: authentication, what its pages show, and clearing a number's limits."""

import base64
import re
from collections.abc import Mapping

import pytest
from api.api_client import ApiClient, ManualDialer, settings_with
from flask import Flask
from support.service import ASHA
from support.valkey import Valkey
from system.leaks import Scanner
from werkzeug.test import TestResponse

from otpvoice.api.console.auth import LoginThrottle
from otpvoice.app import create_app
from otpvoice.cli.keys import hash_key
from otpvoice.container import store_policy
from otpvoice.core.verification import CallStatus
from otpvoice.store.discovery import connect
from otpvoice.store.models import AuditEntry
from otpvoice.store.redis_store import RedisStore

KEY = "ova_admin-key-of-the-tests"
HOME = "https://otp.example.com"
"""The public URL, and the origin of the console's pages."""
CODE = "8306175294"
ENDPOINTS = [
    ("GET", "/console"),
    ("GET", "/console/preview"),
    ("GET", "/console/static/console.js"),
    ("POST", "/console/search"),
    ("POST", "/console/limits/clear"),
]


class ConsoleBrowser:
    """An operator's browser."""

    def __init__(self, api: ApiClient, key: str | None = KEY, name: str = "asha") -> None:
        self._client = api.app.test_client()
        self._headers: dict[str, str] = {}
        if key is not None:
            credential = base64.b64encode(f"{name}:{key}".encode()).decode()
            self._headers["Authorization"] = f"Basic {credential}"

    def request(
        self, method: str, path: str, form: Mapping[str, str] | None = None, **headers: str
    ) -> TestResponse:
        """Send a request with further headers."""
        return self._client.open(path, method=method, data=form, headers=self._headers | headers)

    def open_overview(self) -> TestResponse:
        """Request the overview page."""
        return self.request("GET", "/console")

    def search(self, text: str) -> TestResponse:
        """Submit the search form."""
        return self.request("POST", "/console/search", {"query": text}, Origin=HOME)

    def get_form(self, number: str) -> dict[str, str]:
        """Return the hidden fields of the form on a number's page."""
        page = self.search(number).text
        return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page))

    def submit_form(self, form: Mapping[str, str], number: str, **headers: str) -> TestResponse:
        """Submit a form with the typed number."""
        sent = {**form, "number": number}
        return self.request("POST", "/console/limits/clear", sent, **({"Origin": HOME} | headers))

    def clear_limits(self, number: str) -> TestResponse:
        """Search for a number, type it again, and confirm."""
        return self.submit_form(self.get_form(number), number)


@pytest.fixture
def variables(environ: dict[str, str]) -> dict[str, str]:
    """Configure a console with a price per call, and one call per number in ten minutes."""
    return environ | {
        "OTPVOICE_SECRETS_ADMIN_KEY_SHA256": f"{'0' * 64},{hash_key(KEY)}",
        "OTPVOICE_CONSOLE_PRICE_PER_CALL": "0.35",
        "OTPVOICE_LIMITS_CALL_GAP": "0",
        "OTPVOICE_LIMITS_CALLS_PER_NUMBER": "1/10m",
    }


@pytest.fixture
def api(variables: dict[str, str], store: RedisStore) -> ApiClient:
    """Create an API with a console, and a live dialer."""
    store.sweep("a dialer")
    settings = settings_with(variables)
    own = RedisStore(store.redis, policy=store_policy(settings))
    return ApiClient(create_app(settings, own), store)


@pytest.fixture
def browser(api: ApiClient) -> ConsoleBrowser:
    """An operator's browser with a valid key."""
    return ConsoleBrowser(api)


def audit_entries(store: RedisStore, event: str) -> list[AuditEntry]:
    """Return the audit log's entries for an event."""
    return [each for each in store.sweep("a dialer").audit_entries if each.event == event]


def visible_text(response: TestResponse) -> str:
    """Return the text of a page without its markup."""
    assert response.status_code == 200, response.text
    return " ".join(re.sub(r"<[^>]*>", " ", response.text).split())


# Authentication ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
def test_console_without_an_admin_key_is_not_found(
    app: Flask, store: RedisStore, method: str, path: str
) -> None:
    """404, whatever the request carries."""
    assert ConsoleBrowser(ApiClient(app, store)).request(method, path).status_code == 404


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
@pytest.mark.parametrize("key", [None, "", "ova_another", KEY + " ", KEY[:-1], "0" * 64, "ключ"])
def test_console_without_a_valid_key_is_unauthorized(
    api: ApiClient, key: str | None, method: str, path: str
) -> None:
    """401 with a challenge, for pages, static files and actions."""
    response = ConsoleBrowser(api, key).request(method, path, Origin=HOME)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith("Basic realm=")
    assert "Approved" not in response.text


@pytest.mark.parametrize("credential", ["Bearer " + KEY, "Basic", "Basic ???", "Basic " + "A" * 9])
def test_console_refuses_other_forms_of_credentials(api: ApiClient, credential: str) -> None:
    """401, never 500."""
    response = ConsoleBrowser(api, None).request("GET", "/console", Authorization=credential)
    assert response.status_code == 401


def test_console_refuses_an_api_key(api: ApiClient) -> None:
    """And the API refuses an admin key."""
    assert api.get("/console").status_code == 401
    assert ApiClient(api.app, api.store, KEY).create_response().status_code == 401


def test_console_throttles_wrong_keys_by_address(api: ApiClient) -> None:
    """After ten wrong keys within a minute, a valid key is refused as well."""
    wrong, right = ConsoleBrowser(api, "ova_guess"), ConsoleBrowser(api)
    assert [wrong.open_overview().status_code for _ in range(10)] == [401] * 10
    response = right.open_overview()
    assert response.status_code == 429
    assert 1 <= int(response.headers["Retry-After"]) <= 60


def test_login_throttle_forgets_failures_after_a_minute() -> None:
    """For each address, and for a bounded number of addresses."""
    throttle = LoginThrottle()
    for second in range(10):
        throttle.record_failure("here", second)
    assert throttle.retry_after("here", 10) == 51
    assert throttle.retry_after("there", 10) == 0
    assert throttle.retry_after("here", 61) == 0
    for n in range(2000):
        throttle.record_failure(f"address {n}", 61)
    assert throttle.retry_after("here", 61) == 0


def test_console_pages_carry_security_headers(browser: ConsoleBrowser) -> None:
    """No inline or foreign content, no frames, no caching; forms send their origin."""
    response = browser.open_overview()
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self'" in policy
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Referrer-Policy"] == "same-origin"
    assert not re.search(r"<script>|<style|\sstyle=|\son\w+=|https?://", response.text)


# Pages -------------------------------------------------------------------------------------------


def test_overview_of_an_unused_service_is_empty(browser: ConsoleBrowser) -> None:
    """With empty charts, without rates, and with the status."""
    page = visible_text(browser.open_overview())
    assert "Nothing is refused" in page
    assert "No calls yet." in page


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
    assert "Cost per approval" not in visible_text(
        ConsoleBrowser(ApiClient(create_app(settings, store), store)).open_overview()
    )


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


@pytest.mark.parametrize("query", ["client=nobody", "locale=no%20tag", "client=&locale=hi"])
def test_preview_refuses_an_unknown_client_or_locale(browser: ConsoleBrowser, query: str) -> None:
    """422 with a page that names the valid choices."""
    response = browser.request("GET", f"/console/preview?{query}")
    assert response.status_code == 422
    assert "<h1>" in response.text


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


# Clearing limits ---------------------------------------------------------------------------------


def test_clear_lifts_the_limits_and_is_logged(
    api: ApiClient, browser: ConsoleBrowser, dialer: ManualDialer
) -> None:
    """The audit log names the operator and the masked number."""
    api.create()
    dialer.place()
    assert api.as_bank().create_response().status_code == 429
    page = visible_text(browser.clear_limits(" 098765 43210 "))
    assert "limits of +91******3210 were cleared" in page
    assert "calls_per_number 1/1 → 0/1" in page
    assert api.as_bank().create_response().status_code == 201
    (entry,) = audit_entries(api.store, "limits.cleared")
    assert (entry.details["to"], entry.details["operator"]) == ("+91******3210", "console: asha")


OTHER = "+919876543211"


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


@pytest.mark.parametrize(
    "host",
    [
        *("otp.example.com", "OTP.example.com", "otp.example.com.", "otp.example.com:443"),
        *("localhost", "localhost:8000", "127.0.0.1:8000", "127.9.9.9", "[::1]:8000"),
    ],
)
def test_console_serves_its_own_hosts(browser: ConsoleBrowser, host: str) -> None:
    """The public URL's host, and this machine."""
    assert browser.request("GET", "/console", Host=host).status_code == 200


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:8000", "otp.example.com.evil.example", "example.com"),
        *("10.0.0.1:8000", "localhost.evil.example", "otp.example.com@evil.example", "[::2]", "[x"),
        *("0.0.0.0", "127.0.0.1.evil.example", ":8000", " "),
    ],
)
def test_console_refuses_other_hosts(
    browser: ConsoleBrowser, method: str, path: str, host: str
) -> None:
    """DNS rebinding does not give another site the console's origin."""
    response = browser.request(method, path, Host=host, Origin=f"http://{host}")
    assert response.status_code in {400, 421}
    assert "WWW-Authenticate" not in response.headers
    assert "Overview" not in response.text


@pytest.mark.parametrize(
    "origin",
    [
        {},
        {"Origin": "null"},
        {"Origin": "https://evil.example"},
        {"Origin": "https://otp.example.com.evil.example"},
        {"Origin": "http://otp.example.com"},
        {"Origin": "https://otp.example.com:8443"},
        {"Referer": f"{HOME}/console"},
    ],
)
@pytest.mark.parametrize("path", ["/console/limits/clear", "/console/search"])
def test_console_refuses_forms_of_other_sites(
    api: ApiClient, browser: ConsoleBrowser, dialer: ManualDialer, path: str, origin: dict[str, str]
) -> None:
    """403, although the browser attaches the key."""
    api.create()
    dialer.place()
    response = browser.request("POST", path, {"number": ASHA, "query": ASHA}, **origin)
    assert response.status_code == 403
    assert api.as_bank().create_response().status_code == 429
    assert not audit_entries(api.store, "limits.cleared")


@pytest.mark.parametrize("path", ["/console/limits/clear", "/console/search"])
def test_actions_refuse_get(browser: ConsoleBrowser, path: str) -> None:
    """A link cannot trigger them, and no access log contains a number."""
    assert browser.request("GET", f"{path}?number=%2B919876543210").status_code == 405


@pytest.mark.parametrize("name", ["", "+919876543210", "a\tb", "x" * 41, "9876"])
def test_operator_name_that_may_be_a_number_is_not_logged(api: ApiClient, name: str) -> None:
    """Nor is a long one, or one with control characters."""
    ConsoleBrowser(api, name=name).search("x")
    (entry,) = audit_entries(api.store, "operator.searched")
    assert entry.details["operator"] == "console: unnamed"


def test_search_refuses_a_large_form(browser: ConsoleBrowser) -> None:
    """413, as for any other body."""
    assert browser.search("x" * 10_000).status_code == 413


def test_console_without_the_store_is_unavailable(
    variables: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """503 with a page for operators, and still 401 without a key."""
    folder = tmp_path_factory.mktemp("away")
    with Valkey(folder) as server:
        client = connect(server.url)
        app = create_app(settings_with(variables), RedisStore(client))
        api = ApiClient(app, RedisStore(client))
    response = ConsoleBrowser(api).open_overview()
    assert (response.status_code, response.headers["Retry-After"]) == (503, "1")
    assert "The store is unavailable" in response.text
    assert ConsoleBrowser(api, None).open_overview().status_code == 401
    client.close()
