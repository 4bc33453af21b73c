"""The breaker of routes: closed when they fail, tried by one call, opened by its success."""

from dataclasses import replace

import pytest
from redis import Redis
from store.driver import StoreDriver, driver_with_limits, driver_with_quotas
from support.service import BRIDGE

from otpvoice.core.verification import CallReason, CallStatus, Route, Status, Verification
from otpvoice.store.keys import Keys
from otpvoice.store.models import CallResult, RecordResult, RouteHealth

GOOD = CallResult(CallStatus.PLACED, route_health=RouteHealth.GOOD)
BAD = CallResult(CallStatus.UNKNOWN, CallReason.PROVIDER_ERROR, route_health=RouteHealth.BAD)
NO_WORD = CallResult(CallStatus.FAILED, CallReason.PROVIDER_ERROR, is_unsent=True)
REFUSED = CallResult(
    CallStatus.FAILED, CallReason.REFUSED, is_unsent=True, route_health=RouteHealth.BAD
)
UNREACHED = CallResult(
    CallStatus.QUEUED, retry_in_ms=1, is_unsent=True, route_health=RouteHealth.UNREACHED
)
GIVEN_BACK = CallResult(CallStatus.QUEUED, is_unsent=True)
DOWN = CallResult(
    CallStatus.FAILED, CallReason.ROUTE_DOWN, is_unsent=True, route_health=RouteHealth.DOWN
)
BOTH = (Route.OBD, Route.C2C)
FIRST_PAUSE = 10
LEASE = 20


class Office:
    """Many phones that are called, each once."""

    def __init__(self, driver: StoreDriver) -> None:
        self._exchange = driver
        self._number = 0

    def begins(
        self, route: Route = Route.OBD, ttl: float = 300, bridge: str = BRIDGE
    ) -> Verification:
        """A verification of a number of its own."""
        self._number += 1
        number = f"+9198{self._number:08}"
        answer = self._exchange.try_create(number, route=route, ttl=ttl, bridge=bridge)
        assert answer.outcome == "created"
        assert answer.verification
        return answer.verification

    def dials(
        self, result: CallResult, route: Route = Route.OBD, bridge: str = BRIDGE
    ) -> RecordResult:
        """A call by this route, with this result."""
        self.begins(route, bridge=bridge)
        claim = self._exchange.claim()
        assert claim.route is route
        assert self._exchange.mark_sent(claim)
        return self._exchange.record(claim, result)

    def closes(self, *routes: Route) -> None:
        """Each is down from now on."""
        for route in routes:
            self.begins(route)
        for claim in [self._exchange.claim() for _ in routes]:
            self._exchange.mark_sent(claim)
            assert self._exchange.record(claim, DOWN).route_change == "closed"


@pytest.fixture
def office(driver: StoreDriver) -> Office:
    """A busy office."""
    return Office(driver)


def closed(driver: StoreDriver) -> tuple[Route, ...]:
    """The routes that are not known to be well."""
    return driver.store.health().closed_routes


# Closing -----------------------------------------------------------------------------------------


def test_a_route_that_is_down_is_closed_at_once(driver: StoreDriver, office: Office) -> None:
    """And it is said once, to the dialer that found it."""
    assert office.dials(DOWN).route_change == "closed"
    assert closed(driver) == (Route.OBD,)


def test_five_bad_answers_in_a_row_close_a_route(driver: StoreDriver, office: Office) -> None:
    """Four do not."""
    changes = [office.dials(BAD).route_change for _ in range(5)]
    assert changes == ["", "", "", "", "closed"]
    assert closed(driver) == (Route.OBD,)


@pytest.mark.parametrize("result", [BAD, REFUSED])
def test_accepted_call_starts_the_row_over(
    driver: StoreDriver, office: Office, result: CallResult
) -> None:
    """Several bad numbers with an accepted call between them do not close the route."""
    for _ in range(3):
        for _ in range(4):
            assert office.dials(result).route_change == ""
        assert office.dials(GOOD).route_change == ""
    assert closed(driver) == ()


