"""What the demo tells: one verification, as a login backend and a person with a phone live it."""

import shlex
import shutil
from typing import Final

from otpvoice.cli.children import command_line
from otpvoice.cli.narrator import Narrator, StoryError
from otpvoice.cli.request import Request
from otpvoice.cli.stack import Stack

NUMBER: Final = "+919876543210"
_CALL: Final = ("calls", "id", "status", "reason", "route", "duration")


def tell(stack: Stack, narrator: Narrator) -> None:
    """The verification, from the request for a call to the callback about it.

    Raises:
        StoryError: something was answered differently.
        StackError: something did not happen in time.
    """
    story = _Story(stack, narrator)
    verification = story.asks_for_a_call()
    code = story.hears_the_code()
    story.hands_in_a_wrong_code(verification, code)
    story.hands_in_the_code(verification, code)
    story.hands_it_in_again(verification, code)
    story.reads_of_the_callback(verification)
    narrator.say(f"\nApproved once, and the callback is recorded: {narrator.elapsed}.", "green")


class _Story:
    def __init__(self, stack: Stack, narrator: Narrator) -> None:
        self._stack = stack
        self._narrator = narrator

    def asks_for_a_call(self) -> str:
        """The URL of the new verification."""
        self._narrator.chapter("A login backend asks for a call")
        created = self._narrator.ask(
            _create(self._stack, NUMBER), 201, "to", "expires_in", "checks_left", *_CALL
        )
        self._narrator.say("The code is in no answer: it is only spoken.")
        return f"{self._stack.url}/v1/verifications/{created['id']}"

    def hears_the_code(self) -> str:
        """What a person would type in."""
        self._narrator.chapter("The phone rings, and a voice reads the code")
        listen = _listen(self._stack, NUMBER)

        def spoken() -> str | None:
            calls = self._narrator.look(listen)
            return calls[-1]["spoken"] if calls else None

        heard = self._stack.wait_until(spoken, "the phone heard no code")
        self._narrator.ask(listen, 200, "id", "route", "status", "spoken")
        return "".join(filter(str.isdigit, heard))

    def hands_in_a_wrong_code(self, verification: str, code: str) -> None:
        """One digit is mistyped."""
        self._narrator.chapter("A wrong code is not accepted")
        mistyped = code[:-1] + str((int(code[-1]) + 1) % 10)
        checked = self._narrator.ask(
            self._check(verification, mistyped), 200, "status", "checks_left", "valid"
        )
        if checked["valid"] is not False:
            raise StoryError("a wrong code was accepted")

    def hands_in_the_code(self, verification: str, code: str) -> None:
        """As it was heard."""
        self._narrator.chapter("The right code is accepted")
        checked = self._narrator.ask(
            self._check(verification, code), 200, "status", "checks_left", "valid"
        )
        if checked["valid"] is not True or checked["status"] != "approved":
            raise StoryError("the right code was not accepted")

    def hands_it_in_again(self, verification: str, code: str) -> None:
        """As a thief would."""
        self._narrator.chapter("Once: the same code is worth nothing now")
        refused = self._narrator.ask(
            self._check(verification, code), 409, "title", "status", "code"
        )
        if refused["code"] != "verification_closed":
            raise StoryError("it was refused for another reason")

    def reads_of_the_callback(self, verification: str) -> None:
        """The telephone company has told how the call ended."""
        self._narrator.chapter("The telephone company called back: the call was answered")
        look = Request("GET", verification, self._stack.api_key)

        def answered() -> bool | None:
            call = self._narrator.look(look)["calls"][-1]
            return True if call["status"] == "answered" else None

        self._stack.wait_until(answered, "the callback was not recorded")
        self._narrator.ask(look, 200, "to", *_CALL)

    def _check(self, verification: str, code: str) -> Request:
        return Request("POST", f"{verification}/checks", self._stack.api_key, {"code": code})


def invite(stack: Stack, narrator: Narrator) -> None:
    """Tells what can be tried while everything stays up."""
    busy, other = "+919812345678", "+919000012345"
    otpvoice = "otpvoice" if shutil.which("otpvoice") else shlex.join(command_line())
    narrator.chapter("Your turn: all of it runs until you press Ctrl-C")
    narrator.say("Be called, and type the code, in another terminal:")
    narrator.say(
        f"export OTPVOICE_URL={stack.url} OTPVOICE_API_KEY={stack.api_key}\n"
        f"{otpvoice} verify {other}",
        "cyan",
    )
    narrator.say("\nListen to what that phone hears:")
    narrator.show(_listen(stack, other))
    narrator.say("\nMake a phone busy, then ask for a call to it:")
    narrator.show(Request("PUT", _phone(stack, busy), body={"behaviour": "busy"}))
    narrator.show(_create(stack, busy))
    narrator.say("\nSee every request that the telephone company got:")
    narrator.show(Request("GET", f"{stack.sandbox_url}/ledger"))
    narrator.say("\nCheck this set-up:")
    narrator.say(f"OTPVOICE_CONFIG={stack.configuration} {otpvoice} doctor", "cyan")
    narrator.say(
        f"\nThe phones, to see, hear and answer, in a browser:  {stack.sandbox_url}/"
        f"\nLogs:  {stack.folder}/*.log",
    )


def _create(stack: Stack, number: str) -> Request:
    body = {"to": number, "name": "Asha"}
    return Request("POST", f"{stack.url}/v1/verifications", stack.api_key, body)


def _listen(stack: Stack, number: str) -> Request:
    return Request("GET", f"{_phone(stack, number)}/calls")


def _phone(stack: Stack, number: str) -> str:
    return f"{stack.sandbox_url}/phones/{number.removeprefix('+')}"
