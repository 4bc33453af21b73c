"""The store's limits compared with a model of them, in random sequences."""

import time
from dataclasses import dataclass, field

import hypothesis.strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
)
from redis import Redis
from store.builders import driver_with_limits, parse_quotas, run_machine
from store.driver import RAVI
from store.limit_cases import NO_GAP
from store.new_verifications import new_call
from support.service import ASHA

from otpvoice.core.limits import ClientLimits
from otpvoice.core.store_port import StoreResult
from otpvoice.core.verification import CallStatus
from otpvoice.store.models import CallResult, Claim

STEP, TOLERANCE = 1.02, 0.4
WINDOW, SLICE, SLICES = 1_200, 20, 60
LIFE, LAST_DUE, DIAL_BY = 300, 240, 255
PER_NUMBER, ALL_PER_NUMBER, PER_CLIENT, WRONG_CODES = 2, 4, 3, 3
NUMBERS = (ASHA, RAVI)
CLIENTS = ("login", "bank")
BUSY = CallResult(CallStatus.FAILED)


def bucket_of(at: float) -> int:
    """Return the bucket of a window for a time."""
    return int(at // SLICE)


@dataclass(eq=False)
class Place:
    """A counted call or wrong code. Times are seconds."""

    to: str
    client: str
    at: float
    """The due time of the call, or the time at which it was sent."""
    sent: bool = False
    proven: bool = False


@dataclass(eq=False)
class Login:
    """A verification."""

    to: str
    client: str
    began: float
    reference: str = ""
    code: str = ""
    id: str = ""
    queued: Place | None = None
    pending: bool = True


@dataclass
class Model:
    """The limits in plain lists."""

    now: float
    logins: list[Login] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)
    wrong: list[Place] = field(default_factory=list)

    def limits(
        self, to: str, client: str, excluded: Place | None = None, after: float = 0
    ) -> dict[str, float]:
        """Return until when each limit refuses a call due in ``after`` seconds; 0 for room."""
        calls = [place for place in self.places if place is not excluded]
        mine = [call.at for call in calls if call.to == to]
        unproven = [call.at for call in calls if call.to == to and not call.proven]
        theirs = [call.at for call in calls if call.client == client]
        wrong = [code.at for code in self.wrong if code.to == to]
        return {
            "wrong_codes_per_number": self._tallied(wrong, WRONG_CODES, self.now),
            "all_calls_per_number": self._until([at + WINDOW for at in mine], ALL_PER_NUMBER),
            "calls_per_client": self._tallied(theirs, PER_CLIENT, self.now + after),
            "calls_per_number": self._until([at + WINDOW for at in unproven], PER_NUMBER),
        }

    def _tallied(self, times: list[float], count: int, wanted: float) -> float:
        """Return when all windows around a bucket have room; 0 for the wanted time."""
        held = [bucket_of(at) for at in times if (bucket_of(at) + 1) * SLICE + WINDOW > self.now]
        free = bucket_of(wanted)
        while any(
            sum(first <= each <= first + SLICES for each in held) >= count
            for first in range(free - SLICES, free + 1)
        ):
            free += 1
        return free * SLICE if free > bucket_of(wanted) else 0

    def _until(self, ends: list[float], count: int) -> float:
        held = sorted(end for end in ends if end > self.now)
        return held[-count] if len(held) >= count else 0

    def refusal(
        self, to: str, client: str, excluded: Place | None = None, after: float = 0
    ) -> tuple[str, float]:
        """Return the limit that refuses longest, and until when; empty if none does."""
        limits = self.limits(to, client, excluded, after)
        longest = max(limits, key=lambda limit: limits[limit])
        return (longest, limits[longest]) if limits[longest] else ("", 0)

    def queue(self, login: Login, due: float) -> None:
        """Queue one more call."""
        login.queued = Place(login.to, login.client, due)
        self.places.append(login.queued)

    def end(self, login: Login, approved: bool = False) -> None:
        """End a verification. An unsent call is not counted."""
        login.pending = False
        if login.queued:
            self.places.remove(login.queued)
            login.queued = None
        for place in self.places:
            place.proven |= approved and place.sent and place.to == login.to

    def dial(self, login: Login) -> bool:
        """Return whether the due call is sent: not if too late, or while codes are limited."""
        assert login.queued
        wait = self.limits(login.to, login.client)["wrong_codes_per_number"]
        if self.now < wait <= login.began + DIAL_BY:
            login.queued.at = wait
            return False
        if wait or self.now > login.began + DIAL_BY:
            self.places.remove(login.queued)
            login.queued = None
            return False
        login.queued.sent, login.queued.at = True, self.now
        login.queued = None
        return True

    def expire(self) -> None:
        """Expire what is over."""
        for login in self.logins:
            if login.pending and login.began + LIFE <= self.now:
                self.end(login)


