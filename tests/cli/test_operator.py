"""What operators' commands have in common: how they read numbers, and how they fail."""

import re

import pytest
from api.api_client import ApiClient
from cli.cli_runner import run_as_operator, run_command
from support.service import ASHA

from otpvoice_demo.stack import free_port

RAVI = "+919812345678"
LIMITS_COMMANDS = [("limits", word) for word in ("explain", "clear", "block", "unblock")]
COMMANDS = [*LIMITS_COMMANDS, ("find",), ("forget",)]
"""All that take a number."""


def options_of(command: tuple[str, ...]) -> list[str]:
    """Return the option that skips the confirmation, where there is one."""
    return ["--yes"] if command[-1] in {"clear", "forget"} else []


@pytest.mark.parametrize(
    "number",
    [
        *("919812345678", "9812345678", "098123 45678", "+91 98123 45678", "0091-98123-45678"),
        *("tel:+91-98123-45678", "+91 (0) 98123.45678", "९८१२३४५६७८"),
        "\u202a+91 98123 45678\u202c",
    ],
)
def test_commands_accept_a_number_as_people_write_it(
    environ: dict[str, str], api: ApiClient, number: str
) -> None:
    """All forms are the same number. Without a calling code it belongs to the one region."""
    created = api.create(RAVI)
    output = run_as_operator(environ, "find", number).output
    assert output.startswith("+91******5678 is not refused")
    assert created["id"] in output


def test_every_command_accepts_a_number_without_calling_code(
    environ: dict[str, str], api: ApiClient
) -> None:
    """From block to forget."""
    masked, number = "+91******5678", "098123 45678"
    api.create(RAVI)
    assert masked in run_as_operator(environ, "limits", "block", number).output
    assert "is refused by block" in run_as_operator(environ, "limits", "explain", RAVI).output
    assert masked in run_as_operator(environ, "limits", "clear", number, "--yes").output
    assert api.create_response(RAVI).status_code == 429
    assert "is no longer blocked" in run_as_operator(environ, "limits", "unblock", number).output
    erased = run_as_operator(environ, "forget", number, "--yes")
    assert (erased.exit_code, erased.output[:24]) == (0, f"Erased of {masked}:")


def test_commands_need_one_region_for_a_number_without_calling_code(
    environ: dict[str, str],
) -> None:
    """With several regions, the error says how to write the number."""
    several = environ | {"OTPVOICE_LIMITS_REGIONS": "IN,US"}
    refused = run_command("limits", "explain", "9812345678", **several)
    assert refused.exit_code == 2
    assert "write + and the calling code" in " ".join(refused.output.split())
    assert run_as_operator(several, "limits", "explain", "0091 98123 45678").exit_code == 0


@pytest.mark.parametrize(
    ("command", "number"),
    [
        *((command, "+98123456") for command in COMMANDS),
        *((("find",), number) for number in ("+91 call me", "+9198123456789", "+0")),
    ],
)
def test_commands_refuse_an_invalid_number_as_usage_error(
    environ: dict[str, str], command: tuple[str, ...], number: str
) -> None:
    """Exit status 2. The error gives the reason, and does not repeat the text."""
    refused = run_command(*command, number, **environ)
    assert refused.exit_code == 2
    assert re.search("E.164|This number cannot exist|Not a phone number", refused.output)
    assert number not in refused.output


@pytest.mark.parametrize(
    "command", [("limits",), *((*command, ASHA, *options_of(command)) for command in COMMANDS)]
)
def test_commands_report_an_unavailable_store_in_one_line(
    environ: dict[str, str], command: tuple[str, ...]
) -> None:
    """Exit status 1, without a traceback or the store's credentials."""
    url = f"redis://:pass-word@127.0.0.1:{free_port()}/0"
    refused = run_as_operator(environ | {"OTPVOICE_REDIS_URL": url}, *command)
    assert refused.exit_code == 1
    assert re.match(r"Error: the store at \S+ cannot serve \(refused\); ", refused.output)
    assert "not known whether anything was changed" in refused.output
    assert len(refused.output.splitlines()) == 1
    assert "pass-word" not in refused.output
