"""Route health: closed when a route fails, probed by one call, opened by its success."""

import pytest
from msgspec.structs import replace
from redis import Redis
from store.driver import StoreDriver, driver_with_limits, driver_with_quotas
from support.service import BRIDGE

from otpvoice.core.verification import CallReason, CallStatus, Route, Status, Verification
from otpvoice.store import Keys
from otpvoice.store.models import CallResult, Claim, RecordResult, RouteHealth

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
    """Return a busy office."""
    return Office(driver)


def closed(driver: StoreDriver) -> tuple[Route, ...]:
    """Return the closed routes."""
    return driver.store.health().closed_routes


# Closing ------------------------------------------------------------------------------------------


def test_down_closes_the_route_at_once(driver: StoreDriver, office: Office) -> None:
    """The dialer that found it gets the change once."""
    assert office.dials(DOWN).route_change == "closed"
    assert closed(driver) == (Route.OBD,)


def test_five_consecutive_failures_close_the_route(driver: StoreDriver, office: Office) -> None:
    """Four do not."""
    changes = [office.dials(BAD).route_change for _ in range(5)]
    assert changes == ["", "", "", "", "closed"]
    assert closed(driver) == (Route.OBD,)


@pytest.mark.parametrize("result", [BAD, REFUSED])
def test_accepted_call_resets_the_failures(
    driver: StoreDriver, office: Office, result: CallResult
) -> None:
    for _ in range(3):
        for _ in range(4):
            assert office.dials(result).route_change == ""
        assert office.dials(GOOD).route_change == ""
    assert closed(driver) == ()


def test_refusals_of_different_numbers_close_the_route(driver: StoreDriver, office: Office) -> None:
    """Five without an accepted call between them."""
    changes = [office.dials(REFUSED).route_change for _ in range(5)]
    assert changes == ["", "", "", "", "closed"]
    assert closed(driver) == (Route.OBD,)


def test_refusals_and_timeouts_count_together(driver: StoreDriver, office: Office) -> None:
    results = [BAD, REFUSED, BAD, REFUSED, REFUSED]
    assert [office.dials(result).route_change for result in results][-1] == "closed"
    assert closed(driver) == (Route.OBD,)


@pytest.mark.parametrize("result", [BAD, REFUSED])
def test_one_number_alone_does_not_close_the_route(
    driver: StoreDriver, office: Office, result: CallResult
) -> None:
    """It counts once; four others are needed."""
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
    """Nothing was sent, so each request counts."""
    driver.create()
    changes = []
    for _ in range(5):
        claim = driver.claim()
        driver.mark_sent(claim)
        changes.append(driver.record(claim, UNREACHED).route_change)
        driver.advance_time(1)
    assert changes == ["", "", "", "", "closed"]


def test_refused_probe_closes_the_route_again(driver: StoreDriver, office: Office) -> None:
    """For twice as long; an accepted one opens it."""
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
    """A wrong flow or caller line stops its own calls only."""
    changes = [office.dials(ANSWERED_NO).route_change for _ in range(5)]
    assert changes == ["", "", "", "", "closed"]
    for bridge in (BRIDGE, OTHER_BRIDGE):
        office.begins(bridge=bridge)
    claims = [driver.claim() for _ in range(2)]
    found = {claim.bridge: claim.route for claim in claims}
    assert found == {BRIDGE: Route.C2C, OTHER_BRIDGE: Route.OBD}
    assert closed(driver) == (Route.OBD,)


def test_accepted_calls_of_others_keep_the_route_closed_for_the_sender(
    driver: StoreDriver, office: Office
) -> None:
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
    """Each sender needs its own failures; then both probe."""
    for bridge in (BRIDGE, OTHER_BRIDGE):
        changes = [office.dials(ANSWERED_NO, bridge=bridge).route_change for _ in range(5)]
        assert changes == ["", "", "", "", "closed"]
    for bridge in (BRIDGE, OTHER_BRIDGE):
        office.begins(bridge=bridge)
        assert driver.claim().route is Route.C2C


def test_refused_probe_of_one_sender_frees_the_calls_of_others(
    driver: StoreDriver, office: Office
) -> None:
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


def test_route_record_contains_no_number(driver: StoreDriver, office: Office, redis: Redis) -> None:
    """Keyed hashes, for an hour."""
    for _ in range(4):
        office.dials(REFUSED)
    (key,) = redis.scan_iter("*:route:*")
    row = redis.hget(key, "failed_requests")
    assert isinstance(row, bytes)
    assert len(row.split()) == 4
    assert b"9198" not in row
    driver.advance_time(0)
    assert 3_595_000 < redis.pttl(key) <= 3_600_000


