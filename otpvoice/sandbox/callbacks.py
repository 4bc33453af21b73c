"""The company's push: one message when a call has ended, repeated until it is received."""

import json
import re
import secrets
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from urllib.parse import quote, urlencode

import requests

from otpvoice.sandbox.bodies import Refused
from otpvoice.sandbox.calls import Call, Moment
from otpvoice.sandbox.changes import Changes
from otpvoice.sandbox.config import Composition, SandboxConfig, Webhook
from otpvoice.sandbox.messages import callback, status_word
from otpvoice.sandbox.schedule import Schedule

_RECEIVED: Final = frozenset({200, 202})
_PLACEHOLDER: Final = re.compile(r"\{\{(id|to|status|duration)\}\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A callback, ready to be sent as often as it takes."""

    call: Call
    webhook_id: str
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Delivery:
    """One time that a message was sent."""

    message: Message
    attempt: int
    """1, then one more for each retry."""
    sent: Moment
    status: int | None
    """The HTTP status of the answer; None when there was none."""
    error: str | None
    """What kind of failure kept the answer away; never its text, which holds the URL."""

    def as_json(self) -> dict[str, Any]:
        """The delivery as ``GET /callbacks`` shows it; the URL may hold a secret and is not."""
        return {
            "call": self.message.call.id,
            "webhook": self.message.webhook_id,
            "method": self.message.method,
            "body": self.message.body.decode(),
            "attempt": self.attempt,
            "sent_at": self.sent.monotonic,
            "status": self.status,
            "error": self.error,
        }


class Courier:
    """Keeps the webhooks and delivers to them. Thread-safe."""

    def __init__(self, config: SandboxConfig, schedule: Schedule, changed: Changes) -> None:
        self._config = config
        self._schedule = schedule
        self._changed = changed
        self._deliveries: list[Delivery] = []
        self._deliveries_of: defaultdict[str, list[Delivery]] = defaultdict(list)
        self._last_messages: dict[str, Message] = {}
        self.webhooks: dict[str, Webhook] = dict(config.webhooks)
        self.subscription = config.subscription

    def deliveries(self) -> list[dict[str, Any]]:
        """Every delivery, oldest first."""
        with self._changed:
            return [delivery.as_json() for delivery in self._deliveries]

    def deliveries_of(self, call: Call) -> list[Delivery]:
        """Every delivery about this call, oldest first."""
        with self._changed:
            return [*self._deliveries_of.get(call.id, ())]

    def add(self, webhook: Webhook) -> str:
        """Keeps a further webhook and returns its id."""
        with self._changed:
            webhook_id = str(max((int(known) for known in self.webhooks), default=0) + 1)
            self.webhooks[webhook_id] = webhook
        return webhook_id

    def report(self, call: Call) -> None:
        """Sends the ended call's callback as often and as late as its phone wants it."""
        webhook_id = call.request.webhook_id or self.subscription
        if webhook_id is None or not call.phone.copies:
            self._note_reported(call)
            return
        message = _compose(call, webhook_id, self.webhooks[webhook_id])
        self._last_messages[call.id] = message
        delay = self._config.callback_seconds + call.phone.callback_seconds
        for _ in range(call.phone.copies):
            self._schedule.slowly_after(delay, partial(self._deliver, message, 1))

    def replay(self, call_id: str) -> bool:
        """Sends a call's callback once more, byte for byte; whether there was one."""
        message = self._last_messages.get(call_id)
        if message is not None:
            self._schedule.slowly_after(0, partial(self._deliver, message, 1))
        return message is not None

    def challenge(self, uri: str, validation_key: str) -> None:
        """Asks a new webhook whether it knows its key (docs/provider.md, section 3).

        Raises:
            Refused: 422, it did not answer 200 with the challenge.
        """
        challenge = secrets.token_hex(4)
        url = f"{uri}{'&' if '?' in uri else '?'}token={quote(validation_key, safe='')}"
        body = {"validation_key": validation_key, "challenge": challenge}
        try:
            answer = self._request("POST", url, {"Content-Type": "application/json"}, _dumps(body))
            passed = answer.status_code == 200 and answer.json() == {"challenge": challenge}
        except (requests.RequestException, ValueError):
            passed = False
        if not passed:
            raise Refused(422, "uri: did not answer 200 with the challenge")

    def _deliver(self, message: Message, attempt: int) -> None:
        sent, status, error = Moment.now(), None, None
        try:
            answer = self._request(message.method, message.url, message.headers, message.body)
            status = answer.status_code
        except (requests.RequestException, ValueError) as failure:
            error = type(failure).__name__  # nobody there, or a URL that is none: tried again
        if status not in _RECEIVED and attempt <= self._config.callback_retries:
            again = partial(self._deliver, message, attempt + 1)
            self._schedule.slowly_after(self._config.callback_retry_seconds, again)
        with self._changed:
            delivery = Delivery(message, attempt, sent, status, error)
            self._deliveries.append(delivery)
            self._deliveries_of[message.call.id].append(delivery)
        self._note_reported(message.call)

    def _note_reported(self, call: Call) -> None:
        with self._changed:
            call.reported = True
            self._changed.notify_all()

    def _request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> requests.Response:
        with requests.Session() as session:
            session.trust_env = False  # a netrc or a proxy of this machine is none of the vendor's
            return session.request(
                method,
                url,
                headers=dict(headers),
                data=body,
                timeout=self._config.callback_timeout,
                allow_redirects=False,
            )


def _dumps(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()


def _compose(call: Call, webhook_id: str, webhook: Webhook) -> Message:
    composition = webhook.composition
    if composition is None:
        method, url, body = "POST", webhook.uri, _dumps(callback(call, webhook_id))
        headers = {"Content-Type": "application/json"}
    else:
        method, url = composition.method, _filled(webhook.uri, call)
        headers, body = _composed_body(composition, call)
    if webhook.secret:
        headers["Authorization"] = f"Bearer {webhook.secret}"
    return Message(
        call=call, webhook_id=webhook_id, method=method, url=url, headers=headers, body=body
    )


def _composed_body(composition: Composition, call: Call) -> tuple[dict[str, str], bytes]:
    headers = dict(composition.headers)
    if composition.method == "GET":
        return headers, b""
    members = {name: _filled(value, call) for name, value in composition.members.items()}
    if composition.encoding == "json":
        return {"Content-Type": "application/json"} | headers, _dumps(members)
    form_type = {"Content-Type": "application/x-www-form-urlencoded"}
    return form_type | headers, urlencode(members).encode()


def _filled(template: str, call: Call) -> str:
    values = {
        "id": call.id,
        "to": call.request.person,
        "status": status_word(call),
        "duration": str(call.seconds),
    }
    return _PLACEHOLDER.sub(lambda match: values[match[1]], template)
