"""Delivers events to a real receiver, which verifies each with the library and may misbehave."""

from base64 import b64encode
from collections.abc import Callable

import pytest
from events.event_harness import LONGEST, EventHarness, begins_and_ends, endpoint_settings, running
from events.receiver import NEW_SECRET, OLD_SECRET, EventReceiver
from redis import Redis
from support.processes import free_port
from support.service import LOGIN_KEY

from otpvoice.dialer.dispatcher import RETRY_DELAYS_S

RAVI = "+919812345678"


# Events ------------------------------------------------------------------------------------------


def test_event_is_signed_and_has_the_contract_format(
    harness: EventHarness, receiver: EventReceiver
) -> None:
    """Type, time, sequence, and the verification as an app sees it."""
    verification_id = begins_and_ends(harness)
    harness.deliver_due()
    call, canceled = receiver.wait_for_events(2)
    assert (call.type, canceled.type) == ("call.canceled", "verification.canceled")
    assert canceled.id == f"evt_{verification_id[4:]}_{canceled.sequence}"
    answer = harness.http.get(
        f"/v1/verifications/{verification_id}", headers={"Authorization": f"Bearer {LOGIN_KEY}"}
    )
    assert canceled.data == answer.get_json() | {"to": "+91******3210"}
    assert canceled.data["version"] == canceled.sequence == call.sequence + 1
    assert canceled.timestamp == canceled.data["ended_at"]
    assert canceled.headers["content-type"] == "application/json"
    assert receiver.faults == []


def test_event_carries_the_traceparent_of_the_create(
    harness: EventHarness, receiver: EventReceiver
) -> None:
    """Of a process without spans it is the client's own. Without one there is no header."""
    sent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with running(harness):
        harness.http.environ_base["HTTP_TRACEPARENT"] = sent
        traced = begins_and_ends(harness)
        del harness.http.environ_base["HTTP_TRACEPARENT"]
        begins_and_ends(harness, RAVI)
        events = receiver.wait_for_events(4)
    assert {(event.data["id"] == traced, event.headers.get("traceparent")) for event in events} == {
        (True, sent),
        (False, None),
    }


@pytest.mark.parametrize("secret", [NEW_SECRET, OLD_SECRET])
def test_each_of_two_secrets_verifies_the_event(
    make_harness: Callable[..., EventHarness], secret: str
) -> None:
    """While a secret is rotated."""
    with EventReceiver(secret) as receiver:
        harness = make_harness(**endpoint_settings(receiver, secret=f"{NEW_SECRET},{OLD_SECRET}"))
        begins_and_ends(harness)
        harness.deliver_due()
        assert len(receiver.wait_for_events(2)) == 2
        assert receiver.faults == []


def test_wrong_secret_does_not_verify_the_event(make_harness: Callable[..., EventHarness]) -> None:
    """So the other tests verify signatures."""
    with EventReceiver(OLD_SECRET) as receiver:
        harness = make_harness(**endpoint_settings(receiver))
        begins_and_ends(harness)
        harness.deliver_due()
        assert (len(receiver.events), len(receiver.faults)) == (0, 2)


# What comes again --------------------------------------------------------------------------------


def test_failed_deliveries_are_retried_five_times(
    harness: EventHarness, receiver: EventReceiver
) -> None:
    """After 5 s, 30 s, 2, 10 and 30 minutes, under one id, signed anew, with the same body."""
    receiver.default_response = 500
    begins_and_ends(harness)
    assert harness.deliver_due() == 2
    for pause in RETRY_DELAYS_S:
        harness.advance_time(pause - 1)
        assert harness.deliver_due() == 0
        harness.advance_time(1 + pause * (LONGEST - 1))
        assert harness.deliver_due() == 2
    harness.advance_time(7200)
    assert harness.deliver_due() == 0
    tries = [each for each in receiver.wait_for_events(12) if each.type == "verification.canceled"]
    assert len(tries) == 1 + len(RETRY_DELAYS_S)
    assert len({(each.id, each.raw) for each in tries}) == 1


@pytest.mark.parametrize("answer", [500, 503, 429, 404, 301, "redirect", "close"])
def test_response_other_than_2xx_is_retried(
    harness: EventHarness, receiver: EventReceiver, answer: int | str
) -> None:
    """Redirects are not followed."""
    receiver.next_responses = [answer, answer]
    begins_and_ends(harness)
    assert harness.deliver_due() == 2
    harness.advance_time(5 * LONGEST)
    assert harness.deliver_due() == 2
    harness.advance_time(7200)
    assert harness.deliver_due() == 0
    received = receiver.wait_for_events(4)
    assert {each.id for each in received[:2]} == {each.id for each in received[2:]}
    assert receiver.faults == []


@pytest.mark.parametrize("answer", [200, 202, 299, "long"])
def test_status_line_2xx_is_a_delivery(
    harness: EventHarness, receiver: EventReceiver, answer: int | str
) -> None:
    """The body is not read to its end."""
    receiver.default_response = answer
    begins_and_ends(harness)
    assert harness.deliver_due() == 2
    harness.advance_time(7200)
    assert harness.deliver_due() == 0


def test_410_abandons_the_event(harness: EventHarness, receiver: EventReceiver) -> None:
    """The next event is attempted."""
    receiver.next_responses = [410, 410]
    begins_and_ends(harness)
    assert harness.deliver_due() == 2
    harness.advance_time(7200)
    assert harness.deliver_due() == 0
    begins_and_ends(harness, "+919876543211")
    assert harness.deliver_due() == 2
    assert len(receiver.wait_for_events(4)) == 4


def test_refused_connection_is_retried(make_harness: Callable[..., EventHarness]) -> None:
    """The event is delivered when the client listens again."""
    port = free_port()
    with EventReceiver(port=port) as away:
        pass
    harness = make_harness(**endpoint_settings(away))
    begins_and_ends(harness)
    assert harness.deliver_due() == 2
    with EventReceiver(port=port) as back:
        harness.advance_time(6)
        assert harness.deliver_due() == 2
        back.wait_for_events(2)


def test_event_of_a_dead_process_is_delivered_after_its_lease(
    harness: EventHarness, receiver: EventReceiver
) -> None:
    """Under the same id."""
    begins_and_ends(harness)
    lost = harness.store.claim_events({"login": 100}).events
    assert harness.deliver_due() == 0
    harness.advance_time(21)
    assert harness.deliver_due() == 2
    assert {received.id for received in receiver.wait_for_events(2)} == {event.id for event in lost}


def test_event_of_an_erased_number_is_dropped(
    harness: EventHarness, receiver: EventReceiver, redis: Redis
) -> None:
    """Without an error."""
    verification_id = begins_and_ends(harness)
    redis.delete(f"{{otpvoice}}:verification:{verification_id}")
    assert harness.deliver_due() == 2
    harness.advance_time(7200)
    assert harness.deliver_due() == 0
    assert receiver.events == []


def test_event_without_its_key_is_retried_later(
    make_harness: Callable[..., EventHarness], receiver: EventReceiver
) -> None:
    """Or another process delivers it, while a key is rotated."""
    harness = make_harness(**endpoint_settings(receiver))
    stranger = f"k9:{b64encode(b'another ring key than that of us').decode()}"
    behind = make_harness(**endpoint_settings(receiver), OTPVOICE_SECRETS_KEYS=stranger)
    begins_and_ends(harness)
    assert behind.deliver_due() == 2
    assert receiver.events == []
    harness.advance_time(7)
    assert harness.deliver_due() == 2
    receiver.wait_for_events(2)
