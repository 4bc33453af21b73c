"""Checks of the store's server, and of the work that dialers do with it."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Final

from otpvoice.container import Container
from otpvoice.core.errors import StoreUnavailable
from otpvoice.diagnostics import Finding, advice, failure, ok, warning
from otpvoice.settings import Settings
from otpvoice.store.admin import AdminStore, Overview
from otpvoice.store.discovery import (
    DiscoveryNode,
    ServerInfo,
    address_of,
    connect,
    discovery_nodes,
    read_server_info,
)
from otpvoice.store.models import Health
from otpvoice.store.redis_store import RedisStore
from otpvoice.store.replies import MISSING_FEATURE, NO_PERMISSION, UNTRUSTED, WRONG_PASSWORD
from otpvoice.store.selftest import SelfTest

_EVENT_OVERDUE_MS: Final = 60_000
"""An event that is due for longer is delivered by no dialer."""
_MIN_REDIS_VERSION: Final = (7, 0)
_MAX_CLOCK_SKEW_S: Final = 2.0
"""With more, the times in logs and responses contradict each other."""
_SLOW_ROUND_TRIP_S: Final = 0.01
"""Every response of the API waits for one round trip."""
_MEMORY_WARNING_SHARE: Final = 0.8
"""Beyond it, a burst may fill the rest of the memory."""
_ACL_REMEDY: Final = "allow what config/valkey-users.acl allows to the user of redis.url"
_SENTINEL_LOGIN_REMEDY: Final = (
    "correct their login: redis.sentinel_username and redis.sentinel_password for Sentinels, "
    "redis.url for the nodes of a cluster"
)
_REMEDIES: Final = {
    NO_PERMISSION: _ACL_REMEDY,
    MISSING_FEATURE: "use Redis 7 or Valkey 8 or newer, with Lua, nothing renamed, and no proxy",
    WRONG_PASSWORD: "correct user and password in redis.url",
    "password required": "put user and password into redis.url",
    UNTRUSTED: "set redis.ca_file to its authority, and redis.url to the name in the certificate",
    "TLS failed": "correct the scheme of redis.url, or set redis.client_cert if it is asked for",
    "out of memory": "raise maxmemory, or shorten verification.retention",
    "read-only replica": "name the primary in redis.url",
    "no primary": "see the finding about the primary above",
}
"""Reason of an error → remedy."""
_MIB: Final = 1024 * 1024


@contextmanager
def open_store(settings: Settings) -> Iterator[RedisStore]:
    """Connect to the store of the settings."""
    with closing(connect(settings.redis.full_url)) as client:
        yield RedisStore(client, policy=Container(settings).policy)


def store_findings(settings: Settings) -> Iterator[Finding]:
    """Check the server, the permissions of its user, and the service's state in the store."""
    url = settings.redis.full_url
    if url.startswith("redis+"):
        yield discovery_finding([*discovery_nodes(url)])
    with open_store(settings) as store:
        try:
            yield from server_findings(
                read_server_info(store.redis), production=settings.server.production, url=url
            )
        except StoreUnavailable as error:
            found = address_of(store.redis)
            if error.is_lost:
                todo = _remedy(error, "start it, or correct redis.url")
                yield failure("redis", f"{found}: {error.reason}", todo)
                return
            found = f"{found} does not describe itself: {error.reason}"
            yield warning("redis", found, "allow +info, +time and +ping to its user")
        try:
            yield from _function_findings(SelfTest(store.redis, policy=store.policy))
            yield from health_findings(store.health())
            yield from _event_findings(AdminStore(store.redis, policy=store.policy).overview())
        except StoreUnavailable as error:
            yield _refusal_finding("redis functions", error)


def _function_findings(test: SelfTest) -> Iterator[Finding]:
    """Load and run the functions, and report the commands that the server refuses in them."""
    for subject, attempt in (
        ("redis library", test.load_library),
        ("redis wake", test.wait_for_token),
    ):
        try:
            attempt()
        except StoreUnavailable as error:
            yield _refusal_finding(subject, error)
    refused = test.refused_commands()
    if refused:
        found = f"refused inside functions: {', '.join(map(str.lower, sorted(refused)))}"
        reasons = ", ".join({*refused.values()})
        yield failure("redis commands", f"{found} ({reasons})", _ACL_REMEDY)
    else:
        yield ok("redis functions", "every command that the service needs is allowed")


def _refusal_finding(subject: str, error: StoreUnavailable) -> Finding:
    reply = f" ({error.reply})" if error.reply else ""
    todo = _remedy(error, "see the server's log")
    return failure(subject, f"{error.reason}{reply}", todo)


def _remedy(error: StoreUnavailable, otherwise: str) -> str:
    matching = (todo for reason, todo in _REMEDIES.items() if error.reason.startswith(reason))
    return next(matching, otherwise)


def server_findings(server: ServerInfo, *, production: bool, url: str = "") -> Iterator[Finding]:
    """Check what the server reports about itself. By ``url`` it may be a cluster node."""
    known = f"{server.name} {server.version}"
    if server.redis_version >= _MIN_REDIS_VERSION:
        yield ok("redis", f"{known} responds")
    else:
        yield failure("redis", f"{known} is too old", "upgrade to 7.0 or newer")
    if not server.is_primary:
        found = "is a replica, which accepts no writes"
        yield failure("redis role", found, "set redis.url to its primary")
    if server.is_cluster_node and not url.startswith("redis+cluster://"):
        todo = "redis.url = redis+cluster://host:port,…"
        yield failure("redis role", "is a cluster node, and redis.url is not a cluster's", todo)
    yield from _durability_findings(server, production=production)
    yield _memory_finding(server)
    yield _replica_finding(server)
    found = f"this machine and redis are {abs(server.clock_offset_s):.1f} s apart"
    is_skewed = abs(server.clock_offset_s) > _MAX_CLOCK_SKEW_S
    yield warning("clock", found, "synchronize both (NTP)") if is_skewed else ok("clock", found)
    found = f"{server.round_trip_s * 1000:.1f} ms round trip"
    if server.round_trip_s > _SLOW_ROUND_TRIP_S:
        todo = "move it closer: every response of the API waits for it"
        yield warning("redis latency", found, todo)
    else:
        yield ok("redis latency", found)


