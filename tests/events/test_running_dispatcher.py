"""A dispatcher that runs: who waits for whom, expiry, the proxy and the stop."""

import threading
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

from events.event_harness import LONGEST, EventHarness, begins_and_ends, endpoint_settings, running
from events.receiver import NEW_SECRET, EventReceiver
from providers.servers import connect_proxy
from redis import Redis
from support.service import ASHA, BANK_KEY, LOGIN_KEY
from support.store_proxy import StoreProxy

from otpvoice.dialer.dispatcher import MAX_IN_FLIGHT, RETRY_DELAYS_S, Endpoint, EventDispatcher
from otpvoice.http_client import HttpClient
from otpvoice.settings import load
from otpvoice.store.discovery import connect


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