class Machine(RuleBasedStateMachine):
    """Takes each step in the store and in the model."""

    redis: Redis

    def __init__(self) -> None:
        super().__init__()
        self.redis.flushdb()
        self.driver = driver_with_limits(
            self.redis,
            gaps=NO_GAP,
            calls_per_number=parse_quotas(f"{PER_NUMBER}/{WINDOW}s"),
            all_calls_per_number=parse_quotas(f"{ALL_PER_NUMBER}/{WINDOW}s"),
            wrong_codes_per_number=parse_quotas(f"{WRONG_CODES}/{WINDOW}s"),
            clients={
                client: ClientLimits(parse_quotas(f"{PER_CLIENT}/{WINDOW}s")) for client in CLIENTS
            },
        )
        self.model = Model(now=(time.time() // WINDOW + 2) * WINDOW + 0.3)
        self.codes = (str(code) for code in range(900_000, 999_999))
        self.ticks()

    def ticks(self, seconds: float = 0) -> None:
        """Set both clocks for the next step."""
        self.model.now += seconds + STEP
        self.driver.stop_clock(self.model.now)
        self.driver.sweep()
        self.model.expire()

    def one_of(self, index: int) -> Login:
        """Return a verification, more often a new one."""
        return self.model.logins[-1 - index % len(self.model.logins)]

    def agrees(self, answer: StoreResult, limit: str, until: float) -> None:
        """Check that the store refuses by the same limit until the same time."""
        assert answer.outcome == f"rate_limited {limit}"
        assert abs(answer.retry_after_ms / 1000 - (until - self.model.now)) < TOLERANCE

    @rule(
        to=st.sampled_from(NUMBERS),
        client=st.sampled_from(CLIENTS),
        call_after=st.sampled_from([0, 0, 100.1]),
        newer_code=st.booleans(),
    )
    def asks(self, to: str, client: str, call_after: float, newer_code: bool) -> None:
        """For another login session, or with a newer code, which supersedes the older one."""
        self.ticks()
        mine = [each for each in self.model.logins if (each.to, each.client) == (to, client)]
        old = next((each for each in mine if each.pending), None) if newer_code else None
        limit, until = self.model.refusal(to, client, old.queued if old else None, call_after)
        login = Login(to, client, self.model.now, code=next(self.codes))
        login.reference = old.reference if old else f"login {login.code}"
        answer = self.driver.try_create(
            to,
            client=client,
            reference=login.reference,
            code=login.code,
            own_code=True,
            call_after=call_after,
        )
        if old:
            self.model.end(old)
        if limit:
            self.agrees(answer, limit, until)
            return
        assert answer.outcome == "created"
        assert answer.verification
        login.id = answer.verification.id
        self.model.queue(login, self.model.now + call_after)
        self.model.logins.append(login)

    @precondition(lambda self: self.model.logins)
    @rule(index=st.integers(0, 3))
    def calls(self, index: int) -> None:
        """The client requests a further call, or the delayed one now."""
        self.ticks()
        login = self.one_of(index)
        delayed = login.queued if login.queued and login.queued.at > self.model.now else None
        limit, until = self.model.refusal(login.to, login.client, delayed)
        answer = self.driver.store.request_call(login.id, login.client, new_call())
        if not login.pending:
            assert answer.outcome == "closed"
        elif login.queued and not delayed:
            assert answer.outcome == "coming"
        elif delayed and not limit:
            assert answer.outcome == "coming"
            delayed.at = self.model.now
        elif self.model.now > login.began + LAST_DUE:
            assert answer.outcome == "too_late"
        elif limit:
            self.agrees(answer, limit, until)
        else:
            assert answer.outcome == "coming"
            self.model.queue(login, self.model.now)

    @precondition(lambda self: self.model.logins)
    @rule(index=st.integers(0, 3), right=st.sampled_from([True, False, False]))
    def checks(self, index: int, right: bool) -> None:
        """A new wrong code, or the right one."""
        self.ticks()
        login = self.one_of(index)
        limits = self.model.limits(login.to, login.client)
        code = login.code if right else next(self.codes)
        digests = self.driver.ring.digests("check", login.id, code)
        answer = self.driver.store.check(login.id, login.client, len(code), digests)
        if not login.pending:
            assert answer.outcome == "closed"
        elif limits["wrong_codes_per_number"]:
            self.agrees(answer, "wrong_codes_per_number", limits["wrong_codes_per_number"])
        elif right:
            assert answer.outcome == "right"
            self.model.end(login, approved=True)
        else:
            assert answer.outcome == "wrong"
            self.model.wrong.append(Place(login.to, login.client, self.model.now))

    @precondition(lambda self: self.model.logins)
    @rule(index=st.integers(0, 3), approved=st.booleans())
    def ends(self, index: int, approved: bool) -> None:
        """The client cancels or approves."""
        self.ticks()
        login = self.one_of(index)
        found = self.driver.store.get(login.id, login.client).verification
        assert found
        (self.driver.approve if approved else self.driver.cancel)(found)
        if login.pending:
            self.model.end(login, approved)

    @rule()
    def dials_all(self) -> None:
        """Each due call is dialed, to a busy phone."""
        self.ticks()
        by_id = {login.id: login for login in self.model.logins}
        while isinstance(claim := self.driver.store.claim(200), Claim):
            login = by_id[claim.verification_id]
            assert self.model.dial(login)
            assert self.driver.mark_sent(claim)
            self.driver.record(claim, BUSY)
        for login in self.model.logins:
            if login.queued and login.queued.at <= self.model.now:
                assert not self.model.dial(login)

    @rule(rounds=st.sampled_from([1, 1, 2, 3, 6, 12, 30, 61]))
    def passes(self, rounds: int) -> None:
        """Time passes, and a dialer dials what is due."""
        self.dials_all()
        self.ticks(20 * rounds)
        self.dials_all()

    @invariant()
    def limits_are_equal(self) -> None:
        """The limits of each number and client end at the same time."""
        for to, client in zip(NUMBERS, CLIENTS, strict=True):
            seen = self.driver.explain(to)
            reported = {
                use.limit: use.until_ms for use in seen.limits if use.client in {None, client}
            }
            for limit, until in self.model.limits(to, client).items():
                assert abs(reported[limit] / 1000 - until) < TOLERANCE, limit


def test_limits_agree_with_the_model(redis: Redis) -> None:
    """Creates, calls, guesses, approvals and pauses in any order."""
    Machine.redis = redis
    run_machine(Machine, examples=16)