def test_429_does_not_change_route_health(driver: StoreDriver, office: Office) -> None:
    for _ in range(4):
        office.dials(BAD)
        assert office.dials(NO_WORD).route_change == ""
    assert office.dials(BAD).route_change == "closed"
    assert closed(driver) == (Route.OBD,)


def test_routes_have_separate_health(driver: StoreDriver, office: Office) -> None:
    for _ in range(4):
        office.dials(BAD)
        office.dials(BAD, Route.C2C)
    assert closed(driver) == ()
    office.dials(BAD, Route.C2C)
    assert closed(driver) == (Route.C2C,)


def test_result_of_another_holder_does_not_change_route_health(
    driver: StoreDriver, office: Office
) -> None:
    office.begins()
    stranger = driver.claim()
    driver.advance_time(21)
    holder = driver.claim()
    assert driver.record(stranger, DOWN) == RecordResult(None, "")
    assert closed(driver) == ()
    assert driver.record(holder, DOWN).route_change == "closed"


def test_late_failures_do_not_extend_the_pause(driver: StoreDriver, office: Office) -> None:
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


# Going another way --------------------------------------------------------------------------------


def test_call_takes_the_other_route_while_one_is_closed(
    driver: StoreDriver, office: Office
) -> None:
    """The closed route does not count as tried."""
    office.closes(Route.OBD)
    begun = office.begins()
    claim = driver.claim()
    assert (claim.route, claim.tried_routes, claim.requests) == (Route.C2C, (), 0)
    (call,) = driver.get(begun).calls
    assert (call.id, call.route) == (claim.call_id, Route.C2C)


def test_refused_call_waits_while_its_next_route_is_closed(
    driver: StoreDriver, office: Office
) -> None:
    """It is not sent back to the route that refused it."""
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


def test_calls_return_to_the_opened_route(driver: StoreDriver, office: Office) -> None:
    office.closes(Route.OBD)
    driver.advance_time(FIRST_PAUSE)
    assert office.dials(GOOD).route_change == "opened"
    office.begins()
    assert driver.claim().route is Route.OBD


def test_any_call_probes_a_route_closed_by_refusals(driver: StoreDriver, office: Office) -> None:
    """Once after each pause."""
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
    """At once."""
    office.closes(Route.C2C)
    driver.advance_time(FIRST_PAUSE)
    office.begins(Route.OBD)
    probe = driver.claim()
    driver.mark_sent(probe)
    driver.record(probe, replace(DOWN, next_route=Route.OBD))
    claim = driver.claim()
    assert (claim.route, claim.tried_routes) == (Route.OBD, (Route.C2C,))


def test_last_attempt_does_not_probe_another_route(redis: Redis) -> None:
    """No further call could follow a refusal."""
    driver = driver_with_limits(redis, attempts_per_verification=2)
    office = Office(driver)
    begun = office.begins(Route.OBD)
    driver.dial(NO_WORD)
    office.closes(Route.C2C)
    driver.advance_time(FIRST_PAUSE)
    assert driver.request_call(begun).outcome == "coming"
    assert driver.claim().route is Route.OBD


@pytest.mark.parametrize(("closes", "goes_by"), [((Route.OBD,), Route.C2C), (BOTH, Route.OBD)])
def test_last_attempt_probes_its_own_route_if_none_is_open(
    redis: Redis, closes: tuple[Route, ...], goes_by: Route
) -> None:
    """Otherwise it takes the open one."""
    driver = driver_with_limits(redis, attempts_per_verification=2)
    office = Office(driver)
    begun = office.begins(Route.OBD)
    driver.dial(NO_WORD)
    office.closes(*closes)
    driver.advance_time(FIRST_PAUSE)
    assert driver.request_call(begun).outcome == "coming"
    assert driver.claim().route is goes_by


def test_call_at_its_last_moment_does_not_probe_another_route(
    driver: StoreDriver, office: Office
) -> None:
    office.closes(Route.C2C)
    begun = office.begins(Route.OBD, ttl=120)
    driver.advance_time(60)
    assert driver.claim().route is Route.OBD
    assert driver.get(begun).calls[-1].status is CallStatus.DIALING


