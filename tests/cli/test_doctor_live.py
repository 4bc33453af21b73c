"""``otpvoice doctor --live``: one real call by the running service, and its report."""

import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from cli.cli_runner import run_command, start_command
from cli.findings import doctor_findings, finding_about
from cli.live_runner import check_results, run_live
from support.processes import otpvoice_process
from support.stack import Stack, running_service

from otpvoice.diagnostics import Level

NUMBERS = {
    "answer": "+919812000001",
    "busy": "+919812000002",
    "no_callback": "+919812000003",
    "timeout": "+919812000004",
    "garbage": "+919812000005",
}
"""One number for each behaviour, so that all calls run at the same time."""


@pytest.fixture(scope="module")
def service(environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Run a service with two dialers, which redials at once and soon queries a call's status."""
    folder = tmp_path_factory.mktemp("live")
    more = {
        "OTPVOICE_VERIFICATION_CALLBACK_TIMEOUT": "5",
        "OTPVOICE_VERIFICATION_MAX_REDIALS": "3",
        "OTPVOICE_CLIENTS_BANK_DELIVER_ONLY": "true",
        "OTPVOICE_CLIENTS_BANK_CALLS_PER_DAY": "1000",
    }
    with (
        running_service(environ, folder, **more) as stack,
        otpvoice_process("dialer", stack.variables, tmp_path_factory.mktemp("another")),
    ):
        yield stack


def requests_for(service: Stack, number: str) -> int:
    """Return how many requests for a call the provider received."""
    ledger = service.service.phones.ledger()
    return sum(entry["person"] == number[1:] for entry in ledger)


@pytest.fixture(scope="module")
def login(service: Stack) -> dict[str, Any]:
    """A pending verification with the number of a live call; its own call comes later."""
    return service.service.create(NUMBERS["answer"], reference="login-81", call_after=200)


@pytest.fixture(scope="module")
def live_calls(service: Stack, login: dict[str, Any]) -> dict[str, tuple[int, str]]:
    """Run a live call of each behaviour, in parallel because they mostly wait."""
    assert login
    for behaviour, number in NUMBERS.items():
        service.service.phones.set_behaviour(number, behaviour)
    with ThreadPoolExecutor(len(NUMBERS)) as pool:
        done = pool.map(lambda number: run_live(service, number, "--yes"), NUMBERS.values())
        return dict(zip(NUMBERS, done, strict=True))


@pytest.mark.parametrize("behaviour", NUMBERS)
def test_live_call_sends_one_request(
    service: Stack, live_calls: dict[str, tuple[int, str]], behaviour: str
) -> None:
    """Whatever the outcome, although two dialers run and redial other calls at once."""
    assert live_calls[behaviour]
    assert requests_for(service, NUMBERS[behaviour]) == 1


@pytest.mark.parametrize(
    ("behaviour", "exit_status", "ended", "checks"),
    [
        ("answer", 0, "answered", {"reply.id": "confirmed", "callback.id": "confirmed"}),
        ("busy", 1, "busy", {"reply.id": "confirmed", "callback.status": "confirmed"}),
        ("no_callback", 0, "answered", {"callback": "not observed", "query": "confirmed"}),
        ("timeout", 0, "answered", {"reply.accepts": "not observed", "callback": "confirmed"}),
        ("garbage", 0, "answered", {"reply.accepts": "different", "callback": "confirmed"}),
    ],
)
def test_live_call_reports_every_check(
    live_calls: dict[str, tuple[int, str]],
    behaviour: str,
    exit_status: int,
    ended: str,
    checks: dict[str, str],
) -> None:
    """The exit status is 0 if the call was answered; without a user nothing is asked."""
    status, output = live_calls[behaviour]
    assert status == exit_status, output
    assert f"The call: {ended}" in output
    found = check_results(output)
    assert len(found) == 21, output
    assert found | checks == found, output
    assert found["phone.code"] == "not observed"


def test_live_call_shows_exchanges_without_secrets(
    live_calls: dict[str, tuple[int, str]],
) -> None:
    """Each member with the type of its value; no number and no code."""
    _, output = live_calls["answer"]
    assert "The provider replied after" in output
    assert "    data[0].mobile: text of 12 digits" in output
    assert "A callback arrived: POST, application/json, applied" in output
    assert "    to: number of 12 digits" in output
    assert "    status: text ANSWER" in output


def test_live_call_with_right_code_succeeds(service: Stack) -> None:
    """The user confirms the call, types the code and answers; the code is not shown."""
    number = "+919812000010"
    words = ("doctor", "--live", number, "--route", "c2c")
    with start_command(*words, environ=service.variables, stdin=subprocess.PIPE) as process:
        confirmation = process.read_until("Place it? [y/N]")
        assert requests_for(service, number) == 0
        process.write("y\n")
        code = service.service.wait_for_code(number)
        output = process.finish(f"{code}\ny\nn\n\n")
    assert "+91******0010 by c2c, for the client" in confirmation
    assert process.status == 0, output
    found = check_results(output)
    assert [found[f"phone.{name}"] for name in ("code", "rings", "digits", "keys")] == [
        *("confirmed", "confirmed", "different", "not observed"),
    ]
    assert code not in output
    assert "The code is right." in output
    assert requests_for(service, number) == 1


def test_live_call_with_wrong_code_fails_and_cancels(service: Stack) -> None:
    """A client that brings its own codes gets one, too."""
    number = "+919812000011"
    words = ("--yes", "--client", "bank")
    status, output = run_live(service, number, *words, typed="12\n0000\n000000\n\n")
    assert status == 1
    assert check_results(output)["phone.code"] == "different"
    assert "The code is wrong." in output
    assert "canceled (requested)" in run_command("find", number, **service.variables).output


def test_live_call_leaves_pending_verification_of_the_number(
    service: Stack, login: dict[str, Any], live_calls: dict[str, tuple[int, str]]
) -> None:
    """A login with the same number stays pending."""
    assert live_calls["answer"][0] == 0
    assert service.service.get_verification(login)["status"] == "pending"


def test_live_call_interrupted_cancels_verification(service: Stack) -> None:
    """Ctrl-C ends the command with status 1."""
    number = "+919812000015"
    words = ("doctor", "--live", number, "--yes")
    with start_command(*words, environ=service.variables, stdin=subprocess.PIPE) as process:
        process.read_until("A callback arrived")
        process.signal(signal.SIGINT)
        assert process.wait() == 1
    assert "canceled (requested)" in run_command("find", number, **service.variables).output
    assert requests_for(service, number) == 1


def test_live_call_without_confirmation_is_not_placed(service: Stack) -> None:
    """Only y or yes confirms. The question names no verification of the number."""
    number = "+919812000012"
    service.service.create(number, call_after=200)
    status, output = run_live(service, number, typed="yes please\n")
    assert status == 1
    assert "It costs what a call costs" in output
    assert "pending" not in output
    assert requests_for(service, number) == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--live", "+9112"), "Not an E.164 number"),
        (("--live", "+919812000013", "--client", "nobody"), "no client of this name"),
        (("--live", "+919812000013", "--json"), "cannot be combined with --json"),
        (("--live", "+919999900001"), "no call would be placed"),
        (("--route", "obd"), "require --live"),
        (("--yes",), "require --live"),
    ],
)
def test_doctor_with_invalid_options_exits_with_2(
    service: Stack, words: tuple[str, ...], message: str
) -> None:
    """The command refuses them before it does anything."""
    refused = run_command(
        "doctor", *words, **service.variables, OTPVOICE_TEST_NUMBERS="+919999900001=735194"
    )
    assert (refused.exit_code, message in refused.output) == (2, True), refused.output


