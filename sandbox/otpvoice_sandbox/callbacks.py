"""Callbacks: one message after each call, retried until the webhook confirms it.

Members are those of the vendor's documents (docs/providers/mobtexting.md, section 3).
"""

import json
import re
import secrets
import time
from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode

import requests

from otpvoice_sandbox.calls import Call
from otpvoice_sandbox.config import SandboxConfig, Webhook
from otpvoice_sandbox.parsing import RequestRejected
from otpvoice_sandbox.scheduling import ChangeCondition, Scheduler

_REACHED_FLOW: Final = frozenset({"ANSWER", "COMPLETED"})
_SUCCESS_STATUSES: Final = frozenset({200, 202})
_MAX_RETRIES: Final = 3
_TIMEOUT_S: Final = 10.0
_PLACEHOLDER: Final = re.compile(r"\{\{(id|to|status|duration)\}\}")
_JSON: Final = "application/json"
_FORM: Final = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One attempt to deliver a callback. It leaves out the URL, which is a secret."""

    call: str
    """Id of the call."""
    webhook: str
    """Empty if the request for the call named an address."""
    method: str
    body: str
    attempt: int
    """1 for the first, one more for each retry."""
    sent_at: float
    """Monotonic seconds."""
    status: int | None
    """The HTTP status of the response; None if there was no response."""
    error: str | None
    """The exception class if there was no response. Its text is left out: it contains the URL."""


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
        self._sent: dict[str, tuple[Call, str, requests.Request]] = {}
        self.webhooks: dict[str, Webhook] = dict(config.webhooks)
        self.subscription = config.subscription

    def deliveries(self) -> list[dict[str, Any]]:
        """Return all deliveries as ``GET /callbacks`` shows them, oldest first."""
        return [asdict(delivery) for delivery in [*self._deliveries]]

    def deliveries_for(self, call: Call) -> list[Delivery]:
        """Return the deliveries about one call, oldest first."""
        return [*self._deliveries_by_call.get(call.id, ())]

    def add_webhook(self, uri: str, secret: str, validation_key: str) -> str:
        """Store a webhook that returns a challenge (mobtexting.md, section 3); return its id.

        Raises:
            RequestRejected: 422, the response is not 200 with the challenge.
        """
        challenge = secrets.token_hex(4)
        url = f"{uri}{'&' if '?' in uri else '?'}token={quote(validation_key, safe='')}"
        body = compact_json({"validation_key": validation_key, "challenge": challenge})
        try:
            response = send_to_client(
                requests.Request("POST", url, {"Content-Type": _JSON}, data=body)
            )
            passed = response.status_code == 200 and response.json() == {"challenge": challenge}
        except (requests.RequestException, ValueError):
            passed = False
        if not passed:
            raise RequestRejected(422, "uri: did not answer 200 with the challenge")
        with self._changes:
            webhook_id = str(max(map(int, self.webhooks), default=0) + 1)
            self.webhooks[webhook_id] = Webhook(uri=uri, secret=secret)
        return webhook_id

    def schedule(self, call: Call) -> None:
        """Schedule the callback of an ended call, with the copies and delay of its phone.

        The caller holds the lock, and notifies about the end of the call.
        """
        webhook_id, request = self._callback_of(call)
        if request is None or not call.phone.copies:
            call.callback_sent = True
            return
        sent = call, webhook_id, request
        self._sent[call.id] = sent
        delay_s = call.phone.seconds if call.phone.behaviour == "late_callback" else 0.0
        for _ in range(call.phone.copies):
            self._scheduler.submit_later(delay_s, self._deliver, *sent)

    def _callback_of(self, call: Call) -> tuple[str, requests.Request | None]:
        """Return the webhook of a call and the message to it; no message if none is wanted."""
        if messages := call.request.messages:
            return "", messages.callback(call)
        webhook_id = call.request.webhook_id or self.subscription
        if webhook_id is None:
            return "", None
        return webhook_id, _build_request(call, webhook_id, self.webhooks[webhook_id])

    def replay(self, call_id: str) -> bool:
        """Send a call's callback again, byte for byte; return whether there was one."""
        sent = self._sent.get(call_id)
        if sent:
            self._scheduler.submit_later(0, self._deliver, *sent)
        return sent is not None

    def _deliver(
        self, call: Call, webhook_id: str, request: requests.Request, attempt: int = 1
    ) -> None:
        sent_at, status, error = time.monotonic(), None, None
        try:
            status = send_to_client(request).status_code
        except (requests.RequestException, ValueError) as failure:
            error = type(failure).__name__  # no response, or an invalid URL: retried as well
        if status not in _SUCCESS_STATUSES and attempt <= _MAX_RETRIES:
            retry = call, webhook_id, request, attempt + 1
            self._scheduler.submit_later(self._config.callback_retry_seconds, self._deliver, *retry)
        delivery = Delivery(
            call.id, webhook_id, request.method, request.data, attempt, sent_at, status, error
        )
        with self._changes:
            self._deliveries.append(delivery)
            self._deliveries_by_call[call.id].append(delivery)
            call.callback_sent = True
            self._changes.notify_all()


