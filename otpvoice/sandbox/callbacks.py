"""Callbacks: one message after each call, retried until the webhook confirms it."""

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

from otpvoice.sandbox.calls import Call
from otpvoice.sandbox.config import CallbackTemplate, SandboxConfig, Webhook
from otpvoice.sandbox.messages import callback_body, vendor_status
from otpvoice.sandbox.parsing import RequestRejected
from otpvoice.sandbox.scheduling import ChangeCondition, Scheduler, Timestamp

_SUCCESS_STATUSES: Final = frozenset({200, 202})
_PLACEHOLDER: Final = re.compile(r"\{\{(id|to|status|duration)\}\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackMessage:
    """A callback, ready to be sent and sent again."""

    call: Call
    webhook_id: str
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Delivery:
    """One attempt to deliver a message."""

    message: CallbackMessage
    attempt: int
    """1 for the first, one more for each retry."""
    sent_at: Timestamp
    status: int | None
    """The HTTP status of the response; None if there was no response."""
    error: str | None
    """The exception class if there was no response. Its text is left out: it contains the URL."""

    def as_json(self) -> dict[str, Any]:
        """Return the delivery as ``GET /callbacks`` shows it. The URL is omitted as a secret."""
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
    """The webhooks of the account, and the deliveries to them. Thread-safe."""

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
        """Return all deliveries as JSON, oldest first."""
        with self._changes:
            return [delivery.as_json() for delivery in self._deliveries]

    def deliveries_for(self, call: Call) -> list[Delivery]:
        """Return the deliveries about one call, oldest first."""
        with self._changes:
            return [*self._deliveries_by_call.get(call.id, ())]

    def add_webhook(self, webhook: Webhook) -> str:
        """Store a webhook and return its id."""
        with self._changes:
            webhook_id = str(max(map(int, self.webhooks), default=0) + 1)
            self.webhooks[webhook_id] = webhook
        return webhook_id

    def send(self, call: Call) -> None:
        """Schedule the callback of an ended call, with the copies and delay of its phone."""
        webhook_id = call.request.webhook_id or self.subscription
        if webhook_id is None or not call.phone.copies:
            self._mark_sent(call)
            return
        message = _build_message(call, webhook_id, self.webhooks[webhook_id])
        self._last_messages[call.id] = message
        delay_s = self._config.callback_seconds + call.phone.callback_delay_seconds
        for _ in range(call.phone.copies):
            self._scheduler.submit_later(delay_s, partial(self._deliver, message, 1))

    def replay(self, call_id: str) -> bool:
        """Send a call's callback again, byte for byte; return whether there was one."""
        message = self._last_messages.get(call_id)
        if message is not None:
            self._scheduler.submit_later(0, partial(self._deliver, message, 1))
        return message is not None

    def verify_webhook(self, uri: str, validation_key: str) -> None:
        """Send the challenge to a new webhook (docs/provider.md, section 3).

        Raises:
            RequestRejected: 422, the response is not 200 with the challenge.
        """
        challenge = secrets.token_hex(4)
        url = f"{uri}{'&' if '?' in uri else '?'}token={quote(validation_key, safe='')}"
        body = _encode_json({"validation_key": validation_key, "challenge": challenge})
        try:
            response = self._request("POST", url, {"Content-Type": "application/json"}, body)
            passed = response.status_code == 200 and response.json() == {"challenge": challenge}
        except (requests.RequestException, ValueError):
            passed = False
        if not passed:
            raise RequestRejected(422, "uri: did not answer 200 with the challenge")

    def _deliver(self, message: CallbackMessage, attempt: int) -> None:
        sent_at, status, error = Timestamp.now(), None, None
        try:
            response = self._request(message.method, message.url, message.headers, message.body)
            status = response.status_code
        except (requests.RequestException, ValueError) as failure:
            error = type(failure).__name__  # no response, or an invalid URL: retried as well
        if status not in _SUCCESS_STATUSES and attempt <= self._config.callback_retries:
            retry = partial(self._deliver, message, attempt + 1)
            self._scheduler.submit_later(self._config.callback_retry_seconds, retry)
        with self._changes:
            delivery = Delivery(message, attempt, sent_at, status, error)
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
            session.trust_env = False  # a vendor does not use this machine's netrc or proxy
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
    template = webhook.template
    if template is None:
        method, url, body = "POST", webhook.uri, _encode_json(callback_body(call, webhook_id))
        headers = {"Content-Type": "application/json"}
    else:
        method, url = template.method, _fill_template(webhook.uri, call)
        headers, body = _build_custom_body(template, call)
    if webhook.secret:
        headers["Authorization"] = f"Bearer {webhook.secret}"
    return CallbackMessage(
        call=call, webhook_id=webhook_id, method=method, url=url, headers=headers, body=body
    )


def _build_custom_body(template: CallbackTemplate, call: Call) -> tuple[dict[str, str], bytes]:
    headers = dict(template.headers)
    if template.method == "GET":
        return headers, b""
    members = {name: _fill_template(value, call) for name, value in template.members.items()}
    if template.encoding == "json":
        return {"Content-Type": "application/json"} | headers, _encode_json(members)
    form_type = {"Content-Type": "application/x-www-form-urlencoded"}
    return form_type | headers, urlencode(members).encode()


def _fill_template(text: str, call: Call) -> str:
    values = {
        "id": call.id,
        "to": call.request.callee,
        "status": vendor_status(call),
        "duration": str(call.talk_seconds),
    }
    return _PLACEHOLDER.sub(lambda match: values[match[1]], text)
