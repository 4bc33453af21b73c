"""The store on Redis or Valkey. Every method but ``wait`` is one script and one round trip."""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from redis import Redis

from otpvoice.core.errors import StoreUnavailable
from otpvoice.core.store_port import Idempotency, NewCall, NewVerification
from otpvoice.core.verification import CallReason, EndReason, Route, Status
from otpvoice.metrics.store import StoreMetrics
from otpvoice.store.base import HEARD_WITHIN, Rulebook
from otpvoice.store.circuit_breaker import CircuitBreaker
from otpvoice.store.connections import Argument, Connections
from otpvoice.store.decoding import (
    Answer,
    read_answer,
    read_claim,
    read_notice,
    read_pull,
    read_recorded,
    read_set_aside,
    read_settled,
)
from otpvoice.store.events import EVENT_LEASE, Event, TakenEvents, read_dropped, read_event
from otpvoice.store.keys import TAG
from otpvoice.store.models import (
    CallResult,
    Claim,
    Health,
    Notice,
    Pull,
    Recorded,
    Report,
    Settled,
    Swept,
)
from otpvoice.store.outages import OutageLog
from otpvoice.store.replies import TIMEOUT
from otpvoice.store.schema import UnreadableRecord
from otpvoice.store.script_config import QueueRules

OVERDUE_AFTER: Final = 60_000
"""A call that could be dialed and has waited this long (ms) says that there are too many."""
LEASE: Final = 20_000
"""A claim's length (ms): longer than all of a dialer's deadlines together."""
_DAY: Final = 86_400_000
START_SLACK: Final = 120_000
"""How far (ms) the start that a provider names may lie from ours."""
PULL_EVERY: Final = 15_000
"""Milliseconds between two questions about one call."""
_SWEEP: Final = 100
OVERHEARD_FOR: Final = 900_000
"""What was said about the call of a trial is kept so long (ms): somebody waits for it."""
_OVERHEARD_AT_MOST: Final = 20


