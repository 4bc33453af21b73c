"""CPU of the store's functions and memory, by the number of pending verifications.

Each number has a separate store, so the stores take turns in each round. The service's own store
functions fill them. The report has the CPU time of each function in the server.
"""

import secrets
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from statistics import median
from typing import Any, Final

from report import Measurement, Section, at_most
from sizes import Sizes
from stack import RING, rules, store_server, wait_until

from otpvoice.core.keys import NumberHasher, encrypt_number, encrypt_speech
from otpvoice.core.store_port import LimitKeys, NewCall, NewVerification
from otpvoice.core.verification import CallStatus
from otpvoice.store.models import CallResult, CallUpdate, Claim
from otpvoice.store.redis_store import RedisStore

_WRONG: Final = "654321"
_HOUR, _DAY = 3_600_000, 86_400_000
_FILLERS: Final = 4
_MOST: Final = 10**9
_BATCH: Final = 1_000
_PER_ROUND: Final = 200
"""Verifications that are created and ended in each round."""
_MEMORY_SAMPLE: Final = 10_000
_PLACED: Final = CallResult(CallStatus.PLACED)


class StoreUnderLoad:
    """A store with pending verifications."""

    def __init__(self, program: str, exits: ExitStack) -> None:
        self._redis = exits.enter_context(store_server(program))
        self._store = RedisStore(self._redis, policy=rules())
        self._store.sweep("idle")
        self._empty = self._info("memory")["used_memory"]
        self._created = 0

    def fill(self, many: int) -> None:
        """Add pending verifications whose calls are due in an hour."""
        with ThreadPoolExecutor(_FILLERS) as pool:
            for first in range(0, many, _BATCH):
                self._store.sweep("idle")  # creates need a heartbeat
                batch = range(self._created, self._created + min(_BATCH, many - first))
                results = pool.map(lambda n: self._store.create(new_verification(n, _HOUR)), batch)
                assert {result.outcome for result in results} == {"created"}
                self._created += len(batch)

    def dial(self, many: int) -> None:
        """Advance the clock by the hour and place some calls."""
        self._store.clock_offset_ms = _HOUR
        for _ in range(many):
            claim = self._claim()
            self._mark(claim)
            self._store.record_result(claim, _PLACED)

    def bytes_each(self) -> float:
        """Return the bytes of memory per verification, with all its keys and index entries."""
        return float((self._info("memory")["used_memory"] - self._empty) / self._created)

    def written_each(self) -> float:
        """Return the bytes that the AOF grows by in the life of one verification."""
        self._redis.config_set("appendonly", "yes")
        wait_until(lambda: not self._info("persistence")["aof_rewrite_in_progress"], "the AOF")
        before = self._info("persistence")["aof_current_size"]
        self.costs()
        return float(self._info("persistence")["aof_current_size"] - before) / _PER_ROUND

    def costs(self) -> dict[str, float]:
        """Return CPU microseconds per step of verifications that are created and ended."""
        new = [new_verification(self._created + n, 0) for n in range(_PER_ROUND)]
        self._created += len(new)
        store, spent = self._store, {}
        store.sweep("idle")
        spent["create"], results = self._cost(store.create, new)
        assert {result.outcome for result in results} == {"created"}, results[0].outcome
        spent["get"], _ = self._cost(lambda each: store.get(each.id, CLIENT), new)
        spent["claim"], claims = self._cost(lambda _: self._claim(), new)
        spent["mark"], _ = self._cost(self._mark, claims)
        spent["record"], _ = self._cost(lambda claim: store.record_result(claim, _PLACED), claims)
        spent["wrong check"], _ = self._cost(lambda each: self._check(each.id, _WRONG), new)
        spent["callback"], _ = self._cost(
            lambda claim: store.apply_report(_answered_report(claim)), claims
        )
        spent["right check"], _ = self._cost(lambda each: self._check(each.id, CODE), new)
        return spent

    def _cost(self, step: Callable[[Any], Any], items: Iterable[Any]) -> tuple[float, list[Any]]:
        began = self._cpu()
        results = [step(item) for item in items]
        return (self._cpu() - began) / len(results) * 1e6, results

    def _claim(self) -> Claim:
        claim = self._store.claim(_MOST)
        assert isinstance(claim, Claim)
        return claim

    def _mark(self, claim: Claim) -> None:
        assert self._store.mark_sent(claim, 165_000, [60_000, 60_000, 300_000], 5)

    def _check(self, verification_id: str, code: str) -> None:
        digests = RING.digests("check", verification_id, code)
        result = self._store.check(verification_id, CLIENT, len(code), digests)
        assert result.outcome == ("right" if code == CODE else "wrong")

    def _cpu(self) -> float:
        cpu = self._info("cpu")
        return float(cpu["used_cpu_user_main_thread"] + cpu["used_cpu_sys_main_thread"])

    def _info(self, section: str) -> dict[str, Any]:
        return dict(self._redis.info(section))


