"""``otpvoice doctor --live``: one real call by the service that runs, and what it showed."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from cli.cli_runner import read_until, run_command, start_command
from cli.findings import doctor_findings, finding_about
from support.processes import Stack, otpvoice_process, running_service

from otpvoice.cli.doctor.findings import Level

NUMBERS = {
    "answer": "+919812000001",
    "busy": "+919812000002",
    "no_callback": "+919812000003",
    "timeout": "+919812000004",
    "garbage": "+919812000005",
}
"""One for each behaviour, so that all can be tried at the same time."""
_VERDICT = re.compile(r"(as assumed|different|not seen) +([a-z._0-9]+) +(.+)")


@pytest.fixture(scope="module")
def service(environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A service with two dialers, which redials at once and asks about a call soon."""
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


def run_live(service: Stack, number: str, *words: str, says: str = "") -> tuple[int, str]:
    """The status and the words of a trial; what a person ``says``, line by line."""
    done = subprocess.run(
        [sys.executable, "-m", "otpvoice", "doctor", "--live", number, *words],
        env=service.variables,
        input=says,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    told = done.stdout + done.stderr
    assert number[3:] not in told
    return done.returncode, told


def check_results(told: str) -> dict[str, str]:
    """By question, what the call showed."""
    found = [_VERDICT.fullmatch(line) for line in told.splitlines()]
    return {line[2]: line[1] for line in found if line}


def requests_for(service: Stack, number: str) -> int:
    """How often the company was asked to call."""
    ledger = service.service.phones.ledger()
    return sum(entry["person"] == number[1:] for entry in ledger)


@pytest.fixture(scope="module")
def live_calls(service: Stack) -> dict[str, tuple[int, str]]:
    """One of each behaviour, all at once: most of the time they wait."""
    for behaviour, number in NUMBERS.items():
        service.service.phones.set_behaviour(number, behaviour)
    with ThreadPoolExecutor(len(NUMBERS)) as pool:
        done = pool.map(lambda number: run_live(service, number, "--yes"), NUMBERS.values())
        return dict(zip(NUMBERS, done, strict=True))


@pytest.mark.parametrize("behaviour", NUMBERS)
def test_one_request_and_no_more(
    service: Stack, live_calls: dict[str, tuple[int, str]], behaviour: str
) -> None:
    """Whatever becomes of it; two dialers stand by, and other calls would be redialed at once."""
    assert live_calls[behaviour]
    assert requests_for(service, NUMBERS[behaviour]) == 1


@pytest.mark.parametrize(
    ("behaviour", "status", "ended", "shown"),
    [
        ("answer", 0, "answered", {"reply.id": "as assumed", "callback.id": "as assumed"}),
        ("busy", 1, "busy", {"reply.id": "as assumed", "callback.status": "as assumed"}),
        ("no_callback", 0, "answered", {"callback": "not seen", "asking": "as assumed"}),
        ("timeout", 0, "answered", {"reply.accepts": "not seen", "callback": "as assumed"}),
        ("garbage", 0, "answered", {"reply.accepts": "different", "callback": "as assumed"}),
    ],
)
def test_what_it_showed_is_told(
    live_calls: dict[str, tuple[int, str]],
    behaviour: str,
    status: int,
    ended: str,
    shown: dict[str, str],
) -> None:
    """Status 0 if it was answered; every question has its verdict; nobody was asked anything."""
    code, told = live_calls[behaviour]
    assert code == status, told
    assert f"The call: {ended}" in told
    found = check_results(told)
    assert len(found) == 20, told
    assert found | shown == found, told
    assert found["phone.code"] == "not seen"


def test_what_came_is_shown_without_what_is_secret(live_calls: dict[str, tuple[int, str]]) -> None:
    """Member by member, with the kinds of the values; of no call the number or the code."""
    _, told = live_calls["answer"]
    assert "The provider answered after" in told
    assert "    data[0].mobile: text of 12 digits" in told
    assert "A callback came: POST, application/json, applied" in told
    assert "    to: number of 12 digits" in told
    assert "    status: text ANSWER" in told


def test_a_person_types_what_is_heard(service: Stack) -> None:
    """The code is right, the phone rang once; the verification is approved, and no code shown."""
    number = "+919812000010"
    words = ("doctor", "--live", number, "--route", "c2c")
    with start_command(*words, environ=service.variables, stdin=subprocess.PIPE) as process:
        assert process.stdin
        warned = read_until(process, "Place it? [y/N]")
        assert requests_for(service, number) == 0
        process.stdin.write("y\n")
        process.stdin.flush()
        code = service.service.wait_for_code(number)
        told, _ = process.communicate(f"{code}\ny\nn\n\n", timeout=20)
    assert "+91******0010 by c2c, for the client" in warned
    assert process.returncode == 0, told
    found = check_results(told)
    assert [found[f"phone.{name}"] for name in ("code", "rings", "digits", "keys")] == [
        *("as assumed", "as assumed", "different", "not seen"),
    ]
    assert code not in told
    assert "The code is right." in told
    assert requests_for(service, number) == 1


def test_a_wrong_code_fails(service: Stack) -> None:
    """Something else was spoken, or to somebody else. Nothing is left pending.

    For a client that brings its own codes there is one, too.
    """
    number = "+919812000011"
    words = ("--yes", "--client", "bank")
    status, told = run_live(service, number, *words, says="12\n0000\n000000\n\n")
    assert status == 1
    assert check_results(told)["phone.code"] == "different"
    assert "The code is wrong." in told
    assert "canceled (requested)" in run_command("find", number, **service.variables).output


def test_live_call_leaves_pending_verification_of_the_number(service: Stack) -> None:
    """A login of the person who tries the service out goes on."""
    number = "+919812000016"
    login = service.service.create(number, reference="login-81", call_after=200)
    _, warned = run_live(service, number)
    assert "pending" not in warned
    status, told = run_live(service, number, "--yes")
    assert status == 0, told
    assert service.service.get_verification(login)["status"] == "pending"


def test_ctrl_c_gives_up(service: Stack) -> None:
    """Status 1; the verification is ended, and the next login begins anew."""
    number = "+919812000015"
    words = ("doctor", "--live", number, "--yes")
    with start_command(*words, environ=service.variables, stdin=subprocess.PIPE) as process:
        read_until(process, "A callback came")
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 1
    assert "canceled (requested)" in run_command("find", number, **service.variables).output
    assert requests_for(service, number) == 1


@pytest.mark.parametrize("says", ["", "yes please\n"])
def test_it_asks_first(service: Stack, says: str) -> None:
    """Everything but a yes is a no; nobody is called."""
    number = "+919812000012"
    status, told = run_live(service, number, says=says)
    assert status == 1
    assert "It costs what a call costs" in told
    assert requests_for(service, number) == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--live", "+9112"), "Not an E.164 number"),
        (("--live", "+919812000013", "--client", "nobody"), "no client of this name"),
        (("--live", "+919812000013", "--json"), "has no --json"),
        (("--live", "+919999900001"), "nobody would be called"),
        (("--route", "obd"), "belong to --live"),
        (("--yes",), "belong to --live"),
    ],
)
def test_what_makes_no_sense_is_refused(service: Stack, words: tuple[str, ...], told: str) -> None:
    """Status 2, before anything is done."""
    refused = run_command(
        "doctor", *words, **service.variables, OTPVOICE_TEST_NUMBERS="+919999900001=735194"
    )
    assert (refused.exit_code, told in refused.output) == (2, True), refused.output


