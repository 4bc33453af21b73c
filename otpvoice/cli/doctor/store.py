"""Whether the store keeps what it is given, and whether dialers are heard of."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Final

from otpvoice.app import script_config
from otpvoice.cli.doctor.findings import Finding, advice, failure, ok, warning
from otpvoice.core.errors import StoreUnavailable
from otpvoice.settings import Settings
from otpvoice.store.admin import AdminStore, Overview
from otpvoice.store.models import Health, Quarantine
from otpvoice.store.redis_store import RedisStore
from otpvoice.store.replies import MISSING_FEATURE, NO_PERMISSION, WRONG_PASSWORD
from otpvoice.store.selftest import SelfTest
from otpvoice.store.server_info import DiscoveryNode, ServerInfo, discovery_nodes, read_server_info
from otpvoice.store.url import address_of, connect

_EVENT_OVERDUE_MS: Final = 60_000
"""Milliseconds that an event may be due before no dialer can be delivering it."""
_MIN_REDIS_VERSION: Final = (7, 0)
"""The version of Redis that our scripts need."""
_MAX_CLOCK_SKEW_S: Final = 2.0
"""Seconds; more, and the times in logs and answers contradict each other."""
_SLOW_ROUND_TRIP_S: Final = 0.01
"""Seconds; every answer of the API waits for one round trip."""
_MEMORY_WARNING_SHARE: Final = 0.8
"""Of the memory: beyond it, a burst may fill the rest."""
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
    "TLS failed": "correct the certificate, or the scheme of redis.url",
    "out of memory": "raise maxmemory, or shorten verification.retention",
    "read-only replica": "name the primary in redis.url",
    "no primary": "the servers that know it are judged above",
}
"""By reason: what to do."""
_MIB: Final = 1024 * 1024


@contextmanager
def open_store(settings: Settings) -> Iterator[RedisStore]:
    """The store that the settings name, by their rules."""
    with closing(connect(settings.redis.full_url)) as client:
        keep, rules = settings.verification.retention * 1000, script_config(settings)
        yield RedisStore(client, retention_ms=keep, policy=rules)


def store_findings(settings: Settings) -> Iterator[Finding]:
    """Find what is wrong with the server, with its user's permissions, and who works on it."""
    url = settings.redis.full_url
    if url.startswith("redis+"):
        yield discovery_finding([*discovery_nodes(url)])
    with open_store(settings) as store:
        try:
            yield from server_findings(
                read_server_info(store.redis), production=settings.server.production, url=url
            )
        except StoreUnavailable as error:
            yield unavailable_finding(error, address_of(store.redis))
            if error.is_lost:
                return
        try:
            yield from function_findings(SelfTest(store.redis, policy=store.policy))
            yield from health_findings(store.health())
            yield from _event_findings(AdminStore(store.redis, policy=store.policy).overview())
        except StoreUnavailable as error:
            yield refusal_finding("redis functions", error)


def unavailable_finding(error: StoreUnavailable, address: str) -> Finding:
    """Return the finding for a server that cannot be reached, or that does not describe itself."""
    if not error.is_lost:
        todo = "allow +info, +time and +ping to its user"
        return warning("redis", f"{address} does not describe itself: {error.reason}", todo)
    todo = _remedy(error, "start it, or correct redis.url")
    return failure("redis", f"{address}: {error.reason}", todo)


def function_findings(test: SelfTest) -> Iterator[Finding]:
    """Find whether the functions can be loaded and run, and what of them is refused.

    Raises:
        StoreUnavailable: functions cannot be run at all.
    """
    for subject, attempt in (
        ("redis library", test.load_library),
        ("redis wake", test.wait_for_token),
    ):
        try:
            attempt()
        except StoreUnavailable as error:
            yield refusal_finding(subject, error)
    refused = test.refused_commands()
    if refused:
        found = f"refused inside functions: {', '.join(map(str.lower, sorted(refused)))}"
        yield failure("redis commands", f"{found} ({', '.join({*refused.values()})})", _ACL_REMEDY)
    else:
        yield ok("redis functions", "every command that the service needs is allowed")


def refusal_finding(subject: str, error: StoreUnavailable) -> Finding:
    """Return the finding for a command that the server refuses."""
    reply = f" ({error.reply})" if error.reply else ""
    todo = _remedy(error, "look into the log of the server")
    return failure(subject, f"{error.reason}{reply}", todo)


def _remedy(error: StoreUnavailable, otherwise: str) -> str:
    matching = (todo for reason, todo in _REMEDIES.items() if error.reason.startswith(reason))
    return next(matching, otherwise)


def server_findings(server: ServerInfo, *, production: bool, url: str = "") -> Iterator[Finding]:
    """What is judged of a server by what it tells of itself.

    ``url``: its address, which is another where it is one of many.
    """
    known = f"{server.name} {server.version}"
    if server.redis_version >= _MIN_REDIS_VERSION:
        yield ok("redis", f"{known} answers")
    else:
        yield failure("redis", f"{known} is too old", "7.0 or newer is needed")
    if not server.is_primary:
        yield failure("redis role", "is a replica, which takes no writes", "name its primary")
    if server.is_cluster_node and not url.startswith("redis+cluster://"):
        todo = "redis.url = redis+cluster://host:port,…"
        yield failure("redis role", "is a node of a cluster, and not addressed as one", todo)
    yield from _durability(server, production=production)
    yield _memory(server)
    yield _replicas(server)
    yield _clock(server.clock_offset_s)
    yield _round_trip(server.round_trip_s)


