"""One real call, by the dialer and the API that run, and the person who waits for it."""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from otpvoice.cli.terminal import Terminal
from otpvoice.cli.verify import CALL_STATES
from otpvoice.core.errors import OtpvoiceError
from otpvoice.core.keys import KeyRing
from otpvoice.core.requests import CheckRequest, CreateRequest
from otpvoice.core.service import Verifications
from otpvoice.core.verification import CALL_MOVES, Call, CallStatus, Status, Verification
from otpvoice.providers.exchange_capture import (
    Overheard,
    OverheardCallback,
    OverheardReply,
    open_overheard,
)
from otpvoice.providers.message_shape import outline
from otpvoice.store.redis_store import RedisStore

_ROUND: Final = 0.25
"""Seconds between two looks."""
_NEWS_WITHIN: Final = 1_000
"""Milliseconds from the end of a call in which the message that told it is kept, too."""
_REPLY_WITHIN: Final = 15_000
"""Milliseconds from the request, in which the reply to it is; a callback may overtake it."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of the call."""

    call: Call
    heard: Sequence[tuple[int, Overheard]]
    """What was said about it, with the moments (ms)."""
    right_code: bool | None
    """None: nobody typed one."""
    person_is_there: bool
    """Whether somebody can be asked further."""

    @property
    def reply(self) -> OverheardReply | None:
        """To the last request for the call."""
        replies = [each for _, each in self.heard if isinstance(each, OverheardReply)]
        return replies[-1] if replies else None

    @property
    def callback(self) -> tuple[int, OverheardCallback] | None:
        """The first."""
        for at, each in self.heard:
            if isinstance(each, OverheardCallback):
                return at, each
        return None


class TrialCall:
    """Places the call and stays until it is over.

    Args:
        service: begins and checks, as for any client.
        store: tells what was said about the call.
        ring: opens it.
        terminal: where the person sits.
        client: for whom it is called.
    """

    def __init__(
        self,
        service: Verifications,
        store: RedisStore,
        ring: KeyRing,
        terminal: Terminal,
        client: str,
    ) -> None:
        self._service = service
        self._store = store
        self._ring = ring
        self._terminal = terminal
        self._client = client
        self._heard: list[tuple[int, Overheard]] = []
        self._right_code: bool | None = None
        self._person_is_there = True
        self._gave_up = False

    def place(self, request: CreateRequest) -> Trial:
        """The call, once it is over; the verification is ended then.

        Raises:
            OtpvoiceError: it was refused, or the store went away.
        """
        begun = self._service.try_out(self._client, request)
        self._terminal.print("Type the code that you hear, then Enter. Enter alone: none is heard.")
        try:
            verification = self._until_over(begun)
        finally:
            with suppress(OtpvoiceError):  # approved, or ends by itself
                self._service.cancel(self._client, begun.id)
        return Trial(
            verification.calls[0], tuple(self._heard), self._right_code, self._person_is_there
        )

    def _until_over(self, verification: Verification) -> Verification:
        while not self._is_over(verification):
            self._listen(verification)
            verification = self._service.get(self._client, verification.id)
            self._tell(verification.calls[0])
        return verification

    def _is_over(self, verification: Verification) -> bool:
        call, now = verification.calls[0], verification.now
        if CALL_MOVES[call.status]:
            return call.status is CallStatus.UNKNOWN and not call.is_live(now)
        told = self._has(OverheardCallback) or now > (call.ended_at or 0) + _NEWS_WITHIN
        replied = self._has(OverheardReply) or now > (call.sent_at or 0) + _REPLY_WITHIN
        return told and replied and not self._waits(verification)

    def _has(self, kind: type[Overheard]) -> bool:
        return any(isinstance(each, kind) for _, each in self._heard)

    def _waits(self, verification: Verification) -> bool:
        """Whether somebody may still type what was heard."""
        answered = verification.calls[0].status is CallStatus.ANSWERED
        return answered and self._may_type and verification.status is Status.PENDING

    @property
    def _may_type(self) -> bool:
        return self._person_is_there and not self._gave_up and not self._right_code

    def _listen(self, verification: Verification) -> None:
        if not self._may_type:  # what is typed now is meant for a question that comes later
            time.sleep(_ROUND)
            return
        try:
            typed = self._terminal.read_line(_ROUND)
        except EOFError:
            self._person_is_there = False
            return
        if typed:
            self._check(verification, typed)
        elif typed is not None:
            self._gave_up = True

    def _check(self, verification: Verification, code: str) -> None:
        try:
            checked = self._service.check(self._client, verification.id, CheckRequest(code))
        except OtpvoiceError as refusal:
            self._terminal.print(str(refusal))
            return
        self._right_code = checked.valid
        self._terminal.print("The code is right." if checked.valid else "The code is wrong.")

    def _tell(self, call: Call) -> None:
        known = len(self._heard)
        for at, sealed in self._store.overheard(call.id)[known:]:
            heard = open_overheard(self._ring, call.id, sealed)
            self._heard.append((at, heard))
            self._terminal.print(_headline(heard))
            for line in outline(heard.body):
                self._terminal.print(f"    {line}")
        self._terminal.show_state(CALL_STATES.get(call.status, call.status))


def _headline(heard: Overheard) -> str:
    if isinstance(heard, OverheardCallback):
        return f"A callback came: {heard.method}, {heard.content_type or 'no type'}, {heard.news}"
    if heard.why:
        return f"The provider gave no whole reply within {heard.seconds:.1f} s ({heard.why})"
    return f"The provider answered after {heard.seconds:.1f} s: HTTP {heard.status}"