def test_live_call_obeys_number_rules(service: Stack) -> None:
    """A number that is not allowed to clients is not called by the operator either."""
    refused = run_command("doctor", "--live", "+12015550123", "--yes", **service.variables)
    assert (refused.exit_code, "region US are not called" in refused.output) == (1, True)


def test_doctor_of_running_service_finds_secrets_and_dialers(service: Stack) -> None:
    """The service accepts both of its webhook secrets, and both dialers run."""
    public = {"OTPVOICE_SERVER_PUBLIC_URL": service.service.url}
    found = doctor_findings({**service.variables, **public})
    for subject in ("provider.webhook_secret[0]", "provider.webhook_path_token[0]", "dialer"):
        assert finding_about(found, subject).level is Level.OK
    assert finding_about(found, "dialer").found == "2 running"


def test_live_call_refused_tries_no_other_route(service: Stack) -> None:
    """401: one request, although there is another route. Last, because it closes the route."""
    number = "+919812000099"
    service.service.phones.set_behaviour(number, "error_401")
    status, output = run_live(service, number, "--yes")
    assert status == 1
    assert "The call: failed, route_down, HTTP 401" in output
    assert check_results(output)["reply.accepts"] == "not observed"
    assert check_results(output)["query"] == "not observed"
    assert requests_for(service, number) == 1
