"""Callbacks of the companies whose addresses name the call: they end that call, once."""

from collections.abc import Callable, Iterator
from itertools import permutations, product
from typing import Any
from urllib.parse import urlencode

import pytest
from api.api_client import ApiClient, ManualDialer, assert_problem
from api.callback_samples import is_received, last_call
from api.company_requests import COMPANIES, Company, settings_of_companies
from msgspec.structs import replace
from providers.plivo_samples import hangup_form
from providers.twiml_samples import CALLBACK
from redis import Redis
from structlog.testing import capture_logs
from support.service import ASHA

from otpvoice.app import create_app
from otpvoice.container import Container
from otpvoice.core.verification import CallReason, CallStatus
from otpvoice.store.discovery import connect
from otpvoice.store.models import CallResult
from otpvoice.store.redis_store import RedisStore

OTHER_CALL = "call_" + "0" * 32
RAVI = "+919812345678"
AnyCompany = Callable[[str], Company]


@pytest.fixture(scope="module")
def start_company(environ: dict[str, str], redis_url: str) -> Iterator[AnyCompany]:
    """Return a function that returns a company; all of them know one API."""
    settings = settings_of_companies(environ)
    redis = connect(redis_url, timeout_s=5)
    own = RedisStore(redis, policy=Container(settings).policy)
    app = create_app(settings, own)
    yield lambda name: Company(name, ApiClient(app, own), settings)
    redis.close()


@pytest.fixture
def company_of(start_company: AnyCompany, redis: Redis) -> AnyCompany:
    """Return the same function, with an emptied store and its clock reset; a dialer is alive."""
    del redis
    store = start_company("twilio").api.store
    store.clock_offset_ms = 0
    store.sweep("a dialer")
    return start_company


@pytest.fixture(params=COMPANIES)
def company(request: pytest.FixtureRequest, company_of: AnyCompany) -> Company:
    """Return each company."""
    return company_of(request.param)


@pytest.fixture
def api(company_of: AnyCompany) -> ApiClient:
    """Return a client of the companies' API."""
    return company_of("twilio").api


@pytest.fixture
def dialer(api: ApiClient) -> ManualDialer:
    """Return a dialer of the same store."""
    return ManualDialer(api.store)


@pytest.mark.parametrize(
    "content_type",
    [
        "application/x-www-form-urlencoded",
        "application/x-www-form-urlencoded; charset=utf-8",
        "application/json",
        None,
    ],
)
def test_documented_callback_ends_its_call(
    api: ApiClient, dialer: ManualDialer, company: Company, content_type: str | None
) -> None:
    """Each member as the company documents it. The type does not matter."""
    form, duration = (hangup_form(), 19) if company.name == "plivo" else (CALLBACK, 17)
    created = api.create(f"+{form['To'].removeprefix('+')}", route=company.name)
    claim = dialer.place()
    url = company.callback_url(claim.call_id)
    assert is_received(company.post(url, form, content_type=content_type))
    call = last_call(api, created)
    assert (call["status"], call["reason"], call["duration"]) == ("answered", None, duration)
    assert api.get_verification(created)["status"] == "pending"


def test_signed_callback_sent_to_the_address_of_another_call_is_unmatched(
    api: ApiClient, dialer: ManualDialer, company_of: AnyCompany
) -> None:
    """Telnyx signs the body and not the address; the number in the body is another one."""
    telnyx = company_of("telnyx")
    created = api.create(route="telnyx")
    claim = dialer.place()
    with capture_logs() as lines:
        assert is_received(telnyx.report(claim.call_id, "busy", To=RAVI))
    (line,) = [line for line in lines if line["event"] == "callback.unmatched"]
    assert line["outcome"] == "no_call"
    assert last_call(api, created)["status"] == "placed"
    assert is_received(telnyx.report(claim.call_id, "busy", To=ASHA))
    assert last_call(api, created)["status"] == "busy"


def test_first_final_status_wins(api: ApiClient, dialer: ManualDialer, company: Company) -> None:
    """Ten copies of it and a later other one change nothing."""
    created = api.create(route=company.name)
    claim = dialer.place()
    assert claim.route == company.name
    assert is_received(company.report(claim.call_id, "busy"))
    after_one = api.get_verification(created)
    assert after_one["calls"][0]["status"] == "busy"
    for word in (*["busy"] * 9, "completed", "failed", "in-progress"):
        assert is_received(company.report(claim.call_id, word))
    assert api.get_verification(created) | {"expires_in": 0} == after_one | {"expires_in": 0}


