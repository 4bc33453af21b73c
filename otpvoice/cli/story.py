"""The story of the demo: one verification, as a login backend and a person with a phone live it."""

import shlex
import shutil
from typing import Any, Final

from otpvoice.cli.children import command_line
from otpvoice.cli.demo_folder import FOLDER, shell_lines
from otpvoice.cli.narrator import Narrator, StoryError
from otpvoice.cli.request import Request
from otpvoice.cli.stack import Stack

NUMBER: Final = "+919876543210"
_HINDI_NUMBER: Final = "+919811223344"
_CALL: Final = ("calls", "id", "status", "reason", "route", "locale", "duration", "heard")
_CHECK: Final = ("status", "checks_left", "valid")


def tell(stack: Stack, narrator: Narrator) -> None:
    """Narrate the verification, from the request for a call to the callback about it.

    Raises:
        StoryError: an answer differs from the story.
        StackError: something did not happen in time.
    """
    story = _Story(stack, narrator)
    verification = story.asks_for_a_call()
    story.hangs_up_too_early(verification)
    code = story.hears_the_code()
    story.hands_in_a_wrong_code(verification, code)
    story.hands_in_the_code(verification, code)
    story.hands_it_in_again(verification, code)
    story.reads_of_the_callback(verification)
    story.hears_hindi()
    narrator.say(f"\nApproved once, and the callback is recorded: {narrator.elapsed}.", "green")


class _Story:
    def __init__(self, stack: Stack, narrator: Narrator) -> None:
        self._stack = stack
        self._narrator = narrator

    def asks_for_a_call(self) -> str:
        """Request the verification, and return its URL."""
        self._narrator.chapter("A login backend asks for a call")
        self._narrator.say("The person will hang up the first call at once, as people do:")
        early = {"behaviour": "hang_up_early", "calls": 1}
        self._narrator.command(Request("PUT", _phone(self._stack, NUMBER), body=early))
        self._narrator.say("")
        created = self._narrator.ask(
            _create(self._stack, NUMBER), 201, "to", "expires_in", "checks_left", *_CALL
        )
        self._narrator.say("The code is in no answer: it is only spoken.")
        return self._url(created)

    def hangs_up_too_early(self, verification: str) -> None:
        """Wait until the service knows that nobody heard the code."""
        self._narrator.chapter("The person hangs up too early: the code was not heard")
        self._wait_for_call(
            verification, 0, "the early end of the call was not noticed", heard=False
        )
        self._narrator.ask(self._get(verification), 200, *_CALL)
        self._narrator.say("So a second call is placed without a request, on the other route.")

    def hears_the_code(self) -> str:
        """Return the code of the second call, as a person would type it."""
        self._narrator.chapter("The phone rings again, and a voice reads the code")
        return self._listen(NUMBER, calls=2)

    def hands_in_a_wrong_code(self, verification: str, code: str) -> None:
        """Mistype one digit."""
        self._narrator.chapter("A wrong code is not accepted")
        mistyped = code[:-1] + str((int(code[-1]) + 1) % 10)
        checked = self._narrator.ask(self._check(verification, mistyped), 200, *_CHECK)
        if checked["valid"] is not False:
            raise StoryError("a wrong code was accepted")

    def hands_in_the_code(self, verification: str, code: str) -> None:
        """Type it as it was heard."""
        self._narrator.chapter("The right code is accepted")
        checked = self._narrator.ask(self._check(verification, code), 200, *_CHECK)
        if checked["valid"] is not True or checked["status"] != "approved":
            raise StoryError("the right code was not accepted")

    def hands_it_in_again(self, verification: str, code: str) -> None:
        """Repeat the code, as a thief would."""
        self._narrator.chapter("Once: the same code is worth nothing now")
        refused = self._narrator.ask(
            self._check(verification, code), 409, "title", "status", "code"
        )
        if refused["code"] != "verification_closed":
            raise StoryError("it was refused for another reason")

    def reads_of_the_callback(self, verification: str) -> None:
        """Wait for the telephone company's message about the second call."""
        self._narrator.chapter("The telephone company called back: the code was heard")
        self._wait_for_call(verification, 1, "the callback was not recorded", heard=True)
        self._narrator.ask(self._get(verification), 200, "to", *_CALL)

    def hears_hindi(self) -> None:
        """Request another call in another language, and approve it too."""
        self._narrator.chapter("The same in Hindi")
        request = _create(self._stack, _HINDI_NUMBER, name="आशा", locale="hi-IN")
        created = self._narrator.ask(request, 201, "to", *_CALL)
        code = self._listen(_HINDI_NUMBER)
        checked = self._narrator.ask(self._check(self._url(created), code), 200, *_CHECK)
        if checked["valid"] is not True:
            raise StoryError("the code that was heard in Hindi was not accepted")

    def _listen(self, number: str, calls: int = 1) -> str:
        """Wait until something is spoken in the last of so many calls, and return its digits."""
        listen = _listen(self._stack, number)

        def spoken() -> str | None:
            found = self._narrator.look(listen)
            return found[-1]["spoken"] if len(found) == calls else None

        heard = self._stack.wait_until(spoken, "the phone heard no code")
        self._narrator.ask(listen, 200, "id", "route", "status", "spoken")
        return "".join(filter(str.isdecimal, heard))

    def _wait_for_call(self, verification: str, index: int, otherwise: str, *, heard: bool) -> None:
        def settled() -> bool | None:
            calls = self._narrator.look(self._get(verification))["calls"]
            is_over = len(calls) > index and calls[index]["status"] == "answered"
            return True if is_over else None

        self._stack.wait_until(settled, otherwise)
        call = self._narrator.look(self._get(verification))["calls"][index]
        if call["heard"] is not heard:
            raise StoryError(f"heard should have been {heard}")

    def _get(self, verification: str) -> Request:
        return Request("GET", verification, self._stack.api_key)

    def _check(self, verification: str, code: str) -> Request:
        return Request("POST", f"{verification}/checks", self._stack.api_key, {"code": code})

    def _url(self, created: dict[str, Any]) -> str:
        return f"{self._stack.url}/v1/verifications/{created['id']}"


