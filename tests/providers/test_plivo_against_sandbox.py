"""The adapter for Plivo against the provider simulator, which was written separately."""

from collections.abc import Iterator
from dataclasses import replace
from queue import SimpleQueue
from typing import Any

import pytest
from providers.plivo_samples import AUTH_ID, TOKEN, TOKENS, adapter, call_query, outbound_call
from providers.sandbox_calls import phone, serve_provider, set_phone, unused_number

from otpvoice.core.verification import CallReason, CallStatus
from otpvoice.http_client import Deadlines
from otpvoice.providers.base import (
    Callback,
    CallbackAuthError,
    CallReport,
    OutboundCall,
    PlacementOutcome,
    PlacementResult,
    Speech,
)
from otpvoice.providers.context import CallAddresses
from otpvoice_sandbox import RunningSandbox, SandboxConfig

ANSWERED, BUSY, NO_ANSWER = CallStatus.ANSWERED, CallStatus.BUSY, CallStatus.NO_ANSWER
FAILED = CallStatus.FAILED


class Service:
    """What the API does with the provider's requests, without a store: each call has its speech."""

    def __init__(self, sandbox: RunningSandbox) -> None:
        self.speeches: dict[str, Speech | None] = {}
        self._reports: dict[str, SimpleQueue[CallReport]] = {}
        self.provider = adapter(base_url=f"{sandbox.url}/v1/")

    def receive_at(self, url: str) -> None:
        """Set the address of this service."""
        self.provider = replace(self.provider, addresses=CallAddresses(url, "plivo", TOKENS))

    def reports(self, call_id: str) -> SimpleQueue[CallReport]:
        """Return the reports about a call."""
        return self._reports.setdefault(call_id, SimpleQueue())

    def respond(self, callback: Callback, path: str) -> tuple[int, bytes]:
        """Return status and body."""
        try:
            if path.startswith("/webhooks/"):
                (report,) = self.provider.parse_callback(callback)
                self.reports(report.ids[0]).put(report)
                return 200, b""
            if path.endswith("/key"):
                call_id, key = self.provider.parse_key(callback)
                speech = None if key == "9" else self.speeches[call_id]
                return 200, self.provider.build_document(speech)
            call_id = self.provider.parse_answer(callback)
            speech = self.speeches[call_id]
            if speech and speech.prompt:
                return 200, self.provider.build_prompt(call_id, speech)
            return 200, self.provider.build_document(speech)
        except CallbackAuthError:
            return 404, b""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    """Run a fast sandbox."""
    config = SandboxConfig(token=TOKEN, ring_seconds=0.01, talk_seconds=0.01)
    with RunningSandbox(config) as running:
        yield running


@pytest.fixture(scope="module")
def service(sandbox: RunningSandbox) -> Iterator[Service]:
    """Run the service that places calls with the sandbox."""
    service = Service(sandbox)
    with serve_provider(service.respond) as url:
        service.receive_at(url)
        yield service


def new_call(**changes: Any) -> OutboundCall:
    """Return a call to a number that was not called yet."""
    return outbound_call(**unused_number(), **changes)


def place(service: Service, call: OutboundCall, seconds: float = 10) -> PlacementResult:
    """Place the call, which then has its speech."""
    service.speeches[call.call_id] = call.speech
    return service.provider.place(call, Deadlines.within(seconds))


def test_phone_hears_the_code_three_times(sandbox: RunningSandbox, service: Service) -> None:
    """The text of the flow, with the name and the code digit by digit, in its language."""
    call = new_call(locale="hi", text="नमस्ते {Name}, आपका कोड {otp} है।", name="आशा & Söhne")
    result = place(service, call)
    report = service.reports(call.call_id).get(timeout=10)
    assert result.outcome is PlacementOutcome.ACCEPTED
    assert (report.status, report.ids[:2]) == (ANSWERED, (call.call_id, result.provider_id))
    spoken = phone(sandbox, call)["spoken"]
    assert spoken.count("नमस्ते आशा & Söhne, आपका कोड 4 7 1 1 0 2 है।") == 3
    assert sandbox.state.current_call(call.number[1:]).language == "hi-IN"  # type: ignore[union-attr]
    assert "471102" not in str(sandbox.state.request_log())


