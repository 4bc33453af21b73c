"""``otpvoice limits``: what it tells is what the service does, and what it changes too."""

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

from otpvoice.app import create_app, script_config
from otpvoice.cli.stack import Stack, free_port
from otpvoice.store.redis_store import RedisStore

MASKED = "+91******3210"
RAVI = "+919812345678"
_PAINT = re.compile(r"\x1b\[[0-9;]*m")
NUMBER_COMMANDS = ["explain", "clear", "block", "unblock"]


def run_json(environ: dict[str, str], *words: str) -> dict[str, Any]:
    """What a command tells machines."""
    told: dict[str, Any] = json.loads(run_as_operator(environ, *words, "--json").output)
    return told


def limit_named(told: dict[str, Any], limit: str, client: str | None = None) -> dict[str, Any]:
    """One row of the limits."""
    (row,) = [each for each in told["limits"] if (each["limit"], each["client"]) == (limit, client)]
    found: dict[str, Any] = row
    return found


def seconds_until(told: dict[str, Any], moment: str) -> float:
    """From the moment of the answer."""
    return (datetime.fromisoformat(moment) - datetime.fromisoformat(told["now"])).total_seconds()


def door_with(
    redis: Redis, environ: dict[str, str], **changes: str
) -> tuple[ApiClient, dict[str, str]]:
    """A service with other settings, a dialer alive; and the environment of its commands."""
    chosen = environ | {f"OTPVOICE_{name.upper()}": value for name, value in changes.items()}
    settings = settings_with(chosen)
    store = RedisStore(redis, retention_ms=1_000_000, policy=script_config(settings))
    store.sweep("a dialer")
    return ApiClient(create_app(settings, store), store), chosen


# The whole service -----------------------------------------------------------------------------


def test_a_quiet_service_is_told_in_one_line(api: ApiClient, environ: dict[str, str]) -> None:
    """Nothing refuses, says the first line; the figures follow, and they are true."""
    api.create()
    told = run_as_operator(environ, "limits").output
    assert told.startswith("Nothing refuses.\n")
    for figure in (
        r"calls_per_day +1/10000  -",
        r"login: calls_per_client +1/60  -",
        r"bank: calls_per_client +0/60  -",
        r"refused in the last hour +nothing",
        r"live_calls +0/200",
        r"queued calls +1",
        r"dialers +1",
        r"closed routes +none",
    ):
        assert re.search(rf"^  {figure}$", told, re.MULTILINE), figure
    assert run_json(environ, "limits")["refuses"] is False


def test_a_full_limit_of_a_client_stands_in_front(redis: Redis, environ: dict[str, str]) -> None:
    """With what is used, and until the moment that the refusal named."""
    api, chosen = door_with(redis, environ, clients_login_calls_per_client="2/1m")
    api.create()
    api.create(RAVI)
    refused = assert_problem(api.create_response("+919811100003"), 429, "rate_limited")
    told = run_as_operator(chosen, "limits").output
    assert told.startswith("Refusing now:\n  login: calls_per_client 2/2 until ")
    assert "refused in the last hour   calls_per_client 1\n" in told
    seen = run_json(chosen, "limits")
    assert seen["refuses"] is True
    row = limit_named(seen, "calls_per_client", "login")
    assert (row["used"], row["allowed"]) == (2, 2)
    assert abs(seconds_until(seen, row["until"]) - refused["retry_after"]) <= 3
    assert limit_named(seen, "calls_per_client", "bank")["until"] is None
    told = run_as_operator(chosen, "limits", "explain", "+919811100003").output
    assert told.startswith("+91******0003 is refused to login by calls_per_client until ")
    assert run_as_operator(chosen, "find", "+919811100004").exit_code == 1


def test_a_service_that_calls_nobody_says_why(redis: Redis, environ: dict[str, str]) -> None:
    """No dialer: every call is refused, and the first lines say what to start."""
    assert redis.dbsize() == 0
    told = run_as_operator(environ, "limits").output
    assert told.startswith("Refusing now:\n  every call: no dialer was heard of for 30 s")
    assert run_json(environ, "limits")["dialers"] == 0