def test_late_callback_ends_its_own_call(
    api: ApiClient, dialer: ManualDialer, company: Company
) -> None:
    """Although a newer call to the number is live."""
    old = api.create(route=company.name)
    claim = dialer.place()
    api.advance_time(90 * 60)
    newer = api.create(route=company.name)
    dialer.place()
    assert is_received(company.report(claim.call_id, "busy", To=ASHA))
    assert last_call(api, old)["status"] == "busy"
    assert last_call(api, newer)["status"] == "placed"


def test_callback_before_the_reply_ends_the_call(
    api: ApiClient, dialer: ManualDialer, company: Company
) -> None:
    """The dialer records the reply afterwards."""
    created = api.create(route=company.name)
    claim = dialer.send()
    assert is_received(company.report(claim.call_id))
    dialer.record(claim, CallStatus.PLACED, provider_id="anything")
    call = last_call(api, created)
    assert (call["status"], call["duration"]) == ("answered", 9)
    assert call["placed_at"]


@pytest.mark.parametrize(
    ("signer", "owner"),
    [pair for pair in product(("mobtexting", *COMPANIES), ("obd", *COMPANIES)) if len({*pair}) == 2
     and pair != ("mobtexting", "obd")],
)  # fmt: skip
def test_company_reports_no_call_of_another(
    api: ApiClient, dialer: ManualDialer, company_of: AnyCompany, signer: str, owner: str
) -> None:
    """Although it knows the id, and signs as it does for its own calls."""
    created = api.create(route=owner)
    claim = dialer.place()
    for word in ("busy", "completed"):
        if signer == "mobtexting":
            answer = api.send_callback(id=claim.call_id, status=word, to=ASHA)
        else:
            answer = company_of(signer).report(claim.call_id, word, To=ASHA)
        assert is_received(answer)
        assert last_call(api, created)["status"] == "placed"


def test_callback_of_plivo_without_our_id(
    api: ApiClient, dialer: ManualDialer, company_of: AnyCompany
) -> None:
    """An application's own address may have none: its ids count, or else number and time."""
    plivo = company_of("plivo")
    url = plivo.callback_url("").partition("?")[0] + "?source=application"

    def report(**members: str) -> None:
        form = plivo.form("busy", To=ASHA[1:], From=claim.bridge, **members)
        with capture_logs() as lines:
            assert is_received(plivo.post(url, form))
        seen.append([each["outcome"] for each in lines if each["event"].startswith("callback.")])

    seen: list[list[str]] = []
    created = api.create(route="plivo")
    claim = dialer.place("the-request")
    report(RequestUUID="another-request", CallUUID="another-request")
    report(RequestUUID="", CallUUID="")
    report(RequestUUID="", CallUUID="", StartTime="2021-04-09 16:27:39")
    assert last_call(api, created)["status"] == "placed"
    report(RequestUUID="the-request", CallUUID="any")
    assert last_call(api, created)["status"] == "busy"
    assert seen == [["no_call"], ["clock"], ["clock"], ["applied"]]


PAIRS = [*permutations(("obd", "twilio", "plivo"), 2)]
REFUSED = CallResult(CallStatus.FAILED, CallReason.REFUSED, is_unsent=True)


def report_by(company_of: AnyCompany, route: str, call_id: str, word: str) -> None:
    """Send a result of a call as the company of its route does."""
    if route == "obd":
        words = {"completed": "ANSWER", "busy": "BUSY"}
        assert is_received(company_of("twilio").api.send_callback(id=call_id, status=words[word]))
    else:
        assert is_received(company_of(route).report(call_id, word))


