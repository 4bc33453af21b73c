"""Connections: a command is sent on one that leads to the store, and gets its own reply."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from threading import Barrier

import pytest
from redis import Redis

from otpvoice.core.errors import StoreUnavailable
from otpvoice.store import TAG
from otpvoice.store.connections import Connections
from otpvoice.store.discovery import connect
from otpvoice.store.replies import FunctionMissing

AT_ONCE = 150
"""More than the library's pool has connections of its own accord."""


@pytest.fixture
def connections(redis_url: str) -> Iterator[Connections]:
    """Return connections with a timeout of a tenth of a second."""
    with closing(connect(redis_url, timeout_s=0.1)) as client:
        yield Connections(client.connection_pool)


def test_connection_is_reused(connections: Connections) -> None:
    """By any thread."""
    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as another:
        ids = {each.submit(connections.execute, "CLIENT", "ID").result() for each in (one, another)}
    assert len(ids) == 1


def test_simultaneous_commands_have_separate_connections(redis_url: str) -> None:
    """None waits for another."""
    client, everybody = connect(redis_url, timeout_s=10), Barrier(AT_ONCE)
    store = Connections(client.connection_pool)

    def ask(number: int) -> bytes:
        everybody.wait(10)
        reply: bytes = store.execute("ECHO", str(number))
        return reply

    with closing(client), ThreadPoolExecutor(AT_ONCE) as pool:
        replies = [*pool.map(ask, range(AT_ONCE))]
    assert replies == [str(number).encode() for number in range(AT_ONCE)]


def test_closed_connection_is_reopened_before_sending(
    connections: Connections, redis: Redis
) -> None:
    """After an idle timeout or a restart."""
    before = connections.execute("CLIENT", "ID")
    redis.client_kill_filter(_id=before)
    assert connections.execute("CLIENT", "ID") > before


def test_late_reply_is_not_taken_for_another_command(connections: Connections) -> None:
    """A timeout closes its connection."""
    with pytest.raises(StoreUnavailable):
        connections.execute("BLPOP", f"{TAG}:nothing", "0.5")
    assert connections.execute("ECHO", "mine") == b"mine"


def test_error_reply_keeps_the_connection(connections: Connections) -> None:
    before = connections.execute("CLIENT", "ID")
    with pytest.raises(FunctionMissing):
        connections.execute("FCALL", "unknown", 0)
    assert connections.execute("CLIENT", "ID") == before
