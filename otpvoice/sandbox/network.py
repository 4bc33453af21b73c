"""The telephone network: phones, calls and their lives, and the ledger."""

import uuid
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import partial
from threading import Condition
from typing import Any

from otpvoice.sandbox.call_request import CallRequest
from otpvoice.sandbox.calls import Attempt, Call, Entry
from otpvoice.sandbox.config import Route, SandboxConfig
from otpvoice.sandbox.flows import render
from otpvoice.sandbox.phones import Phone
from otpvoice.sandbox.schedule import Schedule

_NEW_PHONE = Phone()


class Network:
    """Dials, rings and talks. Thread-safe; ``changed`` guards all and is notified of every step."""

    def __init__(
        self,
        config: SandboxConfig,
        schedule: Schedule,
        changed: Condition,
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

    def phone(self, number: str) -> Phone:
        """The phone with this number; one that nobody set up answers."""
        return self._phones.get(number, _NEW_PHONE)

    def set_phone(self, number: str, phone: Phone) -> None:
        """Tells a phone how to take its next calls; those under way go on as they began."""
        self._phones[number] = phone

    def reset_phone(self, number: str) -> None:
        """Makes it a new phone without calls. The ledger and the call log forget nothing."""
        with self._changed:
            self._phones.pop(number, None)
            self._calls_of.pop(number, None)

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

    def accept(self, request: CallRequest, phone: Phone) -> Call:
        """A call with its id, not dialed yet."""
        style = phone.style_within(self._config.style)
        is_old = request.route == "obd" and style.obd_reply == "older"
        return Call(
            id=f"{uuid.uuid4()}{':1' if is_old else ''}",
            request=request,
            phone=phone,
            style=style,
            text=_text(request, self._config.flows),
        )

    def dial(self, entry: Entry, call: Call) -> None:
        """Begins the call's life. It is in the ledger before the phone can ring."""
        with self._changed:
            entry.call = call
            self._calls[call.id] = call
            self._calls_of[call.request.person].append(call)
        self._ring(call)

    def _ring(self, call: Call) -> None:
        ending = call.phone.ending
        with self._changed:
            call.status = "ringing" if ending.rings else "dialing"
            call.attempts.append(Attempt(rang=ending.rings))
            self._changed.notify_all()
        then = self._give_up if ending.answered_by is None else self._pick_up
        self._schedule.after(self._config.ring_seconds, partial(then, call))

    def _pick_up(self, call: Call) -> None:
        with self._changed:
            call.speak()
            self._changed.notify_all()
        talk = min(self._config.talk_seconds, call.seconds)
        self._schedule.after(talk, partial(self._finish, call))

    def _give_up(self, call: Call) -> None:
        if len(call.attempts) > call.request.redials:
            self._finish(call)
            return
        with self._changed:
            call.hang_up()
            call.status = "queued"
            self._changed.notify_all()
        self._schedule.after(self._pause(call.request), partial(self._ring, call))

    def _pause(self, request: CallRequest) -> float:
        if request.route == "obd":
            return request.interval * self._config.minute_seconds
        return self._config.redial_seconds

    def _finish(self, call: Call) -> None:
        with self._changed:
            call.hang_up()
            call.finish()
            self._changed.notify_all()
        self._report(call)


def _text(request: CallRequest, flows: Mapping[str, str]) -> str:
    if request.flow_id is None:
        return f"(sound {request.audio})"
    return render(flows[request.flow_id], request.variables)