@pytest.mark.parametrize(
    ("key", "spoken"),
    [
        ("1", f"Press 1, Asha. {' '.join(['Code 4 7 1 1 0 2.'] * 3)}"),
        ("9", "Press 1, Asha."),
        ("", "Press 1, Asha. Press 1, Asha."),
    ],
)
def test_key_is_pressed_before_the_code(
    sandbox: RunningSandbox, service: Service, key: str, spoken: str
) -> None:
    """The provider signs the report of the key."""
    call = new_call(text="Code {otp}.", name="Asha", prompt="Press 1, {Name}.")
    set_phone(sandbox, call, "answer", **({"key": key} if key else {}))
    assert place(service, call).outcome is PlacementOutcome.ACCEPTED
    assert service.reports(call.call_id).get(timeout=10).status is ANSWERED
    shown = phone(sandbox, call)
    assert (shown["spoken"], shown["key"]) == (spoken, key)


@pytest.mark.parametrize(
    ("behaviour", "options", "expected"),
    [
        ("busy", {}, (BUSY, None)),
        ("decline", {}, (BUSY, None)),
        ("no_answer", {}, (NO_ANSWER, None)),
        ("answer", {"ends": "CANCEL"}, (NO_ANSWER, CallReason.HUNG_UP_BEFORE_ANSWER)),
        ("answer", {"ends": "CHANUNAVAIL"}, (FAILED, None)),
        ("answer", {"ends": "violates_media_anchoring"}, (FAILED, CallReason.ROUTE_DOWN)),
        ("answer", {"ends": "Invalid Destination Address"}, (FAILED, CallReason.REFUSED)),
    ],
)
@pytest.mark.parametrize("style", ["same", "other"])
def test_end_of_a_call_is_reported_and_queried(
    sandbox: RunningSandbox,
    service: Service,
    behaviour: str,
    options: dict[str, Any],
    expected: tuple[CallStatus, CallReason | None],
    style: str,
) -> None:
    """By callback and by query, whether the request's id is the call's or not."""
    call = new_call()
    set_phone(sandbox, call, behaviour, plivo_call_uuid=style, **options)
    result = place(service, call)
    report = service.reports(call.call_id).get(timeout=10)
    assert (report.status, report.reason, report.number) == (*expected, call.number)
    shown = sandbox.state.current_call(call.number[1:])
    assert shown
    sent_at_ms = int(shown.received_at.wall.timestamp() * 1000)
    query = call_query(
        call_id=call.call_id,
        number=call.number,
        provider_id=result.provider_id,
        sent_at_ms=sent_at_ms,
    )
    queried = service.provider.fetch_status(query, Deadlines.within(10))
    assert queried
    assert (queried.status, queried.reason, queried.ids[0]) == (*expected, call.call_id)


@pytest.mark.parametrize(
    ("behaviour", "outcome"),
    [
        ("error_500", PlacementOutcome.AMBIGUOUS),
        ("error_401", PlacementOutcome.MISCONFIGURED),
        ("out_of_credit", PlacementOutcome.MISCONFIGURED),
        ("garbage", PlacementOutcome.AMBIGUOUS),
        ("empty", PlacementOutcome.AMBIGUOUS),
        ("huge", PlacementOutcome.AMBIGUOUS),
        ("cut", PlacementOutcome.AMBIGUOUS),
        ("reset", PlacementOutcome.AMBIGUOUS),
        ("timeout", PlacementOutcome.AMBIGUOUS),
        ("trickle", PlacementOutcome.AMBIGUOUS),
        ("slow", PlacementOutcome.ACCEPTED),
        ("early_callback", PlacementOutcome.ACCEPTED),
    ],
)
def test_placement_outcome(
    sandbox: RunningSandbox, service: Service, behaviour: str, outcome: PlacementOutcome
) -> None:
    """A call whose reply is lost may ring, and is never requested twice."""
    call = new_call()
    seconds = {"slow": 0.05, "timeout": 60.0, "trickle": 0.2}.get(behaviour, 0.0)
    set_phone(sandbox, call, behaviour, seconds=seconds)
    patience = 0.6 if behaviour in {"timeout", "trickle"} else 20
    assert place(service, call, patience).outcome is outcome
    numbers = [entry["person"] for entry in sandbox.state.request_log()]
    assert numbers.count(call.number[1:]) == 1


