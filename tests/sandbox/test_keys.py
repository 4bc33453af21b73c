"""Phones whose persons press a key, and the document that follows."""

import base64
import hashlib
import hmac
from queue import SimpleQueue
from typing import Any
from urllib.parse import parse_qsl

import pytest
import requests
from sandbox.vendor import PERSON, TOKEN, ended_calls, press, set_behaviour

from otpvoice_sandbox import RunningSandbox
from otpvoice_sandbox.twiml_vendors import TWIML_VENDORS

GATHER = (
    '<Pause length="1"/><Gather numDigits="1" timeout="8" action="{}" method="POST">'
    '<Say language="hi-IN">Press 1.</Say></Gather>'
)
TWIML = "<Response>{0}{0}<Hangup/></Response>"
SPOKEN = {
    "twilio": b"<Response><Say>4 7</Say><Hangup/></Response>",
    "plivo": b"<Response><Speak>4 7</Speak></Response>",
}
INPUT = (
    '<GetInput action="{}" method="POST" inputType="dtmf" numDigits="1" executionTimeout="8">'
    '<Speak voice="WOMAN" language="hi-IN">Press 1.</Speak></GetInput>'
)
Replies = list[tuple[int, bytes]]


def place(
    sandbox: RunningSandbox,
    replies: Replies,
    vendor: str,
    url: str,
    after_key: tuple[int, bytes] | None = None,
) -> None:
    """Place a call that asks for a key twice, and speaks a document after it."""
    after_key = after_key or (200, SPOKEN[vendor])
    if vendor == "twilio":
        replies.append(after_key)
        document = TWIML.format(GATHER.format(url))
        path = "/2010-04-01/Accounts/A1/Calls.json"
        form = {"To": f"+{PERSON}", "From": "+918068280000", "Twiml": document}
        reply = requests.post(sandbox.url + path, form, auth=("A1", TOKEN), timeout=10)
    else:
        replies += [
            (200, f"<Response>{INPUT.format(url) * 2}</Response>".encode()),
            after_key,
        ]
        body = {"to": PERSON, "from": "918068280000", "answer_url": url}
        path = "/v1/Account/A1/Call/"
        reply = requests.post(sandbox.url + path, json=body, auth=("A1", TOKEN), timeout=10)
    assert reply.status_code == 201, reply.text