def test_refusals_of_different_numbers_close_the_route(driver: StoreDriver, office: Office) -> None:
    """Five in a row, none accepted between them."""
    changes = [office.dials(REFUSED).route_change for _ in range(5)]
    assert changes == ["", "", "", "", "closed"]
    assert closed(driver) == (Route.OBD,)


def test_refusals_and_silence_stand_in_one_row(driver: StoreDriver, office: Office) -> None:
    """However the provider does not accept, it does not."""
    results = [BAD, REFUSED, BAD, REFUSED, REFUSED]
    assert [office.dials(result).route_change for result in results][-1] == "closed"
    assert closed(driver) == (Route.OBD,)


@pytest.mark.parametrize("result", [BAD, REFUSED])
def test_one_number_alone_does_not_close_the_route(
    driver: StoreDriver, office: Office, result: CallResult
) -> None:
    """Refused again and again, a number counts once; four others are still needed."""
    for _ in range(12):
        begun = driver.create()
        claim = driver.claim()
        driver.mark_sent(claim)
        assert driver.record(claim, result).route_change == ""
        driver.cancel(begun)
        driver.advance_time(400)
    assert closed(driver) == ()
    changes = [office.dials(result).route_change for _ in range(4)]
    assert changes == ["", "", "", "closed"]


def test_unreached_route_closes_by_one_number(driver: StoreDriver) -> None:
    """Nothing was sent, so the number cannot be the reason: each request counts."""
    driver.create()
    changes = []
    for _ in range(5):
        claim = driver.claim()
        driver.mark_sent(claim)
        changes.append(driver.record(claim, UNREACHED).route_change)
        driver.advance_time(1)
    assert changes == ["", "", "", "", "closed"]


def test_refused_probe_closes_the_route_again(driver: StoreDriver, office: Office) -> None:
    """For twice as long; an accepted one opens it, and the row begins anew."""
    office.closes(Route.OBD)
    driver.advance_time(FIRST_PAUSE)
    assert office.dials(REFUSED).route_change == "closed"
    driver.advance_time(2 * FIRST_PAUSE - 1)
    assert closed(driver) == (Route.OBD,)
    driver.advance_time(1)
    assert office.dials(GOOD).route_change == "opened"
    assert [office.dials(REFUSED).route_change for _ in range(4)] == [""] * 4


ANSWERED_NO = replace(REFUSED, is_refused=True)
"""The provider's own refusal, of this call with its bridge and flow."""
OTHER_BRIDGE = "918068289999"


def test_refusals_of_one_sender_leave_the_route_open_for_others(
    driver: StoreDriver, office: Office
) -> None:
    """A client with a wrong flow or bridge stops its own calls only."""
    changes = [office.dials(ANSWERED_NO).route_change for _ in range(5)]
    assert changes == ["", "", "", "", "closed"]
    for bridge in (BRIDGE, OTHER_BRIDGE):
        office.begins(bridge=bridge)
    claims = [driver.claim() for _ in range(2)]
    found = {claim.bridge: claim.route for claim in claims}
    assert found == {BRIDGE: Route.C2C, OTHER_BRIDGE: Route.OBD}
    assert closed(driver) == (Route.OBD,)


def test_sender_is_not_called_for_while_only_others_are_accepted(
    driver: StoreDriver, office: Office
) -> None:
    """What one sender is accepted with says nothing of the refused one."""
    for route in BOTH:
        for _ in range(5):
            office.dials(ANSWERED_NO, route)
    driver.create("+917000000001", bridge=OTHER_BRIDGE)
    claim = driver.claim()
    driver.mark_sent(claim)
    assert driver.record(claim, GOOD).route_change == ""
    assert driver.try_create("+917000000002").outcome == "calls_unavailable"
    assert driver.try_create("+917000000003", bridge=OTHER_BRIDGE).outcome == "created"


def test_refusals_of_every_sender_close_the_route_for_each(
    driver: StoreDriver, office: Office
) -> None:
    """A second sender needs a row of its own; then both probe."""
    for bridge in (BRIDGE, OTHER_BRIDGE):
        changes = [office.dials(ANSWERED_NO, bridge=bridge).route_change for _ in range(5)]
        assert changes == ["", "", "", "", "closed"]
    for bridge in (BRIDGE, OTHER_BRIDGE):
        office.begins(bridge=bridge)
        assert driver.claim().route is Route.C2C


