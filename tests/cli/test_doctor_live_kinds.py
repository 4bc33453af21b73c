"""``otpvoice doctor --live`` by routes of every kind: each reports what its own page expects."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import pytest
from cli.findings import doctor_findings
from cli.live_runner import check_results, run_live
from support.processes import free_port
from support.service import SandboxPhones
from support.stack import Stack, running_service

from otpvoice.diagnostics import Level
from otpvoice_sandbox import RunningSandbox, SandboxConfig

TOKEN = "t0ken-of-the-vendors"
LINE = "918068280009"
TWIML = {"KIND": "twiml", "ACCOUNT": "AC1", "TOKEN": TOKEN}
GATED_TEXT = {
    "text": "Your code is {otp}.",
    "gate": True,
    "prompt": "A call with a code for {Name}. To hear it, press 1.",
}
PROVIDERS = {
    "twilio": {**TWIML, "VENDOR": "twilio", "BASE_URL": "/2010-04-01"},
    "signalwire": {
        **TWIML,
        "VENDOR": "signalwire",
        "BASE_URL": "/api/laml/2010-04-01",
        "WEBHOOK_KEY": TOKEN,
    },
    "gated": {
        **TWIML,
        "VENDOR": "twilio",
        "BASE_URL": "/2010-04-01",
        "TEXTS": json.dumps({"default": GATED_TEXT}),
    },
    "plivo": {"KIND": "plivo", "AUTH_ID": "MA0000", "AUTH_TOKEN": TOKEN, "BASE_URL": "/v1/"},
}
_REFUSAL = {"status": 400, "body": "no"}


class Case(NamedTuple):
    """A live call, and what is expected of its report."""

    route: str
    behaviour: str
    options: dict[str, Any]
    exit_status: int
    not_confirmed: dict[str, str]
    """Of the rows about the provider: all others are confirmed, if the call was answered."""


C, D, U = "confirmed", "different", "not observed"
NO_KEY = {"reply.refuses": U, "key": U}
"""Of an accepted call without a key gate."""
CASES = {
    "+919812100001": Case("twilio", "answer", {}, 0, {**NO_KEY, "document": U}),
    "+919812100002": Case("signalwire", "answer", {}, 0, NO_KEY),
    "+919812100003": Case("plivo", "answer", {}, 0, NO_KEY),
    "+919812100004": Case(
        "twilio",
        "garbage",
        {},
        0,
        {
            "reply.accepts": D,
            "reply.refuses": U,
            "reply.id": U,
            "reply.number": U,
            "key": U,
            "document": U,
            "callback.id": U,
        },
    ),
    "+919812100005": Case(
        "plivo",
        "answer",
        {"plivo_call_uuid": "other"},
        0,
        {**NO_KEY, "query.id": D},
    ),
    "+919812100006": Case("signalwire", "reply", _REFUSAL, 1, {"reply.refuses": D}),
    "+919812100008": Case("gated", "press_1", {}, 0, {"reply.refuses": U, "document": U}),
    "+919812100007": Case("plivo", "reply", _REFUSAL, 1, {"reply.refuses": D}),
}
"""By number, so that all calls run at the same time."""


@pytest.fixture(scope="module")
def company() -> Iterator[RunningSandbox]:
    """Run the companies."""
    config = SandboxConfig(token=TOKEN, ring_seconds=0.05, talk_seconds=0.05)
    with RunningSandbox(config) as running:
        yield running


@pytest.fixture(scope="module")
def service(
    environ: dict[str, str], company: RunningSandbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """Run a service with an account at each company."""
    bind = f"127.0.0.1:{free_port()}"
    more = {"BRIDGE": LINE, "TEXTS": '{"default": "Hello {Name}, your code is {otp}."}'}
    accounts = {
        f"OTPVOICE_PROVIDERS_{name.upper()}_{field}": value
        for name, own in PROVIDERS.items()
        for field, value in {**more, **own, "BASE_URL": company.url + own["BASE_URL"]}.items()
    }
    with running_service(
        environ,
        tmp_path_factory.mktemp("kinds"),
        OTPVOICE_SERVER_BIND=bind,
        OTPVOICE_SERVER_PUBLIC_URL=f"http://{bind}",
        **accounts,
    ) as stack:
        yield stack


@pytest.fixture(scope="module")
def live_calls(service: Stack, company: RunningSandbox) -> dict[str, tuple[int, str]]:
    """Run every live call, in parallel because they mostly wait."""
    phones = SandboxPhones(company.url)
    for number, case in CASES.items():
        phones.set_behaviour(number, case.behaviour, **case.options)

    def run(number: str) -> tuple[int, str]:
        return run_live(service, number, "--yes", "--route", CASES[number].route)

    with ThreadPoolExecutor(len(CASES)) as pool:
        return dict(zip(CASES, pool.map(run, CASES), strict=True))


@pytest.mark.parametrize("number", CASES)
def test_live_call_by_each_kind_reports_its_own_rows(
    live_calls: dict[str, tuple[int, str]], number: str
) -> None:
    """The documented behaviour is confirmed, and each deviation is seen as such."""
    case, (status, output) = CASES[number], live_calls[number]
    kind = PROVIDERS[case.route]["KIND"]
    assert status == case.exit_status, output
    assert f"of docs/providers/{kind}.md, section 8:" in output
    found = {name: each for name, each in check_results(output).items() if "phone" not in name}
    assert len(found) == {"twiml": 18, "plivo": 19}[kind], output
    if status:  # a refused call shows nothing else
        others = {name: each for name, each in found.items() if name not in case.not_confirmed}
        assert {*others.values()} == {U}, output
        found = {name: found[name] for name in case.not_confirmed}
    assert {name: each for name, each in found.items() if each != C} == case.not_confirmed, output
    assert LINE not in output
    assert TOKEN not in output


def test_live_call_shows_that_its_document_was_fetched(
    live_calls: dict[str, tuple[int, str]],
) -> None:
    """Where the company fetches it."""
    fetched = {
        CASES[number].route
        for number, (_, output) in live_calls.items()
        if "The provider fetched what the call speaks: POST, found" in output
    }
    assert fetched == {"signalwire", "plivo"}


def test_live_call_shows_that_a_key_was_reported(
    live_calls: dict[str, tuple[int, str]],
) -> None:
    """Of the text with a key gate."""
    assert "    CallStatus: text completed" in live_calls["+919812100001"][1]
    assert "The provider reported a key: POST, speak" in live_calls["+919812100008"][1]


def test_doctor_finds_where_documents_are_fetched(service: Stack) -> None:
    """Of each company that fetches them, if only after a key. No document was requested."""
    found = doctor_findings(service.variables)
    documents = {each.subject: each.level for each in found if "documents" in each.subject}
    companies = ("gated", "plivo", "signalwire")
    assert documents == {f"documents of {name}": Level.OK for name in companies}
    assert {each.level for each in found if each.subject.startswith("webhook address")} == {
        Level.OK
    }
    assert "call.not_spoken" not in service.api.log.read_text("utf-8")
