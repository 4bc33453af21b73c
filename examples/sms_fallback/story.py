"""What the example tells: an SMS that arrives, one that is lost, and a newer one."""

import re
from typing import Any, Final

from otpvoice.cli.narrator import Narrator, StoryError
from otpvoice.cli.request import Request
from otpvoice.cli.stack import Stack

_ASHA: Final = "+919876543210"
_RAVI: Final = "+919812345678"


def tell(stack: Stack, origin: str, narrator: Narrator) -> None:
    """The story, with the SMS system at ``origin``.

    Raises:
        StoryError: something was answered differently.
        StackError, Stopped: something did not happen in time, or was stopped.
    """
    story = _Story(stack, origin, narrator)
    story.an_sms_arrives()
    story.an_sms_is_lost()
    story.nobody_was_called_needlessly()
    story.a_newer_sms()


class _Story:
    def __init__(self, stack: Stack, origin: str, narrator: Narrator) -> None:
        self._stack = stack
        self._origin = origin
        self._narrator = narrator

    def an_sms_arrives(self) -> None:
        """And its code is typed before the call is due."""
        self._narrator.chapter("An SMS arrives in time, so that no call is needed")
        login = self._begin(_ASHA, "Asha")
        code = _digits(self._inbox(_ASHA)[-1])
        self._enter(login, code, logged_in=True)
        self._narrator.say("It has told otpvoice: the call is canceled, unsent.")

    def an_sms_is_lost(self) -> None:
        """The phone rings instead."""
        self._narrator.chapter("An SMS is lost, so the phone rings and speaks the very same code")
        self._ask("PUT", f"/inbox/{_RAVI}", 200, {"messages": "lost"})
        login = self._begin(_RAVI, "Ravi")
        self._narrator.say("\nThree seconds later:")
        listen = Request("GET", f"{self._stack.sandbox_url}/phones/{_RAVI[1:]}/calls")
        self._stack.wait_until(lambda: self._has_spoken(listen), "no call came")
        (call,) = self._narrator.ask(listen, 200, "spoken", "status")
        self._enter(login, _digits(call["spoken"]), logged_in=True)

    def nobody_was_called_needlessly(self) -> None:
        """The company's own ledger says so."""
        self._narrator.chapter("By now Asha's call would have come: the telephone company's ledger")
        ledger = Request("GET", f"{self._stack.sandbox_url}/ledger")
        calls = self._narrator.ask(ledger, 200, "person", "rang")
        if [call["person"] for call in calls] != [_RAVI[1:]]:
            raise StoryError("somebody else was called")

    def a_newer_sms(self) -> None:
        """The older code is worth nothing."""
        self._narrator.chapter("A newer SMS: the older code is never spoken, and opens nothing")
        login = self._begin(_ASHA, "Asha")
        self._ask("POST", f"/logins/{login}/sms", 200)
        older, newer = map(_digits, self._inbox(_ASHA)[-2:])
        self._enter(login, older, logged_in=False)
        self._enter(login, newer, logged_in=True)

    def _has_spoken(self, listen: Request) -> bool | None:
        calls = self._narrator.look(listen)
        return True if calls and calls[-1]["spoken"] else None

    def _begin(self, number: str, name: str) -> str:
        begun = self._ask("POST", "/logins", 201, {"number": number, "name": name})
        return str(begun["id"])

    def _inbox(self, number: str) -> list[str]:
        messages: list[str] = self._ask("GET", f"/inbox/{number}", 200)
        return messages

    def _enter(self, login: str, code: str, *, logged_in: bool) -> None:
        entered = self._ask("POST", f"/logins/{login}/code", 200, {"code": code})
        if entered["logged_in"] is not logged_in:
            raise StoryError("that code should have been judged differently")

    def _ask(self, method: str, path: str, status: int, body: dict[str, str] | None = None) -> Any:
        given = {} if body is None and method == "POST" else body
        request = Request(method, f"{self._origin}{path}", body=given)
        return self._narrator.ask(request, status, "id", "logged_in", "sent", "messages")


def invite(stack: Stack, origin: str, narrator: Narrator) -> None:
    """What can be tried while everything stays up."""
    meera = "+919900112233"
    narrator.chapter("Your turn")
    for request in (
        Request("PUT", f"{origin}/inbox/{meera}", body={"messages": "lost"}),
        Request("POST", f"{origin}/logins", body={"number": meera, "name": "Meera"}),
        Request("GET", f"{origin}/inbox/{meera}"),
        Request("GET", f"{stack.sandbox_url}/phones/{meera[1:]}/calls"),
    ):
        narrator.show(request)
    narrator.say("")


def _digits(text: str) -> str:
    return "".join(re.findall(r"\d", text))
