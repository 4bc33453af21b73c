"""Who is the primary: what Sentinels, or the nodes of a cluster, say about it.

All keys carry one tag, so that in a cluster as well there is one primary to talk to: the node that
holds the tag's slot. Finding it again after a failover is the same task with either, and it is done
for each new connection. Nothing of it repeats a command that may have run.
"""

from collections.abc import Callable, Sequence
from typing import Any

from redis import Redis
from redis.crc import key_slot

from otpvoice.core.errors import StoreUnavailable
from otpvoice.store.replies import UNKNOWN_EFFECT, translate_errors

Address = tuple[str, int]
"""Host and port."""
Probe = Callable[[Redis, str], Address | None]
"""Asks one server for the primary of a service, or of a tag; None if it knows of none."""


class PrimaryDiscovery:
    """Finds the primary; what redis-py calls a ``sentinel_manager``.

    Args:
        known: who can be asked.
        ask: how.
    """

    def __init__(self, nodes: Sequence[Redis], probe: Probe) -> None:
        self._nodes = nodes
        self._last_responder = 0
        self._probe = probe

    @property
    def addresses(self) -> list[str]:
        """Host and port of each server that can be asked."""
        return [server_address(server) for server in self._nodes]

    def discover_master(self, name: str) -> Address:
        """Return the primary as the first server that knows one reports it.

        The server that knew it last time is asked first.

        Raises:
            StoreUnavailable: no server knows one; ``reason`` is the last server's.
        """
        first = self._last_responder
        reason = "none of the servers knows a primary"
        for index in [*range(first, len(self._nodes)), *range(first)]:
            server = self._nodes[index]
            found: Address | None = None
            try:
                with translate_errors():
                    found = self._probe(server, name)
            except StoreUnavailable as error:
                reason = f"no primary: {server_address(server)} {error.reason}"
            if found:
                self._last_responder = index
                return found
        raise StoreUnavailable(UNKNOWN_EFFECT, reason=reason, is_lost=True)


def server_address(server: Redis) -> str:
    """Return host and port of one server, without credentials."""
    options = server.get_connection_kwargs()
    return options.get("path") or f"{options['host']}:{options['port']}"


def query_sentinel(sentinel: Redis, service: str) -> Address | None:
    """The primary of ``service``, if the Sentinel believes it to be alive."""
    states: Any = sentinel.sentinel_masters()
    state = states.get(service)
    if state is None or not state["is_master"] or state["is_sdown"] or state["is_odown"]:
        return None
    return state["ip"], state["port"]


def query_cluster(node: Redis, tag: str) -> Address | None:
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
