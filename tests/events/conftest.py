"""Fixtures: a client that receives events, and a service that delivers them."""

from collections.abc import Callable, Iterator

import pytest
from events.event_harness import EventHarness, endpoint_settings
from events.receiver import EventReceiver
from redis import Redis

from otpvoice.settings import load


@pytest.fixture
def receiver() -> Iterator[EventReceiver]:
    """Run a receiver of events."""
    with EventReceiver() as listening:
        yield listening


@pytest.fixture
def make_harness(environ: dict[str, str], redis: Redis) -> Callable[..., EventHarness]:
    """Return a factory of services with further settings."""

    def make(**changes: str) -> EventHarness:
        return EventHarness(load(environ | changes).settings, redis)

    return make


@pytest.fixture
def harness(make_harness: Callable[..., EventHarness], receiver: EventReceiver) -> EventHarness:
    """Create a service with the receiver as its client's endpoint."""
    return make_harness(**endpoint_settings(receiver))