class RedisStore(Rulebook):
    """Where verifications, calls and the queue live.

    Args:
        keep: how long a record is kept after its code's life, in milliseconds.
        The others: see :class:`otpvoice.store.base.Rulebook`.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        keep: int,
        rules: QueueRules | None = None,
        tag: str = TAG,
        clock_offset: int = 0,
        metrics: StoreMetrics | None = None,
        gate: CircuitBreaker | None = None,
        outages: OutageLog | None = None,
    ) -> None:
        super().__init__(
            redis,
            rules=rules,
            tag=tag,
            clock_offset=clock_offset,
            metrics=metrics,
            gate=gate,
            outages=outages,
        )
        self._keep = keep

    # What clients ask for ------------------------------------------------------------------------

    def create(self, new: NewVerification) -> Answer:
        """See :class:`otpvoice.core.store_port.Store`."""
        keys = [
            self._keys.number(new.number_hash),
            self._keys.verification(new.id),
            self._keys.speech(new.id),
            self._again(new.client, new.idempotency),
            self._keys.reference(new.limit_keys.reference_hash),
        ]
        fields: list[Argument] = [
            *("encrypted_number", new.encrypted_number),
            *("digest", new.code_digest, "request_digest", new.request_digests[0]),
            *("route", new.route, "locale", new.locale),
            *(("flow", new.flow) if new.flow else ()),
            *("code_length", new.code_length, "checks_left", new.max_checks),
            *(("own_code", 1) if new.own_code else ()),
            *(("test", 1) if new.is_test_number else ()),
            *(("trial", 1) if new.is_live_test else ()),
            *self._facts_of(new.client),
            *(("reference", new.reference) if new.reference is not None else ()),
        ]
        arguments: list[Argument] = [
            *(
                new.id,
                new.client,
                new.number_hash,
                int(new.own_code),
                new.call_after_ms,
                new.ttl_ms,
            ),
            *(new.retention_ms, new.queue_margin_ms, HEARD_WITHIN, OVERDUE_AFTER),
            *(*_call(new.call), new.encrypted_speech),
            *(_body(new.idempotency), _DAY),
            *(new.limit_keys.prefix_hash, new.limit_keys.area, new.limit_keys.region),
            *(_or_empty(new.limit_keys.address_hash), new.limit_keys.reference_hash),
            *(len(new.request_digests), *new.request_digests, *fields),
        ]
        return self._answer(self._run("create", keys, arguments))

    def get(self, verification_id: str, client: str) -> Answer:
        """See :class:`otpvoice.core.store_port.Store`."""
        return self._step("get", verification_id, client)

    def check(
        self,
        verification_id: str,
        client: str,
        length: int,
        digests: list[bytes],
        idempotency: Idempotency | None = None,
    ) -> Answer:
        """See :class:`otpvoice.core.store_port.Store`."""
        return self._once("check", verification_id, client, idempotency, length, *digests)

    def close_verification(
        self, verification_id: str, client: str, status: Status, reason: EndReason
    ) -> Answer:
        """See :class:`otpvoice.core.store_port.Store`."""
        return self._step("end", verification_id, client, status, reason)

    def request_call(
        self,
        verification_id: str,
        client: str,
        call: NewCall,
        idempotency: Idempotency | None = None,
    ) -> Answer:
        """See :class:`otpvoice.core.store_port.Store`."""
        arguments = (HEARD_WITHIN, OVERDUE_AFTER, *_call(call), _or_empty(call.flow))
        return self._once("call", verification_id, client, idempotency, *arguments)

    # What the dialer does ------------------------------------------------------------------------

    def claim(self, live_calls: int) -> Claim | int:
        """The next due call, for :data:`LEASE`; or the milliseconds until it is worth asking.

        -1: the queue is empty. ``live_calls``: how many calls may be live at once.
        """
        holder = secrets.token_hex(8)
        _, wait, *claimed = self._run("claim", [], [holder, LEASE, live_calls])
        if not claimed:
            return int(wait)
        try:
            return read_claim(holder, *claimed)
        except UnreadableRecord as error:
            self.set_aside(error)
            return 0

    def mark(
        self, claim: Claim, live_for: int, gaps: Sequence[int], heard_after: int | None = None
    ) -> bool:
        """Whether the call may be sent now. From a true answer on, it may ring.

        ``live_for``: how long it may be live, and ``gaps``: after the first, second and every
        later call to a number; milliseconds. ``heard_after``: seconds of conversation in which
        the code is spoken once, if that is known.
        """
        arguments = [claim.call_id, claim.holder, live_for, _or_empty(heard_after), *gaps]
        outcome, _ = self._run("mark", [], arguments)
        return bool(outcome == b"marked")

    def record(self, claim: Claim, result: CallResult) -> Recorded:
        """Writes down what became of a claimed call."""
        next_id = f"call_{secrets.token_hex(16)}" if result.next_route else ""
        tried = " ".join([*claim.tried, claim.route])
        arguments: list[Argument] = [
            *(claim.call_id, claim.holder, result.status, _or_empty(result.reason)),
            *(_or_empty(result.raw), _or_empty(result.provider_id), _unsent(result)),
            *(result.retry_in, self._keep, next_id, _or_empty(result.next_route), tried),
            result.verdict,
        ]
        status, _, change = self._run("record", [], arguments)
        return read_recorded(status, change)

    def report_undialable(self, claim: Claim, why: str) -> None:
        """Show operators that this process could not place a call because of its settings."""
        self._run("set_aside", [], ["undialable", claim.call_id, why, ""])

    def pretend(self, claim: Claim, duration: int) -> bool:
        """Ends a claimed call to a test number as answered; whether it was still this holder's.

        ``duration``: seconds that it would have taken.
        """
        outcome, _ = self._run("pretend", [], [claim.call_id, claim.holder, duration])
        return bool(outcome == b"answered")

    def sweep(self, dialer: str) -> Swept:
        """Ends what is over, says that ``dialer`` lives, and fetches what the log is to be told."""
        _, swept, *notices = self._run("sweep", [], [dialer, 2 * HEARD_WITHIN, _SWEEP])
        return Swept(swept >= _SWEEP, tuple(self._notices(notices)))

    def pulls(self, at_most: int) -> list[Pull]:
        """Live calls to ask the provider about now; each once in :data:`PULL_EVERY`."""
        _, *found = self._run("pull", [], [PULL_EVERY, at_most])
        pulls: list[Pull] = []
        for at in range(0, len(found), 4):
            try:
                pulls.append(read_pull(*found[at : at + 4]))
            except UnreadableRecord as error:
                self.set_aside(error)
        return pulls

    def wait(self, seconds: float) -> bool:
        """Return true when a call may have become due, or after ``seconds``.

        Needs a client of its own, with a longer timeout than that.
        """

        def wait(connections: Connections) -> None:
            try:
                connections.ask("BLPOP", self._keys.wake, str(seconds), accept=_is_token)
            except StoreUnavailable as error:
                if error.reason != TIMEOUT:
                    raise

        self._command("wait", wait)
        return True

    # What clients are told -----------------------------------------------------------------------

    def take_events(self, at_most: Mapping[str, int]) -> TakenEvents:
        """Due events for :data:`EVENT_LEASE`, of each client ``at_most`` so many."""
        holder = secrets.token_hex(8)
        wanted = [word for each in at_most.items() for word in each]
        _, dropped, *taken = self._run("take_events", [], [holder, EVENT_LEASE, *wanted])
        events: list[Event] = []
        for at in range(0, len(taken), 3):
            try:
                events.append(read_event(holder, *taken[at : at + 3]))
            except UnreadableRecord as error:
                self.set_aside(error)
        return TakenEvents(tuple(events), read_dropped(dropped))

    def settle_event(self, event: Event, retry_in: int | None) -> None:
        """It is over, or tried again after so many milliseconds; unless its lease was over."""
        arguments = [event.id, event.client, event.holder, _or_empty(retry_in), 1]
        self._run("settle_event", [], arguments)

    def return_event(self, event: Event) -> None:
        """Make an event due again at once. It was not sent, so this is not counted as a try."""
        self._run("settle_event", [], [event.id, event.client, event.holder, 0, 0])

    # What the provider tells ---------------------------------------------------------------------

    def settle(self, report: Report) -> Settled:
        """Applies a report to its call, if it can be told which, and if its state may change."""
        keys = [
            self._keys.seen(report.fingerprint or "-"),
            *(self._keys.provider(provider_id) for provider_id in report.provider_ids),
            *(self._keys.early(provider_id) for provider_id in report.provider_ids),
            *(self._keys.line(bridge, number) for bridge, number in report.lines),
        ]
        provider_id = report.provider_ids[0] if report.provider_ids else None
        arguments = [
            *(_DAY if report.fingerprint else 0, _or_empty(report.call_id)),
            len(report.provider_ids),
            *(_or_empty(report.route), _or_empty(report.started_at), START_SLACK),
            *(report.status, _or_empty(report.reason), _or_empty(report.raw)),
            *(_or_empty(report.duration), _or_empty(provider_id), self._keep),
            *(f"call_{secrets.token_hex(16)}", _or_empty(report.number)),
        ]
        news, _, *call = self._run("settle", keys, arguments)
        return read_settled(news, *call)

    def overhear(self, call_id: str, sealed: bytes) -> None:
        """Keeps what was said about the call of a trial, for :data:`OVERHEARD_FOR`."""
        self._run("overhear", [], [call_id, sealed, OVERHEARD_FOR, _OVERHEARD_AT_MOST])

    def overheard(self, call_id: str) -> list[tuple[int, bytes]]:
        """What :meth:`overhear` was given, each with the moment when; the oldest first."""
        _, *heard = self._run("overheard", [], [call_id])
        return [(int(at), sealed) for at, sealed in zip(heard[::2], heard[1::2], strict=True)]

    def health(self) -> Health:
        """Whether anybody dials, by which routes not, and which breakers are open."""
        reply = self._run("health", [], [HEARD_WITHIN])
        _, alive, closed, breakers, set_aside, clock_lead = reply
        return Health(
            dialers=int(alive),
            closed_routes=tuple(Route(route.decode()) for route in closed),
            breakers=tuple(breaker.decode() for breaker in breakers),
            set_aside=read_set_aside(set_aside),
            clock_lead=int(clock_lead),
        )

    def _facts_of(self, client: str) -> Iterator[Argument]:
        """What the record has to say of its client to processes whose settings lack it."""
        if client in self.rules.told:
            yield from ("events", 1)
        if client in self.rules.limits.clients and self.rules.limits.clients[client].deliver_only:
            yield from ("deliver_only", 1)

    def _notices(self, texts: Sequence[bytes]) -> Iterator[Notice]:
        for text in texts:
            try:
                yield read_notice(text)
            except UnreadableRecord as error:
                self.set_aside(error, text)

    def _answer(self, reply: Sequence[Any]) -> Answer:
        """Decode the reply of a step; what cannot be read is set aside and not found."""
        try:
            return read_answer(reply)
        except UnreadableRecord as error:
            self.set_aside(error)
            return Answer("not_found", None, 0)

    def _step(self, name: str, verification_id: str, client: str, *rest: Argument) -> Answer:
        keys = [self._keys.verification(verification_id)]
        return self._answer(self._run(name, keys, [verification_id, client, *rest]))

    def _once(
        self,
        name: str,
        verification_id: str,
        client: str,
        idempotency: Idempotency | None,
        *rest: Argument,
    ) -> Answer:
        """A step that is done once for each idempotency key."""
        keys = [self._keys.verification(verification_id), self._again(client, idempotency)]
        arguments = [verification_id, client, _body(idempotency), _DAY, *rest]
        return self._answer(self._run(name, keys, arguments))

    def _again(self, client: str, idempotency: Idempotency | None) -> str:
        return self._keys.again(client, idempotency.key_hash if idempotency else "")


def _is_token(reply: object) -> bool:
    """Return whether this can be the reply to ``BLPOP``. Anything else must not end a wait."""
    return reply is None or isinstance(reply, list)


def _call(call: NewCall) -> tuple[Argument, ...]:
    return (call.id, _or_empty(call.route), _or_empty(call.locale), call.bridge, call.caller_id)


def _unsent(result: CallResult) -> str:
    """Return the word of ``record.lua`` for a call that provably did not ring."""
    if not result.unsent:
        return ""
    return "refused" if result.refused or result.reason is CallReason.REFUSED else "unsent"


def _body(idempotency: Idempotency | None) -> str:
    return idempotency.body_hash if idempotency else ""


def _or_empty(value: str | int | None) -> Argument:
    return "" if value is None else value
