"""Who is the primary: what Sentinels, or the nodes of a cluster, say about it.

All keys carry one tag, so that in a cluster as well there is one primary to talk to: the node that
holds the tag's slot. Finding it again after a failover is the same task with either, and it is done
for each new connection. Nothing of it repeats a command that may have run.
"""

from collections.abc import Callable, Sequence
from typing import Any

from redis import Redis
from redis.crc import key_slot
from redis.exceptions import RedisError
from redis.sentinel import MasterNotFoundError

Place = tuple[str, int]
"""Host and port."""
Ask = Callable[[Redis, str], Place | None]
"""Asks one server for the primary of a service, or of a tag; None if it knows of none."""


class Primary:
    """Finds the primary; what redis-py calls a ``sentinel_manager``.

    Args:
        known: who can be asked.
        ask: how.
    """

    def __init__(self, known: Sequence[Redis], ask: Ask) -> None:
        self._known = known
        self._answered = 0
        self._ask = ask

    def discover_master(self, name: str) -> Place:
        """The primary as the first server that knows of one says, beginning with the last that did.

        Raises:
            MasterNotFoundError: none knows, or none answers; a ``ConnectionError`` of redis-py.
        """
        first = self._answered
        found: Place | None = None
        said = "none of them knows of one"
        for index in [*range(first, len(self._known)), *range(first)]:
            try:
                found = self._ask(self._known[index], name)
            except RedisError as error:
                said = str(error)
            if found:
                self._answered = index
                return found
        raise MasterNotFoundError(f"no primary is found: {said}")


def ask_sentinel(sentinel: Redis, service: str) -> Place | None:
    """The primary of ``service``, if the Sentinel believes it to be alive."""
    states: Any = sentinel.sentinel_masters()
    state = states.get(service)
    if state is None or not state["is_master"] or state["is_sdown"] or state["is_odown"]:
        return None
    return state["ip"], state["port"]


def ask_cluster(node: Redis, tag: str) -> Place | None:
    """The node that holds the slot of ``tag``, if the asked one is with the cluster's majority."""
    if node.cluster("INFO")["cluster_state"] != "ok":
        return None
    slot = key_slot(tag.encode())
    for first, last, (host, port, *_), *_ in node.cluster("SLOTS"):
        if first <= slot <= last:
            # A node that is told no address of its own gives none: the one that we know it by.
            asked: str = node.get_connection_kwargs()["host"]
            return (host.decode() if host else asked), port
    return None
