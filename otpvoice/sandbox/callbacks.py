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

from otpvoice.sandbox.bodies import RequestRejected
from otpvoice.sandbox.calls import Call, Timestamp
from otpvoice.sandbox.changes import ChangeCondition
from otpvoice.sandbox.config import CallbackTemplate, SandboxConfig, Webhook
from otpvoice.sandbox.messages import callback_body, vendor_status
from otpvoice.sandbox.schedule import Scheduler

_SUCCESS_STATUSES: Final = frozenset({200, 202})
_PLACEHOLDER: Final = re.compile(r"\{\{(id|to|status|duration)\}\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackMessage:
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

    message: CallbackMessage
    attempt: int
    """1, then one more for each retry."""
    sent_at: Timestamp
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
            "sent_at": self.sent_at.monotonic,
            "status": self.status,
            "error": self.error,
        }


class CallbackSender:
    """Keeps the webhooks and delivers to them. Thread-safe."""

    def __init__(
        self, config: SandboxConfig, scheduler: Scheduler, changes: ChangeCondition
    ) -> None:
        self._config = config
        self._scheduler = scheduler
        self._changes = changes
        self._deliveries: list[Delivery] = []
        self._deliveries_by_call: defaultdict[str, list[Delivery]] = defaultdict(list)
        self._last_messages: dict[str, CallbackMessage] = {}
        self.webhooks: dict[str, Webhook] = dict(config.webhooks)
        self.subscription = config.subscription

    def deliveries(self) -> list[dict[str, Any]]:
        """Every delivery, oldest first."""
        with self._changes:
            return [delivery.as_json() for delivery in self._deliveries]

    def deliveries_for(self, call: Call) -> list[Delivery]:
        """Every delivery about this call, oldest first."""
        with self._changes:
            return [*self._deliveries_by_call.get(call.id, ())]

    def add_webhook(self, webhook: Webhook) -> str:
        """Keeps a further webhook and returns its id."""
        with self._changes:
            webhook_id = str(max((int(known) for known in self.webhooks), default=0) + 1)
            self.webhooks[webhook_id] = webhook
        return webhook_id

    def send(self, call: Call) -> None:
        """Sends the ended call's callback as often and as late as its phone wants it."""
        webhook_id = call.request.webhook_id or self.subscription
        if webhook_id is None or not call.phone.copies:
            self._mark_sent(call)
            return
        message = _build_message(call, webhook_id, self.webhooks[webhook_id])
        self._last_messages[call.id] = message
        delay = self._config.callback_seconds + call.phone.callback_delay_seconds
        for _ in range(call.phone.copies):
            self._scheduler.submit_later(delay, partial(self._deliver, message, 1))

    def replay(self, call_id: str) -> bool:
        """Sends a call's callback once more, byte for byte; whether there was one."""
        message = self._last_messages.get(call_id)
        if message is not None:
            self._scheduler.submit_later(0, partial(self._deliver, message, 1))
        return message is not None

    def verify_webhook(self, uri: str, validation_key: str) -> None:
        """Asks a new webhook whether it knows its key (docs/provider.md, section 3).

        Raises:
            Refused: 422, it did not answer 200 with the challenge.
        """
        challenge = secrets.token_hex(4)
        url = f"{uri}{'&' if '?' in uri else '?'}token={quote(validation_key, safe='')}"
        body = {"validation_key": validation_key, "challenge": challenge}
        try:
            answer = self._request(
                "POST", url, {"Content-Type": "application/json"}, _encode_json(body)
            )
            passed = answer.status_code == 200 and answer.json() == {"challenge": challenge}
        except (requests.RequestException, ValueError):
            passed = False
        if not passed:
            raise RequestRejected(422, "uri: did not answer 200 with the challenge")

    def _deliver(self, message: CallbackMessage, attempt: int) -> None:
        sent, status, error = Timestamp.now(), None, None
        try:
            answer = self._request(message.method, message.url, message.headers, message.body)
            status = answer.status_code
        except (requests.RequestException, ValueError) as failure:
            error = type(failure).__name__  # nobody there, or a URL that is none: tried again
        if status not in _SUCCESS_STATUSES and attempt <= self._config.callback_retries:
            again = partial(self._deliver, message, attempt + 1)
            self._scheduler.submit_later(self._config.callback_retry_seconds, again)
        with self._changes:
            delivery = Delivery(message, attempt, sent, status, error)
            self._deliveries.append(delivery)
            self._deliveries_by_call[message.call.id].append(delivery)
        self._mark_sent(message.call)

    def _mark_sent(self, call: Call) -> None:
        with self._changes:
            call.callback_sent = True
            self._changes.notify_all()

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


def _encode_json(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()


def _build_message(call: Call, webhook_id: str, webhook: Webhook) -> CallbackMessage:
    composition = webhook.template
    if composition is None:
        method, url, body = "POST", webhook.uri, _encode_json(callback_body(call, webhook_id))
        headers = {"Content-Type": "application/json"}
    else:
        method, url = composition.method, _fill_template(webhook.uri, call)
        headers, body = _build_custom_body(composition, call)
    if webhook.secret:
        headers["Authorization"] = f"Bearer {webhook.secret}"
    return CallbackMessage(
        call=call, webhook_id=webhook_id, method=method, url=url, headers=headers, body=body
    )


def _build_custom_body(composition: CallbackTemplate, call: Call) -> tuple[dict[str, str], bytes]:
    headers = dict(composition.headers)
    if composition.method == "GET":
        return headers, b""
    members = {name: _fill_template(value, call) for name, value in composition.members.items()}
    if composition.encoding == "json":
        return {"Content-Type": "application/json"} | headers, _encode_json(members)
    form_type = {"Content-Type": "application/x-www-form-urlencoded"}
    return form_type | headers, urlencode(members).encode()


def _fill_template(template: str, call: Call) -> str:
    values = {
        "id": call.id,
        "to": call.request.callee,
        "status": vendor_status(call),
        "duration": str(call.talk_seconds),
    }
    return _PLACEHOLDER.sub(lambda match: values[match[1]], template)