def test_refused_probe_of_one_sender_frees_the_calls_of_others(
    driver: StoreDriver, office: Office
) -> None:
    """A sender that is never accepted does not keep the route closed for the others."""
    office.closes(*BOTH)
    driver.advance_time(FIRST_PAUSE)
    office.begins()
    for _ in range(3):
        office.begins(bridge=OTHER_BRIDGE)
    probes = [driver.claim() for _ in BOTH]
    assert isinstance(driver.store.claim(200), int)  # the others wait
    driver.mark_sent(probes[0])
    assert driver.record(probes[0], ANSWERED_NO).route_change == "closed"
    bridge = OTHER_BRIDGE if probes[0].bridge == BRIDGE else BRIDGE
    office.begins(bridge=bridge)
    claim = driver.claim()
    assert (claim.bridge, claim.route) == (bridge, probes[0].route)


def test_row_of_a_route_holds_no_number(driver: StoreDriver, office: Office, redis: Redis) -> None:
    """Its members are keyed hashes; it ends an hour after the last of them."""
    for _ in range(4):
        office.dials(REFUSED)
    (key,) = redis.scan_iter("*:route:*")
    row = redis.hget(key, "failed_requests")
    assert isinstance(row, bytes)
    assert len(row.split()) == 4
    assert b"9198" not in row
    driver.advance_time(0)
    assert 3_595_000 < redis.pttl(key) <= 3_600_000


def test_an_answer_that_says_nothing_of_the_route(driver: StoreDriver, office: Office) -> None:
    """429: neither one more failure nor a sign of health."""
    for _ in range(4):
        office.dials(BAD)
        assert office.dials(NO_WORD).route_change == ""
    assert office.dials(BAD).route_change == "closed"
    assert closed(driver) == (Route.OBD,)


def test_each_route_for_itself(driver: StoreDriver, office: Office) -> None:
    """Bad answers of one say nothing of the other."""
    for _ in range(4):
        office.dials(BAD)
        office.dials(BAD, Route.C2C)
    assert closed(driver) == ()
    office.dials(BAD, Route.C2C)
    assert closed(driver) == (Route.C2C,)


def test_the_word_of_who_lost_the_call_does_not_count(driver: StoreDriver, office: Office) -> None:
    """Its holder only is believed about the route."""
    office.begins()
    stranger = driver.claim()
    driver.advance_time(21)
    holder = driver.claim()
    assert driver.record(stranger, DOWN) == RecordResult(None, "")
    assert closed(driver) == ()
    assert driver.record(holder, DOWN).route_change == "closed"


def test_late_bad_answers_close_it_once(driver: StoreDriver, office: Office) -> None:
    """Calls that were on their way when it closed do not lengthen the pause."""
    claims = []
    for _ in range(8):
        office.begins()
        claims.append(driver.claim())
    for claim in claims:
        driver.mark_sent(claim)
    changes = [driver.record(claim, BAD).route_change for claim in claims]
    assert changes == ["", "", "", "", "closed", "", "", ""]
    driver.advance_time(FIRST_PAUSE)
    office.begins()
    assert driver.claim().route is Route.OBD


# Going another way -------------------------------------------------------------------------------


def test_calls_go_by_the_other_route(driver: StoreDriver, office: Office) -> None:
    """A closed route is no try: the call is the same, and has both routes before it."""
    office.closes(Route.OBD)
    begun = office.begins()
    claim = driver.claim()
    assert (claim.route, claim.tried_routes, claim.requests) == (Route.C2C, (), 0)
    (call,) = driver.get(begun).calls
    assert (call.id, call.route) == (claim.call_id, Route.C2C)


