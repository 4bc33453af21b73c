"""The story of the demo: one verification, as a login backend and a person with a phone live it."""

import shlex
import shutil
from typing import Any, Final

from otpvoice.cli.demo_folder import FOLDER, shell_exports
from otpvoice.cli.narrator import Printer, ScenarioError
from otpvoice.cli.request import HttpRequest
from otpvoice.cli.stack import Stack
from otpvoice.cli.subprocesses import otpvoice_command

DEMO_NUMBER: Final = "+919876543210"
_HINDI_NUMBER: Final = "+919811223344"
_CALL: Final = ("calls", "id", "status", "reason", "route", "locale", "duration", "heard")
_CHECK: Final = ("status", "checks_left", "valid")


def run_scenario(stack: Stack, narrator: Printer) -> None:
    """Narrate the verification, from the request for a call to the callback about it.

    Raises:
        StoryError: an answer differs from the story.
        StackError: something did not happen in time.
    """
    story = _Scenario(stack, narrator)
    verification = story.request_call()
    story.wait_for_early_hang_up(verification)
    code = story.wait_for_second_call()
    story.check_wrong_code(verification, code)
    story.check_code(verification, code)
    story.check_code_again(verification, code)
    story.wait_for_callback(verification)
    story.verify_in_hindi()
    narrator.paragraph(
        f"\nApproved once, and the callback is recorded: {narrator.elapsed}.", "green"
    )


class _Scenario:
    def __init__(self, stack: Stack, narrator: Printer) -> None:
        self._stack = stack
        self._narrator = narrator

    def request_call(self) -> str:
        """Request the verification, and return its URL."""
        self._narrator.section("A login backend asks for a call")
        self._narrator.paragraph("The person will hang up the first call at once, as people do:")
        early = {"behaviour": "hang_up_early", "calls": 1}
        self._narrator.run(HttpRequest("PUT", _phone_url(self._stack, DEMO_NUMBER), body=early))
        self._narrator.paragraph("")
        created = self._narrator.exchange(
            _create_request(self._stack, DEMO_NUMBER),
            201,
            "to",
            "expires_in",
            "checks_left",
            *_CALL,
        )
        self._narrator.paragraph("The code is in no answer: it is only spoken.")
        return self._url(created)

    def wait_for_early_hang_up(self, verification: str) -> None:
        """Wait until the service knows that nobody heard the code."""
        self._narrator.section("The person hangs up too early: the code was not heard")
        self._wait_for_call(
            verification, 0, "the early end of the call was not noticed", code_spoken=False
        )
        self._narrator.exchange(self._get(verification), 200, *_CALL)
        self._narrator.paragraph(
            "So a second call is placed without a request, on the other route."
        )

    def wait_for_second_call(self) -> str:
        """Return the code of the second call, as a person would type it."""
        self._narrator.section("The phone rings again, and a voice reads the code")
        return self._wait_for_code(DEMO_NUMBER, calls=2)

    def check_wrong_code(self, verification: str, code: str) -> None:
        """Mistype one digit."""
        self._narrator.section("A wrong code is not accepted")
        mistyped = code[:-1] + str((int(code[-1]) + 1) % 10)
        checked = self._narrator.exchange(self._check(verification, mistyped), 200, *_CHECK)
        if checked["valid"] is not False:
            raise ScenarioError("a wrong code was accepted")

    def check_code(self, verification: str, code: str) -> None:
        """Type it as it was heard."""
        self._narrator.section("The right code is accepted")
        checked = self._narrator.exchange(self._check(verification, code), 200, *_CHECK)
        if checked["valid"] is not True or checked["status"] != "approved":
            raise ScenarioError("the right code was not accepted")

    def check_code_again(self, verification: str, code: str) -> None:
        """Repeat the code, as a thief would."""
        self._narrator.section("Once: the same code is worth nothing now")
        refused = self._narrator.exchange(
            self._check(verification, code), 409, "title", "status", "code"
        )
        if refused["code"] != "verification_closed":
            raise ScenarioError("it was refused for another reason")

    def wait_for_callback(self, verification: str) -> None:
        """Wait for the telephone company's message about the second call."""
        self._narrator.section("The telephone company called back: the code was heard")
        self._wait_for_call(verification, 1, "the callback was not recorded", code_spoken=True)
        self._narrator.exchange(self._get(verification), 200, "to", *_CALL)

    def verify_in_hindi(self) -> None:
        """Request another call in another language, and approve it too."""
        self._narrator.section("The same in Hindi")
        request = _create_request(self._stack, _HINDI_NUMBER, name="आशा", locale="hi-IN")
        created = self._narrator.exchange(request, 201, "to", *_CALL)
        code = self._wait_for_code(_HINDI_NUMBER)
        checked = self._narrator.exchange(self._check(self._url(created), code), 200, *_CHECK)
        if checked["valid"] is not True:
            raise ScenarioError("the code that was heard in Hindi was not accepted")

    def _wait_for_code(self, number: str, calls: int = 1) -> str:
        """Wait until something is spoken in the last of so many calls, and return its digits."""
        listen = _calls_request(self._stack, number)

        def spoken() -> str | None:
            found = self._narrator.fetch(listen)
            return found[-1]["spoken"] if len(found) == calls else None

        heard = self._stack.wait_until(spoken, "the phone heard no code")
        self._narrator.exchange(listen, 200, "id", "route", "status", "spoken")
        return "".join(filter(str.isdecimal, heard))

    def _wait_for_call(
        self, verification: str, index: int, failure: str, *, code_spoken: bool
    ) -> None:
        def settled() -> bool | None:
            calls = self._narrator.fetch(self._get(verification))["calls"]
            is_over = len(calls) > index and calls[index]["status"] == "answered"
            return True if is_over else None

        self._stack.wait_until(settled, failure)
        call = self._narrator.fetch(self._get(verification))["calls"][index]
        if call["heard"] is not code_spoken:
            raise ScenarioError(f"heard should have been {code_spoken}")

    def _get(self, verification: str) -> HttpRequest:
        return HttpRequest("GET", verification, self._stack.api_key)

    def _check(self, verification: str, code: str) -> HttpRequest:
        return HttpRequest("POST", f"{verification}/checks", self._stack.api_key, {"code": code})

    def _url(self, created: dict[str, Any]) -> str:
        return f"{self._stack.url}/v1/verifications/{created['id']}"