def statuses(api: ApiClient, created: dict[str, Any]) -> list[tuple[str, str]]:
    """Return route and status of each call."""
    return [(each["route"], each["status"]) for each in api.get_verification(created)["calls"]]


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_company_that_refused_a_call_cannot_report_it(
    api: ApiClient, dialer: ManualDialer, company_of: AnyCompany, first: str, second: str
) -> None:
    """The phone rings at the other company meanwhile: no further call follows."""
    created = api.create(route=first)
    claim = dialer.send()
    api.store.record_result(claim, replace(REFUSED, next_route=second))
    following = dialer.place()
    assert following.route == second
    for word in ("completed", "busy"):
        report_by(company_of, first, claim.call_id, word)
        assert statuses(api, created) == [(first, "failed"), (second, "placed")]
    report_by(company_of, second, following.call_id, "completed")
    assert statuses(api, created) == [(first, "failed"), (second, "answered")]
    assert dialer.has_nothing_due()


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_company_that_never_replied_reports_its_call_late(
    api: ApiClient, dialer: ManualDialer, company_of: AnyCompany, first: str, second: str
) -> None:
    """No other company is called until it can ring no longer. Both calls get their own status."""
    created = api.create(route=first, ttl=600)
    claim = dialer.send()
    dialer.record(claim, CallStatus.UNKNOWN, CallReason.PROVIDER_ERROR)
    assert api.act(created, "calls", {"route": second}).status_code == 202
    assert dialer.has_nothing_due()
    api.advance_time(166)
    assert api.act(created, "calls", {"route": second}).status_code == 202
    following = dialer.place()
    assert following.route == second
    report_by(company_of, first, claim.call_id, "completed")
    assert statuses(api, created) == [(first, "answered"), (second, "placed")]
    report_by(company_of, second, following.call_id, "busy")
    assert statuses(api, created) == [(first, "answered"), (second, "busy")]


def test_callback_about_no_call_is_counted(api: ApiClient, company: Company) -> None:
    """It is answered as any other, and logged as unmatched."""
    api.create()
    with capture_logs() as lines:
        assert is_received(company.report(OTHER_CALL, To=RAVI))
    (line,) = [each for each in lines if each["event"].startswith("callback.")]
    assert (line["event"], line["outcome"]) == ("callback.unmatched", "no_call")


def test_forged_callback_changes_nothing(
    api: ApiClient, dialer: ManualDialer, company: Company
) -> None:
    """Without a signature, with another key's, or with one of another message, call or form."""
    created = api.create(route=company.name)
    claim = dialer.place()
    url, form = company.callback_url(claim.call_id), company.form("busy")
    public_url = company.settings.server.public_url
    path, _, query = url.removeprefix(public_url).partition("?")
    answered = company.form("completed")
    copied = dict(company.sign(company.callback_url(OTHER_CALL), urlencode(answered), answered))
    forgeries = (
        api.client.post(f"{path}?{query}", data=form),
        company.post(url, form, "another token"),
        company.post(url, form, ""),
        api.client.post(f"{path}?{query}", data=form, headers=copied),
        company.post(f"{public_url}{path}?call=", form, "x"),
        api.client.get(f"{path}?{query}&{urlencode(form)}"),
    )
    for answer in forgeries:
        assert_problem(answer, 401, "unauthorized")
    assert last_call(api, created)["status"] == "placed"
    assert is_received(company.post(url, form))


HOSTILE = (
    *({"CallStatus": word} for word in ("approved", "", "NaN", "1e400", "a" * 8000, "\x00", "हि")),
    *({"CallDuration": size, "Duration": size} for size in ("NaN", "1e400", "-1", "9" * 4000, "")),
    *({"To": to} for to in ("", "+", "0" * 4000, "{otp}", "sip:x@example.com")),
    {"CallSid": "x" * 4000, "CallUUID": "x" * 4000, "RequestUUID": ""},
    {f"member {n}": "x" for n in range(99)},
    {f"member {n}": "x" for n in range(200)},
)


@pytest.mark.parametrize("members", HOSTILE, ids=lambda each: str(each)[:30])
def test_genuine_callback_with_any_content_approves_nothing(
    api: ApiClient, dialer: ManualDialer, company: Company, members: dict[str, str]
) -> None:
    """It is answered with 200, 400 or 401, and never with an error of ours."""
    created = api.create(route=company.name)
    claim = dialer.place()
    answer = company.report(claim.call_id, **({"word": "completed"} | members))
    assert answer.status_code in {200, 400, 401}, answer.text
    found = api.get_verification(created)
    assert found["status"] == "pending"
    assert found["checks_left"] == created["checks_left"]