def test_a_call_that_was_refused_there_waits(driver: StoreDriver, office: Office) -> None:
    """Refused by c2c it goes on by obd; while that is closed it is held, not sent back to c2c."""
    office.closes(Route.OBD)
    begun = office.begins()
    claim = driver.claim()
    driver.mark_sent(claim)
    result = CallResult(
        CallStatus.FAILED,
        CallReason.REFUSED,
        is_unsent=True,
        next_route=Route.OBD,
        route_health=RouteHealth.BAD,
    )
    driver.record(claim, result)
    assert driver.seconds_until_due() == FIRST_PAUSE
    driver.advance_time(FIRST_PAUSE)
    assert driver.claim().route is Route.OBD
    assert [call.route for call in driver.get(begun).calls] == [Route.C2C, Route.OBD]


def test_a_wish_for_the_route_counts_again_when_it_is_open(
    driver: StoreDriver, office: Office
) -> None:
    """After the probe, calls go where they were meant to go."""
    office.closes(Route.OBD)
    driver.advance_time(FIRST_PAUSE)
    assert office.dials(GOOD).route_change == "opened"
    office.begins()
    assert driver.claim().route is Route.OBD


def test_any_call_tries_a_closed_route_that_refuses(driver: StoreDriver, office: Office) -> None:
    """Once after each pause, so that a route that no call prefers comes back as well."""
    office.closes(Route.C2C)
    driver.advance_time(FIRST_PAUSE)
    for _ in range(2):
        office.begins(Route.OBD)
    probe, other = driver.claim(), driver.claim()
    assert (probe.route, other.route) == (Route.C2C, Route.OBD)
    driver.mark_sent(probe)
    assert driver.record(probe, GOOD).route_change == "opened"
    assert closed(driver) == ()


def test_refused_probe_is_dialed_by_the_open_route(driver: StoreDriver, office: Office) -> None:
    """At once: the call loses a moment, and nothing else."""
    office.closes(Route.C2C)
    driver.advance_time(FIRST_PAUSE)
    office.begins(Route.OBD)
    probe = driver.claim()
    driver.mark_sent(probe)
    driver.record(probe, replace(DOWN, next_route=Route.OBD))
    claim = driver.claim()
    assert (claim.route, claim.tried_routes) == (Route.OBD, (Route.C2C,))


def test_last_attempt_of_a_verification_does_not_try_another_route(redis: Redis) -> None:
    """After a refusal there, no further call could go on by the open route."""
    driver = driver_with_limits(redis, attempts_per_verification=2)
    office = Office(driver)
    begun = office.begins(Route.OBD)
    driver.dial(NO_WORD)
    office.closes(Route.C2C)
    driver.advance_time(FIRST_PAUSE)
    assert driver.request_call(begun).outcome == "coming"
    assert driver.claim().route is Route.OBD


@pytest.mark.parametrize(("closes", "goes_by"), [((Route.OBD,), Route.C2C), (BOTH, Route.OBD)])
def test_last_attempt_of_a_verification_tries_its_own_route_if_none_is_open(
    redis: Redis, closes: tuple[Route, ...], goes_by: Route
) -> None:
    """Else it goes by the open one, where it is not refused."""
    driver = driver_with_limits(redis, attempts_per_verification=2)
    office = Office(driver)
    begun = office.begins(Route.OBD)
    driver.dial(NO_WORD)
    office.closes(*closes)
    driver.advance_time(FIRST_PAUSE)
    assert driver.request_call(begun).outcome == "coming"
    assert driver.claim().route is goes_by


def test_call_at_its_last_moment_does_not_try_another_route(
    driver: StoreDriver, office: Office
) -> None:
    """A refusal there would come too late for the next call."""
    office.closes(Route.C2C)
    begun = office.begins(Route.OBD, ttl=120)
    driver.advance_time(60)
    assert driver.claim().route is Route.OBD
    assert driver.get(begun).calls[-1].status is CallStatus.DIALING


def test_silent_route_is_tried_by_its_own_calls_alone(driver: StoreDriver, office: Office) -> None:
    """A call that may ring there could not go on by the open route."""
    for _ in range(5):
        office.dials(BAD, Route.C2C)
    assert closed(driver) == (Route.C2C,)
    driver.advance_time(FIRST_PAUSE)
    office.begins(Route.OBD)
    assert driver.claim().route is Route.OBD
    office.begins(Route.C2C)
    assert driver.claim().route is Route.C2C


