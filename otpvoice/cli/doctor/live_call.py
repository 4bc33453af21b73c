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
from otpvoice.core.verification import CALL_TRANSITIONS, Call, CallStatus, Status, Verification
from otpvoice.providers.exchange_capture import (
    CapturedCallback,
    CapturedExchange,
    CapturedResponse,
    decrypt_exchange,
)
from otpvoice.providers.message_shape import describe_values
from otpvoice.store.redis_store import RedisStore

_POLL_INTERVAL_S: Final = 0.25
"""Seconds between two looks."""
_CALLBACK_GRACE_MS: Final = 1_000
"""Milliseconds from the end of a call in which the message that told it is kept, too."""
_REPLY_GRACE_MS: Final = 15_000
"""Milliseconds from the request, in which the reply to it is; a callback may overtake it."""


@dataclass(frozen=True, slots=True)
class LiveCallResult:
    """What became of the call."""

    call: Call
    exchanges: Sequence[tuple[int, CapturedExchange]]
    """What was said about it, with the moments (ms)."""
    code_correct: bool | None
    """None: nobody typed one."""
    user_present: bool
    """Whether somebody can be asked further."""

    @property
    def reply(self) -> CapturedResponse | None:
        """To the last request for the call."""
        replies = [each for _, each in self.exchanges if isinstance(each, CapturedResponse)]
        return replies[-1] if replies else None

    @property
    def callback(self) -> tuple[int, CapturedCallback] | None:
        """The first."""
        for at, each in self.exchanges:
            if isinstance(each, CapturedCallback):
                return at, each
        return None


class LiveCall:
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
        self._exchanges: list[tuple[int, CapturedExchange]] = []
        self._code_correct: bool | None = None
        self._user_present = True
        self._code_not_heard = False

    def place(self, request: CreateRequest) -> LiveCallResult:
        """The call, once it is over; the verification is ended then.

        Raises:
            OtpvoiceError: it was refused, or the store went away.
        """
        verification = self._service.create_live_test(self._client, request)
        self._terminal.print("Type the code that you hear, then Enter. Enter alone: none is heard.")
        try:
            verification = self._until_over(verification)
        finally:
            with suppress(OtpvoiceError):  # approved, or ends by itself
                self._service.cancel(self._client, verification.id)
        return LiveCallResult(
            verification.calls[0], tuple(self._exchanges), self._code_correct, self._user_present
        )

    def _until_over(self, verification: Verification) -> Verification:
        while not self._is_over(verification):
            self._read_input(verification)
            verification = self._service.get(self._client, verification.id).verification
            self._print_progress(verification.calls[0])
        return verification

    def _is_over(self, verification: Verification) -> bool:
        call, now = verification.calls[0], verification.now
        if CALL_TRANSITIONS[call.status]:
            return call.status is CallStatus.UNKNOWN and not call.is_live(now)
        has_callback = (
            self._has_captured(CapturedCallback) or now > (call.ended_at or 0) + _CALLBACK_GRACE_MS
        )
        has_reply = (
            self._has_captured(CapturedResponse) or now > (call.sent_at or 0) + _REPLY_GRACE_MS
        )
        return has_callback and has_reply and not self._awaits_code(verification)

    def _has_captured(self, kind: type[CapturedExchange]) -> bool:
        return any(isinstance(each, kind) for _, each in self._exchanges)

    def _awaits_code(self, verification: Verification) -> bool:
        """Whether somebody may still type what was heard."""
        answered = verification.calls[0].status is CallStatus.ANSWERED
        return answered and self._accepts_code and verification.status is Status.PENDING

    @property
    def _accepts_code(self) -> bool:
        return self._user_present and not self._code_not_heard and not self._code_correct

    def _read_input(self, verification: Verification) -> None:
        if not self._accepts_code:  # what is typed now is meant for a question that comes later
            time.sleep(_POLL_INTERVAL_S)
            return
        try:
            typed = self._terminal.read_line(_POLL_INTERVAL_S)
        except EOFError:
            self._user_present = False
            return
        if typed:
            self._check(verification, typed)
        elif typed is not None:
            self._code_not_heard = True

    def _check(self, verification: Verification, code: str) -> None:
        try:
            checked = self._service.check(self._client, verification.id, CheckRequest(code))
        except OtpvoiceError as refusal:
            self._terminal.print(str(refusal))
            return
        self._code_correct = checked.valid
        self._terminal.print("The code is right." if checked.valid else "The code is wrong.")

    def _print_progress(self, call: Call) -> None:
        shown = len(self._exchanges)
        for at, sealed in self._store.captured(call.id)[shown:]:
            exchange = decrypt_exchange(self._ring, call.id, sealed)
            self._exchanges.append((at, exchange))
            self._terminal.print(_headline(exchange))
            for line in describe_values(exchange.body):
                self._terminal.print(f"    {line}")
        self._terminal.show_state(CALL_STATES.get(call.status, call.status))


def _headline(exchange: CapturedExchange) -> str:
    if isinstance(exchange, CapturedCallback):
        content_type = exchange.content_type or "no type"
        return f"A callback came: {exchange.method}, {content_type}, {exchange.match}"
    if exchange.error:
        duration = f"{exchange.duration_s:.1f} s"
        return f"The provider gave no whole reply within {duration} ({exchange.error})"
    return f"The provider answered after {exchange.duration_s:.1f} s: HTTP {exchange.status}"