def test_route_closed_by_timeouts_is_probed_by_its_own_calls(
    driver: StoreDriver, office: Office
) -> None:
    """A probe may ring."""
    for _ in range(5):
        office.dials(BAD, Route.C2C)
    assert closed(driver) == (Route.C2C,)
    driver.advance_time(FIRST_PAUSE)
    office.begins(Route.OBD)
    assert driver.claim().route is Route.OBD
    office.begins(Route.C2C)
    assert driver.claim().route is Route.C2C


def test_live_test_call_takes_its_own_route(driver: StoreDriver, office: Office) -> None:
    """``otpvoice doctor --live`` tests one route."""
    office.closes(Route.C2C)
    driver.advance_time(FIRST_PAUSE)
    assert driver.try_create(route=Route.OBD, is_live_test=True).outcome == "created"
    assert driver.claim().route is Route.OBD


# Held ---------------------------------------------------------------------------------------------


@pytest.fixture
def waiting(driver: StoreDriver, office: Office) -> list[Verification]:
    """Create verifications whose calls wait for a route."""
    return hold(driver, office, 5)


def hold(driver: StoreDriver, office: Office, count: int, ttl: float = 300) -> list[Verification]:
    """Create verifications with this life while all routes are closed."""
    probes = [office.begins(route) for route in BOTH]
    claims = [driver.claim() for _ in probes]
    held = [office.begins(ttl=ttl) for _ in range(count)]
    for claim in claims:
        driver.mark_sent(claim)
        driver.record(claim, DOWN)
    assert closed(driver) == BOTH
    return held


def fails(driver: StoreDriver, result: CallResult = DOWN) -> None:
    """Let one call probe each route in vain."""
    for _ in BOTH:
        claim = driver.claim()
        driver.mark_sent(claim)
        assert driver.record(claim, result).route_change == "closed"


def still_queued(driver: StoreDriver, held: list[Verification]) -> int:
    """Return how many of them wait, without a used attempt."""
    calls = [call for begun in held for call in driver.get(begun).calls]
    assert len(calls) == len(held)
    return sum(call.status is CallStatus.QUEUED for call in calls)


def claim_probes(driver: StoreDriver) -> tuple[Claim, Claim]:
    """Let the first pause of both routes pass, and claim the probe of each."""
    driver.seconds_until_due()
    driver.advance_time(FIRST_PAUSE)
    return driver.claim(), driver.claim()


def test_calls_wait_while_all_routes_are_closed(
    driver: StoreDriver, waiting: list[Verification]
) -> None:
    """The claim returns the time to wait."""
    assert driver.seconds_until_due() == FIRST_PAUSE
    assert still_queued(driver, waiting) == 5


def test_one_call_at_a_time_probes_a_route(
    driver: StoreDriver, waiting: list[Verification]
) -> None:
    """The rest wait."""
    probes = claim_probes(driver)
    assert {probe.route for probe in probes} == set(BOTH)
    assert driver.seconds_until_due() == LEASE
    assert still_queued(driver, waiting) == 3


def test_successful_probe_releases_all_waiting_calls(
    driver: StoreDriver, waiting: list[Verification]
) -> None:
    """Also those of the other route."""
    probe, _ = claim_probes(driver)
    driver.seconds_until_due()
    driver.mark_sent(probe)
    assert driver.record(probe, GOOD).route_change == "opened"
    assert [driver.claim().route for _ in range(3)] == [probe.route] * 3
    assert still_queued(driver, waiting) == 0


def test_successful_probe_wakes_a_dialer(
    driver: StoreDriver, waiting: list[Verification], redis: Redis
) -> None:
    probe, _ = claim_probes(driver)
    driver.seconds_until_due()
    redis.delete(Keys().of("wake"))
    driver.mark_sent(probe)
    driver.record(probe, GOOD)
    assert redis.llen(Keys().of("wake"))
    assert waiting


def test_call_that_ended_while_waiting_is_not_dialed(
    driver: StoreDriver, waiting: list[Verification]
) -> None:
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


def test_waiting_call_expires_15_seconds_before_its_code(
    driver: StoreDriver, office: Office
) -> None:
    """Its verification may still be approved."""
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


def test_more_than_100_waiting_calls_are_all_released(driver: StoreDriver, office: Office) -> None:
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


# The probe ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("result", [DOWN, BAD])
def test_pause_doubles_up_to_60_seconds(
    driver: StoreDriver, office: Office, result: CallResult
) -> None:
    """10, 20, 40 and then 60."""
    hold(driver, office, 11, ttl=600)
    pauses = []
    for _ in range(5):
        pauses.append(driver.seconds_until_due())
        driver.advance_time(pauses[-1])
        fails(driver, result)
    assert pauses == [10, 20, 40, 60, 60]


