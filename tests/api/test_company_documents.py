"""What an answered call speaks, for each company that fetches it: once, live, and to it alone."""

import base64
import re
from collections.abc import Callable

import pytest
from api.api_client import ApiClient, ManualDialer, assert_problem
from api.company_requests import FETCHING, Company, settings_of_companies
from redis import Redis
from structlog.testing import capture_logs
from support.service import RING_KEY
from werkzeug.test import TestResponse

from otpvoice.app import create_app
from otpvoice.container import Container
from otpvoice.store.redis_store import RedisStore

CODE = "471102"
NEW_KEY = base64.b64encode(b"newer ring key of these tests 32").decode()
BOTH_KEYS = f"k2:{NEW_KEY},k1:{RING_KEY}"
Start = Callable[..., Company]


@pytest.fixture
def start(environ: dict[str, str], redis: Redis) -> Start:
    """Return a function that starts an API with changed settings, and returns its company."""

    def start(name: str, **changes: str) -> Company:
        settings = settings_of_companies(environ, **changes)
        own = RedisStore(redis, policy=Container(settings).policy)
        own.sweep("a dialer")
        return Company(name, ApiClient(create_app(settings, own), own), settings)

    return start


@pytest.fixture(params=FETCHING)
def company(request: pytest.FixtureRequest, start: Start) -> Company:
    """Return each company that fetches documents."""
    return start(request.param)


@pytest.fixture
def dialer(company: Company) -> ManualDialer:
    """Return a dialer of the same store."""
    return ManualDialer(company.api.store)


def speaks(answer: TestResponse) -> bool:
    """Return whether a document speaks the code; one that does not ends the call at once."""
    assert answer.status_code == 200, answer.text
    found = CODE in re.sub(r"<[^>]*>|\D", "", answer.text)
    assert found or re.fullmatch("<Response>(<Hangup/>)?</Response>", answer.text), answer.text
    return found


def test_code_is_spoken_once_while_the_call_is_live(company: Company, dialer: ManualDialer) -> None:
    """Neither when it is queued or claimed, nor again."""
    created = company.api.create(route=company.name, code=CODE)
    call_id = created["calls"][0]["id"]
    assert not speaks(company.fetch(call_id))
    claim = dialer.claim()
    assert not speaks(company.fetch(call_id))
    assert company.api.store.mark_sent(claim, 165_000, [60_000])
    assert [speaks(company.fetch(call_id)) for _ in range(3)] == [True, False, False]


@pytest.mark.parametrize("end", ["busy", "completed", "approve", "cancel", "check", "live_until"])
def test_code_is_not_spoken_after_the_end(company: Company, dialer: ManualDialer, end: str) -> None:
    """Of the call or of the verification."""
    created = company.api.create(route=company.name, code=CODE)
    claim = dialer.place()
    if end == "check":
        assert company.api.check(created, CODE).json["valid"] is True  # type: ignore[index] # an object
    elif end == "live_until":
        company.api.advance_time(166)
    elif end in {"approve", "cancel"}:
        assert company.api.act(created, end).status_code == 200
    else:
        assert company.report(claim.call_id, end).status_code == 200
    assert not speaks(company.fetch(claim.call_id))


def test_stranger_learns_nothing_and_takes_nothing(company: Company, dialer: ManualDialer) -> None:
    """Each gets the same 404; then the company still gets the document."""
    company.api.create(route=company.name, code=CODE)
    claim = dialer.place()
    other = "call_" + "0" * 32
    url, form = company.document_url(claim.call_id), company.form("in-progress")
    public_url = company.settings.server.public_url
    path, _, query = url.removeprefix(public_url).partition("?")
    other_path = company.document_url(other).partition("?")[0]
    answers = (
        company.api.client.post(f"{path}?{query}", data=form),
        company.fetch(claim.call_id, token="another token"),
        company.fetch(claim.call_id, token=""),
        company.post(f"{other_path}?{query}", form),
        company.post(f"{public_url}{path}?call=", form),
    )
    problems = [assert_problem(answer, 404, "not_found") for answer in answers]
    assert len({(each["title"], each["detail"]) for each in problems}) == 1
    assert company.api.client.get(f"{path}?{query}").status_code == 405
    assert speaks(company.fetch(claim.call_id))


@pytest.mark.parametrize("company_name", FETCHING)
def test_key_may_be_rotated_between_request_and_answer(start: Start, company_name: str) -> None:
    """The address has a token of the older key, by which the code is encrypted as well."""
    before = start(company_name)
    before.api.create(route=company_name, code=CODE)
    claim = ManualDialer(before.api.store).place()
    url, form = before.document_url(claim.call_id), before.form("in-progress")
    dropped = start(company_name, secrets_keys=f"k2:{NEW_KEY}")
    assert_problem(dropped.post(url, form), 404, "not_found")
    after = start(company_name, secrets_keys=BOTH_KEYS)
    assert after.document_url(claim.call_id) != url
    assert speaks(after.post(url, form))


@pytest.mark.parametrize("company_name", FETCHING)
def test_newer_key_is_known_to_an_older_process(start: Start, company_name: str) -> None:
    """A dialer whose first key is the new one placed the call."""
    newer = start(company_name, secrets_keys=BOTH_KEYS)
    newer.api.create(route=company_name, code=CODE)
    claim = newer.api.store.claim(200)
    assert not isinstance(claim, int)
    assert newer.api.store.mark_sent(claim, 165_000, [60_000])
    url, form = newer.document_url(claim.call_id), newer.form("in-progress")
    older = start(company_name, secrets_keys=f"k1:{RING_KEY},k2:{NEW_KEY}")
    assert speaks(older.post(url, form))


def test_log_has_no_code_and_no_address(company: Company, dialer: ManualDialer) -> None:
    """Neither of a spoken call, nor of one that a stranger asked for."""
    company.api.create(route=company.name, code=CODE)
    claim = dialer.place()
    url = company.document_url(claim.call_id)
    with capture_logs() as lines:
        company.fetch(claim.call_id, token="another token")
        assert speaks(company.fetch(claim.call_id))
        assert not speaks(company.fetch(claim.call_id))
    events = [line["event"] for line in lines if line["event"].startswith("call")]
    assert events == ["callback.unauthorized", "call.spoken", "call.not_spoken"]
    logged = str(lines)
    assert CODE not in re.sub(r"[0-9a-f]{16,}", "", logged)
    assert url.rpartition("/")[2].partition("?")[0] not in logged
