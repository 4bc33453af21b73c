"""``otpvoice doctor`` and accounts with Plivo."""

import socket
from collections.abc import Iterator

import pytest
from cli.findings import finding_about, further_account_findings

from otpvoice.diagnostics import Finding, Level
from otpvoice_sandbox import RunningSandbox, SandboxConfig

TOKEN = "auth-token-of-the-company"


@pytest.fixture(scope="module")
def company() -> Iterator[RunningSandbox]:
    """Run the provider."""
    with RunningSandbox(SandboxConfig(token=TOKEN)) as running:
        yield running


def findings(environ: dict[str, str], base_url: str, token: str = TOKEN) -> list[Finding]:
    """Check an account at this address."""
    return further_account_findings(
        environ,
        kind="plivo",
        auth_id="MA000000000000000000",
        auth_token=token,
        base_url=base_url,
        bridge="918047285000",
        texts='{"default": "{otp}"}',
    )


def test_account_is_ok(environ: dict[str, str], company: RunningSandbox) -> None:
    """Address and credentials; no phone rings."""
    found = findings(environ, f"{company.url}/v1/")
    assert [each.level for each in found] == [Level.OK, Level.OK]
    assert finding_about(found, "providers.x.auth_token")
    assert not company.state.log_entries


def test_wrong_token_is_a_failure(environ: dict[str, str], company: RunningSandbox) -> None:
    """The remedy names the settings."""
    found = findings(environ, f"{company.url}/v1/", token="wr0ng-token")
    wrong = finding_about(found, "providers.x.auth_token")
    assert wrong.level is Level.FAILURE
    assert "providers.x.auth_id" in wrong.todo
    assert "wr0ng" not in str(found)


def test_wrong_address_is_a_failure(environ: dict[str, str], company: RunningSandbox) -> None:
    """Of another API, or of nothing."""
    unknown = findings(environ, f"{company.url}/v9/")
    assert finding_about(unknown, "providers.x.auth_id").level is Level.FAILURE
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    (closed,) = findings(environ, f"http://127.0.0.1:{port}/v1/")
    assert (closed.level, closed.subject) == (Level.FAILURE, "providers.x address")