def cancel(service: Service, call: OutboundCall, provider_id: str | None) -> bool:
    """Cancel a call, and return whether that was confirmed."""
    query = call_query(call_id=call.call_id, number=call.number, provider_id=provider_id)
    return service.provider.cancel(query, Deadlines.within(10))


def test_ringing_phone_stops_when_its_call_is_canceled(
    sandbox: RunningSandbox, service: Service
) -> None:
    """Nobody answers it; it ends as one that was hung up."""
    call = new_call()
    set_phone(sandbox, call, "by_hand")
    result = place(service, call)
    assert cancel(service, call, result.provider_id)
    report = service.reports(call.call_id).get(timeout=10)
    assert (report.status, report.reason) == (NO_ANSWER, CallReason.HUNG_UP_BEFORE_ANSWER)
    assert not sandbox.state.press_button(call.number[1:], "answer")
    assert not cancel(service, call, result.provider_id)


def test_phone_of_a_queued_call_never_rings(service: Service) -> None:
    """Nor is there a record of it."""
    config = SandboxConfig(token=TOKEN, ring_seconds=0.01, plivo_interval_seconds=60)
    before = service.provider
    with RunningSandbox(config) as slow:
        service.provider = replace(before, base_url=f"{slow.url}/v1/")
        try:
            first, second = new_call(), new_call()
            assert place(service, first).outcome is PlacementOutcome.ACCEPTED
            result = place(service, second)
            assert phone(slow, second)["status"] == "queued"
            assert cancel(service, second, result.provider_id)
            shown = phone(slow, second)
            assert (shown["status"], shown["attempts_rung"]) == ("CANCEL", 0)
            query = call_query(call_id=second.call_id, number=second.number)
            assert service.provider.fetch_status(query, Deadlines.within(10)) is None
        finally:
            service.provider = before


@pytest.mark.parametrize("provider_id", ["another-request", None])
def test_unknown_request_is_not_canceled(
    sandbox: RunningSandbox, service: Service, provider_id: str | None
) -> None:
    call = new_call()
    set_phone(sandbox, call, "by_hand")
    place(service, call)
    assert not cancel(service, call, provider_id)
    assert sandbox.state.press_button(call.number[1:], "answer")


def test_call_without_a_speech_ends(sandbox: RunningSandbox, service: Service) -> None:
    """The empty document says nothing."""
    call = new_call()
    service.speeches[call.call_id] = None
    result = service.provider.place(call, Deadlines.within(10))
    assert result.outcome is PlacementOutcome.ACCEPTED
    assert service.reports(call.call_id).get(timeout=10).status is ANSWERED
    assert phone(sandbox, call)["spoken"] == ""


def test_service_with_another_token_stays_silent(sandbox: RunningSandbox, service: Service) -> None:
    """Its own requests are refused, and so are those of the provider."""
    other = adapter(base_url=f"{sandbox.url}/v1/", auth_tokens=("another",))
    result = other.place(new_call(), Deadlines.within(10))
    assert (result.outcome, AUTH_ID in result.detail) == (PlacementOutcome.MISCONFIGURED, False)
    call = new_call()
    before = service.provider
    service.provider = adapter(
        base_url=f"{sandbox.url}/v1/",
        addresses=before.addresses,
        auth_tokens=("another",),
    )
    try:
        service.speeches[call.call_id] = call.speech
        before.place(call, Deadlines.within(10))
        shown = sandbox.state.current_call(call.number[1:])
        assert shown
        assert sandbox.state.wait_until(lambda: shown.callback_sent, 10)
        assert phone(sandbox, call)["spoken"] == ""
        assert service.reports(call.call_id).empty()
    finally:
        service.provider = before
