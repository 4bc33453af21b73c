"""The adapter of the TwiML family against the provider simulator, which was written separately."""

import re
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import SimpleQueue
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from providers.twiml_samples import TOKENS, outbound_call

from otpvoice.core.verification import CallReason, CallStatus
from otpvoice.http_client import Deadlines, HttpClient
from otpvoice.providers.base import (
    Callback,
    CallbackAuthError,
    CallQuery,
    OutboundCall,
    PlacementOutcome,
    PlacementResult,
    Speech,
)
from otpvoice.providers.canceling import CancelingProvider
from otpvoice.providers.context import CallAddresses
from otpvoice.providers.twiml.account import Account
from otpvoice.providers.twiml.build import adapter_class
from otpvoice.providers.twiml.document import Voice
from otpvoice.providers.twiml.placement import CallOptions
from otpvoice.providers.twiml.provider import FetchedTwiml, Twiml
from otpvoice.providers.twiml.signature import create_verifier
from otpvoice.providers.twiml.vendors import VENDORS
from otpvoice_sandbox import ReplyStyle, RunningSandbox, SandboxConfig

TOKEN = "sandbox-t0ken"
PATHS = {
    "twilio": "/2010-04-01",
    "somleng": "/2010-04-01",
    "signalwire": "/api/laml/2010-04-01",
    "telnyx": "/v2/texml",
}
Inbox = SimpleQueue[Callback]
ANSWERING: dict[str, tuple[Twiml, OutboundCall]] = {}
"""The calls whose documents are fetched, by their ids."""


@pytest.fixture(scope="module")
def inbox() -> Inbox:
    """Return the callbacks that arrive at :func:`webhook`."""
    return SimpleQueue()


def document_for(callback: Callback, *, is_key: bool) -> bytes:
    """Return what the API returns when a call is answered or a key is pressed."""
    provider, call = ANSWERING[callback.query["call"]]
    speech = Speech(call.locale, call.text, call.name, call.code, call.prompt)
    if is_key:
        call_id, key = provider.parse_key(callback)
        assert call_id == call.call_id
        return provider.build_document(None if key == "9" else speech)
    assert isinstance(provider, FetchedTwiml)
    assert provider.parse_answer(callback) == call.call_id
    is_gated = bool(speech.prompt)
    return (
        provider.build_prompt(call.call_id, speech) if is_gated else provider.build_document(speech)
    )