def test_open_breakers_say_what_they_mean(
    api: ApiClient, dialer: ManualDialer, environ: dict[str, str]
) -> None:
    """Forty answered calls, two hundred wrong codes: one area is refused, three alarms are told.

    An area is closed to numbers that begin so; freeing any of them opens it again.
    """
    numbers = [f"+919876{i:02}3210" for i in range(40)]
    begun = [api.create(number, code=CODE) for number in numbers]
    for _ in begun:
        report_answered(api, dialer.place())
    for each in begun:
        for wrong in range(5):
            assert api.check(each, f"{wrong:06}").get_json()["valid"] is False

    told = run_as_operator(environ, "limits").output
    refusing, alarms = told.split("\nAlarms:\n")
    assert refusing.startswith("Refusing now:\n  conversion_breaker area +919876 until ")
    assert "(in 30 min)" in refusing
    assert "otpvoice limits clear" in refusing
    for alarm in ("region IN", "client login"):
        assert f"  conversion_breaker {alarm} until " in alarms
    assert "  wrong_code_breaker until " in alarms
    seen = run_json(environ, "limits")
    assert {each["name"]: each["refuses"] for each in seen["breakers"]} == {
        "conversion_breaker area +919876": True,
        "conversion_breaker region IN": False,
        "conversion_breaker client login": False,
        "wrong_code_breaker": False,
    }

    newcomer = "+919876993210"
    assert (
        assert_problem(api.create_response(newcomer), 429, "rate_limited")["limit"]
        == "conversion_breaker"
    )
    held = run_as_operator(environ, "limits", "explain", newcomer).output
    assert held.startswith(f"{MASKED} is refused by conversion_breaker until ")
    freed = run_as_operator(environ, "limits", "clear", newcomer, "--yes").output
    assert "Freed: conversion_breaker." in freed
    assert api.create_response(newcomer).status_code == 201
    assert "conversion_breaker area" not in run_as_operator(environ, "limits").output


# One number ------------------------------------------------------------------------------------


def test_a_free_number_is_said_to_be_free(api: ApiClient, environ: dict[str, str]) -> None:
    """With every limit that could hold it, and what it used of each."""
    api.create()
    told = run_as_operator(environ, "limits", "explain", ASHA).output
    assert told.startswith(f"{MASKED} is not refused.\n")
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
        assert re.search(rf"^  {row}$", told, re.MULTILINE), row
    assert "Nothing was refused to it within a day." in told


