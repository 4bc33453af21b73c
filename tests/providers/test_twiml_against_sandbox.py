"""The adapter of the TwiML family against the provider simulator, which was written separately."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from queue import SimpleQueue
from typing import Any

import pytest
from providers.sandbox_calls import phone, serve_provider, set_phone, unused_number
from providers.twiml_samples import outbound_call
from providers.twiml_sandbox import TOKEN, adapter, document_for, place

from otpvoice.core.verification import CallReason, CallStatus
from otpvoice.http_client import Deadlines
from otpvoice.providers.base import (
    Callback,
    CallbackAuthError,
    CallQuery,
    OutboundCall,
    PlacementOutcome,
)
from otpvoice.providers.canceling import CancelingProvider
from otpvoice.providers.twiml.signature import create_verifier
from otpvoice.providers.twiml.vendors import VENDORS
from otpvoice_sandbox import ReplyStyle, RunningSandbox, SandboxConfig

Inbox = SimpleQueue[Callback]


@pytest.fixture(scope="module")
def inbox() -> Inbox:
    """Return the callbacks that arrive at :func:`webhook`."""
    return SimpleQueue()


@pytest.fixture(scope="module")
def webhook(inbox: Inbox) -> Iterator[str]:
    """Run a webhook, and yield its address."""

    def respond(callback: Callback, path: str) -> tuple[int, bytes]:
        if path.startswith("/calls/"):
            return 200, document_for(callback, is_key=path.endswith("/key"))
        inbox.put(callback)
        return 200, b""

    with serve_provider(respond) as url:
        yield f"{url}/webhooks/voice"


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


def new_call(**changes: Any) -> OutboundCall:
    """Return a call to a number that was not called yet."""
    return outbound_call(**unused_number(), **changes)


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
    phone_call = phone(sandbox, call)
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
    phone_call = phone(sandbox, call)
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
    network = sandbox.state
    assert network.wait_until(lambda: phone(sandbox, call)["status"] == "ANSWER", 10)
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
    assert report.ids[1] == phone(sandbox, call)["id"]


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
    phone_call = phone(sandbox, call)
    assert phone_call["spoken"].startswith(f"ACME. {name}, your login code is 4 7 1 0.")


def test_code_stands_in_the_document_only(sandbox: RunningSandbox, webhook: str) -> None:
    """No address has it."""
    provider, call = adapter(sandbox, webhook, "twilio"), new_call(code="938274")
    place(provider, call)
    (entry,) = [e for e in sandbox.state.request_log() if e["request"].get("To") == call.number]
    members = {name: re.sub(r"[^0-9]", "", text) for name, text in entry["request"].items()}
    assert [name for name, digits in members.items() if "938274" in digits] == []
    assert '9<break time="500ms"/>3<break' in entry["request"]["Twiml"]