def test_trial_call_goes_by_its_own_route(driver: StoreDriver, office: Office) -> None:
    """``otpvoice doctor --live`` asks about one route."""
    office.closes(Route.C2C)
    driver.advance_time(FIRST_PAUSE)
    assert driver.try_create(route=Route.OBD, is_live_test=True).outcome == "created"
    assert driver.claim().route is Route.OBD


# Held --------------------------------------------------------------------------------------------


@pytest.fixture
def waiting(driver: StoreDriver, office: Office) -> list[Verification]:
    """Verifications whose calls wait for a route: all of them have just been closed."""
    return hold(driver, office, 5)


def hold(driver: StoreDriver, office: Office, count: int, ttl: float = 300) -> list[Verification]:
    """So many, whose codes live that long."""
    probes = [office.begins(route) for route in BOTH]
    claims = [driver.claim() for _ in probes]
    held = [office.begins(ttl=ttl) for _ in range(count)]
    for claim in claims:
        driver.mark_sent(claim)
        driver.record(claim, DOWN)
    assert closed(driver) == BOTH
    return held


def fails(driver: StoreDriver, result: CallResult = DOWN) -> None:
    """One call for each route tries it, in vain."""
    for _ in BOTH:
        claim = driver.claim()
        driver.mark_sent(claim)
        assert driver.record(claim, result).route_change == "closed"


def still_queued(driver: StoreDriver, held: list[Verification]) -> int:
    """How many of them wait, none having used up a try or a call."""
    calls = [call for begun in held for call in driver.get(begun).calls]
    assert len(calls) == len(held)
    return sum(call.status is CallStatus.QUEUED for call in calls)


def test_with_all_routes_closed_calls_are_held(
    driver: StoreDriver, waiting: list[Verification]
) -> None:
    """In the queue; a dialer is told when to look again."""
    assert driver.seconds_until_due() == FIRST_PAUSE
    assert still_queued(driver, waiting) == 5


def test_one_call_at_a_time_tries_a_route(driver: StoreDriver, waiting: list[Verification]) -> None:
    """After the pause one call for each closed route; the rest wait until it is back."""
    driver.seconds_until_due()
    driver.advance_time(FIRST_PAUSE)
    probes = [driver.claim(), driver.claim()]
    assert {probe.route for probe in probes} == set(BOTH)
    assert driver.seconds_until_due() == LEASE
    assert still_queued(driver, waiting) == 3


def test_a_good_probe_releases_all_at_once(
    driver: StoreDriver, waiting: list[Verification]
) -> None:
    """Without waiting for the end of their hold, and those of the other route as well."""
    driver.seconds_until_due()
    driver.advance_time(FIRST_PAUSE)
    probe = driver.claim()
    driver.claim()
    driver.seconds_until_due()
    driver.mark_sent(probe)
    assert driver.record(probe, GOOD).route_change == "opened"
    assert [driver.claim().route for _ in range(3)] == [probe.route] * 3
    assert still_queued(driver, waiting) == 0


def test_a_good_probe_wakes_a_dialer(
    driver: StoreDriver, waiting: list[Verification], redis: Redis
) -> None:
    """One that sleeps until the end of the hold."""
    driver.seconds_until_due()
    driver.advance_time(FIRST_PAUSE)
    probe = driver.claim()
    driver.claim()
    driver.seconds_until_due()
    redis.delete(Keys().of("wake"))
    driver.mark_sent(probe)
    driver.record(probe, GOOD)
    assert redis.llen(Keys().of("wake"))
    assert waiting


def test_what_ended_while_it_was_held_is_not_dialed(
    driver: StoreDriver, waiting: list[Verification]
) -> None:
    """Canceled or proven meanwhile; the release brings the others only."""
    driver.seconds_until_due()
    driver.cancel(waiting[2])
    driver.approve(waiting[3])
    driver.advance_time(FIRST_PAUSE)
    probe = driver.claim()
    driver.mark_sent(probe)
    driver.record(probe, GOOD)
    dialed = {probe, driver.claim(), driver.claim()}
    assert {claim.verification_id for claim in dialed} == {waiting[n].id for n in (0, 1, 4)}
    assert driver.seconds_until_due() == -1


