"""``otpvoice limits`` for one number: explain, clear and block."""

import re

import pytest
from api.api_client import ApiClient, ManualDialer, assert_problem
from cli.cli_runner import (
    call_number,
    run_as_operator,
)
from cli.limit_documents import MASKED, RAVI, limit_named, run_json, seconds_until
from support.service import ASHA

_COLOR = re.compile(r"\x1b\[[0-9;]*m")


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
