"""State of one sandbox: phones, the life of each call, the request log and callbacks."""

import logging
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Final

from flask import current_app

from otpvoice_sandbox.callbacks import CallbackSender
from otpvoice_sandbox.calls import Attempt, Call, RequestLogEntry
from otpvoice_sandbox.config import SandboxConfig
from otpvoice_sandbox.flow_text import detect_language, flow_speech, speech_seconds
from otpvoice_sandbox.parsing import CallRequest, FetchedSpeech, SpeechFault
from otpvoice_sandbox.phones import BEHAVIOURS, BUTTONS, CANCELED, HANG_UP, KEYS, Phone, PhoneList
from otpvoice_sandbox.rates import RateLimit, StartQueue
from otpvoice_sandbox.scheduling import ChangeCondition, Scheduler, Timestamp

_LOG: Final = logging.getLogger(__name__)

EXTENSION: Final = "otpvoice_sandbox"
"""Key of the sandbox in ``Flask.extensions``."""
_MAX_STREAMS: Final = 64
"""Each stream holds a thread. A browser needs one, independent of the number of its tabs."""


class Sandbox:
    """Everything that one sandbox server holds in memory. ``close`` ends its threads.

    Thread-safe: ``changes`` is the lock, and counts every step.
    """

    def __init__(self, config: SandboxConfig) -> None:
        self.config = config
        self.changes = ChangeCondition()
        self.scheduler = Scheduler()
        self.callbacks = CallbackSender(config, self.scheduler, self.changes)
        self.calls: list[Call] = []
        """All calls, oldest first."""
        self.log_entries: list[RequestLogEntry] = []
        """All requests for calls, oldest first."""
        self.gets = RateLimit(config.gets_per_minute)
        """Requests for information."""
        self.stream_slots = threading.BoundedSemaphore(_MAX_STREAMS)
        """Free slots for browsers that follow the changes."""
        self._stopped = False
        self._phones: dict[str, Phone] = {}
        self._shown_phones = PhoneList()
        self._calls_by_number: defaultdict[str, list[Call]] = defaultdict(list)
        self._plivo_queue = StartQueue(config.plivo_interval_seconds)

    def wait_until(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until a condition holds, and return whether it does.

        The condition is evaluated after each step of a call and each delivery, while the lock is
        held. ``close`` ends the wait.
        """
        with self.changes:
            self.changes.wait_for(lambda: self._stopped or condition(), timeout_s)
            return condition()

    def wait_for_change(self, seen_count: int, timeout_s: float) -> int | None:
        """Wait for more changes than ``seen_count``, which this method returned before.

        Return their count: the same one after ``timeout_s``, None after ``close``.
        """
        with self.changes:
            self.changes.wait_for(
                lambda: self._stopped or self.changes.count > seen_count, timeout_s
            )
            return None if self._stopped else self.changes.count

    def close(self) -> None:
        """Release waiting requests, and stop calls and callbacks.

        A callback in flight has 1.5 seconds to end. The log says how many took longer.
        """
        with self.changes:
            self._stopped = True
            self.changes.notify_all()
        dropped = self.scheduler.close()
        if dropped:
            _LOG.warning("stopped; callbacks in flight: %d", dropped)

    def phone_numbers(self) -> list[str]:
        """Return the phones on the page. A phone keeps its position until it is dropped."""
        return self._shown_phones.numbers()

    def get_phone(self, number: str) -> Phone:
        """Return the phone with this number. A phone without a behaviour answers."""
        return self._phones.get(number, BEHAVIOURS["answer"])

    def set_phone(self, number: str, phone: Phone) -> None:
        """Set the behaviour for future calls. Current calls keep theirs."""
        with self.changes:
            self._phones[number] = phone
            self._shown_phones.add(number)
            self.changes.notify_all()

    def reset_phone(self, number: str) -> None:
        """Remove a phone's behaviour and calls. The request log and the call log keep them."""
        with self.changes:
            self._phones.pop(number, None)
            self._calls_by_number.pop(number, None)
            self._shown_phones.drop(number)
            self.changes.notify_all()

    def press_button(self, number: str, button: str) -> bool:
        """Press a key or a button; return whether a call was waiting for it."""
        with self.changes:
            call = self.current_call(number)
            is_in_call = button == HANG_UP or button in KEYS
            if call is None or call.status != ("talking" if is_in_call else "ringing"):
                return False
            if button in KEYS and not call.key_request:
                return False
            call.step += 1
            if button in KEYS:
                self._press_key(call, button)
            elif button == HANG_UP:
                start = call.answered_at or call.received_at
                seconds = int(time.monotonic() - start.monotonic)
                talk_seconds = min(seconds, call.talk_seconds)
                call.outcome = replace(call.outcome, talk_seconds=talk_seconds)
                self._end(call)
            else:
                call.outcome = BUTTONS[button]
                self._end_ringing(call)
            return True

    def current_call(self, number: str) -> Call | None:
        """Return the oldest call that rings or talks on this phone, or else the last call."""
        calls = self._calls_by_number.get(number, [])
        active = (call for call in calls if call.status in {"ringing", "talking"})
        return next(active, calls[-1] if calls else None)

    def phone_calls(self, number: str) -> list[dict[str, Any]]:
        """Return the calls to one phone as JSON, oldest first."""
        with self.changes:
            return [call.as_json() for call in self._calls_by_number.get(number, ())]

    def request_log(self) -> list[dict[str, Any]]:
        """Return every request for a call as JSON, oldest first."""
        with self.changes:
            return [entry.as_json() for entry in self.log_entries]

    def log_request(self, entry: RequestLogEntry) -> None:
        """Add a request for a call, valid or not, to the request log."""
        with self.changes:
            self.log_entries.append(entry)
            self.changes.notify_all()

    def accept(self, entry: RequestLogEntry, request: CallRequest) -> Call:
        """Create the call of a request, and place it if the phone's behaviour does."""
        text, key_request = flow_speech(request, self.config)
        with self.changes:
            phone = self._take_phone(request.callee)
            style = replace(self.config.reply_style, **phone.reply_style)
            is_older = request.route == "obd" and style.obd_reply == "older"
            call = Call(
                id=request.call_id or f"{uuid.uuid4()}{':1' if is_older else ''}",
                request=request,
                phone=phone,
                reply_style=style,
                text=text,
                language=request.language
                or self.config.languages.get(request.flow_id or "")
                or detect_language(text),
                key_request=key_request,
                outcome=phone.outcome,
            )
            entry.outcome = phone.behaviour
            if phone.places_call:
                entry.call = call
                self._start(call)  # before others see it: each call has an attempt, or is queued
                self.calls.append(call)
                self._calls_by_number[request.callee].append(call)
                self._shown_phones.add(request.callee)
        return call

    def _take_phone(self, number: str) -> Phone:
        phone = self.get_phone(number)
        if phone.calls == 1:
            del self._phones[number]
        elif phone.calls:
            self._phones[number] = replace(phone, calls=phone.calls - 1)
        return phone

    def cancel(self, call: Call) -> bool:
        """Take back a call that nobody has answered; return whether it was one.

        A call that was still queued leaves no callback and no record.
        """
        with self.changes:
            if call.ended_at or call.answered_at:
                return False
            call.step += 1
            call.outcome = CANCELED
            self._end(call)
            return True

    def _start(self, call: Call) -> None:
        """Let a phone ring, or queue the call if the vendor starts only so many."""
        delay_s = self._plivo_queue.take_place() if call.request.route == "plivo" else 0.0
        if delay_s:
            self._schedule_step(delay_s, self._ring, call)
        else:
            self._ring(call)

    def _ring(self, call: Call) -> None:
        call.outcome = call.phone.outcome
        call.status = "ringing" if call.outcome.rings else "dialing"
        call.attempts.append(Attempt(rang=call.outcome.rings))
        phone = call.phone
        ring_seconds = phone.seconds if phone.is_manual else self.config.ring_seconds
        self._schedule_step(ring_seconds, self._end_ringing, call)

    def _schedule_step(self, delay_s: float, step: Callable[[Call], None], call: Call) -> None:
        """Schedule the next step of a call; a button that is pressed before it replaces it.

        Steps are scheduled and run while the lock is held, so a call never runs two steps at once.
        """
        self.scheduler.run_later(delay_s, self._run_step, step, call, call.step)
        self.changes.notify_all()

    def _run_step(self, step: Callable[[Call], None], call: Call, scheduled_at_step: int) -> None:
        with self.changes:
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
        call.status = "talking"
        call.answered_at = Timestamp()
        source = call.request.speech_source
        if source is None:
            self._talk(call, call.talk_seconds)
        else:
            self._fetch_speech(call, lambda: source.fetch_speech(call))

    def _press_key(self, call: Call, key: str) -> None:
        """Press a key, after which the vendor fetches or knows what the call speaks next."""
        request, messages = call.key_request, call.request.messages
        if request is None:
            return
        call.key, call.key_pressed_at = key, Timestamp()
        call.text = call.prompt = request.prompt
        call.key_request = None
        if messages:
            self._fetch_speech(call, lambda: messages.fetch_after_key(call, request.url))
        else:
            call.speak(FetchedSpeech(request.text_after(key), ""), None)
            self._talk(call, speech_seconds(request.text_after(key)))

    def _fetch_speech(self, call: Call, fetch: Callable[[], FetchedSpeech]) -> None:
        """Fetch what an answered call speaks next. It may be hung up meanwhile."""
        step = call.step

        def fetch_and_talk() -> None:
            fault, speech = None, FetchedSpeech("", "")
            try:
                speech = fetch()
            except SpeechFault as error:
                fault = error
            with self.changes:
                call.speak(speech, fault)
                if call.step == step:
                    self._talk(call, speech_seconds(speech.text))

        self.scheduler.submit_later(0, fetch_and_talk)
        self.changes.notify_all()

    def _talk(self, call: Call, seconds: float) -> None:
        """Speak for some time, and then end the call or press the phone's key."""
        next_step: Callable[[Call], None] = self._end
        if call.key_request:
            seconds += call.key_request.wait_seconds
        if call.seconds_until_key is not None:
            seconds = call.seconds_until_key
            next_step = partial(self._press_key, key=call.phone.key)
        if not call.phone.is_manual:
            seconds = min(self.config.talk_seconds, seconds)
        self._schedule_step(min(seconds, call.talk_seconds), next_step, call)

    def _redial(self, call: Call) -> None:
        call.attempts[-1].ended_at = Timestamp()
        call.status = "queued"
        delay_s = self.config.redial_seconds
        if call.request.route == "obd":
            delay_s = call.request.interval_minutes * self.config.minute_seconds
        self._schedule_step(delay_s, self._ring, call)

    def _end(self, call: Call) -> None:
        call.ended_at = Timestamp()
        call.status = call.outcome.status
        if call.attempts:
            call.attempts[-1].ended_at = call.ended_at
            self.callbacks.schedule(call)
        else:
            call.callback_sent = True
        self.changes.notify_all()


def current_sandbox() -> Sandbox:
    """Return the sandbox of the app that handles this request."""
    sandbox: Sandbox = current_app.extensions[EXTENSION]
    return sandbox
