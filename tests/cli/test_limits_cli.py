"""``otpvoice limits`` shows what the service does, and changes only what it says."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from api.api_client import ApiClient, ManualDialer, assert_problem, settings_with
from cli.cli_runner import (
    CODE,
    OPERATOR,
    call_number,
    report_answered,
    run_as_operator,
    run_command,
)
from redis import Redis
from support.service import ASHA

from otpvoice.app import create_app
from otpvoice.container import Container
from otpvoice.store.redis_store import RedisStore
from otpvoice_demo.stack import Stack

MASKED = "+91******3210"
RAVI = "+919812345678"
_COLOR = re.compile(r"\x1b\[[0-9;]*m")


def run_json(environ: dict[str, str], *words: str) -> dict[str, Any]:
    """Run a command with ``--json``."""
    document: dict[str, Any] = json.loads(run_as_operator(environ, *words, "--json").output)
    return document


def limit_named(document: dict[str, Any], limit: str, client: str | None = None) -> dict[str, Any]:
    """Return one of a document's limits."""
    (found,) = [
        each for each in document["limits"] if (each["limit"], each["client"]) == (limit, client)
    ]
    result: dict[str, Any] = found
    return result


def seconds_until(document: dict[str, Any], time: str) -> float:
    """Return the distance of a time from the document's."""
    now = datetime.fromisoformat(document["now"])
    return (datetime.fromisoformat(time) - now).total_seconds()


def service_with(
    redis: Redis, environ: dict[str, str], **changes: str
) -> tuple[ApiClient, dict[str, str]]:
    """Create a service with other settings and a live dialer, and its commands' environment."""
    chosen = environ | {f"OTPVOICE_{name.upper()}": value for name, value in changes.items()}
    settings = settings_with(chosen)
    store = RedisStore(redis, policy=Container(settings).policy)
    store.sweep("a dialer")
    return ApiClient(create_app(settings, store), store), chosen


def test_limits_of_an_idle_service_shows_statistics(
    api: ApiClient, environ: dict[str, str]
) -> None:
    """The first line says that nothing is refused. The numbers below it are true."""
    api.create()
    output = run_as_operator(environ, "limits").output
    assert output.startswith("Nothing is refused.\n")
    for row in (
        r"calls_per_day +1/10000  -",
        r"login: calls_per_client +1/60  -",
        r"bank: calls_per_client +0/60  -",
        r"refused in the last hour +nothing",
        r"live_calls +0/200",
        r"queued calls +1",
        r"dialers +1",
        r"closed routes +none",
    ):
        assert re.search(rf"^  {row}$", output, re.MULTILINE), row
    assert run_json(environ, "limits")["refuses"] is False


def test_limits_shows_an_exhausted_client_limit_first(
    redis: Redis, environ: dict[str, str]
) -> None:
    """Its end is the one that the refusal named."""
    api, chosen = service_with(redis, environ, clients_login_calls_per_client="2/1m")
    api.create()
    api.create(RAVI)
    refused = assert_problem(api.create_response("+919811100003"), 429, "rate_limited")
    output = run_as_operator(chosen, "limits").output
    assert output.startswith("Refusing now:\n  login: calls_per_client until ")
    assert "    2 of 2 are used, so further calls are refused.\n" in output
    assert "refused in the last hour   calls_per_client 1\n" in output
    document = run_json(chosen, "limits")
    assert document["refuses"] is True
    row = limit_named(document, "calls_per_client", "login")
    assert (row["used"], row["allowed"]) == (2, 2)
    assert abs(seconds_until(document, row["until"]) - refused["retry_after"]) <= 3
    assert limit_named(document, "calls_per_client", "bank")["until"] is None
    output = run_as_operator(chosen, "limits", "explain", "+919811100003").output
    assert output.startswith("+91******0003 is refused to login by calls_per_client until ")
    assert run_as_operator(chosen, "find", "+919811100004").exit_code == 1


