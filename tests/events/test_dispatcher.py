"""Delivers events to a real receiver, which verifies each with the library and may misbehave."""

import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from events.event_harness import EventHarness, endpoint_settings
from events.receiver import NEW_SECRET, OLD_SECRET, EventReceiver
from providers.servers import connect_proxy
from redis import Redis
from support.processes import free_port
from support.service import ASHA, BANK_KEY, LOGIN_KEY
from support.store_proxy import StoreProxy

from otpvoice.dialer.dispatcher import MAX_IN_FLIGHT, RETRY_DELAYS_S, Endpoint, EventDispatcher
from otpvoice.http_client import HttpClient
from otpvoice.settings import load
from otpvoice.store.discovery import connect

RAVI = "+919812345678"
LONGEST = 1.2
"""A pause is at most so many times as long as it says."""


def begins_and_ends(harness: EventHarness, to: str = ASHA, key: str = LOGIN_KEY) -> str:
    """Create and cancel a verification, which makes two events."""
    verification_id = harness.create(key, to, call_after=100, reference="login-81")
    harness.end(key, verification_id)
    return verification_id


@contextmanager
def running(harness: EventHarness) -> Iterator[None]:
    """Run the dispatcher during the block."""
    stopping = threading.Event()
    thread = threading.Thread(target=harness.dispatcher.run, args=(stopping,))
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join(15)
        assert not thread.is_alive()


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


# Who waits for whom ------------------------------------------------------------------------------


def test_running_dispatcher_delivers_each_change_once(
    harness: EventHarness, receiver: EventReceiver
) -> None:
    """Soon after the change."""
    with running(harness):
        ids = {begins_and_ends(harness, f"+9198765432{n:02}") for n in range(20)}
        received = receiver.wait_for_events(40)
    assert len({each.id for each in receiver.events}) == len(receiver.events) == 40
    assert {each.data["id"] for each in received} == ids


def test_hanging_client_does_not_delay_others(
    make_harness: Callable[..., EventHarness], receiver: EventReceiver
) -> None:
    """It gets a bounded number of events at once."""
    with EventReceiver(default_response="hang") as hanging:
        harness = make_harness(**(endpoint_settings(hanging) | endpoint_settings(receiver, "BANK")))
        for n in range(10):
            begins_and_ends(harness, f"+9198765432{n:02}")
        with running(harness):
            hanging.wait_for_events(MAX_IN_FLIGHT)
            began = time.monotonic()
            for n in range(10):
                begins_and_ends(harness, f"+9198765432{n:02}", BANK_KEY)
            assert receiver.wait_for_events(20)[-1].at - began < 9
            assert len(hanging.events) == MAX_IN_FLIGHT
            hanging.release()
            hanging.wait_for_events(20)


def test_late_response_is_a_failed_delivery(harness: EventHarness, receiver: EventReceiver) -> None:
    """A status line in time is a delivery, even if the body never arrives."""
    endpoint = Endpoint(receiver.url, (NEW_SECRET,))
    hurried = EventDispatcher(
        harness.store,
        {"login": endpoint},
        lambda each: {"id": each.id},
        HttpClient(),
        total_timeout_s=0.3,
    )
    receiver.next_responses = ["hang", "slow"]
    begins_and_ends(harness)
    began = time.monotonic()
    for event in harness.store.claim_events({"login": 100}).events:
        hurried.deliver(event)
    assert 0.3 < time.monotonic() - began < 9  # a hang takes ten seconds
    harness.advance_time(21)
    assert harness.deliver_due() == 1
    assert receiver.wait_for_events(3)[2].id == receiver.events[0].id


def test_every_key_of_events_expires(
    harness: EventHarness, receiver: EventReceiver, redis: Redis
) -> None:
    """While events wait, are retried, fail and are dropped. Delivered events leave nothing."""
    receiver.next_responses = [500]
    for step in (lambda: begins_and_ends(harness), harness.deliver_due, harness.deliver_due):
        step()
        kept = list(redis.scan_iter("*event*"))
        assert kept
        assert all(0 < redis.pttl(key) <= 86_400_000 for key in kept)
    harness.advance_time(7)
    assert harness.deliver_due() == 1
    assert [*redis.scan_iter("*event*")] == []


def test_events_use_the_proxy(
    make_harness: Callable[..., EventHarness], receiver: EventReceiver
) -> None:
    """With ``events.proxy`` each is delivered through a tunnel. A refused tunnel is retried."""
    with connect_proxy() as proxy:
        proxy.response = b"HTTP/1.1 407 No\r\n\r\n"
        harness = make_harness(**endpoint_settings(receiver), OTPVOICE_EVENTS_PROXY=proxy.url)
        begins_and_ends(harness)
        assert harness.deliver_due() == 2
        proxy.response = b""
        harness.advance_time(RETRY_DELAYS_S[0] * LONGEST)
        assert harness.deliver_due() == 2
        receiver.wait_for_events(2)
    assert bytes(proxy.relayed).count(b"POST ") == 2


def test_no_event_is_sent_after_the_stop(
    environ: dict[str, str], receiver: EventReceiver, redis: Redis, redis_url: str
) -> None:
    """Claimed events are due again at once, and no attempt is counted."""
    settings = load(environ | endpoint_settings(receiver)).settings
    port = urlsplit(redis_url).port
    assert port is not None
    with StoreProxy(port) as proxy, closing(connect(proxy.url)) as slow:
        harness, stopping = EventHarness(settings, slow), threading.Event()
        harness.end(LOGIN_KEY, harness.create(LOGIN_KEY, ASHA))
        thread = threading.Thread(target=harness.dispatcher.run, args=(stopping,))
        with proxy.holding("claim_events") as held:
            thread.start()
            assert held.came.wait(60)
            stopping.set()
            held.let_go.set()
            thread.join(10)
            assert not thread.is_alive()
    assert receiver.events == []
    due: Any = redis.zrangebyscore("{otpvoice}:events:login", "-inf", time.time() * 1000)
    assert len(due) == 2  # canceled: the call and the verification
    attempts = [redis.hget(f"{{otpvoice}}:event:{each.decode()}", "attempts") for each in due]
    assert attempts == [b"0", b"0"]
    assert EventHarness(settings, redis).deliver_due() == 2
    receiver.wait_for_events(2)
