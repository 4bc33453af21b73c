"""``otpvoice forget`` erases what is stored about a number, except counters and blocks."""

from typing import Any

import pytest
from api.api_client import ApiClient, ManualDialer, assert_problem
from cli.cli_runner import OPERATOR, call_number, run_as_operator
from redis import Redis
from support.service import ASHA, BRIDGE

from otpvoice.core.verification import CallStatus

MASKED = "+91******3210"
RAVI = "+919812345678"
DAY = 86_400_000


@pytest.fixture
def known(api: ApiClient, dialer: ManualDialer) -> list[dict[str, Any]]:
    """Create three verifications of a number, the newest pending, and refuse a fourth."""
    created = call_number(api, dialer, 3)
    assert_problem(api.create_response(reference="login-9"), 429, "rate_limited")
    return created


def keys(redis: Redis, kind: str) -> list[str]:
    """Return all keys of a kind."""
    return [key.decode() for key in redis.scan_iter(f"{{otpvoice}}:{kind}:*")]


def test_forget_erases_verifications_calls_and_refusals(
    api: ApiClient, redis: Redis, environ: dict[str, str], known: list[dict[str, Any]]
) -> None:
    """And what could be spoken. Other numbers keep their records."""
    other = api.create(RAVI)
    done = run_as_operator(environ, "forget", ASHA, "--yes")
    assert done.exit_code == 0
    assert done.output.startswith(
        f"Erased of {MASKED}:\n"
        "  verifications, with their calls   3\n"
        "  refusals                          1\n"
    )
    for each in known:
        assert api.get(f"/v1/verifications/{each['id']}").status_code == 404
        assert run_as_operator(environ, "find", each["id"]).exit_code == 1
    assert keys(redis, "verification") == [f"{{otpvoice}}:verification:{other['id']}"]
    assert keys(redis, "call") == [f"{{otpvoice}}:call:{other['calls'][0]['id']}"]
    assert keys(redis, "refusals") == []


def test_forget_keeps_counters_and_a_block(
    api: ApiClient, environ: dict[str, str], known: list[dict[str, Any]]
) -> None:
    """They still refuse. The output stdin what is kept, and until when."""
    assert known
    run_as_operator(environ, "limits", "block", ASHA, "--for", "7d")
    output = run_as_operator(environ, "forget", ASHA, "--yes").output
    counted = next(line for line in output.splitlines() if "counters" in line)
    assert "(in 24 h) at the latest" in counted
    assert "calls_per_number 3/10m 3/3" in counted
    assert "wrong_codes" not in counted
    block = next(line for line in output.splitlines() if "the block" in line)
    assert "(in 7 days)" in block
    assert (
        assert_problem(api.create_response(reference="login-9"), 429, "rate_limited")["limit"]
        == "block"
    )
    run_as_operator(environ, "limits", "unblock", ASHA)
    refused = assert_problem(api.create_response(reference="login-9"), 429, "rate_limited")
    assert refused["limit"] == "calls_per_number 3/10m"


def test_forget_shortens_the_number_record_to_its_limits(
    redis: Redis, environ: dict[str, str], api: ApiClient, known: list[dict[str, Any]]
) -> None:
    """It expires after a day instead of after the retention, and later only for a block."""
    for each in known:
        api.act(each, "cancel")
    (number,) = keys(redis, "number")
    assert redis.pttl(number) > 2 * DAY
    run_as_operator(environ, "limits", "block", ASHA, "--for", "2d")
    run_as_operator(environ, "forget", ASHA, "--yes")
    assert DAY < redis.pttl(number) <= 2 * DAY
    run_as_operator(environ, "limits", "unblock", ASHA)
    run_as_operator(environ, "forget", ASHA, "--yes")
    assert 0 < redis.pttl(number) <= DAY


def test_forget_asks_for_confirmation(
    api: ApiClient, environ: dict[str, str], known: list[dict[str, Any]]
) -> None:
    """No, and the end of the input, erase nothing."""
    for stdin in ("n\n", ""):
        left = run_as_operator(environ, "forget", ASHA, stdin=stdin)
        assert left.exit_code == 1
        assert left.output.startswith(f"This erases what is stored about {MASKED}")
        assert "DPDP Rules 2025, rule 8(3)" in left.output
        assert api.get_verification(known[-1])["status"] == "pending"
    assert run_as_operator(environ, "forget", ASHA, stdin="y\n").exit_code == 0
    assert api.get(f"/v1/verifications/{known[-1]['id']}").status_code == 404


def test_forget_help_names_what_a_law_may_ask_first(environ: dict[str, str]) -> None:
    """To keep records for a year: export them before they are erased."""
    shown = " ".join(run_as_operator(environ, "forget", "--help").output.split())
    assert "DPDP Rules 2025, rule 8(3), from 2027-05-13" in shown
    assert "Run otpvoice export --number NUMBER before you erase" in shown


def test_forget_removes_a_queued_call(
    api: ApiClient, dialer: ManualDialer, environ: dict[str, str]
) -> None:
    """It is not dialed."""
    api.create()
    run_as_operator(environ, "forget", ASHA, "--yes")
    assert dialer.has_nothing_due()


def test_forget_during_a_call_leaves_no_record(
    api: ApiClient, dialer: ManualDialer, redis: Redis, environ: dict[str, str]
) -> None:
    """Neither the dialer, nor the provider's callback, nor maintenance creates it again."""
    api.create()
    claim = dialer.send()
    run_as_operator(environ, "forget", ASHA, "--yes")
    assert dialer.record(claim, CallStatus.PLACED, provider_id="mid-1") is None
    called_back = api.send_callback(
        **{"from": int(BRIDGE), "to": int(ASHA), "bridge": int(BRIDGE)},
        source="OBD",
        mid="mid-1",
        status="ANSWER",
        duration="7",
    )
    assert called_back.status_code == 200
    assert api.store.due_status_queries(32) == []
    api.advance_time(400)
    assert keys(redis, "call") == keys(redis, "verification") == []
    assert run_as_operator(environ, "find", ASHA).exit_code == 1


def test_forget_without_records_exits_with_1(api: ApiClient, environ: dict[str, str]) -> None:
    """The output stdin that nothing was stored."""
    api.create(RAVI)
    done = run_as_operator(environ, "forget", ASHA, "--yes")
    assert done.exit_code == 1
    assert done.output == f"Nothing was stored about {MASKED}.\nNothing is kept.\n"


def test_forget_logs_the_operator_and_the_masked_number(
    api: ApiClient, environ: dict[str, str], known: list[dict[str, Any]]
) -> None:
    """And the number of erased verifications."""
    run_as_operator(environ, "forget", ASHA, "--yes")
    (notice,) = api.store.sweep("a dialer").audit_entries
    assert notice.event == "number.erased"
    assert (notice.details["to"], notice.details["operator"]) == (MASKED, OPERATOR)
    assert notice.details["verifications"] == len(known)