def test_explain_names_the_number_as_the_log_does(
    api: ApiClient, environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """So that what the log tells of it can be found."""
    api.create()
    named = run_json(environ, "limits", "explain", ASHA)["name_in_logs"]
    assert f"number={named} " in _PAINT.sub("", capsys.readouterr().out)
    assert f'"number": "{named}"' in run_as_operator(environ, "limits", "explain", ASHA).output


def test_explain_names_the_limit_and_its_end(
    api: ApiClient, dialer: ManualDialer, environ: dict[str, str]
) -> None:
    """The one that refuses, until the moment that the refusal named; and what was refused."""
    newest = call_number(api, dialer, 3)[-1]
    refused = assert_problem(api.create_response(reference="login-9"), 429, "rate_limited")
    assert_problem(api.act(newest, "calls"), 429, "rate_limited")
    assert refused["limit"] == "calls_per_number 3/10m"

    told = run_as_operator(environ, "limits", "explain", ASHA).output
    assert told.startswith(f"{MASKED} is refused by calls_per_number 3/10m until ")
    assert re.search(r"^  call_gap +-  .* \(in \d+ min\); a call waits for it$", told, re.MULTILINE)
    seen = run_json(environ, "limits", "explain", ASHA)
    assert seen["held_by"] == ["calls_per_number 3/10m"]
    row = limit_named(seen, "calls_per_number 3/10m")
    assert (row["used"], row["allowed"]) == (3, 3)
    assert abs(seconds_until(seen, row["until"]) - refused["retry_after"]) <= 3

    latest, earlier = seen["refusals"]
    assert (latest["client"], latest["limit"]) == ("login", "calls_per_number 3/10m")
    assert (latest["verification"], latest["reference_name"]) == (newest["id"], None)
    assert earlier["verification"] is None
    assert f"login: calls_per_number 3/10m  a reference named {earlier['reference_name']}" in told
    assert "login-9" not in told


def test_clear_frees_a_number_and_says_of_what(
    api: ApiClient, dialer: ManualDialer, environ: dict[str, str]
) -> None:
    """Before, after, and what still holds: a block does."""
    call_number(api, dialer, 3)
    run_as_operator(environ, "limits", "block", ASHA, "--for", "2h")
    told = run_as_operator(environ, "limits", "clear", ASHA, "--yes").output
    (freed,) = [line for line in told.splitlines() if line.startswith("Freed: ")]
    for each in (
        "calls_per_number 3/10m 3/3 → 0/3",
        "calls_per_number 5/24h 3/5 → 0/5",
        "call_gap",
    ):
        assert each in freed
    assert "calls_per_day" not in freed
    assert told.splitlines()[-1].startswith(f"{MASKED} is refused by block until ")
    assert told.endswith("(in 2 h).\n")
    run_as_operator(environ, "limits", "unblock", ASHA)
    assert api.create_response(reference="login-9").status_code == 201
    again = run_as_operator(environ, "limits", "clear", RAVI, "--yes").output
    assert "There was nothing to free." in again


def test_clear_asks_first(api: ApiClient, dialer: ManualDialer, environ: dict[str, str]) -> None:
    """No, and no answer at all, change nothing; yes does."""
    call_number(api, dialer, 3)
    for says in ("n\n", ""):
        left = run_as_operator(environ, "limits", "clear", ASHA, stdin=says)
        assert left.exit_code == 1
        assert left.output.startswith(f"{MASKED} is refused by calls_per_number 3/10m until ")
    assert_problem(api.create_response(reference="login-9"), 429, "rate_limited")
    assert run_as_operator(environ, "limits", "clear", ASHA, stdin="y\n").exit_code == 0
    assert api.create_response(reference="login-9").status_code == 201


def test_a_blocked_number_is_not_called(api: ApiClient, environ: dict[str, str]) -> None:
    """For thirty days unless said otherwise; what waited is called off; unblocked, it is called."""
    begun = api.create()
    told = run_as_operator(environ, "limits", "block", ASHA).output
    assert told.startswith(f"{MASKED} is not called until ")
    assert "(in 30 days)." in told
    assert "called off: 1." in told
    (call,) = api.get_verification(begun)["calls"]
    assert (call["status"], call["reason"]) == ("canceled", "refused")
    assert (
        assert_problem(api.create_response(reference="login-9"), 429, "rate_limited")["limit"]
        == "block"
    )
    told = run_as_operator(environ, "limits", "unblock", ASHA).output
    assert told == f"{MASKED} is no longer blocked.\n{MASKED} is not refused.\n"
    assert api.create_response(reference="login-9").status_code == 201
    assert "was not blocked" in run_as_operator(environ, "limits", "unblock", ASHA).output


@pytest.mark.parametrize("length", ["0", "366d", "1w", "-1", "soon", ""])
def test_a_block_has_a_length(api: ApiClient, environ: dict[str, str], length: str) -> None:
    """From a second to a year; else a usage error says how it is written."""
    refused = run_as_operator(environ, "limits", "block", ASHA, "--for", length)
    assert refused.exit_code == 2
    assert '"90s", "10m", "24h", "7d"; at most 365d' in refused.output
    assert api.create_response().status_code == 201


# What goes wrong -------------------------------------------------------------------------------


@pytest.mark.parametrize("command", NUMBER_COMMANDS)
@pytest.mark.parametrize("number", ["98123456", "call me", "+9198123456789", "+0"])
def test_what_a_number_is_gets_said(environ: dict[str, str], command: str, number: str) -> None:
    """Status 2, how it is written or what is wrong with it, and never the text itself."""
    refused = run_command("limits", command, number, **environ)
    assert refused.exit_code == 2
    assert "NUMBER" in refused.output
    assert re.search("E.164|No telephone can have|Not a phone number", refused.output)
    assert number not in refused.output


@pytest.mark.parametrize(
    "number",
    ["919812345678", "9812345678", "+91 98123 45678", "0091-98123-45678", "tel:9812345678"],
)
def test_limits_commands_take_number_as_people_write_it(
    environ: dict[str, str], api: ApiClient, number: str
) -> None:
    """Blocked in one form, explained and unblocked in another."""
    masked = "+91******5678"
    assert masked in run_as_operator(environ, "limits", "block", number).output
    assert "is refused by block" in run_as_operator(environ, "limits", "explain", RAVI).output
    assert masked in run_as_operator(environ, "limits", "clear", number, "--yes").output
    assert api.create_response(RAVI).status_code == 429
    assert "is no longer blocked" in run_as_operator(environ, "limits", "unblock", number).output


def test_limits_number_without_calling_code_needs_one_region(environ: dict[str, str]) -> None:
    """With several regions the error says to write +."""
    several = environ | {"OTPVOICE_LIMITS_REGIONS": "IN,US"}
    refused = run_command("limits", "explain", "9812345678", **several)
    assert refused.exit_code == 2
    assert "write + and the calling code" in " ".join(refused.output.split())
    assert run_as_operator(several, "limits", "explain", "0091 98123 45678").exit_code == 0


@pytest.mark.parametrize(
    "words",
    [(), *((command, ASHA) for command in NUMBER_COMMANDS)],
    ids=["limits", *NUMBER_COMMANDS],
)
def test_a_store_that_is_away_is_one_line(environ: dict[str, str], words: tuple[str, ...]) -> None:
    """Status 1, no traceback, and no address of the store."""
    away = environ | {"OTPVOICE_REDIS_URL": f"redis://:pass-word@127.0.0.1:{free_port()}/0"}
    refused = run_as_operator(away, "limits", *words)
    assert refused.exit_code == 1
    assert re.match(r"Error: the store at \S+ cannot serve \(refused\); ", refused.output)
    assert len(refused.output.splitlines()) == 1
    assert "pass-word" not in refused.output


# The record of it ------------------------------------------------------------------------------


def test_the_log_of_a_dialer_tells_who_did_it(stack: Stack) -> None:
    """A line for each change, of a real dialer: when, who, and the number masked."""
    environ = {"OTPVOICE_CONFIG": str(stack.config_path)}
    number = "+919811100009"
    run_as_operator(environ, "limits", "block", number, "--for", "90s")
    run_as_operator(environ, "limits", "unblock", number)
    run_as_operator(environ, "limits", "clear", number, "--yes")

    def told() -> list[dict[str, Any]] | None:
        lines = stack.log_path("dialer").read_text().splitlines()
        ours = [json.loads(line) for line in lines if f'"{OPERATOR}"' in line]
        return ours if len(ours) == 3 else None

    lines = stack.wait_until(told, "the dialer's log tells of no operator")
    assert [line["event"] for line in lines] == [
        "number.blocked",
        "number.unblocked",
        "limits.cleared",
    ]
    assert {(line["to"], line["operator"], line["level"]) for line in lines} == {
        ("+91******0009", OPERATOR, "info")
    }
    assert lines[0]["seconds"] == 90
    assert all(
        abs((datetime.fromisoformat(line["happened_at"]) - now()).total_seconds()) < 60
        for line in lines
        for line in lines
    )
    assert number.removeprefix("+") not in stack.log_path("dialer").read_text()


def now() -> datetime:
    """This machine's time."""
    return datetime.now(UTC)


def test_the_commands_are_told_by_help() -> None:
    """All that belongs to limits, with a line of what it does."""
    told = run_command("limits", "--help").output
    for command in NUMBER_COMMANDS:
        assert re.search(rf"^  {command} +\S", told, re.MULTILINE)
