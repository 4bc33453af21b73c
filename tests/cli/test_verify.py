"""``otpvoice verify`` at a terminal and in a pipe."""

import signal
import subprocess
import sys

import pytest
import requests
from cli.cli_runner import listen_for_code, run_command, serve_response, start_command
from support.processes import TerminalProcess

from otpvoice.cli.verify import normalize_code
from otpvoice_client import Client, Transaction
from otpvoice_demo.stack import Stack, free_port


def run_at_terminal(*words: str, environ: dict[str, str]) -> TerminalProcess:
    """Start a command with a terminal of its own."""
    return TerminalProcess([sys.executable, "-m", "otpvoice", *words], environ)


def test_verify_at_a_terminal_accepts_the_correct_code(
    stack: Stack, access: dict[str, str]
) -> None:
    """A live line follows the call. A wrong code leads to a new prompt."""
    number = "+919811100001"
    with run_at_terminal("verify", number, "--name", "Asha", environ=access) as process:
        code = listen_for_code(stack, number)
        process.read_until("Code: ")
        process.type(f"{_wrong(code)}\n")
        assert "checks left: 4" in process.read_until("checks left: 4")
        answered = process.read_until("The call was answered. Code: ")
        assert answered.endswith("\r\x1b[KThe call was answered. Code: ")
        process.type(f"{code}\n")
        assert f"{number} is verified." in process.read_until("verified.")
        assert process.wait() == 0


def test_verify_on_ctrl_c_cancels_the_verification(client: Client, access: dict[str, str]) -> None:
    """At the service as well. The exit status is 1."""
    number = "+919811100002"
    created = client.create(number)
    with run_at_terminal("verify", number, environ=access) as process:
        process.read_until("Code: ")
        process.signal(signal.SIGINT)
        assert "Not verified: canceled." in process.read_until("canceled.")
        assert process.wait() == 1
    assert client.get(created.id).status == "canceled"


def test_verify_ends_when_the_person_denies_the_call(stack: Stack, access: dict[str, str]) -> None:
    """The demo has a flow that asks for a key."""
    number = "+919811100012"
    phone = f"{stack.sandbox_url}/phones/{number.removeprefix('+')}"
    assert requests.put(phone, json={"behaviour": "press_9"}, timeout=5).ok
    with run_at_terminal("verify", number, "--locale", "en-x-gate", environ=access) as process:
        process.read_until("Not verified: denied on the phone.")
        assert process.wait() == 1


PAYMENT = ("--amount", "2500.00", "--currency", "INR", "--payee", "ACME Stores")


def test_verify_of_a_payment_sends_it_with_each_check(
    stack: Stack, client: Client, access: dict[str, str]
) -> None:
    number = "+919811100011"
    with start_command(
        "verify", number, *PAYMENT, environ=access, stdin=subprocess.PIPE
    ) as process:
        code = listen_for_code(stack, number)
        output = process.finish(f"{code}\n")
    assert f"{number} is verified." in output
    shown = client.look_up(number).transaction
    assert shown == Transaction("2500.00", "INR", "ACME Stores")


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (PAYMENT[:2], "a payment needs --amount, --currency and --payee"),
        (PAYMENT[2:], "a payment needs --amount, --currency and --payee"),
        (("--amount", "0", *PAYMENT[2:]), "/transaction/amount must be a decimal number"),
    ],
)
def test_verify_refuses_an_incomplete_or_bad_payment(
    access: dict[str, str], options: tuple[str, ...], error: str
) -> None:
    result = run_command("verify", "+919811100012", *options, **access)
    assert result.exit_code != 0
    assert error in result.output


def test_verify_in_a_pipe_prints_one_line_for_each_state(
    stack: Stack, access: dict[str, str]
) -> None:
    """Without control characters. The end of the input cancels, with exit status 1."""
    number = "+919811100003"
    with start_command("verify", number, environ=access, stdin=subprocess.PIPE) as process:
        code = listen_for_code(stack, number)
        output = process.finish(f"12\n\n{_wrong(code)}\n")
    assert "\x1b" not in output
    assert "4 to 10 ASCII digits" in output
    assert "checks left: 4" in output
    assert output.endswith("Not verified: canceled.\n")
    assert process.status == 1


