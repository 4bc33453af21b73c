"""Two processes with different settings on one store, as during every deployment."""

import pytest
from msgspec import structs
from redis import Redis
from store.builders import parse_quotas, process
from store.driver import RAVI, StoreDriver
from store.new_verifications import new_call
from support.service import ASHA, BRIDGE

from otpvoice.core.limits import ClientLimits, parse_ratio
from otpvoice.core.verification import CallReason, CallStatus
from otpvoice.store.models import CallResult, ReportOutcome, RouteHealth

DAY_MS = 86_400_000
OTHER_BRIDGE = "918068289999"
REFUSED = CallResult(CallStatus.FAILED, CallReason.REFUSED, is_unsent=True, next_route="c2c")


# Clients and their events -------------------------------------------------------------------------


@pytest.fixture
def old(redis: Redis) -> StoreDriver:
    """Return a process without the client ``login``."""
    return process(redis)


@pytest.fixture
def new(redis: Redis) -> StoreDriver:
    """Return a process with it and its address for events."""
    return process(redis, "login", clients_with_events=frozenset({"login"}))


def test_event_of_a_client_that_the_dialer_lacks_waits_for_one_that_has_it(
    old: StoreDriver, new: StoreDriver
) -> None:
    """Every process writes it, operators see it, and a process with the client delivers it."""
    begun = new.create()
    claim = old.dial()
    old.apply_callback(CallStatus.ANSWERED, call_id=claim.call_id)
    old.advance_time(301)
    new.advance_time(301)
    assert old.store.claim_events({}).events == ()
    seen = new.admin.overview()
    assert seen.pending_events == {"login": 3}
    assert seen.events_overdue_ms["login"] >= 300_000
    types = {each.type for each in new.store.claim_events({"login": 10}).events}
    assert types == {"call.placed", "call.answered", "verification.expired"}
    assert new.get(begun).status == "expired"


def test_event_is_written_by_a_dialer_with_newer_settings(
    old: StoreDriver, new: StoreDriver
) -> None:
    """Deployed in the other order, no event is lost either."""
    old.create()
    new.dial()
    (event,) = new.store.claim_events({"login": 10}).events
    assert event.type == "call.placed"


def test_events_of_a_removed_client_expire_after_a_day(
    old: StoreDriver, new: StoreDriver, redis: Redis
) -> None:
    """No process claims them."""
    new.cancel(new.create())
    assert old.store.claim_events({}).events == ()
    kept = [*redis.scan_iter("{otpvoice}:event*")]
    assert len(kept) == 3
    assert all(0 < redis.pttl(key) <= DAY_MS for key in kept)


def test_expired_event_leaves_the_index(new: StoreDriver, redis: Redis) -> None:
    """The index is cleaned when it is read."""
    new.cancel(new.create())
    redis.delete(*redis.scan_iter("{otpvoice}:event:*"))
    assert new.store.claim_events({"login": 10}).events == ()
    assert new.admin.overview().pending_events == {"login": 0}


def test_call_of_a_removed_client_is_dialed(old: StoreDriver, new: StoreDriver) -> None:
    """It was answered with 201."""
    begun = new.create()
    assert old.dial().verification_id == begun.id


def test_deliver_only_applies_to_verifications_created_under_it(redis: Redis) -> None:
    """They count in no limit that approvals release."""
    deliver_only = {"login": ClientLimits(deliver_only=True)}
    breaker = {"conversion_breaker": parse_ratio("15%/1h"), "calls_per_ip": parse_quotas("30/1h")}
    api, dialer = process(redis, clients=deliver_only, **breaker), process(redis, **breaker)
    for n in range(25):
        begun = api.try_create(f"+9198765{n:05}", ip="10.0.0.1").verification
        assert begun
        claim = dialer.dial()
        dialer.apply_callback(CallStatus.ANSWERED, call_id=claim.call_id, to=f"+9198765{n:05}")
    assert not [*redis.scan_iter("{otpvoice}:ip:*")]
    assert not [*redis.scan_iter("{otpvoice}:prefix:*")]
    dialer.advance_time(301)
    assert dialer.store.health().open_breakers == ()


# Routes, redials, timeouts ------------------------------------------------------------------------


def test_route_that_only_the_api_has_is_dialed(redis: Redis) -> None:
    """A dialer uses each route that it has an adapter for."""
    api, dialer = process(redis), process(redis, routes=("obd",))
    api.try_create(route="c2c")
    assert dialer.claim().route == "c2c"


def test_following_call_has_the_flow_of_the_one_before(redis: Redis) -> None:
    """A redial and the next route, also in another language than the verification's."""
    api, dialer = process(redis, max_redials=1), process(redis, max_redials=1)
    begun = api.create(call_after=100)
    first = structs.replace(new_call(), locale="ta", flow="77")
    api.store.request_call(begun.id, "login", first)
    claim = dialer.claim()
    assert dialer.mark_sent(claim)
    dialer.record(claim, REFUSED)
    following = dialer.dial()
    dialer.apply_callback(CallStatus.BUSY, call_id=following.call_id)
    redial = dialer.claim()
    claims = (claim, following, redial)
    assert [(each.locale, each.flow_id) for each in claims] == [("ta", "77")] * 3
    assert len({each.call_id for each in claims}) == 3


