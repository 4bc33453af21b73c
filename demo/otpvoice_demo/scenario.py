"""The scenario of the demo: one verification, as a login backend and a phone's owner see it."""

import shlex
import shutil
from typing import Any, Final

from otpvoice.cli.serve import otpvoice_command
from otpvoice_demo.printer import HttpRequest, Printer, ScenarioError
from otpvoice_demo.settings import FOLDER, write_private_file
from otpvoice_demo.stack import Stack, StackError

DEMO_NUMBER: Final = "+919876543210"
_HINDI_NUMBER: Final = "+919811223344"
_CALL: Final = ("calls", "id", "status", "reason", "route", "locale", "duration", "heard")
_CHECK: Final = ("status", "checks_left", "valid")


def run_scenario(stack: Stack, printer: Printer) -> None:
    """Run the verification, from the request for a call to the callback, and print each step.

    Raises:
        StackError: a response differs from the scenario, or a step did not happen in time. The
            message ends with the last lines of every log.
        StopRequested: the user asked to stop.
    """
    scenario = _Scenario(stack, printer)
    try:
        verification = scenario.request_call()
        scenario.wait_for_early_hang_up(verification)
        code = scenario.wait_for_second_call()
        scenario.check_wrong_code(verification, code)
        scenario.check_code(verification, code)
        scenario.check_code_again(verification, code)
        scenario.wait_for_callback(verification)
        scenario.verify_in_hindi()
    except ScenarioError as error:
        stack.check_health()  # a process that has ended is the better explanation
        raise StackError(f"{error.message}\n{stack.log_tails()}") from error
    printer.paragraph(f"\nApproved once, and the callback is recorded: {printer.elapsed}.", "green")


class _Scenario:
    def __init__(self, stack: Stack, printer: Printer) -> None:
        self._stack = stack
        self._printer = printer

    def request_call(self) -> str:
        """Request the verification, and return its URL."""
        self._printer.section("A login backend requests a call")
        self._printer.paragraph("The user will hang up the first call after one second:")
        early = {"behaviour": "hang_up_early", "calls": 1}
        self._printer.run(HttpRequest("PUT", _phone_url(self._stack, DEMO_NUMBER), body=early))
        self._printer.paragraph("")
        request = _create_request(self._stack, DEMO_NUMBER)
        created = self._printer.exchange(request, 201, "to", "expires_in", "checks_left", *_CALL)
        self._printer.paragraph("No response contains the code. It is only spoken.")
        return self._url(created)

    def wait_for_early_hang_up(self, verification: str) -> None:
        """Wait until the service knows that the code was not heard."""
        self._printer.section("The user hangs up early: the code was not heard")
        failure = "the early end of the call was not recorded"
        self._wait_for_call(verification, 0, failure, code_spoken=False)
        self._printer.exchange(self._get(verification), 200, *_CALL)
        self._printer.paragraph("The service redials on the other route, without a request.")

    def wait_for_second_call(self) -> str:
        """Return the code of the second call."""
        self._printer.section("The phone rings again, and a voice reads the code")
        return self._wait_for_code(DEMO_NUMBER, calls=2)

    def check_wrong_code(self, verification: str, code: str) -> None:
        """Submit the code with one wrong digit."""
        self._printer.section("A wrong code is rejected")
        mistyped = code[:-1] + str((int(code[-1]) + 1) % 10)
        checked = self._printer.exchange(self._check(verification, mistyped), 200, *_CHECK)
        if checked["valid"] is not False:
            raise ScenarioError("the service accepted a wrong code")

    def check_code(self, verification: str, code: str) -> None:
        """Submit the code."""
        self._printer.section("The right code is accepted")
        checked = self._printer.exchange(self._check(verification, code), 200, *_CHECK)
        if checked["valid"] is not True or checked["status"] != "approved":
            raise ScenarioError("the service did not accept the right code")

    def check_code_again(self, verification: str, code: str) -> None:
        """Submit the code a second time, as an attacker would."""
        self._printer.section("A code is accepted once: the same code is now rejected")
        request = self._check(verification, code)
        problem = self._printer.exchange(request, 409, "title", "status", "code")
        if problem["code"] != "verification_closed":
            raise ScenarioError(f"the code was rejected with {problem['code']}")

    def wait_for_callback(self, verification: str) -> None:
        """Wait for the provider's callback about the second call."""
        self._printer.section("The provider's callback: the code was heard")
        self._wait_for_call(verification, 1, "the callback was not recorded", code_spoken=True)
        self._printer.exchange(self._get(verification), 200, "to", *_CALL)

    def verify_in_hindi(self) -> None:
        """Request and approve a verification in another language."""
        self._printer.section("The same in Hindi")
        request = _create_request(self._stack, _HINDI_NUMBER, name="आशा", locale="hi-IN")
        created = self._printer.exchange(request, 201, "to", *_CALL)
        code = self._wait_for_code(_HINDI_NUMBER)
        checked = self._printer.exchange(self._check(self._url(created), code), 200, *_CHECK)
        if checked["valid"] is not True:
            raise ScenarioError("the service did not accept the code of the Hindi call")

    def _wait_for_code(self, number: str, calls: int = 1) -> str:
        """Wait until the last of this number of calls speaks, and return its digits."""
        request = _calls_request(self._stack, number)

        def spoken_text() -> str | None:
            documents = self._printer.fetch(request)
            return documents[-1]["spoken"] if len(documents) == calls else None

        text = self._stack.wait_until(spoken_text, "the phone did not get the code")
        self._printer.exchange(request, 200, "id", "route", "status", "spoken")
        return "".join(filter(str.isdecimal, text))

    def _wait_for_call(
        self, verification: str, index: int, failure: str, *, code_spoken: bool
    ) -> None:
        def answered_call() -> dict[str, Any] | None:
            calls = self._printer.fetch(self._get(verification))["calls"][index:]
            return calls[0] if calls and calls[0]["status"] == "answered" else None

        call = self._stack.wait_until(answered_call, failure)
        if call["heard"] is not code_spoken:
            raise ScenarioError(f"heard is not {code_spoken}")

    def _get(self, verification: str) -> HttpRequest:
        return HttpRequest("GET", verification, self._stack.api_key)

    def _check(self, verification: str, code: str) -> HttpRequest:
        return HttpRequest("POST", f"{verification}/checks", self._stack.api_key, {"code": code})

    def _url(self, created: dict[str, Any]) -> str:
        return f"{self._stack.url}/v1/verifications/{created['id']}"