def test_the_rules_of_numbers_hold(service: Stack) -> None:
    """A number that no client could have called is not called for a trial either."""
    refused = run_command("doctor", "--live", "+12015550123", "--yes", **service.variables)
    assert (refused.exit_code, "region US are not called" in refused.output) == (1, True)


def test_the_whole_service_is_sound(service: Stack) -> None:
    """It knows both of its webhook's secrets, and that both dialers are at work."""
    public = {"OTPVOICE_SERVER_PUBLIC_URL": service.service.url}
    found = doctor_findings({**service.variables, **public})
    for subject in ("provider.webhook_secret[0]", "provider.webhook_path_token[0]", "dialer"):
        assert finding_about(found, subject).level is Level.OK
    assert finding_about(found, "dialer").found == "2 at work"


def test_a_refusal_is_told_and_not_tried_elsewhere(service: Stack) -> None:
    """401: one request, though there is another route. Last, for it closes the route."""
    number = "+919812000099"
    service.service.phones.set_behaviour(number, "error_401")
    status, told = run_live(service, number, "--yes")
    assert status == 1
    assert "The call: failed, route_down, HTTP 401" in told
    assert check_results(told)["reply.accepts"] == "not seen"
    assert check_results(told)["asking"] == "not seen"
    assert requests_for(service, number) == 1
