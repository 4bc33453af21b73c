"""The telephone network: phones, calls and their lives, and the ledger."""

import uuid
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from otpvoice.sandbox.call_request import CallRequest
from otpvoice.sandbox.calls import Attempt, Call, Entry, Reply
from otpvoice.sandbox.changes import Changes
from otpvoice.sandbox.config import Route, SandboxConfig
from otpvoice.sandbox.desk import Desk
from otpvoice.sandbox.flows import render
from otpvoice.sandbox.phones import BUTTONS, HANG_UP, Phone
from otpvoice.sandbox.schedule import Schedule
from otpvoice.sandbox.speech import language_of

_NEW_PHONE = Phone()


class Network:
    """Dials, rings and talks. Thread-safe; ``changed`` guards all and is notified of every step."""

    def __init__(
        self,
        config: SandboxConfig,
        schedule: Schedule,
        changed: Changes,
        report: Callable[[Call], None],
    ) -> None:
        self._config = config
        self._schedule = schedule
        self._changed = changed
        self._report = report
        self._phones: dict[str, Phone] = {}
        self._calls_of: defaultdict[str, list[Call]] = defaultdict(list)
        self._calls: dict[str, Call] = {}
        self._ledger: list[Entry] = []
        self.desk = Desk()

    def phone(self, number: str) -> Phone:
        """The phone with this number; one that nobody set up answers."""
        return self._phones.get(number, _NEW_PHONE)

    def phone_for_call(self, number: str) -> Phone:
        """Return the phone that takes the next call, and count that call."""
        with self._changed:
            phone = self.phone(number)
            if phone.calls == 1:
                self._phones.pop(number, None)
            elif phone.calls:
                self._phones[number] = replace(phone, calls=phone.calls - 1)
            return phone

    def set_phone(self, number: str, phone: Phone) -> None:
        """Tells a phone how to take its next calls; those under way go on as they began."""
        with self._changed:
            self._phones[number] = phone
            self.desk.lay(number)
            self._changed.notify_all()

    def reset_phone(self, number: str) -> None:
        """Makes it a new phone without calls. The ledger and the call log forget nothing."""
        with self._changed:
            self._phones.pop(number, None)
            self._calls_of.pop(number, None)
            self.desk.take_away(number)
            self._changed.notify_all()

    def press(self, number: str, button: str) -> bool:
        """Presses one of ``BUTTONS`` or ``HANG_UP``; whether there is a call that it is for."""
        with self._changed:
            call = self.call_at(number)
            if call is None or call.status != ("talking" if button == HANG_UP else "ringing"):
                return False
            call.turn += 1
            if button == HANG_UP:
                call.cut_short()
                self._finish(call)
            else:
                call.ending = BUTTONS[button]
                self._end_ringing(call)
            return True

    def call_at(self, number: str) -> Call | None:
        """The call that the phone rings or talks with, the oldest if several; else its last."""
        calls = self._calls_of.get(number, [])
        busy = (call for call in calls if call.status in {"ringing", "talking"})
        return next(busy, calls[-1] if calls else None)

    def call(self, call_id: str) -> Call | None:
        """The call with this id."""
        return self._calls.get(call_id)

    def calls(self) -> list[Call]:
        """Every call, oldest first."""
        with self._changed:
            return list(self._calls.values())

    def calls_to(self, number: str) -> list[dict[str, Any]]:
        """What the phone's owner sees, oldest first."""
        with self._changed:
            return [call.as_json() for call in self._calls_of.get(number, ())]

    def ledger(self) -> list[dict[str, Any]]:
        """Every request for a call in the order of arrival."""
        with self._changed:
            return [entry.as_json() for entry in self._ledger]

    def enter(self, route: Route, request: Any) -> Entry:
        """Writes a request into the ledger, before anything else is done about it."""
        entry = Entry(route=route, request=request)
        with self._changed:
            self._ledger.append(entry)
            self._changed.notify_all()
        return entry

    def answer(self, entry: Entry, reply: Reply) -> None:
        """Writes beside a request what it was answered."""
        with self._changed:
            entry.reply = reply
            self._changed.notify_all()

    def newest(self, count: int) -> list[tuple[int, Entry]]:
        """The last requests, the newest first, each with its place in the ledger."""
        with self._changed:
            first = max(0, len(self._ledger) - count)
            return [*enumerate(self._ledger[first:], first)][::-1]

    def accept(self, request: CallRequest, phone: Phone) -> Call:
        """A call with its id, not dialed yet."""
        style = phone.style_within(self._config.style)
        text = _text(request, self._config)
        chosen = self._config.languages.get(request.flow_id or "")
        is_old = request.route == "obd" and style.obd_reply == "older"
        return Call(
            id=f"{uuid.uuid4()}{':1' if is_old else ''}",
            request=request,
            phone=phone,
            style=style,
            text=text,
            language=chosen or language_of(text),
            ending=phone.ending,
        )

    def dial(self, entry: Entry, call: Call) -> None:
        """Begins the call's life. It is in the ledger before the phone can ring."""
        with self._changed:
            entry.call = call
            self._calls[call.id] = call
            self._calls_of[call.request.person].append(call)
            self.desk.lay(call.request.person)
        self._ring(call)

    def _ring(self, call: Call) -> None:
        with self._changed:
            call.ending = call.phone.ending
            call.status = "ringing" if call.ending.rings else "dialing"
            call.attempts.append(Attempt(rang=call.ending.rings))
            by_hand = call.phone.is_by_hand
            rings = call.phone.seconds if by_hand else self._config.ring_seconds
            self._later(rings, self._end_ringing, call)
            self._changed.notify_all()

    def _later(self, seconds: float, step: Callable[[Call], None], call: Call) -> None:
        """The call's next step, in so many seconds, unless a button is pressed before.

        Asked for and taken under the lock, so that a call is never in two steps at once.
        """
        self._schedule.after(seconds, partial(self._take, step, call, call.turn))

    def _take(self, step: Callable[[Call], None], call: Call, turn: int) -> None:
        with self._changed:
            if call.turn == turn:
                call.turn += 1
                step(call)

    def _end_ringing(self, call: Call) -> None:
        if call.ending.answered_by is not None:
            self._pick_up(call)
        elif len(call.attempts) <= call.request.redials:
            self._dial_again(call)
        else:
            self._finish(call)

    def _pick_up(self, call: Call) -> None:
        call.speak()
        by_hand = call.phone.is_by_hand
        talk = call.seconds if by_hand else min(self._config.talk_seconds, call.seconds)
        self._later(talk, self._finish, call)
        self._changed.notify_all()

    def _dial_again(self, call: Call) -> None:
        call.hang_up()
        call.status = "queued"
        self._later(self._pause(call.request), self._ring, call)
        self._changed.notify_all()

    def _pause(self, request: CallRequest) -> float:
        if request.route == "obd":
            return request.interval * self._config.minute_seconds
        return self._config.redial_seconds

    def _finish(self, call: Call) -> None:
        call.hang_up()
        call.finish()
        self._changed.notify_all()
        self._report(call)


def _text(request: CallRequest, config: SandboxConfig) -> str:
    if request.flow_id is None:
        return f"(sound {request.audio})"
    return render(config.text_of(request.flow_id), request.variables)