def test_held_to_the_end_of_the_code_it_ends_expired(driver: StoreDriver, office: Office) -> None:
    """When 15 s are left: never dialed, and its verification may still be proven."""
    held = hold(driver, office, 5, ttl=60)
    for pause in (10, 20):
        assert driver.seconds_until_due() == pause
        driver.advance_time(pause)
        fails(driver)
    assert still_queued(driver, held) == 1
    assert driver.seconds_until_due() <= 16
    driver.advance_time(16)
    assert driver.seconds_until_due() == -1
    (late,) = [v for v in map(driver.get, held) if v.calls[0].status is CallStatus.EXPIRED]
    assert (late.calls[0].reason, late.calls[0].sent_at) == (CallReason.TOO_LATE, None)
    assert late.status is Status.PENDING


def test_more_calls_than_one_look_takes(driver: StoreDriver, office: Office) -> None:
    """More than a hundred held ones: all wait, none is lost, and all are released."""
    hold(driver, office, 120)
    while driver.store.claim(200) == 0:
        pass
    assert driver.seconds_until_due() == FIRST_PAUSE
    driver.advance_time(FIRST_PAUSE)
    probe = driver.claim()
    driver.mark_sent(probe)
    driver.record(probe, GOOD)
    found = 0
    while not isinstance(driver.store.claim(200), int):
        found += 1
    assert found == 119


# The probe ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("result", [DOWN, BAD])
def test_the_pause_doubles_to_a_bound(
    driver: StoreDriver, office: Office, result: CallResult
) -> None:
    """10, 20, 40 and then 60 seconds, however the probe fails."""
    hold(driver, office, 11, ttl=600)
    pauses = []
    for _ in range(5):
        pauses.append(driver.seconds_until_due())
        driver.advance_time(pauses[-1])
        fails(driver, result)
    assert pauses == [10, 20, 40, 60, 60]


def test_a_success_starts_over(driver: StoreDriver, office: Office) -> None:
    """The next pause is the first one again, and so is the count of bad answers."""
    hold(driver, office, 5)
    driver.advance_time(FIRST_PAUSE)
    fails(driver)
    driver.advance_time(20)
    for probe in [driver.claim() for _ in BOTH]:
        driver.mark_sent(probe)
        assert driver.record(probe, GOOD).route_change == "opened"
    driver.dial(BAD)
    assert closed(driver) == ()
    hold(driver, office, 1)
    assert driver.seconds_until_due() == FIRST_PAUSE


def test_a_probe_whose_dialer_died_is_followed_by_another(
    driver: StoreDriver, waiting: list[Verification]
) -> None:
    """When its lease is over; nobody else tries before."""
    driver.seconds_until_due()
    driver.advance_time(FIRST_PAUSE)
    lost = [driver.claim(), driver.claim()]
    driver.advance_time(LEASE - 1)
    assert driver.seconds_until_due() == 1
    driver.advance_time(1)
    assert {driver.claim().route for _ in lost} == set(BOTH)
    assert waiting


def test_probe_that_was_given_back_is_claimed_again_at_once(
    driver: StoreDriver, waiting: list[Verification]
) -> None:
    """A dialer that stops sent nothing, so that nobody has to wait for its lease."""
    driver.seconds_until_due()
    driver.advance_time(FIRST_PAUSE)
    first, second = driver.claim(), driver.claim()
    assert driver.record(first, GIVEN_BACK).status is CallStatus.QUEUED
    again = driver.claim()
    assert again.route is first.route
    assert driver.seconds_until_due() == LEASE
    driver.mark_sent(second)
    driver.record(second, GIVEN_BACK)
    assert driver.claim().route is second.route
    assert waiting


