"""``otpvoice verify``: at a terminal, and in a pipe."""

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from cli.cli_runner import listen_for_code, run_command, serve_response, start_command

from otpvoice.cli.stack import Stack, free_port
from otpvoice.cli.terminal import normalize_code
from otpvoice.client import Client


@contextmanager
def at_a_terminal(
    *words: str, environ: dict[str, str]
) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A command with a terminal of its own; the number is where a person sits."""
    person, terminal = pty.openpty()
    command = [sys.executable, "-m", "otpvoice", *words]
    # Who was started in the background ignores Ctrl-C, and so would a command that inherits it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(
        command,
        env=os.environ | environ,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
        text=True,
    ) as process:
        os.close(terminal)
        try:
            yield process, person
        finally:
            process.kill()
            os.close(person)


def read_until(person: int, text: str) -> str:
    """What the terminal shows, up to ``text``, or to the end of the command."""
    shown = ""
    with suppress(OSError):  # Linux's word for a terminal that nobody holds any more
        while text not in shown and (some := os.read(person, 1024)):
            shown += some.decode()
    return shown


def test_a_person_at_a_terminal_proves_a_number(stack: Stack, access: dict[str, str]) -> None:
    """One live line follows the call; a wrong code leads to a new prompt; the right one to 0."""
    number = "+919811100001"
    with at_a_terminal("verify", number, "--name", "Asha", environ=access) as (process, person):
        code = listen_for_code(stack, number)
        read_until(person, "Code: ")
        os.write(person, f"{_wrong(code)}\n".encode())
        assert "checks left: 4" in read_until(person, "checks left: 4")
        answered = read_until(person, "The call was answered. Code: ")
        assert answered.endswith("\r\x1b[KThe call was answered. Code: ")
        os.write(person, f"{code}\n".encode())
        assert f"{number} is verified." in read_until(person, "verified.")
        assert process.wait(10) == 0


def test_ctrl_c_cancels_the_verification(client: Client, access: dict[str, str]) -> None:
    """The key on the terminal ends the verification at the service too; status 1."""
    number = "+919811100002"
    begun = client.create(number)
    with at_a_terminal("verify", number, environ=access) as (process, person):
        read_until(person, "Code: ")
        process.send_signal(signal.SIGINT)
        assert "Not verified: canceled." in read_until(person, "canceled.")
        assert process.wait(10) == 1
    assert client.get(begun.id).status == "canceled"


def test_in_a_pipe_every_state_is_a_line(stack: Stack, access: dict[str, str]) -> None:
    """No control characters; the end of the input gives up, with status 1."""
    number = "+919811100003"
    with start_command("verify", number, environ=access, stdin=subprocess.PIPE) as process:
        code = listen_for_code(stack, number)
        told, _ = process.communicate(f"12\n\n{_wrong(code)}\n", timeout=10)
    assert "\x1b" not in told
    assert "4 to 10 ASCII digits" in told
    assert "checks left: 4" in told
    assert told.endswith("Not verified: canceled.\n")
    assert process.returncode == 1


@pytest.mark.parametrize(
    ("number", "e164", "digits", "separator"),
    [
        ("+91 98111 00007", "+919811100007", "0123456789", " "),
        ("tel:+91-98111-00008", "+919811100008", "०१२३४५६७८९", "-"),
        ("+९१ ९८१११ ००००९", "+919811100009", "０१２３４５६७８९", ", "),
        ("(+91) 98111.00010", "+919811100010", "٠١٢٣٤٥٦٧٨٩", "\u200f"),
    ],
)
def test_verify_number_and_code_as_people_write_them_are_read(
    stack: Stack, access: dict[str, str], number: str, e164: str, digits: str, separator: str
) -> None:
    """The API is given E.164 and ASCII digits."""
    with start_command("verify", number, environ=access, stdin=subprocess.PIPE) as process:
        code = listen_for_code(stack, e164)
        typed = separator.join(code.translate(str.maketrans("0123456789", digits)))
        told, _ = process.communicate(f"{typed}\n", timeout=10)
    assert told.endswith(f"{e164} is verified.\n")
    assert process.returncode == 0


def test_typed_code_letters_and_signs_are_kept_for_refusal() -> None:
    """Dropping them would count a code that nobody meant."""
    assert normalize_code(" 47a1+5 ") == "47a1+5"
    assert normalize_code("#471-102*") == "471102"
    assert normalize_code(" \u200e ") == ""


def test_too_many_wrong_codes_end_it(stack: Stack, access: dict[str, str]) -> None:
    """The status of the verification is told, and the command ends with 1.

    The last line is not ended, as by ``printf %s``.
    """
    number = "+919811100005"
    with start_command("verify", number, environ=access, stdin=subprocess.PIPE) as process:
        code = int(listen_for_code(stack, number))
        wrong = "\n".join(f"{(code + i) % 1_000_000:06}" for i in range(1, 6))
        told, _ = process.communicate(wrong, timeout=10)
    assert told.endswith("Not verified: max_attempts_reached.\n")
    assert process.returncode == 1


def test_both_variables_are_needed(access: dict[str, str]) -> None:
    """Status 2, and the missing one is named."""
    for missing in access:
        given = {name: value for name, value in access.items() if name != missing}
        refused = run_command("verify", "+919811100006", **given)
        assert refused.exit_code == 2
        assert f"set {missing}" in refused.output


@pytest.mark.parametrize("number", ["9112", "+9112", "9811100001", "call me"])
def test_verify_invalid_number_is_usage_error(access: dict[str, str], number: str) -> None:
    """Status 2 before anything is sent; without settings a number needs its +."""
    refused = run_command("verify", number, **access)
    assert refused.exit_code == 2
    assert "NUMBER" in refused.output


@pytest.mark.parametrize(
    ("number", "settings"),
    [
        ("+91 98111 00007", {}),
        ("0091-98111-00007", {}),
        ("tel:+91-98111-00007", {}),
        ("98111 00007", {"OTPVOICE_LIMITS_REGIONS": "IN"}),
    ],
)
def test_verify_number_as_people_write_it_is_called(
    environ: dict[str, str], access: dict[str, str], number: str, settings: dict[str, str]
) -> None:
    """With the service's settings at hand, also without calling code."""
    known = environ | settings if settings else {}
    unknown_key = known | access | {"OTPVOICE_API_KEY": "ovk_unknown"}
    refused = run_command("verify", number, **unknown_key)
    assert (refused.exit_code, "This API key is not known." in refused.output) == (1, True)