def print_next_steps(stack: Stack, narrator: Printer) -> None:
    """Say what can be tried while everything stays up."""
    busy, other = "+919812345678", "+919000012345"
    otpvoice = "otpvoice" if shutil.which("otpvoice") else shlex.join(otpvoice_command())
    narrator.section("Your turn: all of it runs until you press Ctrl-C")
    narrator.paragraph(f"Another terminal learns addresses and key by  . {FOLDER}/env  which has:")
    narrator.paragraph("\n".join(shell_exports(stack)), "cyan")
    narrator.paragraph("\nBe called, and type the code:")
    narrator.paragraph(f". {FOLDER}/env\n{otpvoice} verify {other}", "cyan")
    narrator.paragraph("\nListen to what that phone hears:")
    narrator.request(_calls_request(stack, other))
    narrator.paragraph("\nMake a phone busy, then ask for a call to it:")
    narrator.request(HttpRequest("PUT", _phone_url(stack, busy), body={"behaviour": "busy"}))
    narrator.request(_create_request(stack, busy))
    narrator.paragraph("\nSee every request that the telephone company got:")
    narrator.request(HttpRequest("GET", f"{stack.sandbox_url}/ledger"))
    narrator.paragraph("\nCheck this set-up:")
    narrator.paragraph(f"OTPVOICE_CONFIG={stack.config_path} {otpvoice} doctor", "cyan")
    for line in _option_notes(stack):
        narrator.paragraph(f"\n{line}")
    narrator.paragraph(
        f"\nThe phones, to see, hear and answer, in a browser:  {stack.sandbox_url}/"
        f"\nLogs:  {stack.folder}/*.log",
    )


def _option_notes(stack: Stack) -> list[str]:
    """Return what follows from the options of this demo, a paragraph for each."""
    options = stack.options
    origins, event_url = ", ".join(options.cors_origins), options.event_url
    paragraphs = {
        f"Pages of {origins} may use the API, with the client_token of a verification.": origins,
        f"Events of each verification go to {event_url}, signed with\n{stack.event_secret}": (
            event_url
        ),
        f"The operators' console:  {stack.url}/console\n"
        f"Any letters as the name, and as the password  {options.keys.console_key}": (
            options.console
        ),
    }
    return [paragraph for paragraph, is_chosen in paragraphs.items() if is_chosen]


def _create_request(stack: Stack, number: str, name: str = "Asha", **others: str) -> HttpRequest:
    body = {"to": number, "name": name, **others}
    return HttpRequest("POST", f"{stack.url}/v1/verifications", stack.api_key, body)


def _calls_request(stack: Stack, number: str) -> HttpRequest:
    return HttpRequest("GET", f"{_phone_url(stack, number)}/calls")


def _phone_url(stack: Stack, number: str) -> str:
    return f"{stack.sandbox_url}/phones/{number.removeprefix('+')}"
