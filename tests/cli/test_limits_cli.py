"""``otpvoice limits`` shows what the service does, and changes only what it says."""

import json
import re
from datetime import UTC, datetime
from typing import Any

from api.api_client import ApiClient, ManualDialer, assert_problem
from cli.cli_runner import (
    CODE,
    OPERATOR,
    report_answered,
    run_as_operator,
    run_command,
)
from cli.limit_documents import MASKED, RAVI, limit_named, run_json, seconds_until, service_with
from redis import Redis

from otpvoice_demo.stack import Stack


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