def test_verify_accepts_number_and_code_as_people_write_them(
    stack: Stack, access: dict[str, str]
) -> None:
    """The API receives E.164 and ASCII digits."""
    number = "+९१ ९८१११ ००००९"
    with start_command("verify", number, environ=access, stdin=subprocess.PIPE) as process:
        code = listen_for_code(stack, "+919811100009")
        typed = ", ".join(code.translate(str.maketrans("0123456789", "०१२३४५६७८९")))
        output = process.finish(f"{typed}\n")
    assert output.endswith("+919811100009 is verified.\n")
    assert process.status == 0


@pytest.mark.parametrize(
    "digits", ["0123456789", "०१२३४५६७८९", "０１２３４５６７８９", "٠١٢٣٤٥٦٧٨٩"]
)
@pytest.mark.parametrize("separator", ["", " ", "-", ", ", "\u200f"])
def test_normalize_code_returns_ascii_digits(digits: str, separator: str) -> None:
    """Of any script, without separators."""
    assert normalize_code(separator.join(digits)) == "0123456789"


def test_normalize_code_keeps_letters_and_signs() -> None:
    """Without them, the API would count a code that was not meant."""
    assert normalize_code(" 47a1+5 ") == "47a1+5"
    assert normalize_code("#471-102*") == "471102"
    assert normalize_code(" \u200e ") == ""


def test_verify_with_too_many_wrong_codes_exits_with_1(
    stack: Stack, access: dict[str, str]
) -> None:
    """The last line has no line end, as from ``printf %s``."""
    number = "+919811100005"
    with start_command("verify", number, environ=access, stdin=subprocess.PIPE) as process:
        code = int(listen_for_code(stack, number))
        wrong = "\n".join(f"{(code + i) % 1_000_000:06}" for i in range(1, 6))
        output = process.finish(wrong)
    assert output.endswith("Not verified: max_attempts_reached.\n")
    assert process.status == 1


def test_verify_names_a_missing_variable(access: dict[str, str]) -> None:
    for missing in access:
        others = {name: value for name, value in access.items() if name != missing}
        refused = run_command("verify", "+919811100006", **others)
        assert refused.exit_code == 2
        assert f"set {missing}" in refused.output


@pytest.mark.parametrize("number", ["9112", "+9112", "9811100001", "call me"])
def test_verify_refuses_an_invalid_number(access: dict[str, str], number: str) -> None:
    """Exit status 2 before any request. Without settings a number needs its +."""
    refused = run_command("verify", number, **access)
    assert refused.exit_code == 2
    assert "NUMBER" in refused.output


@pytest.mark.parametrize(
    ("number", "settings"),
    [
        ("+91 98111 00007", {}),
        ("0091-98111-00007", {}),
        ("tel:+91-98111-00007", {}),
        ("(+91) 98111.00010", {}),
        ("98111 00007", {"OTPVOICE_LIMITS_REGIONS": "IN"}),
    ],
)
def test_verify_with_settings_accepts_a_number_without_calling_code(
    environ: dict[str, str], access: dict[str, str], number: str, settings: dict[str, str]
) -> None:
    """The other forms need no settings."""
    known = environ | settings if settings else {}
    unknown_key = known | access | {"OTPVOICE_API_KEY": "ovk_unknown"}
    refused = run_command("verify", number, **unknown_key)
    assert (refused.exit_code, "This API key is not known." in refused.output) == (1, True)


@pytest.mark.parametrize(
    ("number", "wrong", "output"),
    [
        ("+14155552671", {}, "Numbers of region US are not called."),
        ("+919811100006", {"OTPVOICE_API_KEY": "ovk_unknown"}, "This API key is not known."),
        ("+919811100006", {"OTPVOICE_URL": f"http://127.0.0.1:{free_port()}"}, "no response"),
    ],
)
def test_verify_reports_a_refusal_in_one_sentence(
    access: dict[str, str], number: str, wrong: dict[str, str], output: str
) -> None:
    """The problem's detail, or that the service did not respond. Exit status 1, no traceback."""
    refused = run_command("verify", number, **(access | wrong))
    assert refused.exit_code == 1
    assert refused.output.startswith("Error: ")
    assert output in refused.output
    assert "ovk_" not in refused.output


def test_verify_reports_a_server_that_is_not_otpvoice() -> None:
    with serve_response(200, b"<html>") as (url, _):
        refused = run_command("verify", "+919811100006", OTPVOICE_URL=url, OTPVOICE_API_KEY="ovk_x")
    assert refused.exit_code == 1
    assert "is not a response of otpvoice" in refused.output


def _wrong(code: str) -> str:
    return code[:-1] + str((int(code[-1]) + 1) % 10)
