"""Route health: what closes a route, for all callers or for one sender."""

import pytest
from redis import Redis
from store.driver import RAVI, StoreDriver
from store.many_numbers import (
    ANSWERED_NO,
    BAD,
    BOTH,
    DOWN,
    FIRST_PAUSE,
    GOOD,
    NO_WORD,
    OTHER_BRIDGE,
    REFUSED,
    UNREACHED,
    ManyNumbers,
    closed_routes,
)
from support.service import ASHA, BRIDGE

from otpvoice.core.verification import CallStatus
from otpvoice.store.models import CallResult, RecordResult


def test_down_closes_the_route_at_once(driver: StoreDriver, numbers: ManyNumbers) -> None:
    """The dialer that found it gets the change once."""
    assert numbers.dial(DOWN).route_change == "closed"
    assert closed_routes(driver) == ("obd",)


@pytest.mark.parametrize(
    "results", [[BAD] * 5, [REFUSED] * 5, [BAD, REFUSED, BAD, REFUSED, REFUSED]]
)
def test_five_consecutive_failures_over_different_numbers_close_the_route(
    driver: StoreDriver, numbers: ManyNumbers, results: list[CallResult]
) -> None:
    """Timeouts and refusals count together."""
    changes = [numbers.dial(result).route_change for result in results]
    assert changes == ["", "", "", "", "closed"]
    assert closed_routes(driver) == ("obd",)


@pytest.mark.parametrize("result", [BAD, REFUSED])
def test_accepted_call_resets_the_failures(
    driver: StoreDriver, numbers: ManyNumbers, result: CallResult
) -> None:
    for _ in range(3):
        for _ in range(4):
            assert numbers.dial(result).route_change == ""
        assert numbers.dial(GOOD).route_change == ""
    assert closed_routes(driver) == ()


@pytest.mark.parametrize("result", [BAD, REFUSED])
def test_one_number_alone_does_not_close_the_route(
    driver: StoreDriver, numbers: ManyNumbers, result: CallResult
) -> None:
    """It counts once; four others are needed."""
    for _ in range(12):
        begun = driver.create()
        claim = driver.claim()
        driver.mark_sent(claim)
        assert driver.record(claim, result).route_change == ""
        driver.cancel(begun)
        driver.advance_time(400)
    assert closed_routes(driver) == ()
    changes = [numbers.dial(result).route_change for _ in range(4)]
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


def test_refused_probe_closes_the_route_again(driver: StoreDriver, numbers: ManyNumbers) -> None:
    """For twice as long; an accepted one opens it."""
    numbers.close_routes("obd")
    driver.advance_time(FIRST_PAUSE)
    assert numbers.dial(REFUSED).route_change == "closed"
    driver.advance_time(2 * FIRST_PAUSE - 1)
    assert closed_routes(driver) == ("obd",)
    driver.advance_time(1)
    assert numbers.dial(GOOD).route_change == "opened"
    assert [numbers.dial(REFUSED).route_change for _ in range(4)] == [""] * 4


def test_route_record_contains_no_number(
    driver: StoreDriver, numbers: ManyNumbers, redis: Redis
) -> None:
    """Keyed hashes, for an hour."""
    for _ in range(4):
        numbers.dial(REFUSED)
    (key,) = redis.scan_iter("*:route:*")
    row = redis.hget(key, "failed_requests")
    assert isinstance(row, bytes)
    assert len(row.split()) == 4
    assert b"9198" not in row
    driver.advance_time(0)
    assert 3_595_000 < redis.pttl(key) <= 3_600_000


def test_429_does_not_change_route_health(driver: StoreDriver, numbers: ManyNumbers) -> None:
    for _ in range(4):
        numbers.dial(BAD)
        assert numbers.dial(NO_WORD).route_change == ""
    assert numbers.dial(BAD).route_change == "closed"
    assert closed_routes(driver) == ("obd",)


def test_routes_have_separate_health(driver: StoreDriver, numbers: ManyNumbers) -> None:
    for _ in range(4):
        numbers.dial(BAD)
        numbers.dial(BAD, "c2c")
    assert closed_routes(driver) == ()
    numbers.dial(BAD, "c2c")
    assert closed_routes(driver) == ("c2c",)


def test_result_of_another_holder_does_not_change_route_health(
    driver: StoreDriver, numbers: ManyNumbers
) -> None:
    numbers.create()
    stranger = driver.claim()
    driver.advance_time(21)
    holder = driver.claim()
    assert driver.record(stranger, DOWN) == RecordResult(None, "")
    assert closed_routes(driver) == ()
    assert driver.record(holder, DOWN).route_change == "closed"