def send_to_client(request: requests.Request, timeout_s: float = _TIMEOUT_S) -> requests.Response:
    """Send a vendor's request to the client's service.

    Raises:
        requests.RequestException: there is no response.
        ValueError: the address is invalid.
    """
    with requests.Session() as session:
        session.trust_env = False  # a vendor does not use this machine's netrc or proxy
        prepared = session.prepare_request(request)
        return session.send(prepared, timeout=timeout_s, allow_redirects=False)


def compact_json(body: object) -> str:
    """Return JSON without spaces, as the vendor sends it."""
    return json.dumps(body, separators=(",", ":"))


def _build_request(call: Call, webhook_id: str, webhook: Webhook) -> requests.Request:
    template = webhook.template
    method, url, headers = "POST", webhook.uri, {"Content-Type": _JSON}
    if template is None:
        is_obd = call.request.route == "obd"
        body = compact_json(_obd_callback(call) if is_obd else _c2c_callback(call, webhook_id))
    else:
        method, url, headers, body = template.method, _fill(url, call), {**template.headers}, ""
        members = {name: _fill(value, call) for name, value in template.members.items()}
        if method != "GET":
            is_json = template.encoding == "json"
            body = compact_json(members) if is_json else urlencode(members)
            headers = {"Content-Type": _JSON if is_json else _FORM} | headers
    if webhook.secret:
        headers["Authorization"] = f"Bearer {webhook.secret}"
    return requests.Request(method, url, headers, data=body)


def _fill(text: str, call: Call) -> str:
    values = {
        "id": call.id,
        "to": call.request.callee,
        "status": call.vendor_status,
        "duration": str(call.talk_seconds),
    }
    return _PLACEHOLDER.sub(lambda match: values[match[1]], text)


def _c2c_callback(call: Call, webhook_id: str) -> dict[str, Any]:
    ended_at = call.ended_at or call.received_at
    outcome, request = call.outcome, call.request
    is_recorded = request.record and call.spoken_text is not None
    body = {
        "bridge": int(request.bridge),
        "from": int(request.callee),
        "to": request.body["to"],
        "source": "C2C",
        "start_at": call.attempts[0].started_at.local_text,
        "end_at": ended_at.local_text,
        "date": ended_at.local_text,
        "unixtime": str(int(ended_at.wall.timestamp())),
        "duration": str(call.talk_seconds),
        "billing": str(call.talk_seconds),
        "status": call.vendor_status,
        "status1": "RECEIVED" if outcome.answered_by else outcome.status,
        "status2": "ANSWER" if outcome.status in _REACHED_FLOW else "",
        "recording_url": f"https://recordings.example/{call.id}.mp3" if is_recorded else "",
        "hangup_by": outcome.hung_up_by,
        "webhook_id": webhook_id,
    }
    return body | {"mid": request.mid} if call.reply_style.c2c_mid == "echoed" else body


def _obd_callback(call: Call) -> dict[str, Any]:
    request, ended_at = call.request, call.ended_at or call.received_at
    flow = {} if request.flow_id is None else {"flow_id": int(request.flow_id)}
    return {
        "bridge": int(request.bridge),
        "from": int(request.bridge),
        "to": int(request.callee),
        "source": "OBD",
        "mid": call.id,
        **flow,
        "start_at": call.attempts[0].started_at.local_text,
        "end_at": ended_at.local_text,
        "duration": str(call.talk_seconds),
        "status": call.outcome.status,
        "recording_url": "",
    }