@pytest.mark.parametrize(
    ("number", "wrong", "told"),
    [
        ("+14155552671", {}, "Numbers of region US are not called."),
        ("+919811100006", {"OTPVOICE_API_KEY": "ovk_unknown"}, "This API key is not known."),
        ("+919811100006", {"OTPVOICE_URL": f"http://127.0.0.1:{free_port()}"}, "no answer"),
    ],
)
def test_a_refusal_is_told_in_words(
    access: dict[str, str], number: str, wrong: dict[str, str], told: str
) -> None:
    """The detail of the problem document, or that nobody answered; status 1, no traceback."""
    refused = run_command("verify", number, **(access | wrong))
    assert refused.exit_code == 1
    assert refused.output.startswith("Error: ")
    assert told in refused.output
    assert "ovk_" not in refused.output


def test_what_is_no_otpvoice_is_told() -> None:
    """A page of something else is neither a verification nor a traceback."""
    with serve_response(200, b"<html>") as (url, _):
        refused = run_command("verify", "+919811100006", OTPVOICE_URL=url, OTPVOICE_API_KEY="ovk_x")
    assert refused.exit_code == 1
    assert "is this an otpvoice service?" in refused.output


def _wrong(code: str) -> str:
    return code[:-1] + str((int(code[-1]) + 1) % 10)
