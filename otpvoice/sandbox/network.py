"""The telephone network: phones, calls and their lives, and the ledger."""

import uuid
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from otpvoice.sandbox.call_request import CallRequest
from otpvoice.sandbox.calls import Attempt, Call, Reply, RequestLogEntry
from otpvoice.sandbox.changes import ChangeCondition
from otpvoice.sandbox.config import Route, SandboxConfig
from otpvoice.sandbox.desk import PhoneList
from otpvoice.sandbox.flows import render
from otpvoice.sandbox.phones import BUTTONS, HANG_UP, Phone
from otpvoice.sandbox.schedule import Scheduler
from otpvoice.sandbox.speech import detect_language

_DEFAULT_PHONE = Phone()


class PhoneNetwork:
    """Dials, rings and talks. Thread-safe; ``changed`` guards all and is notified of every step."""

    def __init__(
        self,
        config: SandboxConfig,
        scheduler: Scheduler,
        changes: ChangeCondition,
        on_call_ended: Callable[[Call], None],
    ) -> None:
        self._config = config
        self._scheduler = scheduler
        self._changes = changes
        self._on_call_ended = on_call_ended
        self._phones: dict[str, Phone] = {}
        self._calls_by_number: defaultdict[str, list[Call]] = defaultdict(list)
        self._calls: dict[str, Call] = {}
        self._request_log: list[RequestLogEntry] = []
        self.phone_list = PhoneList()

    def get_phone(self, number: str) -> Phone:
        """The phone with this number; one that nobody set up answers."""
        return self._phones.get(number, _DEFAULT_PHONE)

    def take_phone(self, number: str) -> Phone:
        """Return the phone that takes the next call, and count that call."""
        with self._changes:
            phone = self.get_phone(number)
            if phone.calls == 1:
                self._phones.pop(number, None)
            elif phone.calls:
                self._phones[number] = replace(phone, calls=phone.calls - 1)
            return phone

    def set_phone(self, number: str, phone: Phone) -> None:
        """Tells a phone how to take its next calls; those under way go on as they began."""
        with self._changes:
            self._phones[number] = phone
            self.phone_list.add(number)
            self._changes.notify_all()

    def reset_phone(self, number: str) -> None:
        """Makes it a new phone without calls. The ledger and the call log forget nothing."""
        with self._changes:
            self._phones.pop(number, None)
            self._calls_by_number.pop(number, None)
            self.phone_list.remove(number)
            self._changes.notify_all()

    def press_button(self, number: str, button: str) -> bool:
        """Presses one of ``BUTTONS`` or ``HANG_UP``; whether there is a call that it is for."""
        with self._changes:
            call = self.current_call(number)
            if call is None or call.status != ("talking" if button == HANG_UP else "ringing"):
                return False
            call.step += 1
            if button == HANG_UP:
                call.hang_up_early()
                self._end(call)
            else:
                call.outcome = BUTTONS[button]
                self._end_ringing(call)
            return True

    def current_call(self, number: str) -> Call | None:
        """The call that the phone rings or talks with, the oldest if several; else its last."""
        calls = self._calls_by_number.get(number, [])
        busy = (call for call in calls if call.status in {"ringing", "talking"})
        return next(busy, calls[-1] if calls else None)

    def get_call(self, call_id: str) -> Call | None:
        """The call with this id."""
        return self._calls.get(call_id)

    def list_calls(self) -> list[Call]:
        """Every call, oldest first."""
        with self._changes:
            return list(self._calls.values())

    def phone_calls(self, number: str) -> list[dict[str, Any]]:
        """What the phone's owner sees, oldest first."""
        with self._changes:
            return [call.as_json() for call in self._calls_by_number.get(number, ())]

    def request_log(self) -> list[dict[str, Any]]:
        """Every request for a call in the order of arrival."""
        with self._changes:
            return [entry.as_json() for entry in self._request_log]

    def log_request(self, route: Route, request: Any) -> RequestLogEntry:
        """Writes a request into the ledger, before anything else is done about it."""
        entry = RequestLogEntry(route=route, request=request)
        with self._changes:
            self._request_log.append(entry)
            self._changes.notify_all()
        return entry

    def log_reply(self, entry: RequestLogEntry, reply: Reply) -> None:
        """Writes beside a request what it was answered."""
        with self._changes:
            entry.reply = reply
            self._changes.notify_all()

    def last_requests(self, count: int) -> list[tuple[int, RequestLogEntry]]:
        """The last requests, the newest first, each with its place in the ledger."""
        with self._changes:
            first = max(0, len(self._request_log) - count)
            return [*enumerate(self._request_log[first:], first)][::-1]

    def create_call(self, request: CallRequest, phone: Phone) -> Call:
        """A call with its id, not dialed yet."""
        style = phone.reply_style_for(self._config.reply_style)
        text = _spoken_text(request, self._config)
        chosen = self._config.languages.get(request.flow_id or "")
        is_old = request.route == "obd" and style.obd_reply == "older"
        return Call(
            id=f"{uuid.uuid4()}{':1' if is_old else ''}",
            request=request,
            phone=phone,
            reply_style=style,
            text=text,
            language=chosen or detect_language(text),
            outcome=phone.outcome,
        )

    def dial(self, entry: RequestLogEntry, call: Call) -> None:
        """Begins the call's life. It is in the ledger before the phone can ring."""
        with self._changes:
            entry.call = call
            self._calls[call.id] = call
            self._calls_by_number[call.request.callee].append(call)
            self.phone_list.add(call.request.callee)
        self._ring(call)

    def _ring(self, call: Call) -> None:
        with self._changes:
            call.outcome = call.phone.outcome
            call.status = "ringing" if call.outcome.rings else "dialing"
            call.attempts.append(Attempt(rang=call.outcome.rings))
            by_hand = call.phone.is_manual
            rings = call.phone.seconds if by_hand else self._config.ring_seconds
            self._schedule_step(rings, self._end_ringing, call)
            self._changes.notify_all()

    def _schedule_step(self, seconds: float, step: Callable[[Call], None], call: Call) -> None:
        """The call's next step, in so many seconds, unless a button is pressed before.

        Asked for and taken under the lock, so that a call is never in two steps at once.
        """
        self._scheduler.run_later(seconds, partial(self._run_step, step, call, call.step))

    def _run_step(self, step: Callable[[Call], None], call: Call, scheduled_at_step: int) -> None:
        with self._changes:
            if call.step == scheduled_at_step:
                call.step += 1
                step(call)

    def _end_ringing(self, call: Call) -> None:
        if call.outcome.answered_by is not None:
            self._answer(call)
        elif len(call.attempts) <= call.request.max_redials:
            self._redial(call)
        else:
            self._end(call)

    def _answer(self, call: Call) -> None:
        call.answer()
        by_hand = call.phone.is_manual
        talk = call.talk_seconds if by_hand else min(self._config.talk_seconds, call.talk_seconds)
        self._schedule_step(talk, self._end, call)
        self._changes.notify_all()

    def _redial(self, call: Call) -> None:
        call.end_attempt()
        call.status = "queued"
        self._schedule_step(self._redial_delay(call.request), self._ring, call)
        self._changes.notify_all()

    def _redial_delay(self, request: CallRequest) -> float:
        if request.route == "obd":
            return request.interval_minutes * self._config.minute_seconds
        return self._config.redial_seconds

    def _end(self, call: Call) -> None:
        call.end_attempt()
        call.end()
        self._changes.notify_all()
        self._on_call_ended(call)


def _spoken_text(request: CallRequest, config: SandboxConfig) -> str:
    if request.flow_id is None:
        return f"(sound {request.audio})"
    return render(config.flow_text(request.flow_id), request.variables)