@pytest.fixture(scope="module")
def webhook(inbox: Inbox) -> Iterator[str]:
    """Run a webhook, and yield its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers["Content-Length"]))
            callback = Callback(
                body=body,
                query=dict(parse_qsl(parts.query)),
                headers={name.lower(): value for name, value in self.headers.items()},
                path_token=parts.path.removesuffix("/key").rpartition("/")[2],
            )
            document = b""
            if parts.path.startswith("/calls/"):
                document = document_for(callback, is_key=parts.path.endswith("/key"))
            else:
                inbox.put(callback)
            self.send_response(200)
            self.send_header("Content-Length", str(len(document)))
            self.end_headers()
            self.wfile.write(document)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.005,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/webhooks/voice"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def sandboxes() -> Iterator[dict[str, RunningSandbox]]:
    """Run a fast sandbox for each reply of Telnyx."""
    config = SandboxConfig(token=TOKEN, ring_seconds=0.01, talk_seconds=0.01)
    with ExitStack() as running:
        yield {
            style: running.enter_context(
                RunningSandbox(replace(config, reply_style=ReplyStyle(telnyx_sid=style)))
            )
            for style in ("left_out", "sent")
        }


@pytest.fixture
def sandbox(sandboxes: dict[str, RunningSandbox]) -> RunningSandbox:
    """Return the sandbox whose Telnyx sends no id."""
    return sandboxes["left_out"]


def adapter(sandbox: RunningSandbox, webhook: str, vendor: str, token: str = TOKEN) -> Twiml:
    """Return the adapter for an account of the sandbox."""
    key = token
    if vendor == "telnyx":
        headers = {"Authorization": f"Bearer {TOKEN}"}
        reply = requests.get(f"{sandbox.url}/v2/public_key", headers=headers, timeout=5)
        key = reply.json()["data"]["public"]
    chosen = VENDORS[vendor]
    parts: dict[str, Any] = {
        "account": Account(
            vendor=chosen,
            id="AC1",
            tokens=(token,),
            base_url=f"{sandbox.url}{PATHS[vendor]}",
            webhook_url=webhook,
            path_tokens=("s3cret-path",),
        ),
        "addresses": CallAddresses(webhook.removesuffix("/webhooks/voice"), "voice", TOKENS),
        "verifier": create_verifier(chosen.signature_scheme, (key,)),
        "http": HttpClient(),
        "options": CallOptions(application_id="12345" if vendor == "telnyx" else ""),
        "voices": {"hi": Voice("Polly.Aditi")},
    }
    return adapter_class(chosen)(**parts)


_numbers = iter(range(918867200000, 918867300000))


def new_call(**changes: Any) -> OutboundCall:
    """Return a call to a number that was not called yet."""
    number = next(_numbers)
    return outbound_call(number=f"+{number}", call_id=f"call_{number:032x}", **changes)


def set_phone(sandbox: RunningSandbox, call: OutboundCall, behaviour: str, **options: Any) -> None:
    """Set the behaviour of the phone that is called."""
    url = f"{sandbox.url}/phones/{call.number[1:]}"
    document = {"behaviour": behaviour, **options}
    assert requests.put(url, json=document, timeout=5).status_code == 204


def place(provider: Twiml, call: OutboundCall, seconds: float = 10) -> PlacementResult:
    """Place the call, and let its documents be fetched."""
    ANSWERING[call.call_id] = provider, call
    return provider.place(call, Deadlines.within(seconds))


def next_callback(inbox: Inbox, call: OutboundCall) -> Callback:
    """Wait for the callback of a call."""
    while True:
        callback = inbox.get(timeout=30)
        if callback.query["call"] == call.call_id:
            return callback


@pytest.mark.parametrize("vendor", VENDORS)
def test_call_is_spoken_and_reported(
    sandbox: RunningSandbox, webhook: str, inbox: Inbox, vendor: str
) -> None:
    """From the request to the signed callback, which another account's keys do not accept."""
    provider, call = adapter(sandbox, webhook, vendor), new_call()
    result = place(provider, call)
    assert result.outcome is PlacementOutcome.ACCEPTED
    assert bool(result.provider_id) == (vendor != "telnyx")
    callback = next_callback(inbox, call)
    (report,) = provider.parse_callback(callback)
    (phone_call,) = sandbox.state.phone_calls(call.number[1:])
    assert phone_call["spoken"] == " ".join(["ACME. Asha, your login code is 4 7 1 0."] * 3)
    assert report.ids == (call.call_id, phone_call["id"])
    assert (report.status, report.number, report.bridge) == (
        CallStatus.ANSWERED,
        call.number,
        call.bridge,
    )
    assert report.duration_s is not None
    other = create_verifier(VENDORS["twilio"].signature_scheme, ("other",))
    wrong = replace(provider, verifier=other)
    with pytest.raises(CallbackAuthError):
        wrong.parse_callback(callback)


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize(
    ("key", "spoken"),
    [
        ("1", f"For Asha: press 1. {' '.join(['ACME. Asha, your login code is 4 7 1 0.'] * 3)}"),
        ("9", "For Asha: press 1."),
        ("", "For Asha: press 1. For Asha: press 1."),
    ],
)
def test_key_is_pressed_before_the_code(
    sandbox: RunningSandbox, webhook: str, inbox: Inbox, vendor: str, key: str, spoken: str
) -> None:
    """The vendor signs the report of the key; the code is in no request to it."""
    provider, call = adapter(sandbox, webhook, vendor), new_call(prompt="For {Name}: press 1.")
    set_phone(sandbox, call, "answer", **({"key": key} if key else {}))
    assert place(provider, call).outcome is PlacementOutcome.ACCEPTED
    (report,) = provider.parse_callback(next_callback(inbox, call))
    assert report.status is CallStatus.ANSWERED
    (phone_call,) = sandbox.state.phone_calls(call.number[1:])
    assert (phone_call["spoken"], phone_call["key"]) == (spoken, key)
    assert "4<break" not in str(phone_call["request"])