def test_limits_without_a_dialer_names_the_remedy(redis: Redis, environ: dict[str, str]) -> None:
    """Every call is refused, and the first lines name the commands that start a dialer."""
    assert redis.dbsize() == 0
    output = run_as_operator(environ, "limits").output
    assert output.startswith("Refusing now:\n  No dialer is running\n")
    assert "    Start one: otpvoice dialer, or otpvoice serve.\n" in output
    document = run_json(environ, "limits")
    assert (document["dialers"], document["unavailable"]) == (0, ["no dialer is running"])


def test_limits_explains_open_breakers_and_clear_closes_an_area(
    api: ApiClient, dialer: ManualDialer, environ: dict[str, str]
) -> None:
    """Forty answered calls and two hundred wrong codes refuse one area and raise three warnings.

    Clearing any number of the area closes its breaker.
    """
    numbers = [f"+919876{i:02}3210" for i in range(40)]
    created = [api.create(number, code=CODE) for number in numbers]
    for _ in created:
        report_answered(api, dialer.place())
    for each in created:
        for wrong in range(5):
            assert api.check(each, f"{wrong:06}").get_json()["valid"] is False

    refusing, warnings = run_as_operator(environ, "limits").output.split("\nWarnings:\n")
    assert refusing.startswith("Refusing now:\n  conversion_breaker area +919876 until ")
    assert "(in 30 min)" in refusing
    assert "otpvoice limits clear" in refusing
    for scope in ("region IN", "client login"):
        assert f"  conversion_breaker {scope} until " in warnings
    assert "  wrong_code_breaker until " in warnings
    breakers = run_json(environ, "limits")["breakers"]
    assert {each["name"]: each["refuses"] for each in breakers} == {
        "conversion_breaker area +919876": True,
        "conversion_breaker region IN": False,
        "conversion_breaker client login": False,
        "wrong_code_breaker": False,
    }

    newcomer = "+919876993210"
    refused = assert_problem(api.create_response(newcomer), 429, "rate_limited")
    assert refused["limit"] == "conversion_breaker"
    explained = run_as_operator(environ, "limits", "explain", newcomer).output
    assert explained.startswith(f"{MASKED} is refused by conversion_breaker until ")
    cleared = run_as_operator(environ, "limits", "clear", newcomer, "--yes").output
    assert "Cleared: conversion_breaker." in cleared
    assert api.create_response(newcomer).status_code == 201
    assert "conversion_breaker area" not in run_as_operator(environ, "limits").output


def test_explain_of_a_free_number_lists_every_limit(
    api: ApiClient, environ: dict[str, str]
) -> None:
    """With what is used of each."""
    api.create()
    output = run_as_operator(environ, "limits", "explain", ASHA).output
    assert output.startswith(f"{MASKED} is not refused.\n")
    for row in (
        r"block +-  -",
        r"calls_per_number 3/10m +1/3  -",
        r"calls_per_number 5/24h +1/5  -",
        r"all_calls_per_number +1/20  -",
        r"wrong_codes_per_number 15/1h +0/15  -",
        r"wrong_codes_per_number 50/24h +0/50  -",
        r"login: creates_per_client +1/600  -",
        r"login: pending_per_number +1/5  -",
        r"unverified_per_prefix 5/10m +1/5  -",
        r"calls_per_day +1/10000  -",
        r"conversion_breaker +-  -",
        r"login: calls_per_client +1/60  -",
        r"call_gap +-  -",
    ):
        assert re.search(rf"^  {row}$", output, re.MULTILINE), row
    assert "No request for it was refused in the last day." in output