def _durability_findings(server: ServerInfo, *, production: bool) -> Iterator[Finding]:
    severe = failure if production else warning
    for name, value, expected, report, effect in (
        ("appendonly", server.appendonly, "yes", severe, "a restart loses everything"),
        (
            *("appendfsync", server.appendfsync, "always", warning),
            "a crash can lose acknowledged writes",
        ),
        (
            *("maxmemory-policy", server.maxmemory_policy, "noeviction", failure),
            "a full memory drops limits, verifications and calls",
        ),
    ):
        subject = f"redis {name}"
        if value is None:
            yield warning(subject, "the server does not report it", f"verify that it is {expected}")
        elif value == expected:
            yield ok(subject, value)
        else:
            yield report(subject, f"is {value}: {effect}", f"set it to {expected}")


def _memory_finding(server: ServerInfo) -> Finding:
    used = f"{server.memory_used_bytes / _MIB:.0f} MiB used"
    if not server.memory_limit_bytes:
        todo = "set it below the machine's memory, so that a full store refuses writes in time"
        return advice("redis maxmemory", f"{used}, no limit", todo)
    found = f"{used} of {server.memory_limit_bytes / _MIB:.0f} MiB"
    if server.memory_used_bytes > _MEMORY_WARNING_SHARE * server.memory_limit_bytes:
        return warning("redis maxmemory", found, "raise it: a full store refuses creates with 503")
    return ok("redis maxmemory", found)


def _replica_finding(server: ServerInfo) -> Finding:
    """Advice only: most deployments begin with one machine, and a failover may lose writes."""
    found = f"{server.replicas} connected, min-replicas-to-write {server.min_replicas or 0}"
    if not server.replicas:
        todo = "add a replica: the data depends on this one machine and its disk"
        return advice("redis replicas", "there is none", todo)
    if not server.min_replicas:
        todo = "set min-replicas-to-write 1, so that an isolated primary refuses and loses less"
        return advice("redis replicas", found, todo)
    return ok("redis replicas", found)


def discovery_finding(nodes: Sequence[DiscoveryNode]) -> Finding:
    """Return whether the Sentinels or cluster nodes agree on the primary, and are enough."""
    subject = "redis primary"
    primaries = [node.primary for node in nodes if node.primary]
    if not primaries:
        found = f"no server reports one: {', '.join(map(_describe, nodes))}"
        is_login_refused = any("password" in node.error for node in nodes)
        todo = _SENTINEL_LOGIN_REMEDY if is_login_refused else "start the servers in redis.url"
        return failure(subject, found, todo)
    host, port = primaries[0]
    found = f"{host}:{port}, reported by {primaries.count(primaries[0])} of {len(nodes)}"
    if len({*primaries}) > 1:
        return warning(subject, f"{found}; others differ", "check for a failover")
    silent = [_describe(node) for node in nodes if not node.primary]
    if silent:
        return warning(subject, found, f"check {', '.join(silent)}")
    if len(nodes) < 2:
        todo = "name all of them: while this one is away, the primary cannot be discovered"
        return advice(subject, found, todo)
    return ok(subject, found)


def _describe(node: DiscoveryNode) -> str:
    address = ":".join(map(str, node.address))
    return f"{address} ({node.error})" if node.error else address


def health_findings(health: Health) -> Iterator[Finding]:
    """Yield what ``/readyz`` calls degraded."""
    if health.dialers:
        yield ok("dialer", f"{health.dialers} running")
    else:
        found = "no dialer sent a heartbeat for 30 s, so no call is placed"
        yield warning("dialer", found, "start otpvoice dialer, or otpvoice serve")
    if health.clock_lead_ms:
        found = f"went back; the service keeps time {health.clock_lead_ms / 1000:.1f} s ahead of it"
        todo = "synchronize it (NTP) without steps; the difference shrinks by a tenth of the time"
        yield warning("redis clock", found, todo)
    for route in health.closed_routes:
        todo = "see route.closed in the dialer's log; the route is probed within a minute"
        yield warning(f"route {route}", "is closed, for all calls or for refused flows", todo)
    for record in health.quarantine.records:
        key = f"{{otpvoice}}:quarantined:{record.record}"
        todo = f"find what wrote it; {key} has it for 7 days"
        yield warning("quarantine", f"{record} could not be decoded", todo)
    for call in health.quarantine.calls:
        todo = "deploy the same settings to the API and all dialers (docs/rolling-out-settings.md)"
        yield warning("undialable call", str(call), todo)
    for breaker in health.open_breakers:
        kind, _, scope = breaker.partition(" ")
        yield warning(kind, f"is open for {scope or 'all'}", "otpvoice limits has the details")


def _event_findings(overview: Overview) -> Iterator[Finding]:
    """Yield the clients whose due events no dialer delivers."""
    for client, overdue_ms in overview.events_overdue_ms.items():
        if overdue_ms > _EVENT_OVERDUE_MS:
            pending = overview.pending_events[client]
            found = f"{pending} pending, the oldest overdue for {overdue_ms // 1000} s"
            todo = "deploy the client and its event_url to the dialers: events are kept for a day"
            yield warning(f"events of {client}", found, todo)