@pytest.mark.parametrize(
    ("routes", "following"),
    [(("obd",), "obd"), (("c2c", "obd"), "c2c")],
    ids=["removed", "reordered"],
)
def test_redial_follows_the_route_order_of_the_reporting_process(
    redis: Redis, routes: tuple[str, ...], following: str
) -> None:
    """Also if that process does not have the route of the call."""
    api, other = process(redis, max_redials=1), process(redis, routes=routes, max_redials=1)
    begun = api.create()
    claim = api.dial()
    other.apply_callback(CallStatus.BUSY, call_id=claim.call_id)
    first, second = api.get(begun).calls
    assert (first.route, second.route) == ("obd", following)


def test_route_closed_for_one_process_is_closed_for_all(redis: Redis) -> None:
    """It does not affect a process without the route."""
    both, one = process(redis), process(redis, routes=("c2c",))
    both.create()
    claim = both.claim()
    both.record(
        claim, CallResult(CallStatus.FAILED, CallReason.ROUTE_DOWN, route_health=RouteHealth.DOWN)
    )
    assert both.store.health().closed_routes == ("obd",)
    assert one.store.health().closed_routes == ()
    assert one.try_create(RAVI).outcome == "created"


@pytest.mark.parametrize(("redials", "calls"), [((1, 0), 1), ((0, 1), 2), ((1, 2), 3)])
def test_max_redials_is_that_of_the_reporting_process(
    redis: Redis, redials: tuple[int, int], calls: int
) -> None:
    """Never more than the larger of both settings."""
    api, other = (process(redis, max_redials=most) for most in redials)
    begun = api.create()
    for _ in range(4):
        claim = other.store.claim(200)
        if isinstance(claim, int):
            break
        assert other.mark_sent(claim)
        other.record(claim, CallResult(CallStatus.PLACED))
        other.apply_callback(CallStatus.NO_ANSWER, call_id=claim.call_id)
    assert len(api.get(begun).calls) == calls


def test_callback_timeout_is_that_of_the_dialer_that_placed_the_call(redis: Redis) -> None:
    """Any dialer queries the status when it has passed."""
    short, long = (
        process(redis, callback_timeout_ms=30_000),
        process(redis, callback_timeout_ms=90_000),
    )
    short.create()
    short.dial()
    for each in (short, long):
        each.advance_time(31)
    assert len(long.due_status_queries()) == 1


def test_live_calls_is_that_of_the_dialer_that_claims(redis: Redis) -> None:
    """The dialer with the smaller bound waits, the other continues."""
    api = process(redis)
    for to in (ASHA, RAVI):
        api.create(to)
    api.dial()
    wait = api.store.claim(1)
    assert isinstance(wait, int)
    assert wait > 0
    assert not isinstance(api.store.claim(2), int)


# What the record decides --------------------------------------------------------------------------


def test_life_of_a_code_is_that_of_the_process_that_created_it(
    old: StoreDriver, new: StoreDriver
) -> None:
    """The record has its length, checks, life and retention."""
    begun = new.try_create(ttl=120, max_checks=2, code="0123", own_code=True).verification
    assert begun
    found = old.get(begun)
    assert found.expires_at - found.created_at == 120_000
    assert (found.checks_left, found.code_length) == (2, 4)
    old.check(begun, "9999")
    old.check(begun, "9998")
    assert new.get(begun).status == "max_attempts_reached"


@pytest.mark.parametrize("lacks", ["api", "dialer"])
def test_test_number_is_that_of_the_process_that_created_it(
    old: StoreDriver, new: StoreDriver, lacks: str
) -> None:
    """A dialer never calls the number of a verification created as a test."""
    new.create(is_test=lacks == "dialer")
    assert old.claim().is_test is (lacks == "dialer")


# Callbacks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("bridges", [(), (BRIDGE,)])
def test_callback_without_bridge_finds_a_call_over_a_bridge_of_other_settings(
    old: StoreDriver, new: StoreDriver, bridges: tuple[str, ...]
) -> None:
    """The API that receives it does not have the client with this caller line."""
    begun = new.create(bridge=OTHER_BRIDGE)
    new.dial()
    sent_at = new.last_call(begun).sent_at
    settled = old.apply_callback(
        CallStatus.BUSY, bridges=bridges, has_bridge=False, started_at=sent_at
    )
    assert settled.outcome is ReportOutcome.APPLIED
    assert new.last_call(begun).status is CallStatus.BUSY


def test_callback_without_bridge_ignores_ended_call(old: StoreDriver, new: StoreDriver) -> None:
    """Only a live call of the number matches."""
    begun = new.create(bridge=OTHER_BRIDGE)
    claim = new.dial()
    new.apply_callback(CallStatus.BUSY, call_id=claim.call_id)
    settled = old.apply_callback(
        CallStatus.ANSWERED,
        has_bridge=False,
        started_at=new.last_call(begun).sent_at,
    )
    assert settled.outcome is ReportOutcome.NO_CALL


def test_callback_by_id_needs_no_number_key(old: StoreDriver, new: StoreDriver) -> None:
    """Numbers have other hashes under another key; ids do not."""
    new.create()
    claim = new.dial()
    settled = old.apply_callback(
        CallStatus.BUSY, call_id=claim.call_id, has_bridge=False, bridges=()
    )
    assert settled.outcome is ReportOutcome.APPLIED