def _durability(server: ServerInfo, *, production: bool) -> Iterator[Finding]:
    severe = failure if production else warning
    yield _setting("appendonly", server.appendonly, "yes") or severe(
        "redis appendonly", f"is {server.appendonly}: a restart forgets everything", "set it to yes"
    )
    yield _setting("appendfsync", server.appendfsync, "always") or warning(
        "redis appendfsync",
        f"is {server.appendfsync}: a crash can forget what was answered just before",
        "set it to always",
    )
    yield _setting("maxmemory-policy", server.maxmemory_policy, "noeviction") or failure(
        "redis maxmemory-policy",
        f"is {server.maxmemory_policy}: a full memory drops limits, verifications and calls",
        "set it to noeviction",
    )


def _setting(name: str, value: str | None, expected: str) -> Finding | None:
    """None where it is known to be another."""
    if value is None:
        return warning(f"redis {name}", "the server does not tell it", f"see that it is {expected}")
    return ok(f"redis {name}", value) if value == expected else None


def _memory(server: ServerInfo) -> Finding:
    used = f"{server.memory_used_bytes / _MIB:.0f} MiB used"
    if not server.memory_limit_bytes:
        todo = "set it below the machine's memory: full, it then refuses instead of being killed"
        return advice("redis maxmemory", f"{used}, no bound", todo)
    found = f"{used} of {server.memory_limit_bytes / _MIB:.0f} MiB"
    if server.memory_used_bytes > _MEMORY_WARNING_SHARE * server.memory_limit_bytes:
        return warning("redis maxmemory", found, "raise it: a full store answers 503 to creates")
    return ok("redis maxmemory", found)


def _replicas(server: ServerInfo) -> Finding:
    """Advice: one machine is what most begin with, and what a failover loses is no promise."""
    found = f"{server.replicas} connected, min-replicas-to-write {server.min_replicas or 0}"
    if not server.replicas:
        todo = "the store is as safe as this one machine and its disk: add a replica"
        return advice("redis replicas", "there is none", todo)
    if not server.min_replicas:
        todo = "min-replicas-to-write 1 lets a primary that is cut off refuse, and lose less"
        return advice("redis replicas", found, todo)
    return ok("redis replicas", found)


def _clock(skew_s: float) -> Finding:
    found = f"this machine and redis are {abs(skew_s):.1f} s apart"
    if abs(skew_s) > _MAX_CLOCK_SKEW_S:
        return warning("clock", found, "synchronise both (NTP)")
    return ok("clock", found)


def _round_trip(seconds: float) -> Finding:
    found = f"{seconds * 1000:.1f} ms to the store and back"
    if seconds > _SLOW_ROUND_TRIP_S:
        return warning("redis latency", found, "bring it nearer: every answer waits for it")
    return ok("redis latency", found)


def discovery_finding(nodes: Sequence[DiscoveryNode]) -> Finding:
    """Whether those that can be asked for the primary agree, and are enough."""
    primaries = [each.primary for each in nodes if each.primary]
    if not primaries:
        details = f"no server reports one: {', '.join(map(_describe, nodes))}"
        if any("password" in each.error for each in nodes):
            return failure("redis primary", details, _SENTINEL_LOGIN_REMEDY)
        return failure("redis primary", details, "start the servers of redis.url")
    host, port = primaries[0]
    summary = f"{host}:{port}, as {primaries.count(primaries[0])} of {len(nodes)} say"
    if len({*primaries}) > 1:
        return warning("redis primary", f"{summary}: others say otherwise", "look for a failover")
    silent = [_describe(each) for each in nodes if not each.primary]
    if silent:
        return warning("redis primary", summary, f"look after {', '.join(silent)}")
    if len(nodes) < 2:
        todo = "name them all: while this one is away, nobody could be asked"
        return advice("redis primary", summary, todo)
    return ok("redis primary", summary)


def _describe(node: DiscoveryNode) -> str:
    address = ":".join(map(str, node.address))
    return f"{address} ({node.error})" if node.error else address


def health_findings(health: Health) -> Iterator[Finding]:
    """What ``/readyz`` calls degraded."""
    if health.dialers:
        yield ok("dialer", f"{health.dialers} at work")
    else:
        todo = "otpvoice dialer, or otpvoice serve"
        yield warning("dialer", "none was heard of for 30 s, nobody is called", todo)
    if health.clock_lead_ms:
        found = f"went back; the rules keep time {health.clock_lead_ms / 1000:.1f} s ahead of it"
        todo = "synchronise it (NTP) without steps; the difference shrinks by a tenth of the time"
        yield warning("redis clock", found, todo)
    for route in health.closed_routes:
        todo = "route.closed in the dialer's log says why; it is tried again within a minute"
        yield warning(f"route {route}", "is closed, for all or for the flows refused", todo)
    yield from _quarantine_findings(health.quarantine)
    for breaker in health.open_breakers:
        kind, _, scope = breaker.partition(" ")
        yield warning(kind, f"is open for {scope or 'all'}", "otpvoice limits tells more")


def _quarantine_findings(quarantined: Quarantine) -> Iterator[Finding]:
    """Report what the service could not read, and which calls it could not place, in 7 days."""
    for record in quarantined.records:
        todo = f"{{otpvoice}}:quarantined:{record.record} has it for 7 days: find what wrote it"
        yield warning("quarantine", f"{record} could not be read", todo)
    for call in quarantined.calls:
        todo = "deploy the same settings to the API and all dialers (docs/rolling-out-settings.md)"
        yield warning("undialable call", str(call), todo)


def _event_findings(overview: Overview) -> Iterator[Finding]:
    """Report clients whose due events no dialer takes."""
    for client, overdue_ms in overview.events_overdue_ms.items():
        if overdue_ms > _EVENT_OVERDUE_MS:
            found = f"{overview.pending_events[client]} wait, the oldest for {overdue_ms // 1000} s"
            todo = "deploy the client and its event_url to the dialers too: events live for a day"
            yield warning(f"events of {client}", found, todo)
