"""``otpvoice doctor`` and accounts with vendors of the TwiML family."""

import json
import socket
from collections.abc import Iterator

import pytest
from cli.findings import finding_about, further_account_findings

from otpvoice.diagnostics import Finding, Level
from otpvoice.http_client import HttpResponse, RequestFailed
from otpvoice.providers.checks import credentials_finding
from otpvoice.providers.twiml.checks import REMEDIES
from otpvoice_sandbox import RunningSandbox, SandboxConfig

TOKEN = "t0ken-of-the-vendors"


@pytest.fixture(scope="module")
def company() -> Iterator[RunningSandbox]:
    """Run the vendors."""
    with RunningSandbox(SandboxConfig(token=TOKEN)) as running:
        yield running


def findings(environ: dict[str, str], base_url: str, token: str = TOKEN) -> list[Finding]:
    """Check an account with Twilio at this address."""
    return further_account_findings(
        environ,
        kind="twiml",
        vendor="twilio",
        account="AC1",
        token=token,
        base_url=base_url,
        bridge="12025550100",
        texts='{"default": "{otp}"}',
    )


def test_account_is_ok(environ: dict[str, str], company: RunningSandbox) -> None:
    """Address and credentials; no phone rings."""
    found = findings(environ, f"{company.url}/2010-04-01")
    assert [each.level for each in found] == [Level.OK, Level.OK]
    assert not company.state.log_entries


def test_wrong_token_is_a_failure(environ: dict[str, str], company: RunningSandbox) -> None:
    """The remedy names the settings."""
    found = findings(environ, f"{company.url}/2010-04-01", token="wr0ng-token")
    wrong = finding_about(found, "providers.x.token")
    assert wrong.level is Level.FAILURE
    assert "providers.x.account" in wrong.todo
    assert "wr0ng" not in str(found)


def test_wrong_address_is_a_failure(environ: dict[str, str], company: RunningSandbox) -> None:
    """Of another API, or of nothing."""
    unknown = findings(environ, f"{company.url}/2011")
    assert finding_about(unknown, "providers.x.account").level is Level.FAILURE
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    (closed,) = findings(environ, f"http://127.0.0.1:{port}")
    assert (closed.level, closed.subject) == (Level.FAILURE, "providers.x address")


@pytest.mark.parametrize(
    ("response", "subject", "level"),
    [
        (HttpResponse(200, b'{"calls": []}'), "x.token", Level.OK),
        (HttpResponse(200, b"<html>"), "x.base_url", Level.FAILURE),
        (HttpResponse(200, b'{"calls": null}'), "x.base_url", Level.FAILURE),
        (HttpResponse(403, json.dumps({"code": 10001}).encode()), "x.token", Level.FAILURE),
        (HttpResponse(500, b""), "x.base_url", Level.FAILURE),
        (RequestFailed(True, "TimeoutError"), "x address", Level.FAILURE),
    ],
)
def test_finding_of_a_response(
    response: HttpResponse | RequestFailed, subject: str, level: Level
) -> None:
    """Each has one."""
    finding = credentials_finding("x", response, "calls", REMEDIES)
    assert (finding.subject, finding.level) == (subject, level)