def test_late_failures_do_not_extend_the_pause(driver: StoreDriver, numbers: ManyNumbers) -> None:
    claims = []
    for _ in range(8):
        numbers.create()
        claims.append(driver.claim())
    for claim in claims:
        driver.mark_sent(claim)
    changes = [driver.record(claim, BAD).route_change for claim in claims]
    assert changes == ["", "", "", "", "closed", "", "", ""]
    driver.advance_time(FIRST_PAUSE)
    numbers.create()
    assert driver.claim().route == "obd"


def test_refusals_of_one_sender_leave_the_route_open_for_others(
    driver: StoreDriver, numbers: ManyNumbers
) -> None:
    """A wrong flow or caller line stops its own calls only."""
    changes = [numbers.dial(ANSWERED_NO).route_change for _ in range(5)]
    assert changes == ["", "", "", "", "closed"]
    for bridge in (BRIDGE, OTHER_BRIDGE):
        numbers.create(bridge=bridge)
    claims = [driver.claim() for _ in range(2)]
    found = {claim.bridge: claim.route for claim in claims}
    assert found == {BRIDGE: "c2c", OTHER_BRIDGE: "obd"}
    assert closed_routes(driver) == ("obd",)


def test_accepted_calls_of_others_keep_the_route_closed_for_the_sender(
    driver: StoreDriver, numbers: ManyNumbers
) -> None:
    for route in BOTH:
        for _ in range(5):
            numbers.dial(ANSWERED_NO, route)
    driver.create("+917000000001", bridge=OTHER_BRIDGE)
    claim = driver.claim()
    driver.mark_sent(claim)
    assert driver.record(claim, GOOD).route_change == ""
    assert driver.try_create("+917000000002").outcome == "calls_unavailable"
    assert driver.try_create("+917000000003", bridge=OTHER_BRIDGE).outcome == "created"


def test_refusals_of_every_sender_close_the_route_for_each(
    driver: StoreDriver, numbers: ManyNumbers
) -> None:
    """Each sender needs its own failures; then both probe."""
    for bridge in (BRIDGE, OTHER_BRIDGE):
        changes = [numbers.dial(ANSWERED_NO, bridge=bridge).route_change for _ in range(5)]
        assert changes == ["", "", "", "", "closed"]
    for bridge in (BRIDGE, OTHER_BRIDGE):
        numbers.create(bridge=bridge)
        assert driver.claim().route == "c2c"


def test_refused_probe_of_one_sender_frees_the_calls_of_others(
    driver: StoreDriver, numbers: ManyNumbers
) -> None:
    numbers.close_routes(*BOTH)
    driver.advance_time(FIRST_PAUSE)
    numbers.create()
    for _ in range(3):
        numbers.create(bridge=OTHER_BRIDGE)
    probes = [driver.claim() for _ in BOTH]
    assert isinstance(driver.store.claim(200), int)  # the others wait
    driver.mark_sent(probes[0])
    assert driver.record(probes[0], ANSWERED_NO).route_change == "closed"
    bridge = OTHER_BRIDGE if probes[0].bridge == BRIDGE else BRIDGE
    numbers.create(bridge=bridge)
    claim = driver.claim()
    assert (claim.bridge, claim.route) == (bridge, probes[0].route)


def report(driver: StoreDriver, call_id: str, status: CallStatus, *, closes_route: bool) -> None:
    """Apply the provider's report of a call."""
    driver.apply_callback(
        status, call_id=call_id, closes_route=closes_route, duration_s=None, bridges=()
    )


def test_report_of_an_account_closes_the_route(driver: StoreDriver) -> None:
    """By its first report, and for all; a dialer logs it."""
    _, claim, _ = driver.place()
    for _ in range(2):
        report(driver, claim.call_id, CallStatus.FAILED, closes_route=True)
    assert closed_routes(driver) == ("obd",)
    driver.sweep()
    (closing,) = [entry for entry in driver.audit_entries if entry.event == "route.closed"]
    details = closing.details
    assert (details["route"], details["call"]) == ("obd", claim.call_id)
    assert details["detail"] == "FAILED"


def test_reports_of_an_account_close_the_route_once(driver: StoreDriver) -> None:
    """Calls that were placed before it closed end alike, and the log has one entry."""
    placed = [driver.place(to=to)[1] for to in (ASHA, RAVI)]
    for claim in placed:
        report(driver, claim.call_id, CallStatus.FAILED, closes_route=True)
    driver.sweep()
    assert [entry.event for entry in driver.audit_entries].count("route.closed") == 1


def test_later_report_of_an_account_closes_nothing(driver: StoreDriver) -> None:
    """The first report of the call was another."""
    _, claim, _ = driver.place()
    report(driver, claim.call_id, CallStatus.ANSWERED, closes_route=False)
    report(driver, claim.call_id, CallStatus.FAILED, closes_route=True)
    assert closed_routes(driver) == ()