def forms(inbox: SimpleQueue[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the requests so far, with their forms."""
    found = []
    while not inbox.empty():
        each = inbox.get()
        found.append({**each, "form": dict(parse_qsl(each["body"], keep_blank_values=True))})
    return found


@pytest.mark.parametrize("vendor", SPOKEN)
def test_person_presses_a_key(
    sandbox: RunningSandbox,
    inbox: SimpleQueue[dict[str, Any]],
    webhook_replies: Replies,
    webhook_uri: str,
    vendor: str,
) -> None:
    """After the first prompt. The vendor posts it, signed, and speaks what it gets."""
    url = f"{webhook_uri}?call=c1"
    set_behaviour(sandbox, "answer", key="1")
    place(sandbox, webhook_replies, vendor, url)
    (call,) = ended_calls(sandbox)
    assert (call["spoken"], call["key"]) == ("Press 1. 4 7", "1")
    request = forms(inbox)[-1]
    form, headers = request["form"], request["headers"]
    assert (form["Digits"], form["CallStatus"]) == ("1", "in-progress")
    if vendor == "twilio":
        (expected,) = TWIML_VENDORS["twilio"].sign(url, "", form, TOKEN).values()
        assert headers["X-Twilio-Signature"] == expected
    else:
        members = "".join(name + form[name] for name in sorted(form))
        message = f"{url}.{members}.{headers['X-Plivo-Signature-V3-Nonce']}".encode()
        digest = hmac.digest(TOKEN.encode(), message, hashlib.sha256)
        assert headers["X-Plivo-Signature-V3"] == base64.b64encode(digest).decode()


@pytest.mark.parametrize("vendor", SPOKEN)
@pytest.mark.parametrize(
    ("behaviour", "options"),
    [("answer", {}), ("voicemail", {"key": "1"}), ("hang_up_early", {"key": "1"})],
)
def test_nobody_presses_a_key(
    sandbox: RunningSandbox,
    inbox: SimpleQueue[dict[str, Any]],
    webhook_replies: Replies,
    webhook_uri: str,
    vendor: str,
    behaviour: str,
    options: dict[str, str],
) -> None:
    """The prompts are spoken, and the call ends: with a machine, or who hangs up before."""
    set_behaviour(sandbox, behaviour, **options)
    place(sandbox, webhook_replies, vendor, f"{webhook_uri}?call=c1")
    (call,) = ended_calls(sandbox)
    assert call["spoken"] == "Press 1. Press 1."[: 10 if behaviour == "hang_up_early" else None]
    assert call["key"] == ""
    assert not [each for each in forms(inbox) if "Digits" in each["form"]]
    (shown,) = sandbox.state.calls
    # The text takes 4 seconds, and each prompt waits for 8.
    assert shown.talk_seconds == (1 if behaviour == "hang_up_early" else 20)


@pytest.mark.parametrize("vendor", SPOKEN)
def test_key_is_pressed_by_hand(
    sandbox: RunningSandbox, webhook_replies: Replies, webhook_uri: str, vendor: str
) -> None:
    """Once, in a conversation that asks for it."""
    set_behaviour(sandbox, "by_hand")
    place(sandbox, webhook_replies, vendor, f"{webhook_uri}?call=c1")
    state = sandbox.state
    assert state.wait_until(lambda: bool(state.calls and state.calls[0].status == "ringing"), 30)
    assert press(sandbox, "1") == 409
    assert press(sandbox, "answer") == 204
    assert state.wait_until(lambda: bool(state.calls[0].key_request), 30)
    assert press(sandbox, "x") == 422
    assert press(sandbox, "*") == 204
    assert state.wait_until(lambda: state.calls[0].text == "Press 1. 4 7", 30)
    assert press(sandbox, "1") == 409
    assert press(sandbox, "hang_up") == 204
    (call,) = ended_calls(sandbox)
    assert call["key"] == "*"


def test_key_is_pressed_in_no_other_call(sandbox: RunningSandbox, webhook_replies: Replies) -> None:
    """A text without a gate is spoken to its end."""
    set_behaviour(sandbox, "answer", key="1")
    form = {"To": f"+{PERSON}", "From": "+918068280000", "Twiml": SPOKEN["twilio"].decode()}
    url = f"{sandbox.url}/2010-04-01/Accounts/A1/Calls.json"
    assert requests.post(url, form, auth=("A1", TOKEN), timeout=10).status_code == 201
    (call,) = ended_calls(sandbox)
    assert (call["spoken"], call["key"]) == ("4 7", "")
    assert not webhook_replies


@pytest.mark.parametrize(("vendor", "fault"), [("twilio", "11200"), ("plivo", "7011")])
def test_unusable_document_after_a_key_ends_the_call(
    sandbox: RunningSandbox,
    webhook_replies: Replies,
    webhook_uri: str,
    vendor: str,
    fault: str,
) -> None:
    """The vendor reports it."""
    set_behaviour(sandbox, "answer", key="1")
    place(sandbox, webhook_replies, vendor, f"{webhook_uri}?call=c1", (404, b""))
    (call,) = ended_calls(sandbox)
    assert call["spoken"] == "Press 1."
    (shown,) = sandbox.state.calls
    assert shown.speech_fault
    assert shown.speech_fault.code == fault


def test_page_shows_no_address_for_keys(
    sandbox: RunningSandbox, webhook_replies: Replies, webhook_uri: str
) -> None:
    """Anyone who has it and the token could fetch a code."""
    place(sandbox, webhook_replies, "twilio", f"{webhook_uri}/s3cret?call=c1")
    ended_calls(sandbox)
    page = requests.get(sandbox.url, headers={"Accept": "text/html"}, timeout=5).text
    assert "numDigits" in page
    assert "s3cret" not in page