def test_successful_probe_resets_pause_and_failures(driver: StoreDriver, office: Office) -> None:
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


def test_probe_of_killed_dialer_is_followed_by_another(
    driver: StoreDriver, waiting: list[Verification]
) -> None:
    """After its lease."""
    lost = claim_probes(driver)
    driver.advance_time(LEASE - 1)
    assert driver.seconds_until_due() == 1
    driver.advance_time(1)
    assert {driver.claim().route for _ in lost} == set(BOTH)
    assert waiting


def test_released_probe_is_claimed_again_at_once(
    driver: StoreDriver, waiting: list[Verification]
) -> None:
    first, second = claim_probes(driver)
    assert driver.record(first, GIVEN_BACK).status is CallStatus.QUEUED
    again = driver.claim()
    assert again.route is first.route
    assert driver.seconds_until_due() == LEASE
    driver.mark_sent(second)
    driver.record(second, GIVEN_BACK)
    assert driver.claim().route is second.route
    assert waiting


def test_opened_route_does_not_shorten_the_providers_pause(
    driver: StoreDriver, waiting: list[Verification]
) -> None:
    backs_off, good = claim_probes(driver)
    driver.mark_sent(backs_off)
    driver.record(backs_off, replace(GIVEN_BACK, is_refused=True, retry_in_ms=30_000))
    driver.mark_sent(good)
    assert driver.record(good, GOOD).route_change == "opened"
    claimed = {driver.claim().call_id for _ in waiting[2:]}
    assert backs_off.call_id not in claimed
    assert driver.seconds_until_due() == 30


def test_canceled_probe_is_followed_by_another(driver: StoreDriver, office: Office) -> None:
    """After its lease."""
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


def test_late_accepted_call_opens_the_route(driver: StoreDriver, office: Office) -> None:
    office.begins()
    slow = driver.claim()
    driver.mark_sent(slow)
    office.closes(Route.OBD)
    assert driver.record(slow, GOOD).route_change == "opened"
    assert closed(driver) == ()


# What clients get ---------------------------------------------------------------------------------


def test_create_is_refused_while_all_routes_are_closed(driver: StoreDriver, office: Office) -> None:
    """Except delayed ones and those that return a pending verification."""
    begun = office.begins()
    driver.claim()
    office.closes(*BOTH)
    assert driver.try_create().outcome == "calls_unavailable"
    delayed = driver.try_create(call_after=30)
    assert delayed.outcome == "created"
    assert driver.get(begun).calls[0].status is CallStatus.DIALING


def test_call_request_is_refused_while_all_routes_are_closed(
    driver: StoreDriver, office: Office
) -> None:
    """The verification stays pending."""
    begun = driver.create()
    driver.dial_busy()
    driver.advance_time(60)
    office.closes(*BOTH)
    refused = driver.request_call(begun)
    assert refused.outcome == "calls_unavailable"
    assert refused.verification
    assert refused.verification.id == begun.id


@pytest.mark.parametrize("route", BOTH)
def test_create_is_accepted_with_one_open_route(
    driver: StoreDriver, office: Office, route: Route
) -> None:
    office.closes(route)
    assert driver.try_create().outcome == "created"


def test_create_is_accepted_after_the_pause(driver: StoreDriver, office: Office) -> None:
    """Its call probes the route."""
    office.closes(*BOTH)
    driver.advance_time(FIRST_PAUSE)
    assert driver.try_create().outcome == "created"
    assert closed(driver) == BOTH


def test_calls_that_wait_for_a_route_are_not_overdue(
    driver: StoreDriver, waiting: list[Verification]
) -> None:
    for pause in (10, 20):
        driver.advance_time(pause)
        fails(driver)
        driver.seconds_until_due()
    driver.advance_time(39)
    assert still_queued(driver, waiting) == 1
    assert driver.try_create(call_after=10).outcome == "created"


def test_route_state_expires_an_hour_after_its_last_failure(
    driver: StoreDriver, redis: Redis
) -> None:
    office = Office(driver)
    office.closes(Route.OBD)
    (key,) = redis.scan_iter("*:route:*")
    assert 3_595_000 < redis.pttl(key) <= 3_600_000


def test_closing_the_only_configured_route_closes_all(redis: Redis) -> None:
    driver = driver_with_quotas(redis, routes=(Route.OBD,))
    Office(driver).closes(Route.OBD)
    assert driver.try_create().outcome == "calls_unavailable"
    assert closed(driver) == (Route.OBD,)