@pytest.mark.parametrize("vendor", VENDORS)
def test_ringing_phone_stops_when_its_call_is_canceled(
    sandbox: RunningSandbox, webhook: str, inbox: Inbox, vendor: str
) -> None:
    """A person who has answered is not hung up on."""
    provider, call = adapter(sandbox, webhook, vendor), new_call()
    if not isinstance(provider, CancelingProvider):
        assert vendor == "telnyx"
        return
    for button in (None, "answer"):
        set_phone(sandbox, call, "by_hand")
        result = place(provider, call)
        if button:
            assert sandbox.state.press_button(call.number[1:], button)
        query = CallQuery(
            call_id=call.call_id,
            mode="",
            number=call.number,
            bridge=call.bridge,
            provider_id=result.provider_id,
            sent_at_ms=0,
        )
        assert provider.cancel(query, Deadlines.within(10)) == (button is None)
        if button is None:
            (report,) = provider.parse_callback(next_callback(inbox, call))
            assert report.reason is CallReason.HUNG_UP_BEFORE_ANSWER
        else:
            assert sandbox.state.press_button(call.number[1:], "hang_up")


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize(
    ("behaviour", "ends", "status"),
    [
        ("busy", None, CallStatus.BUSY),
        ("no_answer", None, CallStatus.NO_ANSWER),
        ("answer", "CONGESTION", CallStatus.FAILED),
        ("answer", "CHANUNAVAIL", CallStatus.NO_ANSWER),
        ("answer", "voicemail", CallStatus.UNKNOWN),
    ],
)
def test_ends_of_a_call(
    sandbox: RunningSandbox,
    webhook: str,
    inbox: Inbox,
    vendor: str,
    behaviour: str,
    ends: str | None,
    status: CallStatus,
) -> None:
    """As the vendor reports them; a phone that is off was not answered."""
    provider, call = adapter(sandbox, webhook, vendor), new_call()
    set_phone(sandbox, call, behaviour, **({"ends": ends} if ends else {}))
    assert place(provider, call).outcome is PlacementOutcome.ACCEPTED
    (report,) = provider.parse_callback(next_callback(inbox, call))
    assert report.status is status
    assert report.is_known_status == (status is not CallStatus.UNKNOWN)


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("style", ["left_out", "sent"])
def test_status_query(
    sandboxes: dict[str, RunningSandbox], webhook: str, vendor: str, style: str
) -> None:
    """By the id of the reply, or among the calls to the number."""
    sandbox = sandboxes[style]
    provider, call = adapter(sandbox, webhook, vendor), new_call()
    set_phone(sandbox, call, "no_callback")
    result = place(provider, call)
    assert bool(result.provider_id) == (vendor != "telnyx" or style == "sent")
    network, phone = sandbox.state, call.number[1:]
    assert network.wait_until(lambda: network.phone_calls(phone)[0]["status"] == "ANSWER", 10)
    entry = network.request_log()[-1]
    query = CallQuery(
        call_id=call.call_id,
        mode="",
        number=call.number,
        bridge=call.bridge,
        provider_id=result.provider_id,
        sent_at_ms=_wall_ms(entry["received_wall"]),
    )
    report = provider.fetch_status(query, Deadlines.within(10))
    assert report is not None
    assert (report.status, report.ids[0]) == (CallStatus.ANSWERED, call.call_id)
    assert report.ids[1] == network.phone_calls(phone)[0]["id"]


def _wall_ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize(
    ("behaviour", "outcome"),
    [
        ("slow", PlacementOutcome.ACCEPTED),
        ("early_callback", PlacementOutcome.ACCEPTED),
        *((b, PlacementOutcome.AMBIGUOUS) for b in ("garbage", "empty", "huge", "cut", "reset")),
        *((b, PlacementOutcome.AMBIGUOUS) for b in ("timeout", "trickle", "error_500")),
        *((b, PlacementOutcome.MISCONFIGURED) for b in ("error_401", "out_of_credit")),
    ],
)
def test_behaviours_of_the_vendor(
    sandbox: RunningSandbox,
    webhook: str,
    vendor: str,
    behaviour: str,
    outcome: PlacementOutcome,
) -> None:
    """Each leads to one request, whatever becomes known of it."""
    provider, call = adapter(sandbox, webhook, vendor), new_call()
    seconds = {"slow": 0.05, "timeout": 60.0, "trickle": 0.2}.get(behaviour, 0.0)
    set_phone(sandbox, call, behaviour, seconds=seconds)
    patience = 0.6 if outcome is PlacementOutcome.AMBIGUOUS and seconds else 20
    assert place(provider, call, patience).outcome is outcome
    entries = [e for e in sandbox.state.request_log() if e["request"].get("To") == call.number]
    assert len(entries) == 1


@pytest.mark.parametrize("vendor", VENDORS)
def test_wrong_token_is_misconfigured(sandbox: RunningSandbox, webhook: str, vendor: str) -> None:
    """The route closes; no phone rings."""
    provider, call = adapter(sandbox, webhook, vendor, token="wr0ng"), new_call()
    result = place(provider, call)
    assert result.outcome is PlacementOutcome.MISCONFIGURED
    assert re.fullmatch(r"HTTP 401, code 20003: Authenticate", result.detail)
    assert not sandbox.state.phone_calls(call.number[1:])


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("name", ["O'Brien & Söhne", "</Say><Play>x</Play>", "{otp}", "आशा"])
def test_name_is_spoken_as_it_is(
    sandbox: RunningSandbox, webhook: str, inbox: Inbox, vendor: str, name: str
) -> None:
    """The vendor's interpreter finds no markup in it."""
    provider, call = adapter(sandbox, webhook, vendor), new_call(name=name)
    assert place(provider, call).outcome is PlacementOutcome.ACCEPTED
    next_callback(inbox, call)
    (phone_call,) = sandbox.state.phone_calls(call.number[1:])
    assert phone_call["spoken"].startswith(f"ACME. {name}, your login code is 4 7 1 0.")


def test_code_stands_in_the_document_only(sandbox: RunningSandbox, webhook: str) -> None:
    """No address has it."""
    provider, call = adapter(sandbox, webhook, "twilio"), new_call(code="938274")
    place(provider, call)
    (entry,) = [e for e in sandbox.state.request_log() if e["request"].get("To") == call.number]
    members = {name: re.sub(r"[^0-9]", "", text) for name, text in entry["request"].items()}
    assert [name for name, digits in members.items() if "938274" in digits] == []
    assert '9<break time="500ms"/>3<break' in entry["request"]["Twiml"]