@pytest.mark.usefixtures("bound_log_fields")
def test_explain_shows_the_number_s_log_id(
    api: ApiClient, environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The log lines of the number's verification carry it."""
    api.create()
    log_id = run_json(environ, "limits", "explain", ASHA)["name_in_logs"]
    assert f"number={log_id} " in _COLOR.sub("", capsys.readouterr().out)
    assert f'"number": "{log_id}"' in run_as_operator(environ, "limits", "explain", ASHA).output


def test_explain_shows_declined_calls(
    api: ApiClient, dialer: ManualDialer, environ: dict[str, str]
) -> None:
    """And from the second one on, that no redial follows."""
    for declines in (1, 2):
        api.create(reference=f"login-{declines}")
        api.send_callback(id=dialer.place().call_id, status="BUSY")
        output = run_as_operator(environ, "limits", "explain", ASHA).output
        assert f"\n  {declines} of its calls were declined (busy) within an hour" in output
        assert ("no redial follows" in output) == (declines == 2)
        assert run_json(environ, "limits", "explain", ASHA)["declines"] == declines
        api.advance_time(61)


def test_explain_names_the_refusing_limit_and_its_end(
    api: ApiClient, dialer: ManualDialer, environ: dict[str, str]
) -> None:
    """The end is the one that the refusal named. The newest refusals are listed."""
    newest = call_number(api, dialer, 3)[-1]
    refused = assert_problem(api.create_response(reference="login-9"), 429, "rate_limited")
    assert_problem(api.act(newest, "calls"), 429, "rate_limited")
    assert refused["limit"] == "calls_per_number 3/10m"

    output = run_as_operator(environ, "limits", "explain", ASHA).output
    assert output.startswith(f"{MASKED} is refused by calls_per_number 3/10m until ")
    gap_row = r"^  call_gap +-  .* \(in \d+ min\); the next call waits for it$"
    assert re.search(gap_row, output, re.MULTILINE)
    document = run_json(environ, "limits", "explain", ASHA)
    assert document["held_by"] == ["calls_per_number 3/10m"]
    row = limit_named(document, "calls_per_number 3/10m")
    assert (row["used"], row["allowed"]) == (3, 3)
    assert abs(seconds_until(document, row["until"]) - refused["retry_after"]) <= 3

    latest, earlier = document["refusals"]
    assert (latest["client"], latest["limit"]) == ("login", "calls_per_number 3/10m")
    assert (latest["verification"], latest["reference_name"]) == (newest["id"], None)
    assert earlier["verification"] is None
    subject = f"reference hash {earlier['reference_name']}"
    assert f"login: calls_per_number 3/10m  {subject}" in output
    assert "login-9" not in output


def test_clear_lists_the_cleared_limits_and_keeps_a_block(
    api: ApiClient, dialer: ManualDialer, environ: dict[str, str]
) -> None:
    """The limits of clients and of the day stay as well."""
    call_number(api, dialer, 3)
    run_as_operator(environ, "limits", "block", ASHA, "--for", "2h")
    output = run_as_operator(environ, "limits", "clear", ASHA, "--yes").output
    (cleared,) = [line for line in output.splitlines() if line.startswith("Cleared: ")]
    for each in (
        "calls_per_number 3/10m 3/3 → 0/3",
        "calls_per_number 5/24h 3/5 → 0/5",
        "call_gap",
    ):
        assert each in cleared
    assert "calls_per_day" not in cleared
    assert output.splitlines()[-1].startswith(f"{MASKED} is refused by block until ")
    assert output.endswith("(in 2 h).\n")
    run_as_operator(environ, "limits", "unblock", ASHA)
    assert api.create_response(reference="login-9").status_code == 201
    output = run_as_operator(environ, "limits", "clear", RAVI, "--yes").output
    assert "There was nothing to clear." in output


def test_clear_asks_for_confirmation(
    api: ApiClient, dialer: ManualDialer, environ: dict[str, str]
) -> None:
    """No, and the end of the input, change nothing."""
    call_number(api, dialer, 3)
    for stdin in ("n\n", ""):
        done = run_as_operator(environ, "limits", "clear", ASHA, stdin=stdin)
        assert done.exit_code == 1
        assert done.output.startswith(f"{MASKED} is refused by calls_per_number 3/10m until ")
    assert_problem(api.create_response(reference="login-9"), 429, "rate_limited")
    assert run_as_operator(environ, "limits", "clear", ASHA, stdin="y\n").exit_code == 0
    assert api.create_response(reference="login-9").status_code == 201


def test_block_cancels_queued_calls_and_unblock_allows_new_ones(
    api: ApiClient, environ: dict[str, str]
) -> None:
    """A block lasts thirty days by default."""
    created = api.create()
    output = run_as_operator(environ, "limits", "block", ASHA).output
    assert output.startswith(f"{MASKED} is blocked until ")
    assert "(in 30 days)." in output
    assert "Canceled queued calls: 1." in output
    (call,) = api.get_verification(created)["calls"]
    assert (call["status"], call["reason"]) == ("canceled", "refused")
    refused = assert_problem(api.create_response(reference="login-9"), 429, "rate_limited")
    assert refused["limit"] == "block"
    output = run_as_operator(environ, "limits", "unblock", ASHA).output
    assert output == f"{MASKED} is no longer blocked.\n{MASKED} is not refused.\n"
    assert api.create_response(reference="login-9").status_code == 201
    assert "was not blocked" in run_as_operator(environ, "limits", "unblock", ASHA).output


@pytest.mark.parametrize("duration", ["0", "366d", "1w", "-1", "soon", ""])
def test_block_with_an_invalid_duration_is_a_usage_error(
    api: ApiClient, environ: dict[str, str], duration: str
) -> None:
    """A block lasts from a second to a year. The error shows how a duration is written."""
    refused = run_as_operator(environ, "limits", "block", ASHA, "--for", duration)
    assert refused.exit_code == 2
    assert '"90s", "10m", "24h", "7d"; at most 365d' in refused.output
    assert api.create_response().status_code == 201


def test_changes_are_logged_by_a_dialer_with_the_operator_s_name(stack: Stack) -> None:
    """One line for each change, with its time and the masked number."""
    environ = {"OTPVOICE_CONFIG": str(stack.config_path)}
    number = "+919811100009"
    run_as_operator(environ, "limits", "block", number, "--for", "90s")
    run_as_operator(environ, "limits", "unblock", number)
    run_as_operator(environ, "limits", "clear", number, "--yes")

    def operator_lines() -> list[dict[str, Any]] | None:
        lines = stack.log_path("dialer").read_text().splitlines()
        found = [json.loads(line) for line in lines if f'"{OPERATOR}"' in line]
        return found if len(found) == 3 else None

    lines = stack.wait_until(operator_lines, "the dialer's log does not name the operator")
    assert [line["event"] for line in lines] == [
        "number.blocked",
        "number.unblocked",
        "limits.cleared",
    ]
    assert {(line["to"], line["operator"], line["level"]) for line in lines} == {
        ("+91******0009", OPERATOR, "info")
    }
    assert lines[0]["seconds"] == 90
    now = datetime.now(UTC)
    times = [datetime.fromisoformat(line["happened_at"]) for line in lines]
    assert all(abs((time - now).total_seconds()) < 60 for time in times)
    assert number.removeprefix("+") not in stack.log_path("dialer").read_text()


def test_limits_warn_of_a_weak_line(redis: Redis, environ: dict[str, str]) -> None:
    """With what to do. Nothing is refused. A line is the operator's own number."""
    lines = {"clients_login_bridges": "918068280000,918068280001"}
    _, chosen = service_with(redis, environ, **lines)
    assert run_json(chosen, "limits")["weak_lines"] == []
    for line, rate in (("918068280000", "60.000 90.000"), ("918068280001", "9.000 90.000")):
        redis.set(f"{{otpvoice}}:line:{line}", rate, ex=60)
    document = json.loads(run_command("limits", "--json", **chosen).stdout)
    assert document["weak_lines"] == ["918068280001"]
    shown = run_command("limits", **chosen).output
    assert "Nothing is refused." in shown
    assert "Caller line +918068280001 is weak" in shown
    assert "labeled it as spam" in shown
    assert re.search(r"weak caller lines +\+918068280001\n", shown)