def shell_exports(stack: Stack) -> list[str]:
    """Return shell commands that export the addresses and keys of a demo."""
    variables = {
        "OTPVOICE_URL": stack.url,
        "OTPVOICE_API_KEY": stack.api_key,
        "SANDBOX_URL": stack.sandbox_url,
    }
    if stack.options.event_url:
        variables["OTPVOICE_EVENT_SECRET"] = stack.event_secret
    return [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]


def write_shell_exports(stack: Stack) -> None:
    """Write these commands to ``.demo/env``.

    Raises:
        click.ClickException: it cannot be written.
    """
    write_private_file(FOLDER / "env", "\n".join([*shell_exports(stack), ""]))


def print_next_steps(stack: Stack, printer: Printer) -> None:
    """Print what a developer can try while the stack runs."""
    busy, other = "+919812345678", "+919000012345"
    otpvoice = "otpvoice" if shutil.which("otpvoice") else shlex.join(otpvoice_command())
    printer.section("Your turn: everything runs until you press Ctrl-C")
    printer.paragraph(f"In another terminal, set the addresses and the key with  . {FOLDER}/env :")
    printer.paragraph("\n".join(shell_exports(stack)), "cyan")
    printer.paragraph("\nRequest a call and type the code:")
    printer.paragraph(f". {FOLDER}/env\n{otpvoice} verify {other}", "cyan")
    printer.paragraph("\nList the calls of that phone, with the spoken text:")
    printer.request(_calls_request(stack, other))
    printer.paragraph("\nMake a phone busy, then request a call to it:")
    printer.request(HttpRequest("PUT", _phone_url(stack, busy), body={"behaviour": "busy"}))
    printer.request(_create_request(stack, busy))
    printer.paragraph("\nList all requests that the provider received:")
    printer.request(HttpRequest("GET", f"{stack.sandbox_url}/ledger"))
    printer.paragraph("\nCheck this set-up:")
    printer.paragraph(f"OTPVOICE_CONFIG={stack.config_path} {otpvoice} doctor", "cyan")
    for note in _option_notes(stack):
        printer.paragraph(f"\n{note}")
    printer.paragraph(
        f"\nSee, hear and answer the phones in a browser:  {stack.sandbox_url}/"
        f"\nLogs:  {stack.folder}/*.log",
    )


def _option_notes(stack: Stack) -> list[str]:
    """Return one paragraph for each option that is set."""
    options = stack.options
    notes = []
    if options.cors_origins:
        origins = ", ".join(options.cors_origins)
        notes.append(f"Pages of {origins} may use the API with the client_token of a verification.")
    if options.event_url:
        notes.append(f"Events go to {options.event_url}, signed with\n{stack.event_secret}")
    if options.console:
        notes.append(
            f"The operators' console:  {stack.url}/console\n"
            f"Log in with any user name and the password  {options.keys.console_key}"
        )
    return notes


def _create_request(stack: Stack, number: str, name: str = "Asha", **others: str) -> HttpRequest:
    body = {"to": number, "name": name, **others}
    return HttpRequest("POST", f"{stack.url}/v1/verifications", stack.api_key, body)


def _calls_request(stack: Stack, number: str) -> HttpRequest:
    return HttpRequest("GET", f"{_phone_url(stack, number)}/calls")


def _phone_url(stack: Stack, number: str) -> str:
    return f"{stack.sandbox_url}/phones/{number.removeprefix('+')}"
