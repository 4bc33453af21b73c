"""Connections: a command is sent on one that leads to the store, and gets its own reply."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from threading import Barrier

import pytest
from redis import Redis

from otpvoice.core.errors import StoreUnavailable
from otpvoice.store.connections import Connections
from otpvoice.store.discovery import connect
from otpvoice.store.keys import TAG
from otpvoice.store.replies import FunctionMissing

AT_ONCE = 150
"""More than the library's pool has connections of its own accord."""


@pytest.fixture
def connections(redis_url: str) -> Iterator[Connections]:
    """Of a process that waits a tenth of a second for the store."""
    with closing(connect(redis_url, timeout_s=0.1)) as client:
        yield Connections(client.connection_pool)


def test_a_connection_is_used_again(connections: Connections) -> None:
    """By whichever thread asks next."""
    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as another:
        ids = {each.submit(connections.execute, "CLIENT", "ID").result() for each in (one, another)}
    assert len(ids) == 1


def test_everybody_who_asks_at_once_has_a_connection(redis_url: str) -> None:
    """However many threads the settings name; nobody waits for another's, or is refused."""
    client, everybody = connect(redis_url, timeout_s=10), Barrier(AT_ONCE)
    store = Connections(client.connection_pool)

    def ask(number: int) -> bytes:
        everybody.wait(10)
        reply: bytes = store.execute("ECHO", str(number))
        return reply

    with closing(client), ThreadPoolExecutor(AT_ONCE) as pool:
        told = [*pool.map(ask, range(AT_ONCE))]
    assert told == [str(number).encode() for number in range(AT_ONCE)]


def test_a_server_that_hung_up_is_called_again_before_anything_is_sent(
    connections: Connections, redis: Redis
) -> None:
    """It forgets idle connections, or was started anew: nobody notices."""
    before = connections.execute("CLIENT", "ID")
    redis.client_kill_filter(_id=before)
    assert connections.execute("CLIENT", "ID") > before


def test_a_late_reply_is_nobody_elses(connections: Connections) -> None:
    """Who did not wait for it took its connection with it."""
    with pytest.raises(StoreUnavailable):
        connections.execute("BLPOP", f"{TAG}:nothing", "0.5")
    assert connections.execute("ECHO", "mine") == b"mine"


def test_a_refusal_is_a_reply(connections: Connections) -> None:
    """Its connection goes on."""
    before = connections.execute("CLIENT", "ID")
    with pytest.raises(FunctionMissing):
        connections.execute("FCALL", "unknown", 0)
    assert connections.execute("CLIENT", "ID") == before
