"""``otpvoice doctor`` and accounts with Plivo."""

import json
import socket
from collections.abc import Iterator
from contextlib import closing

import pytest
from cli.findings import finding_about, further_account_findings
from providers.servers import ScriptedServer, http_response

from otpvoice.diagnostics import Finding, Level
from otpvoice_sandbox import RunningSandbox, SandboxConfig

TOKEN = "auth-token-of-the-company"
LINE = "918047285000"
OK, ADVICE, WARN, FAIL = Level


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
        bridge=LINE,
        texts='{"default": "{otp}"}',
    )


def test_account_is_ok(environ: dict[str, str], company: RunningSandbox) -> None:
    """Address, credentials, balance and caller line; no phone rings."""
    found = findings(environ, f"{company.url}/v1/")
    assert [each.subject.removeprefix("providers.x") for each in found if each.level is OK] == [
        *(" address", ".auth_token", " balance", " caller line", " callbacks"),
    ]
    assert LINE not in str(found)
    assert not company.state.log_entries


@pytest.mark.parametrize(("balance", "level"), [("4.99", WARN), ("0.00000", FAIL), ("-1", FAIL)])
def test_low_balance(environ: dict[str, str], balance: str, level: Level) -> None:
    """Of a prepaid account."""
    with RunningSandbox(SandboxConfig(token=TOKEN, balance=balance)) as poor:
        found = findings(environ, f"{poor.url}/v1/")
    assert finding_about(found, "providers.x balance").level is level


@pytest.mark.parametrize(
    ("rented", "verified", "level"),
    [({"918047285001"}, set(), FAIL), ({LINE}, set(), OK), (set(), {LINE}, OK)],
)
def test_caller_line_is_rented_or_verified(
    environ: dict[str, str], rented: set[str], verified: set[str], level: Level
) -> None:
    """Any other number is a failure."""
    config = SandboxConfig(
        token=TOKEN, numbers=frozenset(rented), verified_numbers=frozenset(verified)
    )
    with RunningSandbox(config) as company:
        found = findings(environ, f"{company.url}/v1/")
    assert finding_about(found, "providers.x caller line").level is level
    assert LINE not in str(found)


def test_wrong_token_is_a_failure(environ: dict[str, str], company: RunningSandbox) -> None:
    """The remedy names the settings."""
    found = findings(environ, f"{company.url}/v1/", token="wr0ng-token")
    wrong = finding_about(found, "providers.x.auth_token")
    assert wrong.level is FAIL
    assert "providers.x.auth_id" in wrong.todo
    assert "wr0ng" not in str(found)


def test_wrong_address_is_a_failure(environ: dict[str, str], company: RunningSandbox) -> None:
    """Of another API, or of nothing."""
    unknown = findings(environ, f"{company.url}/v9/")
    assert finding_about(unknown, "providers.x.auth_id").level is FAIL
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    closed = findings(environ, f"http://127.0.0.1:{port}/v1/")
    assert finding_about(closed, "providers.x address").level is FAIL


@pytest.mark.parametrize(
    ("account", "number", "levels"),
    [
        (b"<html>", b"<html>", (ADVICE, ADVICE)),
        (b'{"cash_credits": 12.5, "billing_mode": []}', b'{"number": [7]}', (OK, ADVICE)),
        (b'{"cash_credits": "Infinity"}', b"[]", (ADVICE, ADVICE)),
        (b'{"cash_credits": "-9", "billing_mode": "postpaid"}', b"", (OK, ADVICE)),
    ],
)
def test_garbage_is_not_known(
    environ: dict[str, str], account: bytes, number: bytes, levels: tuple[Level, Level]
) -> None:
    """Neither a balance nor a number. An invoiced account may owe something."""
    with closing(ScriptedServer()) as garbage:
        calls = json.dumps({"objects": []}).encode()
        garbage.respond(*map(http_response, (calls, account, number)))
        found = findings(environ, f"http://127.0.0.1:{garbage.port}/v1/")
    assert finding_about(found, "providers.x balance").level is levels[0]
    assert finding_about(found, "providers.x caller line").level is levels[1]


def test_lines_of_clients_are_checked_at_the_provider_that_calls_from_them(
    environ: dict[str, str],
) -> None:
    """Without ``[provider]``, that is the one of the first route."""
    fields = ("TOKEN", "BRIDGE", "FLOWS", "WEBHOOK_SECRET", "WEBHOOK_PATH_TOKEN", "VALIDATION_KEY")
    without = {f"OTPVOICE_PROVIDER_{name}" for name in fields}
    kept = {name: value for name, value in environ.items() if name not in without}
    kept["OTPVOICE_CLIENTS_BANK_BRIDGES"] = f"{LINE},918047285009"
    with RunningSandbox(SandboxConfig(token=TOKEN, numbers=frozenset({LINE}))) as company:
        found = findings(kept, f"{company.url}/v1/")
    assert finding_about(found, "providers.x caller line").level is OK
    own, foreign = (each for each in found if each.subject == "caller line of bank")
    assert (own.level, foreign.level) == (OK, FAIL)
    assert "clients.bank.bridges[1]" in foreign.todo
