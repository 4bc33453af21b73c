"""``otpvoice doctor`` and accounts with vendors of the TwiML family."""

import socket
from collections.abc import Iterator
from contextlib import closing

import pytest
from cli.findings import finding_about, further_account_findings
from providers.servers import ScriptedServer, http_response

from otpvoice.diagnostics import Finding, Level
from otpvoice.http_client import HttpResponse, RequestFailed
from otpvoice.providers.checks import credentials_finding
from otpvoice.providers.twiml.checks import REMEDIES
from otpvoice_sandbox import RunningSandbox, SandboxConfig

TOKEN = "t0ken-of-the-vendors"
LINE = "12025550100"
PATHS = {
    "twilio": "/2010-04-01",
    "somleng": "/2010-04-01",
    "signalwire": "/api/laml/2010-04-01",
    "telnyx": "/v2/texml",
}
OK, ADVICE, WARN, FAIL = Level


@pytest.fixture(scope="module")
def company() -> Iterator[RunningSandbox]:
    """Run the vendors."""
    with RunningSandbox(SandboxConfig(token=TOKEN)) as running:
        yield running


def findings(
    environ: dict[str, str], url: str, vendor: str = "twilio", token: str = TOKEN
) -> list[Finding]:
    """Check an account with a vendor whose APIs begin with this address."""
    own = {
        "telnyx": {"application_id": "1", "webhook_key": "A" * 43 + "="},
        "signalwire": {"webhook_key": TOKEN},
    }
    return further_account_findings(
        environ,
        kind="twiml",
        vendor=vendor,
        account="AC1",
        token=token,
        base_url=f"{url}{PATHS[vendor]}",
        bridge=LINE,
        texts='{"default": "{otp}"}',
        **own.get(vendor, {}),
    )


@pytest.mark.parametrize("vendor", PATHS)
def test_account_is_ok(environ: dict[str, str], company: RunningSandbox, vendor: str) -> None:
    """Address, credentials, balance if the vendor has one, caller line. No phone rings."""
    found = findings(environ, company.url, vendor)
    balance = [" balance"] if vendor in {"twilio", "telnyx"} else []
    assert [each.subject.removeprefix("providers.x") for each in found if each.level is OK] == [
        *(" address", ".token", *balance, " caller line", " callbacks"),
    ]
    assert {each.subject for each in found if each.level is not OK} == {"before a call"}
    assert LINE not in str(found)
    assert not company.state.log_entries


@pytest.mark.parametrize("vendor", ["twilio", "telnyx"])
@pytest.mark.parametrize(
    ("balance", "levels"), [("4.99", (WARN, WARN)), ("0", (WARN, FAIL)), ("-3", (WARN, FAIL))]
)
def test_low_balance(
    environ: dict[str, str], vendor: str, balance: str, levels: tuple[Level, Level]
) -> None:
    """Twilio does not report whether an account is invoiced."""
    with RunningSandbox(SandboxConfig(token=TOKEN, balance=balance)) as poor:
        found = finding_about(findings(environ, poor.url, vendor), "providers.x balance")
    assert (found.level, "USD left" in found.found) == (levels[vendor == "telnyx"], True)


@pytest.mark.parametrize("vendor", PATHS)
def test_caller_line_of_another_account(environ: dict[str, str], vendor: str) -> None:
    """A failure, unless it was verified. Somleng has no list of those, so it is advice there."""
    config = SandboxConfig(token=TOKEN, numbers=frozenset({"12025550199"}))
    with RunningSandbox(config) as company:
        foreign = finding_about(findings(environ, company.url, vendor), "providers.x caller line")
    assert foreign.level is (ADVICE if vendor == "somleng" else FAIL)
    assert LINE not in str(foreign)
    verified = SandboxConfig(
        token=TOKEN, numbers=frozenset(), verified_numbers=frozenset({LINE, "12025550199"})
    )
    with RunningSandbox(verified) as company:
        own = finding_about(findings(environ, company.url, vendor), "providers.x caller line")
    assert own.level is (ADVICE if vendor == "somleng" else OK)


def test_wrong_token_is_a_failure(environ: dict[str, str], company: RunningSandbox) -> None:
    """The remedy names the settings, and nothing further is queried."""
    found = findings(environ, company.url, token="wr0ng-token")
    wrong = finding_about(found, "providers.x.token")
    assert wrong.level is FAIL
    assert "providers.x.account" in wrong.todo
    assert "wr0ng" not in str(found)
    assert not [
        each for each in found if each.subject in {"providers.x balance", "providers.x caller line"}
    ]


def test_wrong_address_is_a_failure(environ: dict[str, str], company: RunningSandbox) -> None:
    """Of another API, or of nothing."""
    unknown = findings(environ, f"{company.url}/2011")
    assert finding_about(unknown, "providers.x.account").level is FAIL
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    closed = findings(environ, f"http://127.0.0.1:{port}")
    assert finding_about(closed, "providers.x address").level is FAIL
    assert {each.subject for each in closed} == {
        *("providers.x address", "providers.x callbacks", "before a call"),
    }


@pytest.mark.parametrize(
    "replies",
    [
        (b"<html>", b"<html>", b"<html>"),
        (b'{"balance": {}}', b'{"incoming_phone_numbers": [7, null]}', b"[]"),
        (b'{"balance": "NaN", "currency": 7}', b'{"incoming_phone_numbers": "all"}', b""),
    ],
)
def test_garbage_is_not_known(environ: dict[str, str], replies: tuple[bytes, ...]) -> None:
    """Neither a balance nor a number; the credentials were accepted."""
    with closing(ScriptedServer()) as garbage:
        garbage.respond(*map(http_response, (b'{"calls": []}', *replies)))
        found = findings(environ, f"http://127.0.0.1:{garbage.port}")
    assert finding_about(found, "providers.x.token").level is OK
    assert finding_about(found, "providers.x balance").level is ADVICE
    assert finding_about(found, "providers.x caller line").level is ADVICE


@pytest.mark.parametrize(
    ("response", "subject", "level"),
    [
        (HttpResponse(200, b'{"calls": []}'), "x.token", OK),
        (HttpResponse(200, b"<html>"), "x.base_url", FAIL),
        (HttpResponse(200, b'{"calls": null}'), "x.base_url", FAIL),
        (HttpResponse(403, b'{"code": 10001}'), "x.token", FAIL),
        (HttpResponse(500, b""), "x.base_url", FAIL),
        (RequestFailed(True, "TimeoutError"), "x address", FAIL),
    ],
)
def test_finding_of_a_response(
    response: HttpResponse | RequestFailed, subject: str, level: Level
) -> None:
    """Each has one."""
    finding = credentials_finding("x", response, "calls", REMEDIES)
    assert (finding.subject, finding.level) == (subject, level)