def measure(sizes: Sizes) -> list[Section]:
    """Measure each function with few and many verifications, and memory on each kind of server."""
    with ExitStack() as exits:
        crowds = {many: StoreUnderLoad("valkey", exits) for many in sizes.pending}
        for many, crowd in crowds.items():
            crowd.fill(many)
        memory = {many: crowd.bytes_each() for many, crowd in crowds.items()}
        rounds = [
            {many: crowd.costs() for many, crowd in crowds.items()} for _ in range(sizes.rounds)
        ]
    costs: dict[str, dict[int, float]] = defaultdict(dict)
    for many in sizes.pending:
        for step in rounds[0][many]:
            costs[step][many] = median(each[many][step] for each in rounds)
    few, most = min(sizes.pending), max(sizes.pending)
    figures = [
        Measurement(f"{step}, {many:,} pending", cost, "µs")
        for step, by_many in costs.items()
        for many, cost in by_many.items()
    ]
    whole = sum(by_many[most] for by_many in costs.values()) / sum(
        by_many[few] for by_many in costs.values()
    )
    figures.append(Measurement(f"all steps, {most:,} / {few:,}", whole, "×"))
    stored = [Measurement(f"at {many:,}, queued", each, "bytes") for many, each in memory.items()]
    return [
        Section("CPU of the store for each step", figures),
        Section("Memory of a pending verification", [*stored, *_memory(min(_MEMORY_SAMPLE, most))]),
        Section("Disk", [_disk()]),
    ]


def _memory(many: int) -> list[Measurement]:
    """Measure queued and placed verifications, on Valkey and on the system's Redis."""
    figures = []
    for program in ("valkey", *(["redis-server"] if shutil.which("redis-server") else [])):
        with ExitStack() as exits:
            crowd = StoreUnderLoad(program, exits)
            crowd.fill(many)
            budget = at_most(1536)
            figures.append(Measurement(f"{program}, queued", crowd.bytes_each(), "bytes", budget))
            crowd.dial(many)
            figures.append(Measurement(f"{program}, placed", crowd.bytes_each(), "bytes", budget))
    return figures


def _disk() -> Measurement:
    with ExitStack() as exits:
        written = StoreUnderLoad("valkey", exits).written_each()
    return Measurement("AOF of a verification's whole life", written, "bytes")


def _answered_report(claim: Claim) -> CallUpdate:
    return CallUpdate(
        fingerprint=claim.call_id,
        call_id=claim.call_id,
        provider_ids=(),
        bridges=(),
        started_at=None,
        status=CallStatus.ANSWERED,
        reason=None,
        raw="ANSWER",
        duration_s=20,
    )


CODE: Final = "123456"
CLIENT: Final = "benchmark"
_BRIDGE: Final = "918068280000"
_NUMBER_KEY: Final = NumberHasher(b"n" * 32)
_PREFIXES: Final = 250_000
"""Number of number prefixes. Up to it each verification has a prefix of its own, which costs most
memory. A million verifications stay within the limit of each prefix."""


def new_verification(n: int, call_after: int) -> NewVerification:
    """Return the verification of the ``n``-th number, with a name and a reference of usual length.

    It expires after a day. ``call_after`` is in milliseconds.
    """
    to, own_id = f"+91{9_000_000_000 + n}", f"vrf_{secrets.token_hex(16)}"
    number, reference = _NUMBER_KEY.hash(to), f"login-{own_id[4:34]}"
    return NewVerification(
        id=own_id,
        client=CLIENT,
        number_hash=number,
        encrypted_number=encrypt_number(RING, own_id, to),
        encrypted_speech=encrypt_speech(RING, own_id, CODE, "Asha Raghunathan"),
        code_digest=RING.digests("check", own_id, CODE)[0],
        request_digests=RING.digests("create", CLIENT, number, CODE),
        own_code=False,
        reference=reference,
        route="obd",
        locale="default",
        code_length=len(CODE),
        max_checks=5,
        call_after_ms=call_after,
        ttl_ms=_DAY,
        retention_ms=7 * _DAY,
        queue_margin_ms=60_000,
        call=NewCall(f"call_{secrets.token_hex(16)}", None, None, _BRIDGE, f"+{_BRIDGE}"),
        limit_keys=LimitKeys(
            prefix_hash=_NUMBER_KEY.hash_attribute("prefix", str(n % _PREFIXES)),
            area=f"+9190{n % 10_000:04}",
            region="IN",
            address_hash=None,
            reference_hash=_NUMBER_KEY.hash_attribute("reference", reference),
        ),
    )
