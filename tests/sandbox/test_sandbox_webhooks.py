"""Webhooks: composed callbacks, the portal's set-up and the vendor's challenge."""

import json
from collections.abc import Callable
from dataclasses import replace
from queue import SimpleQueue
from typing import Any
from urllib.parse import parse_qs

import pytest
import requests
from sandbox.vendor import C2C, OBD, PERSON, place_call, vendor

from otpvoice_sandbox import CallbackTemplate, RunningSandbox, SandboxConfig, Webhook

Start = Callable[[SandboxConfig], RunningSandbox]
Inbox = SimpleQueue[dict[str, Any]]
Answers = list[tuple[int, bytes]]

MEMBERS = {"call": "{{id}}", "number": "{{to}}", "result": "{{status}}", "secs": "{{duration}}"}


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("encoding", ["json", "form"])
def test_composed_callback_has_method_headers_and_members(
    sandbox: RunningSandbox, inbox: Inbox, webhook_uri: str, method: str, encoding: str
) -> None:
    """Placeholders are replaced."""
    composition = {
        "method": method,
        "encoding": encoding,
        "headers": {"X-Account": "otp"},
        "members": MEMBERS,
    }
    webhook = {"uri": webhook_uri, "secret": "s3", "composition": composition}
    assert requests.put(f"{sandbox.url}/webhooks/12", json=webhook, timeout=5).status_code == 204
    call_id = place_call(sandbox, C2C | {"webhook_id": "12"}).json()["callId"]

    message = inbox.get(timeout=5)

    if encoding == "json":
        members = json.loads(message["body"])
    else:
        members = {name: values[0] for name, values in parse_qs(message["body"]).items()}
    assert members == {
        "call": call_id,
        "number": PERSON,
        "result": "COMPLETED",
        "secs": "4",
    }
    assert message["method"] == method
    assert encoding in message["headers"]["Content-Type"]
    assert message["headers"]["X-Account"] == "otp"
    assert message["headers"]["Authorization"] == "Bearer s3"


def test_composed_get_has_values_in_url(
    start: Start, config: SandboxConfig, inbox: Inbox, webhook_uri: str
) -> None:
    """It has no body."""
    get = Webhook(
        uri=webhook_uri + "?call={{id}}&status={{status}}&s={{duration}}",
        template=CallbackTemplate(method="GET"),
    )
    call_id = place_call(start(replace(config, webhooks={"7": get})), OBD).json()["data"][0]["id"]

    message = inbox.get(timeout=5)

    assert (message["method"], message["body"]) == ("GET", "")
    path, _, query = message["path"].partition("?")
    assert path == "/ack/receive"
    assert parse_qs(query) == {"call": [call_id], "status": ["ANSWER"], "s": ["8"]}


def test_put_webhook_with_invalid_document_returns_422(sandbox: RunningSandbox) -> None:
    """A typo is rejected."""
    for document in (
        {"url": "http://h.example/"},
        {"uri": "h.example"},
        {"uri": "http://h.example/", "composition": {"method": "DELETE"}},
        {"uri": "http://h.example/", "composition": {"members": {"id": 1}}},
        {"uri": "http://h.example/", "composition": []},
    ):
        response = requests.put(f"{sandbox.url}/webhooks/12", json=document, timeout=5)
        assert response.status_code == 422, document


def test_create_webhook_that_echoes_challenge(
    sandbox: RunningSandbox, inbox: Inbox, webhook_uri: str
) -> None:
    """It gets the callbacks that it is subscribed to."""
    document = {
        "name": "otp",
        "uri": webhook_uri,
        "status": 1,
        "secret": "n3w",
        "token": "key/1",
    }
    created = vendor(sandbox, "POST", "developer/webhooks", json=document)

    challenge = inbox.get(timeout=5)
    assert challenge["path"] == "/ack/receive?token=key%2F1"
    assert challenge["headers"]["Content-Type"] == "application/json"
    challenge_body = json.loads(challenge["body"])
    assert (set(challenge_body), challenge_body["validation_key"]) == (
        {"validation_key", "challenge"},
        "key/1",
    )
    assert created.status_code == 200
    webhook_id = created.json()["data"]["id"]

    subscription = {"event": "voice:message:out", "identity": "all", "webhook_id": webhook_id}
    subscribed = vendor(sandbox, "POST", "developer/subscriptions", json=subscription)
    assert subscribed.json()["status"] == 200
    place_call(sandbox, OBD)
    assert inbox.get(timeout=5)["headers"]["Authorization"] == "Bearer n3w"


@pytest.mark.parametrize(
    "reply",
    [(200, b'{"challenge":"other"}'), (200, b"ok"), (401, b"{}"), (204, b"")],
)
def test_create_webhook_without_echo_returns_422(
    sandbox: RunningSandbox, webhook_replies: Answers, webhook_uri: str, reply: tuple[int, bytes]
) -> None:
    """The webhook is not created."""
    webhook_replies.append(reply)
    document = {"name": "otp", "uri": webhook_uri, "status": 1, "token": "key"}

    refused = vendor(sandbox, "POST", "developer/webhooks", json=document)

    assert refused.status_code == 422
    assert set(sandbox.state.callbacks.webhooks) == {"7", "8"}


def test_set_up_with_invalid_fields_returns_422(sandbox: RunningSandbox, webhook_uri: str) -> None:
    """Unknown events, identities, webhooks and members."""
    good = {"event": "voice:message:out", "identity": "all", "webhook_id": "8"}
    for change in ({"event": "sms:out"}, {"identity": "some"}, {"webhook_id": "9"}, {"x": "y"}):
        refused = vendor(sandbox, "POST", "developer/subscriptions", json=good | change)
        assert refused.status_code == 422
    webhook = {"name": "otp", "url": webhook_uri, "token": "key"}
    assert vendor(sandbox, "POST", "developer/webhooks", json=webhook).status_code == 422
    assert sandbox.state.callbacks.subscription == "7"
