"""A service with events, driven in single steps."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from events.receiver import NEW_SECRET, EventReceiver
from redis import Redis
from support.service import ASHA, LOGIN_KEY

from otpvoice.app import create_app
from otpvoice.container import Container
from otpvoice.settings import Settings
from otpvoice.store.redis_store import RedisStore

KEEP = 7 * 86_400_000
"""Milliseconds."""
LONGEST = 1.2
"""A pause is at most so many times as long as it says."""


def endpoint_settings(
    client: EventReceiver, name: str = "LOGIN", secret: str = NEW_SECRET
) -> dict[str, str]:
    """Return the variables of this client's endpoint; prefixes are unlimited."""
    return {
        f"OTPVOICE_CLIENTS_{name}_EVENT_URL": client.url,
        f"OTPVOICE_CLIENTS_{name}_EVENT_SECRET": secret,
        "OTPVOICE_LIMITS_UNVERIFIED_PER_PREFIX": "",
    }


class EventHarness:
    """The API, time, and a courier, in single steps.

    Args:
        settings: name the clients and where they listen.
        redis: the emptied server.
    """

    def __init__(self, settings: Settings, redis: Redis) -> None:
        self.store = RedisStore(redis, policy=Container(settings).policy)
        self.store.sweep("a dialer that was heard of")
        self.dispatcher = Container(settings, self.store).create_dispatcher()
        self.http = create_app(settings, self.store).test_client()
        self._clients = [name for name, c in settings.clients.items() if c.event_url]

    def create(self, key: str, to: str, **members: object) -> str:
        """Create a verification and return its id."""
        answer = self.http.post(
            "/v1/verifications",
            json={"to": to, **members},
            headers={"Authorization": f"Bearer {key}"},
        )
        assert answer.status_code == 201, answer.text
        return str(answer.get_json()["id"])

    def end(self, key: str, verification_id: str, how: str = "cancel") -> None:
        """Cancel or approve a verification."""
        answer = self.http.post(
            f"/v1/verifications/{verification_id}/{how}",
            headers={"Authorization": f"Bearer {key}"},
        )
        assert answer.status_code == 200, answer.text

    def advance_time(self, seconds: float) -> None:
        """Time passes."""
        self.store.clock_offset_ms += round(seconds * 1000)

    def deliver_due(self) -> int:
        """Deliver every due event once, in turn, and return their number."""
        taken = self.store.claim_events(dict.fromkeys(self._clients, 100))
        for event in taken.events:
            self.dispatcher.deliver(event)
        return len(taken.events)


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