def test_held_call_that_backs_off_is_not_brought_forward(
    driver: StoreDriver, waiting: list[Verification]
) -> None:
    """The route opens meanwhile, and the pause that the provider asked for this call holds."""
    driver.seconds_until_due()
    driver.advance_time(FIRST_PAUSE)
    backs_off, good = driver.claim(), driver.claim()
    driver.mark_sent(backs_off)
    driver.record(backs_off, replace(GIVEN_BACK, is_refused=True, retry_in_ms=30_000))
    driver.mark_sent(good)
    assert driver.record(good, GOOD).route_change == "opened"
    claimed = {driver.claim().call_id for _ in waiting[2:]}
    assert backs_off.call_id not in claimed
    assert driver.seconds_until_due() == 30


def test_a_probe_that_is_not_wanted_any_more_makes_way(driver: StoreDriver, office: Office) -> None:
    """Canceled before its mark: when its lease would be over the next call tries the route."""
    office.closes(*BOTH)
    driver.advance_time(FIRST_PAUSE)
    for route in BOTH:
        unwanted = office.begins(route)
        claim = driver.claim()
        driver.cancel(unwanted)
        assert not driver.mark_sent(claim)
    office.begins()
    assert driver.seconds_until_due() <= LEASE
    driver.advance_time(LEASE)
    assert driver.claim().route is Route.OBD


def test_a_late_good_answer_opens_the_route(driver: StoreDriver, office: Office) -> None:
    """A call that was on its way when it closed shows that it works after all."""
    office.begins()
    slow = driver.claim()
    driver.mark_sent(slow)
    office.closes(Route.OBD)
    assert driver.record(slow, GOOD).route_change == "opened"
    assert closed(driver) == ()


# What clients are told ---------------------------------------------------------------------------


def test_nothing_is_taken_on_while_all_are_closed(driver: StoreDriver, office: Office) -> None:
    """But for later, which is time enough to come back; what is under way is found."""
    begun = office.begins()
    driver.claim()
    office.closes(*BOTH)
    assert driver.try_create().outcome == "calls_unavailable"
    delayed = driver.try_create(call_after=30)
    assert delayed.outcome == "created"
    assert driver.get(begun).calls[0].status is CallStatus.DIALING


def test_a_further_call_is_refused_while_all_are_closed(
    driver: StoreDriver, office: Office
) -> None:
    """With the verification, that lives on."""
    begun = driver.create()
    driver.dial_busy()
    driver.advance_time(60)
    office.closes(*BOTH)
    refused = driver.request_call(begun)
    assert refused.outcome == "calls_unavailable"
    assert refused.verification
    assert refused.verification.id == begun.id


@pytest.mark.parametrize("route", BOTH)
def test_with_one_open_calls_are_taken(driver: StoreDriver, office: Office, route: Route) -> None:
    """By whichever."""
    office.closes(route)
    assert driver.try_create().outcome == "created"


def test_after_the_pause_calls_are_taken_to_try(driver: StoreDriver, office: Office) -> None:
    """Else a closed route that nothing waits for would stay closed."""
    office.closes(*BOTH)
    driver.advance_time(FIRST_PAUSE)
    assert driver.try_create().outcome == "created"
    assert closed(driver) == BOTH


def test_held_calls_are_no_sign_of_too_many(
    driver: StoreDriver, waiting: list[Verification]
) -> None:
    """However long they have waited."""
    for pause in (10, 20):
        driver.advance_time(pause)
        fails(driver)
        driver.seconds_until_due()
    driver.advance_time(39)
    assert still_queued(driver, waiting) == 1
    assert driver.try_create(call_after=10).outcome == "created"


def test_a_route_that_nobody_uses_is_forgotten(driver: StoreDriver, redis: Redis) -> None:
    """Its state ends an hour after its last failure."""
    office = Office(driver)
    office.closes(Route.OBD)
    (key,) = redis.scan_iter("*:route:*")
    assert 3_595_000 < redis.pttl(key) <= 3_600_000


def test_only_the_routes_of_the_settings_count(redis: Redis) -> None:
    """With obd alone, its closing closes all."""
    driver = driver_with_quotas(redis, routes=(Route.OBD,))
    Office(driver).closes(Route.OBD)
    assert driver.try_create().outcome == "calls_unavailable"
    assert closed(driver) == (Route.OBD,)