def invite(stack: Stack, narrator: Narrator) -> None:
    """Say what can be tried while everything stays up."""
    busy, other = "+919812345678", "+919000012345"
    otpvoice = "otpvoice" if shutil.which("otpvoice") else shlex.join(command_line())
    narrator.chapter("Your turn: all of it runs until you press Ctrl-C")
    narrator.say(f"Another terminal learns addresses and key by  . {FOLDER}/env  which has:")
    narrator.say("\n".join(shell_lines(stack)), "cyan")
    narrator.say("\nBe called, and type the code:")
    narrator.say(f". {FOLDER}/env\n{otpvoice} verify {other}", "cyan")
    narrator.say("\nListen to what that phone hears:")
    narrator.show(_listen(stack, other))
    narrator.say("\nMake a phone busy, then ask for a call to it:")
    narrator.show(Request("PUT", _phone(stack, busy), body={"behaviour": "busy"}))
    narrator.show(_create(stack, busy))
    narrator.say("\nSee every request that the telephone company got:")
    narrator.show(Request("GET", f"{stack.sandbox_url}/ledger"))
    narrator.say("\nCheck this set-up:")
    narrator.say(f"OTPVOICE_CONFIG={stack.configuration} {otpvoice} doctor", "cyan")
    for line in _chosen(stack):
        narrator.say(f"\n{line}")
    narrator.say(
        f"\nThe phones, to see, hear and answer, in a browser:  {stack.sandbox_url}/"
        f"\nLogs:  {stack.folder}/*.log",
    )


def _chosen(stack: Stack) -> list[str]:
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


def _create(stack: Stack, number: str, name: str = "Asha", **others: str) -> Request:
    body = {"to": number, "name": name, **others}
    return Request("POST", f"{stack.url}/v1/verifications", stack.api_key, body)


def _listen(stack: Stack, number: str) -> Request:
    return Request("GET", f"{_phone(stack, number)}/calls")


def _phone(stack: Stack, number: str) -> str:
    return f"{stack.sandbox_url}/phones/{number.removeprefix('+')}"
